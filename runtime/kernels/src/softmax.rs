//! Softmax over the last axis.
//!
//! A row's sum is taken element by element from the first to the last. An element that is masked out by a very low
//! value contributes an exact zero, so a row keeps its bits however many such elements stand before or behind it.

use fearless_simd::{Level, Simd, prelude::*};

use super::lanes::{self, LANES, load, splat, store};
use super::level;

/// Rows summed side by side, because one sum alone would wait for each addition.
const SIDE_BY_SIDE: usize = 8;

/// Replaces each row of `width` elements by `exp(x - max) / sum(exp(x - max))`.
///
/// A row with a NaN or +infinity, or of nothing but -infinity, becomes NaN, as in Keras.
pub fn softmax(xs: &mut [f32], width: usize) {
    softmax_at(level(), xs, width);
}

fn softmax_at(level: Level, xs: &mut [f32], width: usize) {
    if width == 0 {
        return;
    }
    for rows in xs.chunks_mut(SIDE_BY_SIDE * width) {
        dispatch!(level, simd => exponentials(simd, rows, width));
        let sums = sums(rows, width);
        for (row, sum) in rows.chunks_exact_mut(width).zip(sums) {
            row.iter_mut().for_each(|x| *x /= sum);
        }
    }
}

/// Replaces each row of `width` elements by the logarithm of its softmax, `x - max - ln(sum(exp(x - max)))`.
pub fn log_softmax(xs: &mut [f32], width: usize) {
    if width == 0 {
        return;
    }
    let mut powers = vec![0.0; width];
    for row in xs.chunks_exact_mut(width) {
        powers.copy_from_slice(row);
        let max = dispatch!(level(), simd => exponentials(simd, &mut powers, width));
        let ln = dispatch!(level(), simd => ln(simd, sums(&powers, width)[0]));
        row.iter_mut().for_each(|x| *x = *x - max - ln);
    }
}

/// Replaces each row by `exp(x - max)`; returns the last row's maximum.
#[inline(always)]
fn exponentials<S: Simd>(simd: S, rows: &mut [f32], width: usize) -> f32 {
    let mut max = f32::NEG_INFINITY;
    for row in rows.chunks_exact_mut(width) {
        max = row_max(simd, row);
        for chunk in row.chunks_mut(LANES) {
            let x = load(simd, chunk, 0.0) - max;
            store(lanes::exp(simd, x), chunk);
        }
    }
    max
}

/// The largest element; NaN counts as nothing (it comes back in the exponentials).
#[inline(always)]
fn row_max<S: Simd>(simd: S, row: &[f32]) -> f32 {
    let mut max = splat(simd, f32::NEG_INFINITY);
    for chunk in row.chunks(LANES) {
        let x = load(simd, chunk, f32::NEG_INFINITY);
        max = x.simd_gt(max).select(x, max);
    }
    max.to_array().into_iter().fold(f32::NEG_INFINITY, |max, x| if x > max { x } else { max })
}

fn sums(rows: &[f32], width: usize) -> [f32; SIDE_BY_SIDE] {
    let mut sums = [0.0; SIDE_BY_SIDE];
    if rows.len() == SIDE_BY_SIDE * width {
        let rows: [&[f32]; SIDE_BY_SIDE] = std::array::from_fn(|i| &rows[i * width..][..width]);
        for j in 0..width {
            for (sum, row) in sums.iter_mut().zip(rows) {
                *sum += row[j];
            }
        }
    } else {
        for (sum, row) in sums.iter_mut().zip(rows.chunks_exact(width)) {
            *sum = row.iter().fold(0.0, |sum, x| sum + x);
        }
    }
    sums
}

/// The natural logarithm of a finite number >= 1; NaN stays.
#[inline(always)]
fn ln<S: Simd>(simd: S, x: f32) -> f32 {
    if !x.is_finite() {
        return x;
    }
    let exponent = (x.to_bits() >> 23) as i32 - 127;
    let mantissa = f32::from_bits(x.to_bits() & 0x007F_FFFF | 0x3F80_0000);
    let fraction = lanes::log1p_unit(simd, splat(simd, mantissa - 1.0)).to_array()[0];
    (f64::from(exponent) * std::f64::consts::LN_2 + f64::from(fraction)) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Lcg, assert_close, bits, levels};

    fn naive(xs: &[f32], width: usize) -> Vec<f64> {
        let row = |row: &[f32]| {
            let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let e: Vec<f64> = row.iter().map(|&x| (f64::from(x) - f64::from(max)).exp()).collect();
            let sum: f64 = e.iter().sum();
            e.into_iter().map(move |e| e / sum).collect::<Vec<_>>()
        };
        xs.chunks_exact(width).flat_map(row).collect()
    }

    #[test]
    fn it_is_softmax_on_every_machine() {
        for (rows, width) in [(1, 1), (3, 7), (8, 16), (19, 33), (2, 1000)] {
            let xs = Lcg::new(width as u64).floats(rows * width, 9.0);
            let mut want = xs.clone();
            softmax(&mut want, width);
            assert_close(&want, &naive(&xs, width), 1e-6);
            for level in levels() {
                let mut got = xs.clone();
                softmax_at(level, &mut got, width);
                assert_eq!(bits(&got), bits(&want));
            }
            let mut log = xs.clone();
            log_softmax(&mut log, width);
            let want: Vec<f64> = naive(&xs, width).into_iter().map(f64::ln).collect();
            assert_close(&log, &want, 1e-6);
        }
    }

    #[test]
    fn padding_on_either_side_does_not_show() {
        let row = Lcg::new(8).floats(21, 4.0);
        let mut alone = row.clone();
        softmax(&mut alone, 21);
        for (before, behind) in [(0, 1), (5, 0), (16, 40), (3, 100)] {
            let mut padded = vec![-1e9; before];
            padded.extend(&row);
            padded.resize(before + 21 + behind, f32::NEG_INFINITY);
            let width = padded.len();
            let mut rows = padded.repeat(9);
            softmax(&mut rows, width);
            for row in rows.chunks_exact(width) {
                assert_eq!(bits(&row[before..][..21]), bits(&alone));
            }
        }
    }

    #[test]
    fn hopeless_rows_become_nan() {
        for row in [[f32::NEG_INFINITY; 3], [1.0, f32::NAN, 2.0], [1.0, f32::INFINITY, 2.0]] {
            let mut xs = row;
            softmax(&mut xs, 3);
            assert!(xs.iter().any(|x| x.is_nan()));
        }
        softmax(&mut [], 0);
    }
}
