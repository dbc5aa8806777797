//! Many matrix products of one shape, read and written where they lie: no operand is arranged or packed beforehand.
//!
//! Few rows are multiplied by the right matrix as it is. For more, a strip of it is copied into the first cache, or
//! turned over on the way there if it lies transposed, and all rows pass by it. Either way an element is summed as in
//! [`gemm`](super::gemm): in order along k, one fused multiply-add after the other.

use std::ops::Range;

use fearless_simd::{Level, Simd, f32x16, prelude::*};
use rayon::prelude::*;

use super::gemm::tile::each_row;
use super::gemm::{Init, Product, Rows, Step, epilogue};
use super::lanes::{Block, LANES, fma, load, splat, store, transpose};
use super::level;
use super::pack::{PANEL, PackedMatrix, packed_len};
use super::threads::parts;

/// Columns that are copied at a time.
const STRIP: usize = 2 * PANEL;

/// Terms of a strip that are copied at a time.
const TERMS: usize = 256;

/// Rows for which copying a strip does not pay.
const FEW_ROWS: usize = 4;

/// Matrices along two batch axes: number `[i, j]` begins at `i * batch[0] + j * batch[1]`, and its rows are `stride`
/// apart.
#[derive(Clone, Copy, Debug)]
pub struct Matrices<'a> {
    /// The elements, from the first matrix's first on.
    pub data: &'a [f32],
    /// The distances along the batch axes.
    pub batch: [usize; 2],
    /// The distance from row to row.
    pub stride: usize,
}

/// How the right matrices lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// As k rows of n.
    Straight,
    /// As n rows of k.
    Transposed,
}

/// `a b` for each pair of matrices of a batch, and the steps that follow.
#[derive(Clone, Copy, Debug)]
pub struct Products<'a> {
    /// The sizes of the two batch axes.
    pub counts: [usize; 2],
    /// m, k, n: the left matrices have m rows of k, the results m rows of n.
    pub shape: [usize; 3],
    /// The left matrices.
    pub a: Matrices<'a>,
    /// The right ones.
    pub b: Matrices<'a>,
    /// How these lie.
    pub layout: Layout,
    /// What becomes of the results; another matrix is the same for all products.
    pub steps: &'a [Step<'a>],
}

impl Products<'_> {
    /// Writes result `[i, j]` from `i * batch[0] + j * batch[1]` on, in rows `stride` apart. What lies between them
    /// stays as it is.
    pub fn run(&self, out: &mut [f32], batch: [usize; 2], stride: usize) {
        let [m, k, n] = self.shape;
        let [outer, inner] = self.counts;
        if outer * inner * m * n == 0 {
            return;
        }
        let all = move |i: usize, out: &mut [f32]| {
            let mut panels = vec![0.0; TERMS.min(k) * STRIP];
            for j in 0..inner {
                self.one([i, j], 0..m, &mut out[j * batch[1]..], stride, &mut panels);
            }
        };
        let size = (m - 1) * stride + n;
        let is_apart = |extent: usize, distance: usize, count: usize| count == 1 || extent <= distance;
        let outer_apart = is_apart((inner - 1) * batch[1] + size, batch[0], outer);
        if parts(2 * outer * inner * m * k * n) == 1 || !outer_apart {
            (0..outer).for_each(|i| all(i, &mut out[i * batch[0]..]));
        } else if outer > 1 {
            let chunks = out.par_chunks_mut(batch[0]).take(outer).enumerate();
            chunks.for_each(|(i, out)| all(i, out));
        } else if inner > 1 && is_apart(size, batch[1], inner) {
            let chunks = out.par_chunks_mut(batch[1]).take(inner).enumerate();
            chunks.for_each(|(j, out)| {
                self.one([0, j], 0..m, out, stride, &mut vec![0.0; TERMS.min(k) * STRIP]);
            });
        } else if inner > 1 {
            all(0, out);
        } else {
            let rows = m.div_ceil(parts(2 * m * k * n));
            let chunks = out[..size].par_chunks_mut(rows * stride).enumerate();
            chunks.for_each(|(i, out)| {
                let rows = i * rows..m.min((i + 1) * rows);
                self.one([0, 0], rows, out, stride, &mut vec![0.0; TERMS.min(k) * STRIP]);
            });
        }
    }

    /// Some rows of product `[i, j]`, which begin at the beginning of `out`.
    fn one(
        &self,
        [i, j]: [usize; 2],
        rows: Range<usize>,
        out: &mut [f32],
        stride: usize,
        panels: &mut [f32],
    ) {
        let [_, k, n] = self.shape;
        let part = |x: &Matrices<'_>| i * x.batch[0] + j * x.batch[1];
        let a = &self.a.data[part(&self.a) + rows.start * self.a.stride..];
        let b = &self.b.data[part(&self.b)..];
        let level = level();
        let (steps, by_row) = epilogue::split(self.steps);
        let out = &mut out[..(rows.len() - 1) * stride + n];
        let product = One { a: Rows::new(a, self.a.stride), b, b_stride: self.b.stride, k, n, stride };
        if self.layout == Layout::Straight && rows.len() <= FEW_ROWS {
            dispatch!(level, simd => product.few_rows(simd, rows.len(), out));
            epilogue::apply(level, steps, Block { data: &mut *out, stride, width: n }, [rows.start, 0]);
        } else {
            for column in (0..n).step_by(STRIP) {
                let width = STRIP.min(n - column);
                let out = &mut out[column..][..(rows.len() - 1) * stride + width];
                product.strip(level, self.layout, rows.len(), column, out, panels);
                epilogue::apply(level, steps, Block { data: out, stride, width }, [rows.start, column]);
            }
        }
        epilogue::apply(level, by_row, Block { data: out, stride, width: n }, [rows.start, 0]);
    }
}

/// One product.
struct One<'a> {
    a: Rows<'a>,
    b: &'a [f32],
    b_stride: usize,
    k: usize,
    n: usize,
    stride: usize,
}

impl One<'_> {
    /// A strip of columns from `column` on, by way of panels.
    fn strip(
        &self,
        level: Level,
        layout: Layout,
        m: usize,
        column: usize,
        out: &mut [f32],
        panels: &mut [f32],
    ) {
        let width = STRIP.min(self.n - column);
        let mut begin = 0;
        loop {
            let terms = begin..self.k.min(begin + TERMS);
            let panels = &mut panels[..packed_len(terms.len(), width)];
            for (place, panel) in panels.chunks_exact_mut((terms.len() * PANEL).max(1)).enumerate() {
                let column = column + place * PANEL;
                let width = PANEL.min(self.n - column);
                match layout {
                    Layout::Straight => {
                        for (row, p) in panel.chunks_exact_mut(PANEL).zip(terms.clone()) {
                            row[..width].copy_from_slice(&self.b[p * self.b_stride + column..][..width]);
                            row[width..].fill(0.0);
                        }
                    }
                    Layout::Transposed => {
                        let b = Rows::new(&self.b[column * self.b_stride + begin..], self.b_stride);
                        dispatch!(level, simd => turn(simd, b, [width, terms.len()], panel));
                    }
                }
            }
            let Some(w) = PackedMatrix::new(panels, terms.len(), width) else { return };
            let init = if begin == 0 { Init::Zero } else { Init::Accumulate };
            let a = self.a.columns_from(begin);
            let (out_stride, apart) = (self.stride, None);
            Product { level, a, w, init, steps: &[], by_row: &[], out_stride, apart }.block(0, m, out);
            begin = terms.end;
            if begin >= self.k {
                return;
            }
        }
    }

    /// All columns of few rows, from the right matrix as it lies.
    #[inline(always)]
    fn few_rows<S: Simd>(&self, simd: S, m: usize, out: &mut [f32]) {
        const WIDE: usize = 4;
        let mut column = 0;
        while column < self.n {
            if self.n - column >= WIDE * LANES {
                match m {
                    1 => self.few::<S, 1, WIDE>(simd, column, out),
                    2 => self.few::<S, 2, WIDE>(simd, column, out),
                    3 => self.few::<S, 3, WIDE>(simd, column, out),
                    _ => self.few::<S, 4, WIDE>(simd, column, out),
                }
                column += WIDE * LANES;
            } else {
                match m {
                    1 => self.few::<S, 1, 1>(simd, column, out),
                    2 => self.few::<S, 2, 1>(simd, column, out),
                    3 => self.few::<S, 3, 1>(simd, column, out),
                    _ => self.few::<S, 4, 1>(simd, column, out),
                }
                column += LANES;
            }
        }
    }

    #[allow(clippy::needless_range_loop, reason = "rows, columns and sums are walked side by side")]
    #[inline(always)]
    fn few<S: Simd, const R: usize, const V: usize>(&self, simd: S, column: usize, out: &mut [f32]) {
        let mut acc = [[splat(simd, 0.0); V]; R];
        let width = (V * LANES).min(self.n - column);
        let empty: &[f32] = &[];
        let mut rows = [empty; R];
        each_row!(r in R => { rows[r] = &self.a.row(r)[..self.k]; });
        for p in 0..self.k {
            let line = &self.b[p * self.b_stride + column..][..width];
            let mut b = [splat(simd, 0.0); V];
            if let Some(full) = line.as_chunks::<LANES>().0.first_chunk::<V>() {
                for v in 0..V {
                    b[v] = f32x16::load_array_ref(simd, &full[v]);
                }
            } else {
                b[0] = load(simd, line, 0.0);
            }
            each_row!(r in R => {
                let x = splat(simd, rows[r][p]);
                for v in 0..V {
                    acc[r][v] = fma(x, b[v], acc[r][v]);
                }
            });
        }
        each_row!(r in R => {
            let sums = &mut out[r * self.stride + column..][..width];
            for (v, sums) in sums.chunks_mut(LANES).enumerate() {
                store(acc[r][v], sums);
            }
        });
    }
}

/// Turns `columns` rows of `terms` elements into the columns of a panel.
#[inline(always)]
fn turn<S: Simd>(simd: S, rows: Rows<'_>, [columns, terms]: [usize; 2], panel: &mut [f32]) {
    for (i, block) in panel.chunks_mut(LANES * PANEL).enumerate() {
        let begin = i * LANES;
        let end = terms.min(begin + LANES);
        let mut x = [splat(simd, 0.0); LANES];
        for (c, x) in x.iter_mut().enumerate().take(columns) {
            *x = load(simd, &rows.row(c)[begin..end], 0.0);
        }
        let x = transpose(simd, x);
        for (row, x) in block.chunks_exact_mut(PANEL).zip(x) {
            store(x, row);
        }
    }
}

#[cfg(test)]
mod tests;
