//! Pooling by windows that cover an axis evenly.

use fearless_simd::Level;
use rayon::prelude::*;

use super::Pool;
use super::pool::{Rows, fold};
use crate::level;
use crate::threads::parts;

/// Pools `size` windows of axis 1 of `x`, [before, length, after], into `out`, [before, size, after].
///
/// Window `i` is from `floor(i * length / size)` below `ceil((i + 1) * length / size)`.
pub fn spread(pool: Pool, [before, length, after]: [usize; 3], size: usize, x: &[f32], out: &mut [f32]) {
    spread_at(level(), pool, [before, length, after], size, x, out);
}

pub(super) fn spread_at(
    level: Level,
    pool: Pool,
    [before, length, after]: [usize; 3],
    size: usize,
    x: &[f32],
    out: &mut [f32],
) {
    debug_assert!(x.len() == before * length * after && out.len() == before * size * after);
    if after == 0 || size == 0 {
        return;
    }
    let one = |(i, out): (usize, &mut [f32])| {
        let (first, window) = (i / size * length, i % size);
        let covered = window * length / size..((window + 1) * length).div_ceil(size);
        let rows = Rows { x, taps: covered.map(|row| (first + row) * after) };
        dispatch!(level, simd => fold(simd, pool, &rows, out));
    };
    if parts(x.len()) == 1 {
        out.chunks_exact_mut(after).enumerate().for_each(one);
    } else {
        out.par_chunks_exact_mut(after).enumerate().for_each(one);
    }
}
