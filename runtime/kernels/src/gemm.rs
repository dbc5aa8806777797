//! Matrix product with packed weights: `out = init + A B`.
//!
//! An output element starts from its initial value and takes `a[i][p] * b[p][j]` for p = 0, 1, …, k - 1, each fused
//! into one rounding. It stays in a register meanwhile, so no blocking along k ever splits the sum. Blocking over rows
//! and columns, and threads, only decide *when* an element is computed.

pub(super) mod epilogue;
pub(super) mod tile;

pub use epilogue::Step;

use std::ops::Range;

use fearless_simd::Level;
use rayon::prelude::*;

use super::lanes::Block;
use super::level;
use super::pack::{PANEL, PackedMatrix};
use super::threads::parts;
use tile::PackedRows;

/// Rows after which the finished part of the output is left behind: enough to keep the weights' traffic low, few
/// enough for their share of a block of terms to stay in the second cache.
const ROW_BLOCK: usize = 192;

/// What an output element holds before the first product is added.
#[derive(Clone, Copy, Debug)]
pub enum Init<'a> {
    /// Zero.
    Zero,
    /// Element j of a bias of length n.
    Bias(&'a [f32]),
    /// What is already there.
    Accumulate,
}

/// `out = init + a w`, with `a` row-major [m, k] and `out` row-major [m, n], without gaps.
pub fn gemm(a: &[f32], m: usize, w: PackedMatrix<'_>, init: Init<'_>, out: &mut [f32]) {
    gemm_strided(Rows::new(a, w.k()), m, w, init, out, w.n());
}

/// Rows of a matrix.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    data: &'a [f32],
    stride: usize,
    order: Option<&'a [u32]>,
}

impl<'a> Rows<'a> {
    /// Rows of which number i begins at `i * stride`.
    pub fn new(data: &'a [f32], stride: usize) -> Self {
        Self { data, stride, order: None }
    }

    /// Rows of which number i begins at `order[i] * stride`.
    pub fn in_order(data: &'a [f32], stride: usize, order: &'a [u32]) -> Self {
        Self { data, stride, order: Some(order) }
    }

    /// Everything from the beginning of row `index` on.
    #[inline(always)]
    pub(super) fn row(&self, index: usize) -> &'a [f32] {
        let index = self.order.map_or(index, |order| order[index] as usize);
        &self.data[index * self.stride..]
    }

    /// The same rows without their first `columns` elements.
    pub(super) fn columns_from(self, columns: usize) -> Self {
        Self { data: &self.data[columns..], ..self }
    }

    /// The rows from number `row` on.
    fn from(self, row: usize) -> Self {
        match self.order {
            Some(order) => Self { order: Some(&order[row..]), ..self },
            None => Self { data: &self.data[row * self.stride..], ..self },
        }
    }
}

/// [`gemm`] between rows that lie apart: row i of the result begins at `i * out_stride`.
///
/// `a` has `m` rows of at least k elements, `out_stride >= n`, and `out` reaches at least to the last row's end.
/// What lies between the rows of `out` stays as it is.
pub fn gemm_strided(
    a: Rows<'_>,
    m: usize,
    w: PackedMatrix<'_>,
    init: Init<'_>,
    out: &mut [f32],
    out_stride: usize,
) {
    gemm_with(a, m, w, init, &[], out, out_stride);
}

/// [`gemm_strided`], and `steps` one after the other with each part of the result while it is in cache.
pub fn gemm_with(
    a: Rows<'_>,
    m: usize,
    w: PackedMatrix<'_>,
    init: Init<'_>,
    steps: &[Step<'_>],
    out: &mut [f32],
    out_stride: usize,
) {
    let (steps, by_row) = epilogue::split(steps);
    Product { level: level(), a, w, init, steps, by_row, out_stride, apart: None }.run(m, out);
}

/// One product, with everything but the output's memory.
#[derive(Clone, Copy)]
pub(super) struct Product<'a> {
    pub(super) level: Level,
    pub(super) a: Rows<'a>,
    pub(super) w: PackedMatrix<'a>,
    pub(super) init: Init<'a>,
    /// Steps that can be taken with a part of a row.
    pub(super) steps: &'a [Step<'a>],
    /// Steps that come after them, the first of which needs whole rows.
    pub(super) by_row: &'a [Step<'a>],
    pub(super) out_stride: usize,
    /// For rows that lie apart; then nothing but [`Product::block`] is of use, and there are no steps.
    pub(super) apart: Option<Apart<'a>>,
}

/// Rows whose elements lie in several places, and whose results do not lie in the order of the rows.
#[derive(Clone, Copy)]
pub(super) struct Apart<'a> {
    /// The elements of a row, in the order of the sum.
    pub(super) runs: &'a [Run],
    /// For each row the row of the output.
    pub(super) outputs: &'a [u32],
}

impl Run {
    /// Which of these terms it has.
    #[inline(always)]
    fn within(&self, terms: &Range<usize>) -> Range<usize> {
        let start = self.first.max(terms.start);
        start..(self.first + self.len).min(terms.end).max(start)
    }
}

/// Consecutive elements of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Where they begin, from the beginning of the row on.
    pub(super) offset: usize,
    /// Which term of the sum the first of them is.
    pub(super) first: usize,
    /// How many there are.
    pub(super) len: usize,
}

impl Product<'_> {
    /// Computes `m` rows.
    pub(super) fn run(&self, m: usize, out: &mut [f32]) {
        let n = self.w.n();
        if m == 0 || n == 0 {
            return;
        }
        debug_assert!(self.out_stride >= n);
        let out = &mut out[..(m - 1) * self.out_stride + n];
        let parts = parts(2 * m * n * self.w.k());
        if parts == 1 {
            self.rows(0, m, out);
        } else if m >= 4 * parts {
            let rows = m.div_ceil(parts);
            out.par_chunks_mut(rows * self.out_stride)
                .enumerate()
                .for_each(|(i, chunk)| self.rows(i * rows, rows.min(m - i * rows), chunk));
        } else {
            self.by_columns(m, out, parts);
            self.finish(0, out);
        }
    }

    /// Computes `m` rows from row `first` on, which is the first of `out`.
    fn rows(&self, first: usize, m: usize, out: &mut [f32]) {
        for (i, chunk) in out.chunks_mut(ROW_BLOCK * self.out_stride).enumerate() {
            let row = first + i * ROW_BLOCK;
            self.block(row, ROW_BLOCK.min(first + m - row), chunk);
            self.finish(row, chunk);
        }
    }

    /// Takes the steps that need whole rows.
    fn finish(&self, first: usize, out: &mut [f32]) {
        if !self.by_row.is_empty() {
            let block = Block { data: out, stride: self.out_stride, width: self.w.n() };
            epilogue::apply(self.level, self.by_row, block, [first, 0]);
        }
    }

    /// Few rows and a large matrix: each thread takes some panels, into a buffer of its own.
    fn by_columns(&self, m: usize, out: &mut [f32], parts: usize) {
        let panels = self.w.n().div_ceil(PANEL);
        let each = panels.div_ceil(parts.min(panels));
        let finished: Vec<(usize, Vec<f32>)> = (0..panels.div_ceil(each))
            .into_par_iter()
            .map(|part| {
                let first = part * each;
                (first * PANEL, self.columns(m, out, first, panels.min(first + each)))
            })
            .collect();
        for (first, columns) in finished {
            let width = columns.len() / m;
            for (row, part) in out.chunks_mut(self.out_stride).zip(columns.chunks_exact(width)) {
                row[first..first + width].copy_from_slice(part);
            }
        }
    }

    fn columns(&self, m: usize, out: &[f32], first: usize, end: usize) -> Vec<f32> {
        let w = self.w.panels(first, end);
        let (start, width) = (first * PANEL, w.n());
        let mut columns = vec![0.0; m * width];
        let mut init = self.init;
        match self.init {
            Init::Zero => (),
            Init::Bias(bias) => init = Init::Bias(&bias[start..start + width]),
            Init::Accumulate => {
                for (to, from) in columns.chunks_exact_mut(width).zip(out.chunks(self.out_stride)) {
                    to.copy_from_slice(&from[start..start + width]);
                }
            }
        }
        let part = Product { w, init, steps: &[], out_stride: width, ..*self };
        part.block(0, m, &mut columns);
        let block = Block { data: &mut columns, stride: width, width };
        epilogue::apply(self.level, self.steps, block, [0, start]);
        columns
    }

    /// Computes `m` rows from row `first` on, without the steps that need whole rows.
    pub(super) fn block(&self, first: usize, m: usize, out: &mut [f32]) {
        let part = Product { a: self.a.from(first), ..*self };
        let mut packed = PackedRows::take();
        let rows = &mut packed;
        match (tile::packs(m, self.w.n()), self.apart.is_some()) {
            (true, _) => {
                dispatch!(self.level, simd => tile::block::<_, true, false>(simd, &part, first, m, out, rows));
            }
            (false, true) => {
                dispatch!(self.level, simd => tile::block::<_, false, true>(simd, &part, first, m, out, rows));
            }
            (false, false) => {
                dispatch!(self.level, simd => tile::block::<_, false, false>(simd, &part, first, m, out, rows));
            }
        }
        packed.give_back();
    }
}

#[cfg(test)]
mod tests;
