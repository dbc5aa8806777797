//! Rows copied tile by tile: all elements of the first term, then those of the second, and so on.
//!
//! A tile of a product then reads one stream of memory instead of one for each row, as often as there are strips of
//! columns.

use std::cell::Cell;
use std::ops::Range;

use super::each_row;
use crate::gemm::{Product, Run};
use crate::lanes::LANES;

/// Strips of columns for which copying does not pay.
const FEW_STRIPS: usize = 3;

thread_local! {
    /// The memory for them, which every product of a thread uses again.
    static MEMORY: Cell<Vec<f32>> = const { Cell::new(vec![]) };
}

/// Are the rows of a product of `m` rows and `n` columns packed?
pub(in crate::gemm) fn packs(m: usize, n: usize) -> bool {
    m > 1 && n > FEW_STRIPS * LANES
}

/// The elements of rows of a product for some terms. The tile that begins with row `i` begins at `i` times their number.
#[derive(Debug)]
pub(in crate::gemm) struct PackedRows(Vec<f32>);

impl PackedRows {
    /// The memory of this thread.
    pub(in crate::gemm) fn take() -> Self {
        Self(MEMORY.take())
    }

    /// The memory for the next one.
    pub(in crate::gemm) fn give_back(self) {
        MEMORY.set(self.0);
    }

    #[inline(always)]
    pub(super) fn elements(&self) -> &[f32] {
        &self.0
    }

    /// Packs `m` rows in tiles of nearly equal height, `tall` at most.
    pub(super) fn fill(&mut self, product: &Product<'_>, m: usize, terms: Range<usize>, tall: usize) {
        self.0.resize(m * terms.len(), 0.0);
        let mut row = 0;
        for left in (1..=m.div_ceil(tall)).rev() {
            let height = (m - row).div_ceil(left);
            let to = &mut self.0[row * terms.len()..][..height * terms.len()];
            match height {
                1 => tile::<1>(product, row, &terms, to),
                2 => tile::<2>(product, row, &terms, to),
                3 => tile::<3>(product, row, &terms, to),
                4 => tile::<4>(product, row, &terms, to),
                5 => tile::<5>(product, row, &terms, to),
                6 => tile::<6>(product, row, &terms, to),
                7 => tile::<7>(product, row, &terms, to),
                _ => tile::<8>(product, row, &terms, to),
            }
            row += height;
        }
    }
}

/// Packs R rows.
fn tile<const R: usize>(product: &Product<'_>, row: usize, terms: &Range<usize>, to: &mut [f32]) {
    let rows: [&[f32]; R] = std::array::from_fn(|r| product.a.row(row + r));
    let whole = [Run { offset: 0, first: 0, len: product.w.k() }];
    let runs = product.apart.map_or(&whole[..], |apart| apart.runs);
    let mut to = to.as_chunks_mut::<R>().0;
    for run in runs {
        let here = run.within(terms);
        if here.is_empty() {
            continue;
        }
        let offset = run.offset + here.start - run.first;
        let (part, rest) = to.split_at_mut(here.len());
        let rows: [&[f32]; R] = rows.map(|row| &row[offset..][..here.len()]);
        for (p, to) in part.iter_mut().enumerate() {
            each_row!(r in R => { to[r] = rows[r][p]; });
        }
        to = rest;
    }
}
