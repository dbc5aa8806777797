//! Layer normalization over the last axis.

use fearless_simd::{Level, Simd};

use super::lanes::{LANES, fma, load, splat, store, sum};
use super::level;

/// Normalizes each row of `width` elements: `(x - mean) / sqrt(variance + epsilon) * gamma + beta`.
///
/// The variance is the biased one, of the differences from the mean. `x` and `out` are of equal length, `gamma` and
/// `beta` of length `width`. Keras groups the same formula as `x * inv + (beta - mean * inv)` with
/// `inv = gamma / sqrt(variance + epsilon)`; subtracting the mean first loses less where it is large.
pub fn layer_norm(
    x: &[f32],
    width: usize,
    gamma: Option<&[f32]>,
    beta: Option<&[f32]>,
    epsilon: f32,
    out: &mut [f32],
) {
    layer_norm_at(level(), x, Scale { width, gamma, beta, epsilon }, out);
}

#[derive(Clone, Copy)]
struct Scale<'a> {
    width: usize,
    gamma: Option<&'a [f32]>,
    beta: Option<&'a [f32]>,
    epsilon: f32,
}

fn layer_norm_at(level: Level, x: &[f32], scale: Scale<'_>, out: &mut [f32]) {
    debug_assert_eq!(x.len(), out.len());
    if scale.width > 0 {
        dispatch!(level, simd => rows(simd, x, scale, out));
    }
}

#[inline(always)]
fn rows<S: Simd>(simd: S, x: &[f32], scale: Scale<'_>, out: &mut [f32]) {
    for (x, out) in x.chunks_exact(scale.width).zip(out.chunks_exact_mut(scale.width)) {
        row(simd, x, scale, out);
    }
}

#[inline(always)]
fn row<S: Simd>(simd: S, x: &[f32], scale: Scale<'_>, out: &mut [f32]) {
    let count = scale.width as f32;
    let mut total = splat(simd, 0.0);
    for chunk in x.chunks(LANES) {
        total += load(simd, chunk, 0.0);
    }
    let mean = sum(total) / count;
    let mut squares = splat(simd, 0.0);
    for chunk in x.chunks(LANES) {
        let difference = load(simd, chunk, mean) - mean;
        squares = fma(difference, difference, squares);
    }
    let inverse = 1.0 / (sum(squares) / count + scale.epsilon).sqrt();
    for (i, (chunk, out)) in x.chunks(LANES).zip(out.chunks_mut(LANES)).enumerate() {
        let columns = i * LANES..i * LANES + chunk.len();
        let part = |values: Option<&[f32]>, otherwise| match values {
            Some(values) => load(simd, &values[columns.clone()], 0.0),
            None => splat(simd, otherwise),
        };
        let y = (load(simd, chunk, 0.0) - mean) * inverse;
        store(fma(y, part(scale.gamma, 1.0), part(scale.beta, 0.0)), out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Lcg, assert_close, bits, levels};

    fn naive(x: &[f32], s: Scale<'_>) -> Vec<f64> {
        let row = |row: &[f32]| {
            let n = row.len() as f64;
            let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
            let variance = row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
            let y = |(j, &x): (usize, &f32)| {
                let y = (f64::from(x) - mean) / (variance + f64::from(s.epsilon)).sqrt();
                y * s.gamma.map_or(1.0, |g| f64::from(g[j])) + s.beta.map_or(0.0, |b| f64::from(b[j]))
            };
            row.iter().enumerate().map(y).collect::<Vec<_>>()
        };
        x.chunks_exact(s.width).flat_map(row).collect()
    }

    #[test]
    fn it_is_layer_normalization() {
        for (rows, width) in [(1, 1), (4, 3), (2, 16), (3, 50), (5, 300), (0, 4)] {
            let mut lcg = Lcg::new(width as u64);
            let mut x = lcg.floats(rows * width, 3.0);
            x.iter_mut().for_each(|x| *x += 10.0);
            let (gamma, beta) = (lcg.floats(width, 2.0), lcg.floats(width, 1.0));
            for (gamma, beta) in [(None, None), (Some(&gamma[..]), Some(&beta[..])), (None, Some(&beta[..]))]
            {
                let scale = Scale { width, gamma, beta, epsilon: 1e-3 };
                let mut out = vec![f32::NAN; rows * width];
                layer_norm(&x, width, gamma, beta, 1e-3, &mut out);
                assert_close(&out, &naive(&x, scale), 5e-6);
                for level in levels() {
                    let mut other = vec![f32::NAN; rows * width];
                    layer_norm_at(level, &x, scale, &mut other);
                    assert_eq!(bits(&other), bits(&out));
                }
            }
        }
    }

    #[test]
    fn a_row_is_the_same_alone() {
        let x = Lcg::new(4).floats(7 * 37, 1.0);
        let mut all = vec![0.0; 7 * 37];
        layer_norm(&x, 37, None, None, 1e-5, &mut all);
        for i in 0..7 {
            let mut alone = vec![0.0; 37];
            layer_norm(&x[i * 37..][..37], 37, None, None, 1e-5, &mut alone);
            assert_eq!(bits(&alone), bits(&all[i * 37..][..37]));
        }
    }
}
