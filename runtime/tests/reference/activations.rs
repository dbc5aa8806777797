//! Every activation function against its formula in f64.

use masque_ir::activation::Activation;
use masque_ir::float::Float;
use masque_ir::ops::Activate;

use masque_runtime::OpFailure;

use crate::{apply, assert_close, result, tensor};

const POINTS: [f64; 17] =
    [-90.0, -10.0, -3.5, -3.0, -1.5, -1.0, -0.3, -1e-3, 0.0, 1e-3, 0.5, 1.0, 1.5, 2.0, 3.0, 6.5, 80.0];

#[track_caller]
fn check(f: Activation, formula: impl Fn(f64) -> f64) {
    let x = tensor(&[POINTS.len()], POINTS.map(|x| x as f32));
    let expected: Vec<f64> = POINTS.iter().map(|&x| formula(f64::from(x as f32))).collect();
    assert_close(&result(Activate::Activate { f }, &[&x]), &expected);
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn softplus(x: f64) -> f64 {
    if x > 30.0 { x } else { x.exp().ln_1p() }
}

#[test]
fn bounded_functions() {
    check(Activation::Linear, |x| x);
    check(Activation::Tanh, f64::tanh);
    check(Activation::Sigmoid, sigmoid);
    check(Activation::Softsign, |x| x / (x.abs() + 1.0));
    check(Activation::HardSigmoid, |x| (x / 6.0 + 0.5).clamp(0.0, 1.0));
    check(Activation::HardSigmoidKeras2, |x| (x * 0.2 + 0.5).clamp(0.0, 1.0));
    check(Activation::HardTanh, |x| x.clamp(-1.0, 1.0));
}

#[test]
fn exponential_functions() {
    check(Activation::Exponential, f64::exp);
    check(Activation::Softplus, softplus);
    check(Activation::LogSigmoid, |x| -softplus(-x));
    check(Activation::Elu { alpha: Float(0.7) }, |x| if x > 0.0 { x } else { 0.7 * x.exp_m1() });
    check(Activation::Selu, |x| {
        1.050_700_987_355_48 * if x > 0.0 { x } else { 1.673_263_242_354_377 * x.exp_m1() }
    });
}

#[test]
fn gated_functions() {
    check(Activation::Silu, |x| x * sigmoid(x));
    check(Activation::HardSilu, |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0));
    check(Activation::Mish, |x| x * softplus(x).tanh());
    check(Activation::GeluTanh, |x| {
        0.5 * x * (1.0 + ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3))).tanh())
    });
    let x = tensor(&[4], [-2.0f32, -0.5, 0.5, 2.0]);
    let gelu = result(Activate::Activate { f: Activation::Gelu }, &[&x]);
    assert_close(&gelu, &[-0.045_500_26, -0.154_268_77, 0.345_731_23, 1.954_499_74]);
}

/// Keras multiplies with `x > threshold`, clips, and subtracts the slope below.
#[test]
fn relu_with_every_parameter() {
    for threshold in [-1.0, 0.0, 1.0, 3.0] {
        for max_value in [None, Some(2.0), Some(6.0)] {
            for slope in [0.0, 0.5] {
                let f = Activation::Relu {
                    negative_slope: Float(slope),
                    max_value: max_value.map(Float),
                    threshold: Float(threshold),
                };
                check(f, |x| {
                    let above = if x > threshold { x } else { 0.0 };
                    let capped = max_value.map_or(above, |max| above.clamp(0.0, max));
                    capped - slope * (threshold - x).max(0.0)
                });
            }
        }
    }
}

#[test]
fn softmax_along_either_axis() {
    let rows: [[f64; 3]; 2] = [[1.0, 2.0, 500.0], [-1.0, 0.0, 0.5]];
    let x = tensor(&[2, 3], rows.concat().into_iter().map(|x| x as f32));
    let sum = |row: &[f64]| -> f64 { row.iter().map(|x| (x - row[2].max(row[0])).exp()).sum() };
    for row in [0, 1] {
        let (largest, sum) = (rows[row][2], sum(&rows[row]));
        let expected = rows[row].map(|x| (x - largest).exp() / sum);
        let log = rows[row].map(|x| x - largest - sum.ln());
        for (f, expected) in
            [(Activation::Softmax { axis: -1 }, expected), (Activation::LogSoftmax { axis: 1 }, log)]
        {
            let found = crate::floats(&result(Activate::Activate { f }, &[&x]));
            assert_close(&tensor(&[3], found[row * 3..row * 3 + 3].to_vec()), &expected);
        }
    }
    let down = result(Activate::Activate { f: Activation::Softmax { axis: 0 } }, &[&x]);
    let expected = sigmoid(rows[0][0] - rows[1][0]);
    assert_close(&tensor(&[1], [crate::floats(&down)[0]]), &[expected]);
}

#[test]
fn nan_is_not_hidden() {
    let x = tensor(&[1], [f32::NAN]);
    for f in [Activation::RELU, Activation::HardTanh, Activation::Softmax { axis: 0 }, Activation::Softplus] {
        assert!(crate::floats(&result(Activate::Activate { f }, &[&x]))[0].is_nan(), "{f:?}");
    }
}

#[test]
fn an_axis_that_is_not_there() {
    let f = Activation::Softmax { axis: 1 };
    let failure = apply(Activate::Activate { f }, &[Some(&tensor(&[1], [0.0f32]))]);
    assert!(matches!(failure, Err(OpFailure::Operands(_))), "{failure:?}");
}
