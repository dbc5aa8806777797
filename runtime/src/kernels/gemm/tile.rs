//! The register tiles of the matrix product.
//!
//! A tile is R rows by V vectors of sixteen columns, held in registers while p runs over all of k. Its size follows
//! the register file (32 wide registers: 6 x 64 columns; 16 narrow ones: 6 x 16) and the number of rows (a single row
//! takes more columns, to have enough independent sums in flight). It has no influence on the bits.

use fearless_simd::{Simd, f32x16, prelude::*};

use super::{Init, Product};
use crate::kernels::lanes::{LANES, emulates_fma, fma, load, splat, store};

/// Computes `m` rows of the product, all columns.
#[inline(always)]
pub(super) fn block<S: Simd>(simd: S, product: &Product<'_>, m: usize, out: &mut [f32]) {
    let vectors = product.w.n().div_ceil(LANES);
    let mut first = 0;
    while first < vectors {
        first += strip(simd, product, m, first, vectors - first, out);
    }
}

/// Computes all rows of a strip of columns, at most `room` vectors wide, and returns its width.
#[inline(always)]
fn strip<S: Simd>(
    simd: S,
    product: &Product<'_>,
    m: usize,
    first: usize,
    room: usize,
    out: &mut [f32],
) -> usize {
    if const { emulates_fma::<S>() } {
        (0..m).for_each(|row| tile::<S, 1, 1>(simd, product, row, first, out));
        return 1;
    }
    if const { <S::f32s as SimdBase<S>>::LEN >= LANES } {
        return match room {
            8.. if m == 1 => {
                tile::<S, 1, 8>(simd, product, 0, first, out);
                8
            }
            4.. => {
                six_rows::<S, 4>(simd, product, m, first, out);
                4
            }
            2.. => {
                six_rows::<S, 2>(simd, product, m, first, out);
                2
            }
            _ => {
                six_rows::<S, 1>(simd, product, m, first, out);
                1
            }
        };
    }
    match (m, room) {
        (1, 4..) => {
            tile::<S, 1, 4>(simd, product, 0, first, out);
            4
        }
        (2, 2..) => {
            tile::<S, 2, 2>(simd, product, 0, first, out);
            2
        }
        (3, 2..) => {
            tile::<S, 3, 2>(simd, product, 0, first, out);
            2
        }
        _ => {
            six_rows::<S, 1>(simd, product, m, first, out);
            1
        }
    }
}

/// All rows of V vectors of columns, in tiles of nearly equal height, six at most.
#[inline(always)]
fn six_rows<S: Simd, const V: usize>(
    simd: S,
    product: &Product<'_>,
    m: usize,
    first: usize,
    out: &mut [f32],
) {
    let mut row = 0;
    for left in (1..=m.div_ceil(6)).rev() {
        let height = (m - row).div_ceil(left);
        match height {
            1 => tile::<S, 1, V>(simd, product, row, first, out),
            2 => tile::<S, 2, V>(simd, product, row, first, out),
            3 => tile::<S, 3, V>(simd, product, row, first, out),
            4 => tile::<S, 4, V>(simd, product, row, first, out),
            5 => tile::<S, 5, V>(simd, product, row, first, out),
            _ => tile::<S, 6, V>(simd, product, row, first, out),
        }
        row += height;
    }
}

/// R rows from `row` on by V vectors from vector `first` on; `first` is even unless V is 1.
#[inline(always)]
fn tile<S: Simd, const R: usize, const V: usize>(
    simd: S,
    product: &Product<'_>,
    row: usize,
    first: usize,
    out: &mut [f32],
) {
    let Product { a, w, init, out_stride, .. } = *product;
    let (k, n) = (w.k(), w.n());
    let rows: [&[f32]; R] = std::array::from_fn(|r| &a.data[(row + r) * a.stride..][..k]);
    let panels: [_; V] = std::array::from_fn(|v| &w.panel((first + v) / 2)[..k]);
    let odd = first % 2;

    let mut acc = [[splat(simd, 0.0); V]; R];
    for v in 0..V {
        let column = (first + v) * LANES;
        let end = n.min(column + LANES);
        for r in 0..R {
            acc[r][v] = match init {
                Init::Zero => splat(simd, 0.0),
                Init::Bias(bias) => load(simd, &bias[column..end], 0.0),
                Init::Accumulate => load(simd, &out[(row + r) * out_stride..][column..end], 0.0),
            };
        }
    }
    for p in 0..k {
        let mut b = [splat(simd, 0.0); V];
        for v in 0..V {
            let half = if V == 1 { odd } else { v % 2 };
            b[v] = f32x16::load_array_ref(simd, &panels[v][p][half]);
        }
        for r in 0..R {
            let x = splat(simd, rows[r][p]);
            for v in 0..V {
                acc[r][v] = fma(x, b[v], acc[r][v]);
            }
        }
    }
    for r in 0..R {
        for v in 0..V {
            let column = (first + v) * LANES;
            let end = n.min(column + LANES);
            store(acc[r][v], &mut out[(row + r) * out_stride..][column..end]);
        }
    }
}
