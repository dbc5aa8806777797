//! Pooling: the largest element or the mean of each window, channel by channel.

use std::ops::Range;

use fearless_simd::{Level, Simd, f32x16, prelude::*};
use rayon::prelude::*;

use super::{Group, Layout, Walk};
use crate::lanes::{LANES, load, splat, store};
use crate::level;
use crate::threads::parts;

/// What becomes of the elements of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// The largest; the last NaN if there is one, minus infinity of nothing.
    Max,
    /// The mean, summed from the first to the last; NaN of nothing.
    Mean,
}

/// Pools the windows of `x`, rows of `channels` each, into `out`.
///
/// Rows that are absent neither are the largest nor count in a mean.
pub fn pool(pool: Pool, layout: Layout<'_>, channels: usize, x: &[f32], out: &mut [f32]) {
    pool_at(level(), pool, layout, channels, x, out);
}

pub(super) fn pool_at(
    level: Level,
    pool: Pool,
    layout: Layout<'_>,
    channels: usize,
    x: &[f32],
    out: &mut [f32],
) {
    Walk::blocks(layout, channels, channels * layout.taps(), out, |walk, rows, out| {
        let mut taps = Vec::new();
        walk.groups(rows, |windows| {
            taps.clear();
            taps.extend(windows.taps().map(|(_, row)| row * channels));
            dispatch!(level, simd => group(simd, pool, windows, &taps, channels, x, out));
        });
    });
}

/// Pools each range of the rows of `x` into one row of `out`: pooling over everything, for sequences of any length.
pub fn global(pool: Pool, segments: &[Range<usize>], channels: usize, x: &[f32], out: &mut [f32]) {
    global_at(level(), pool, segments, channels, x, out);
}

pub(super) fn global_at(
    level: Level,
    pool: Pool,
    segments: &[Range<usize>],
    channels: usize,
    x: &[f32],
    out: &mut [f32],
) {
    debug_assert_eq!(out.len(), segments.len() * channels);
    if channels == 0 {
        return;
    }
    let one = |(segment, out): (&Range<usize>, &mut [f32])| {
        let rows = Rows { x, taps: segment.clone().map(|row| row * channels) };
        dispatch!(level, simd => fold(simd, pool, &rows, out));
    };
    let rows: usize = segments.iter().map(Range::len).sum();
    if parts(rows.saturating_mul(channels)) == 1 {
        segments.iter().zip(out.chunks_exact_mut(channels)).for_each(one);
    } else {
        segments.par_iter().zip(out.par_chunks_exact_mut(channels)).for_each(one);
    }
}

/// Folds windows that have the same taps.
#[inline(always)]
fn group<S: Simd>(
    simd: S,
    pool: Pool,
    windows: &Group<'_>,
    taps: &[usize],
    channels: usize,
    x: &[f32],
    out: &mut [f32],
) {
    for (&input, &output) in windows.inputs.iter().zip(windows.outputs) {
        let (x, out) = (&x[input as usize * channels..], &mut out[output as usize * channels..][..channels]);
        fold(simd, pool, &Rows { x, taps: taps.iter().copied() }, out);
    }
}

/// The rows of a window: where each begins in `x`.
pub(super) struct Rows<'a, T> {
    pub(super) x: &'a [f32],
    pub(super) taps: T,
}

/// Folds rows as long as `out` into it.
#[inline(always)]
pub(super) fn fold<S: Simd, T: Iterator<Item = usize> + Clone>(
    simd: S,
    pool: Pool,
    rows: &Rows<'_, T>,
    out: &mut [f32],
) {
    let (fours, rest) = out.as_chunks_mut::<{ 4 * LANES }>();
    let mut column = 0;
    for out in fours {
        columns::<S, T, 4>(simd, pool, rows, column, out.as_chunks_mut().0);
        column += 4 * LANES;
    }
    let (whole, rest) = rest.as_chunks_mut::<LANES>();
    for out in whole {
        columns::<S, T, 1>(simd, pool, rows, column, std::slice::from_mut(out));
        column += LANES;
    }
    if !rest.is_empty() {
        last_columns(simd, pool, rows, column, rest);
    }
}

/// Folds V vectors of columns from `column` on.
#[inline(always)]
fn columns<S: Simd, T: Iterator<Item = usize> + Clone, const V: usize>(
    simd: S,
    pool: Pool,
    rows: &Rows<'_, T>,
    column: usize,
    out: &mut [[f32; LANES]],
) {
    let (mut acc, mut count) = ([pool.start(simd); V], 0);
    for row in rows.taps.clone() {
        let row = rows.x[row + column..][..V * LANES].as_chunks().0;
        for (acc, lanes) in acc.iter_mut().zip(row) {
            *acc = pool.step(*acc, f32x16::load_array_ref(simd, lanes));
        }
        count += 1;
    }
    for (acc, out) in acc.into_iter().zip(out) {
        pool.end(acc, count).store_array(out);
    }
}

/// Folds the columns from `column` on, too few for a vector.
#[inline(always)]
fn last_columns<S: Simd, T: Iterator<Item = usize> + Clone>(
    simd: S,
    pool: Pool,
    rows: &Rows<'_, T>,
    column: usize,
    out: &mut [f32],
) {
    let (mut acc, mut count) = (pool.start(simd), 0);
    for row in rows.taps.clone() {
        // The lanes beyond the last column read the row that follows, where there is one, and are not stored.
        acc = pool.step(acc, load(simd, &rows.x[row + column..], 0.0));
        count += 1;
    }
    store(pool.end(acc, count), out);
}

impl Pool {
    #[inline(always)]
    fn start<S: Simd>(self, simd: S) -> f32x16<S> {
        match self {
            Pool::Max => splat(simd, f32::NEG_INFINITY),
            Pool::Mean => splat(simd, 0.0),
        }
    }

    #[inline(always)]
    fn step<S: Simd>(self, acc: f32x16<S>, x: f32x16<S>) -> f32x16<S> {
        match self {
            Pool::Max => (x.simd_gt(acc) | !x.simd_eq(x)).select(x, acc),
            Pool::Mean => acc + x,
        }
    }

    #[inline(always)]
    fn end<S: Simd>(self, acc: f32x16<S>, count: usize) -> f32x16<S> {
        match self {
            Pool::Max => acc,
            Pool::Mean => acc / count as f32,
        }
    }
}
