//! Dense, normalization and means over time against naive formulas.

use masque_ir::activation::Activation;
use masque_ir::float::Float;
use masque_ir::ops::{Dense, Normalize, Pool};

use crate::{apply, assert_close, floats, noise, result, tensor};

#[test]
fn dense_over_the_last_axis() {
    let (x, kernel, bias) = (noise(&[2, 3, 4], 1), noise(&[4, 5], 2), noise(&[5], 3));
    let expected: Vec<f64> = floats(&x)
        .chunks(4)
        .flat_map(|row| {
            let (kernel, bias) = (floats(&kernel), floats(&bias));
            (0..5)
                .map(move |column| {
                    let products = row.iter().enumerate().map(|(k, x)| f64::from(x * kernel[k * 5 + column]));
                    (products.sum::<f64>() + f64::from(bias[column])).tanh()
                })
                .collect::<Vec<_>>()
        })
        .collect();
    let found = result(Dense::Dense { activation: Activation::Tanh }, &[&x, &kernel, &bias]);
    assert_eq!(found.shape(), [2, 3, 5]);
    assert_close(&found, &expected);
}

#[test]
fn dense_without_bias_and_of_nothing() {
    let op = || Dense::Dense { activation: Activation::Linear };
    let found = apply(op(), &[Some(&noise(&[0, 4], 1)), Some(&noise(&[4, 5], 2)), None]).unwrap();
    assert_eq!(found[0].shape(), [0, 5]);
    let found = apply(op(), &[Some(&noise(&[2, 0], 1)), Some(&noise(&[0, 3], 2)), None]).unwrap();
    assert_eq!(floats(&found[0]), [0.0; 6]);
}

#[test]
fn layer_norm_over_one_and_two_axes() {
    for (axes, each) in [(1, 4), (2, 12)] {
        let x = noise(&[2, 3, 4], 4);
        let scale: Vec<usize> = x.shape()[3 - axes..].to_vec();
        let (gamma, beta) = (noise(&scale, 5), noise(&scale, 6));
        let (gammas, betas) = (floats(&gamma), floats(&beta));
        let expected: Vec<f64> = floats(&x)
            .chunks(each)
            .flat_map(|row| {
                let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / each as f64;
                let variance = row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / each as f64;
                let scale = gammas.iter().zip(&betas);
                row.iter()
                    .zip(scale)
                    .map(|(&x, (&gamma, &beta))| {
                        (f64::from(x) - mean) / (variance + 1e-3).sqrt() * f64::from(gamma) + f64::from(beta)
                    })
                    .collect::<Vec<_>>()
            })
            .collect();
        let op = Normalize::LayerNorm { axes: axes as u32, epsilon: Float(1e-3) };
        assert_close(&result(op, &[&x, &gamma, &beta]), &expected);
    }
}

#[test]
fn mean_over_time_of_valid_positions() {
    let x = tensor(&[3, 2, 2], [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0, f32::NAN, 8.0, 9.0, 10.0, 11.0, 12.0]);
    let mask = tensor(&[3, 2], [true, true, true, false, false, false]);
    let found = result(Pool::MeanOverTime { keep: false }, &[&x, &mask]);
    assert_eq!(found.shape(), [3, 2]);
    assert_close(&found, &[2.0, 3.0, 5.0, 6.0, f64::NAN, f64::NAN]);
    let kept = result(Pool::MeanOverTime { keep: true }, &[&x, &mask]);
    assert_eq!(kept.shape(), [3, 1, 2]);
}

#[test]
fn mean_over_time_without_a_mask() {
    let op = || Pool::MeanOverTime { keep: false };
    let x = tensor(&[1, 3, 1], [1.0f32, 2.0, 6.0]);
    assert_close(&apply(op(), &[Some(&x), None]).unwrap()[0], &[3.0]);
    let empty = apply(op(), &[Some(&noise(&[2, 0, 1], 1)), None]).unwrap();
    assert_close(&empty[0], &[f64::NAN, f64::NAN]);
}
