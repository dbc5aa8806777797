//! The register tiles of the matrix product.
//!
//! A tile is R rows by V vectors of sixteen columns, held in registers while p runs over all of k. Its size follows
//! the register file (32 wide registers: 8 x 32 columns; 16 narrow ones: 6 x 16) and the number of rows (few rows
//! take more columns, to have enough independent sums in flight). It has no influence on the bits.

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
    macro_rules! tiles {
        ($tall:literal x $width:literal) => {{
            tiles::<S, $tall, $width>(simd, product, m, first, out);
            $width
        }};
    }
    if const { emulates_fma::<S>() } {
        tiles!(1 x 1)
    } else if const { <S::f32s as SimdBase<S>>::LEN >= LANES } {
        match (m, room) {
            (1, 8..) => tiles!(1 x 8),
            (..=4, 4..) => tiles!(4 x 4),
            (_, 2..) => tiles!(8 x 2),
            _ => tiles!(8 x 1),
        }
    } else {
        match (m, room) {
            (1, 4..) => tiles!(1 x 4),
            (..=3, 2..) => tiles!(3 x 2),
            _ => tiles!(6 x 1),
        }
    }
}

/// All rows of V vectors of columns, in tiles of nearly equal height, TALL at most.
#[inline(always)]
fn tiles<S: Simd, const TALL: usize, const V: usize>(
    simd: S,
    product: &Product<'_>,
    m: usize,
    first: usize,
    out: &mut [f32],
) {
    let mut row = 0;
    macro_rules! tile {
        ($height:literal) => {
            if const { $height <= TALL } {
                tile::<S, $height, V>(simd, product, row, first, out);
            }
        };
    }
    for left in (1..=m.div_ceil(TALL)).rev() {
        let height = (m - row).div_ceil(left);
        match height {
            1 => tile!(1),
            2 => tile!(2),
            3 => tile!(3),
            4 => tile!(4),
            5 => tile!(5),
            6 => tile!(6),
            7 => tile!(7),
            _ => tile!(8),
        }
        row += height;
    }
}

/// Repeats the body for each row of a tile. The compiler would not unroll so long a loop by itself, and an
/// accumulator with a variable index lives in memory: that is half the speed.
macro_rules! each_row {
    ($row:ident in $count:ident => $body:block) => {
        each_row!(@ $row $count $body 0 1 2 3 4 5 6 7)
    };
    (@ $row:ident $count:ident $body:block $($index:literal)*) => {$(
        if const { $index < $count } {
            let $row = $index;
            $body
        }
    )*};
}

/// R rows from `row` on by V vectors from vector `first` on; `first` is even unless V is 1.
#[allow(clippy::needless_range_loop, reason = "rows, panels and accumulators are walked side by side")]
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
    each_row!(r in R => {
        for v in 0..V {
            let column = (first + v) * LANES;
            let end = n.min(column + LANES);
            acc[r][v] = match init {
                Init::Zero => splat(simd, 0.0),
                Init::Bias(bias) => load(simd, &bias[column..end], 0.0),
                Init::Accumulate => load(simd, &out[(row + r) * out_stride..][column..end], 0.0),
            };
        }
    });
    for p in 0..k {
        let mut b = [splat(simd, 0.0); V];
        for v in 0..V {
            let half = if V == 1 { odd } else { v % 2 };
            b[v] = f32x16::load_array_ref(simd, &panels[v][p][half]);
        }
        each_row!(r in R => {
            let x = splat(simd, rows[r][p]);
            for v in 0..V {
                acc[r][v] = fma(x, b[v], acc[r][v]);
            }
        });
    }
    each_row!(r in R => {
        for v in 0..V {
            let column = (first + v) * LANES;
            let end = n.min(column + LANES);
            store(acc[r][v], &mut out[(row + r) * out_stride..][column..end]);
        }
    });
}
