//! Windows that slide over rows: their geometry, shared by convolution and pooling.
//!
//! An input is rows of channels, an output is one row for each window. One to three spatial axes order the rows; a
//! window is a grid of *taps*, each of which reads one input row. A tap that falls outside of the input, or between
//! its rows where the input is dilated, does not exist: nothing is read or added for it.
//!
//! Windows are computed in groups that have the same taps (`walk`), however far apart their rows lie: the windows in
//! the interior of all examples are one group, and so are those at each distance from an end. So an output row depends on the
//! rows below its own window and on the geometry, and not on its neighbours, its example's position in the batch, or the
//! threads.

#[cfg(test)]
pub(super) mod plain;
mod pool;
mod spread;
mod stretch;
mod walk;

pub use pool::{Pool, global, pool};
pub use spread::spread;
pub(super) use walk::{Group, Walk};

use std::ops::Range;

/// Windows along one spatial axis.
///
/// Window `t` has the taps `p` in `0..window`. On the axis they lie at `t * stride + p * dilation - before`, where row
/// `i` of the input lies at `i * input_dilation`. All of these numbers fit in an `isize`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    /// Rows of the input.
    pub size: usize,
    /// Windows, that is, rows of the output.
    pub count: usize,
    /// Taps of a window, at least 1.
    pub window: usize,
    /// Distance from a window to the next, at least 1.
    pub stride: usize,
    /// Distance from a tap to the next, at least 1.
    pub dilation: usize,
    /// Distance from a row of the input to the next, at least 1. More than 1 makes a convolution a transposed one.
    pub input_dilation: usize,
    /// How far before the input the first window begins; negative if after its beginning.
    pub before: isize,
}

impl Axis {
    /// An axis that is not there.
    pub(super) const ONE: Self =
        Self { size: 1, count: 1, window: 1, stride: 1, dilation: 1, input_dilation: 1, before: 0 };

    /// As many windows as there is room for in `before` absent rows, the input, and `after` absent rows.
    ///
    /// Without absent rows that is `padding="valid"`, with [`Axis::reach`] of them before the input it is
    /// `padding="causal"`. A negative number leaves out rows of the input's ends.
    pub fn padded(
        size: usize,
        window: usize,
        [stride, dilation, input_dilation]: [usize; 3],
        [before, after]: [isize; 2],
    ) -> Self {
        let axis = Self { size, window, stride, dilation, input_dilation, before, ..Self::ONE };
        let extent = (size.saturating_sub(1) * input_dilation + size.min(1)) as isize + before + after;
        Self {
            count: usize::try_from(extent).unwrap_or(0).saturating_sub(axis.reach()).div_ceil(stride),
            ..axis
        }
    }

    /// A window for every stride begun, half of the absent rows (rounded down) before the input: `padding="same"`.
    pub fn same(size: usize, window: usize, [stride, dilation]: [usize; 2]) -> Self {
        let axis = Self { size, count: size.div_ceil(stride), window, stride, dilation, ..Self::ONE };
        let covered = axis.count.saturating_sub(1) * stride + axis.reach() + 1;
        Self { before: (covered.saturating_sub(size) / 2) as isize, ..axis }
    }

    /// Distance from a window's first tap to its last.
    pub fn reach(&self) -> usize {
        (self.window - 1) * self.dilation
    }
}

/// The rows of one sequence among others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its rows of the input: the whole axis, as far as its windows are concerned.
    pub input: Range<usize>,
    /// Its rows of the output, one for each window.
    pub output: Range<usize>,
}

/// How examples lie in memory.
#[derive(Clone, Copy, Debug)]
pub enum Layout<'a> {
    /// Examples of one size after each other, `[batch, sizes…, channels]` to `[batch, counts…, filters]`.
    Dense {
        /// Number of examples.
        batch: usize,
        /// One to three spatial axes.
        axes: &'a [Axis],
    },
    /// Sequences of any lengths: one axis, whose `size` and `count` are those of each segment.
    ///
    /// The outputs of the segments ascend and do not overlap. Output rows between them stay as they are.
    Packed {
        /// One for each sequence.
        segments: &'a [Segment],
        /// The windows; `size` and `count` do not count.
        axis: Axis,
    },
}

impl Layout<'_> {
    /// The number of taps of a window.
    pub fn taps(&self) -> usize {
        match self {
            Layout::Dense { axes, .. } => axes.iter().map(|axis| axis.window).product(),
            Layout::Packed { axis, .. } => axis.window,
        }
    }

    /// The three axes that one to three stand for: those that are missing come first.
    fn axes(&self) -> [Axis; 3] {
        let axes = match self {
            Layout::Dense { axes, .. } => axes,
            Layout::Packed { axis, .. } => std::slice::from_ref(axis),
        };
        debug_assert!((1..=3).contains(&axes.len()));
        let mut three = [Axis::ONE; 3];
        three[3 - axes.len()..].copy_from_slice(axes);
        three
    }
}

#[cfg(test)]
mod tests;
