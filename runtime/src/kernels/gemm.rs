//! Matrix product with packed weights: `out = init + A B`.
//!
//! An output element starts from its initial value and takes `a[i][p] * b[p][j]` for p = 0, 1, …, k - 1, each fused
//! into one rounding. It stays in a register meanwhile, so no blocking along k ever splits the sum. Blocking over rows
//! and columns, and threads, only decide *when* an element is computed.

mod tile;

use fearless_simd::{Level, dispatch};
use rayon::prelude::*;

use super::level;
use super::pack::{PANEL, PackedMatrix};
use super::threads::parts;

/// Rows after which the finished part of the output is handed on: enough to keep the weights' traffic low, few enough
/// for the rows of A to stay in cache.
const ROW_BLOCK: usize = 96;

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
    gemm_strided(Rows { data: a, stride: w.k() }, m, w, init, out, w.n());
}

/// Rows of a matrix: row i begins at `i * stride`.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// The elements, from the first row's first on.
    pub data: &'a [f32],
    /// From the beginning of a row to the beginning of the next.
    pub stride: usize,
}

impl<'a> Rows<'a> {
    fn from(self, row: usize) -> Self {
        Self { data: &self.data[row * self.stride..], ..self }
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
    Product { level: level(), a, w, init, out_stride }.run(m, out, &|_| ());
}

/// One product, with everything but the output's memory.
#[derive(Clone, Copy)]
pub(super) struct Product<'a> {
    pub(super) level: Level,
    pub(super) a: Rows<'a>,
    pub(super) w: PackedMatrix<'a>,
    pub(super) init: Init<'a>,
    pub(super) out_stride: usize,
}

impl Product<'_> {
    /// Computes `m` rows. `finish` gets each group of complete rows once, while they are still in cache.
    pub(super) fn run(&self, m: usize, out: &mut [f32], finish: &(impl Fn(&mut [f32]) + Sync)) {
        let n = self.w.n();
        if m == 0 || n == 0 {
            return;
        }
        debug_assert!(self.out_stride >= n && self.a.stride >= self.w.k());
        let out = &mut out[..(m - 1) * self.out_stride + n];
        let parts = parts(2 * m * n * self.w.k());
        if parts == 1 {
            self.serial(m, out, finish);
        } else if m >= 4 * parts {
            let rows = m.div_ceil(parts);
            out.par_chunks_mut(rows * self.out_stride).enumerate().for_each(|(i, chunk)| {
                let part = Product { a: self.a.from(i * rows), ..*self };
                part.serial(rows.min(m - i * rows), chunk, finish);
            });
        } else {
            self.by_columns(m, out, parts);
            finish(out);
        }
    }

    fn serial(&self, m: usize, out: &mut [f32], finish: &impl Fn(&mut [f32])) {
        for (i, chunk) in out.chunks_mut(ROW_BLOCK * self.out_stride).enumerate() {
            let part = Product { a: self.a.from(i * ROW_BLOCK), ..*self };
            part.block(ROW_BLOCK.min(m - i * ROW_BLOCK), chunk);
            finish(chunk);
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
        Product { w, init, out_stride: width, ..*self }.block(m, &mut columns);
        columns
    }

    fn block(&self, m: usize, out: &mut [f32]) {
        dispatch!(self.level, simd => tile::block(simd, self, m, out));
    }
}

#[cfg(test)]
mod tests;
