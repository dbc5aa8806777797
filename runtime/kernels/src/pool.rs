//! Pooling over time.

/// The mean over time of the valid steps: `x` is [batch, steps, features], `mask` [batch, steps], `out`
/// [batch, features].
///
/// `sum(where(mask, x, 0)) / sum(mask)`, or the plain mean without a mask. A sample without a valid step is 0 / 0,
/// NaN, as in Keras. Steps are added in order of time and padded ones not at all, so padding never shows.
pub fn mean_over_time(x: &[f32], shape: [usize; 3], mask: Option<&[bool]>, out: &mut [f32]) {
    let [batch, steps, features] = shape;
    debug_assert!(x.len() == batch * steps * features && out.len() == batch * features);
    debug_assert!(mask.is_none_or(|mask| mask.len() == batch * steps));
    if features == 0 {
        return;
    }
    for (b, out) in out.chunks_exact_mut(features).enumerate() {
        out.fill(0.0);
        let mut count = 0;
        for t in b * steps..(b + 1) * steps {
            if mask.is_none_or(|mask| mask[t]) {
                count += 1;
                out.iter_mut().zip(&x[t * features..][..features]).for_each(|(sum, x)| *sum += x);
            }
        }
        out.iter_mut().for_each(|sum| *sum /= count as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Lcg, assert_close, bits};

    #[test]
    fn it_is_the_mean_of_the_valid_steps() {
        for shape @ [batch, steps, features] in [[3, 5, 7], [1, 1, 1], [2, 9, 40], [0, 3, 2], [2, 3, 0]] {
            let mut lcg = Lcg::new(steps as u64);
            let x = lcg.floats(batch * steps * features, 2.0);
            let random = lcg.bools(batch * steps);
            for mask in [None, Some(&random[..])] {
                let mut out = vec![0.0; batch * features];
                mean_over_time(&x, shape, mask, &mut out);
                let valid = |b: usize| (b * steps..(b + 1) * steps).filter(|&t| mask.is_none_or(|m| m[t]));
                let mean = |b: usize, j: usize| {
                    let sum: f64 = valid(b).map(|t| f64::from(x[t * features + j])).sum();
                    sum / valid(b).count() as f64
                };
                let want: Vec<f64> =
                    (0..batch * features).map(|i| mean(i / features, i % features)).collect();
                assert_close(&out, &want, 1e-6);
            }
        }
    }

    #[test]
    fn padding_does_not_show_and_nothing_is_nan() {
        let x = Lcg::new(1).floats(3 * 4, 1.0);
        let mut alone = [0.0; 4];
        mean_over_time(&x, [1, 3, 4], None, &mut alone);
        let mut padded = vec![f32::NAN; 2 * 4];
        padded.extend(&x);
        padded.extend([f32::INFINITY; 3 * 4]);
        let mask = [false, false, true, true, true, false, false, false];
        let mut out = [0.0; 4];
        mean_over_time(&padded, [1, 8, 4], Some(&mask), &mut out);
        assert_eq!(bits(&out), bits(&alone));
        mean_over_time(&padded, [1, 8, 4], Some(&[false; 8]), &mut out);
        assert!(out.iter().all(|x| x.is_nan()));
    }
}
