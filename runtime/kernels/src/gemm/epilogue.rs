//! What becomes of a product's elements before they leave the cache.

use fearless_simd::{Level, Simd, f32x16};

use super::Rows;
use crate::activation::Activation;
use crate::lanes::{Block, Lanes, map_block, zip_block};

/// A step after a product. A product takes any number of them, in their order:
///
/// | layer | initial value | steps |
/// |---|---|---|
/// | `act(x W + b)` | bias | `Activate` |
/// | `act(x W + b) + r` | bias | `Activate`, `Add` |
/// | `act(x W + b + r)` | bias | `Add`, `Activate` |
/// | `s q k'` | zero | `Scale` |
#[derive(Clone, Copy, Debug)]
pub enum Step<'a> {
    /// Times a constant.
    Scale(f32),
    /// Plus the element at the same place of another matrix.
    Add(Rows<'a>),
    /// A function of each element, or of each row.
    Activate(Activation),
}

impl Step<'_> {
    /// Does the step look at whole rows?
    fn is_by_row(&self) -> bool {
        matches!(self, Step::Activate(f) if f.is_by_row())
    }
}

/// The steps up to the first that needs whole rows, and the others.
pub(crate) fn split<'s, 'a>(steps: &'s [Step<'a>]) -> (&'s [Step<'a>], &'s [Step<'a>]) {
    steps.split_at(steps.iter().position(Step::is_by_row).unwrap_or(steps.len()))
}

#[derive(Clone, Copy)]
struct Scale(f32);

impl Lanes for Scale {
    #[inline(always)]
    fn lanes<S: Simd>(self, _: S, x: f32x16<S>) -> f32x16<S> {
        x * self.0
    }
}

/// Takes the steps with a block of elements; the first of them is at `[row, column]` of the output.
pub(crate) fn apply(level: Level, steps: &[Step<'_>], mut block: Block<'_>, [row, column]: [usize; 2]) {
    for step in steps {
        match *step {
            Step::Scale(by) => map_block(level, block.reborrow(), Scale(by)),
            Step::Add(rows) => zip_block(level, block.reborrow(), |r| &rows.row(row + r)[column..]),
            Step::Activate(f) => f.apply_block(level, block.reborrow()),
        }
    }
}
