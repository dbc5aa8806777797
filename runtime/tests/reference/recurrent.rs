//! Recurrent layers against Keras' numbers for constant weights, and against loops written down in f64 for
//! weights that differ from gate to gate.

use masque_ir::activation::Activation;
use masque_ir::ops::{Recurrent, RecurrentOptions};
use masque_runtime::Tensor;

use crate::{apply, assert_close, floats, noise, tensor};

const TANH: Activation = Activation::Tanh;
const SIGMOID: Activation = Activation::Sigmoid;

fn options(sequences: bool, backwards: bool) -> RecurrentOptions {
    RecurrentOptions {
        activation: TANH,
        sequences,
        states: true,
        backwards,
        in_order: false,
        zero_masked: false,
    }
}

/// The four layers.
fn layers(options: &RecurrentOptions) -> [Recurrent; 4] {
    let options = || options.clone();
    [
        Recurrent::SimpleRnn { options: options() },
        Recurrent::Lstm { options: options(), recurrent_activation: SIGMOID },
        Recurrent::Gru { options: options(), recurrent_activation: SIGMOID, reset_after: true },
        Recurrent::Gru { options: options(), recurrent_activation: SIGMOID, reset_after: false },
    ]
}

fn bias_shape(op: &Recurrent, units: usize) -> Vec<usize> {
    let columns = op.gates() as usize * units;
    let two = matches!(op, Recurrent::Gru { reset_after: true, .. });
    if two { vec![2, columns] } else { vec![columns] }
}

/// Runs a layer, without states, a table and places.
fn run(op: &Recurrent, mut operands: Vec<Option<&Tensor>>) -> Vec<Tensor> {
    operands.resize(op.places().map_or(5 + op.states(), |places| places + 1), None);
    apply(op.clone(), &operands).unwrap()
}

/// The layer over `arange(12).reshape(2, 3, 2) / 10` with a gap and an end in the mask, and constant weights.
fn golden(op: &Recurrent) -> Vec<Tensor> {
    let x = tensor(&[2, 3, 2], (0..12).map(|x| x as f32 / 10.0));
    let mask = tensor(&[2, 3], [true, true, false, true, false, true]);
    let constant = |shape: &[usize], number: f32| tensor(shape, vec![number; shape.iter().product()]);
    let columns = op.gates() as usize;
    let (kernel, recurrent) = (constant(&[2, columns], 0.1), constant(&[1, columns], 0.2));
    let bias = constant(&bias_shape(op, 1), 0.05);
    run(op, vec![Some(&x), Some(&kernel), Some(&recurrent), Some(&bias), Some(&mask)])
}

const FORWARDS: [[f64; 6]; 4] = [
    [0.059928, 0.111520, 0.111520, 0.178081, 0.178081, 0.287296],
    [0.015889, 0.036892, 0.036892, 0.052706, 0.052706, 0.114603],
    [0.040713, 0.082117, 0.082117, 0.090729, 0.090729, 0.174563],
    [0.029065, 0.063935, 0.063935, 0.081048, 0.081048, 0.159494],
];
const BACKWARDS: [[f64; 6]; 4] = [
    [0.0, 0.099668, 0.079764, 0.254296, 0.254296, 0.226843],
    [0.0, 0.027444, 0.031349, 0.080520, 0.080520, 0.100444],
    [0.0, 0.058374, 0.074375, 0.118925, 0.118925, 0.162208],
    [0.0, 0.047344, 0.055773, 0.110711, 0.110711, 0.146297],
];

#[test]
fn keras_sequences() {
    for (backwards, expected) in [(false, FORWARDS), (true, BACKWARDS)] {
        for (op, expected) in layers(&options(true, backwards)).iter().zip(expected) {
            let found = golden(op);
            assert_eq!(found[0].shape(), [2, 3, 1]);
            assert_close(&found[0], &expected);
            assert_close(&found[1], &[expected[2], expected[5]]);
        }
    }
}

#[test]
fn keras_last_outputs_and_states() {
    for (op, expected) in layers(&options(false, false)).iter().zip(FORWARDS) {
        let found = golden(op);
        assert_eq!(found.len(), 1 + op.states());
        assert_close(&found[0], &[expected[2], expected[5]]);
    }
    let lstm = &layers(&options(false, false))[1];
    assert_close(&golden(lstm)[2], &[0.070283, 0.204860]);
}

#[test]
fn masked_steps_can_give_zero() {
    for (op, expected) in
        layers(&RecurrentOptions { zero_masked: true, ..options(true, true) }).iter().zip(BACKWARDS)
    {
        let [_, b, c, d, _, f] = expected;
        assert_close(&golden(op)[0], &[0.0, b, c, d, 0.0, f]);
    }
}

/// One step in f64 over `x·W + b` and `h`; gives the new states.
fn step(op: &Recurrent, a: &[f64], h: &[f64], c: &[f64], r: &[f32], hidden: &[f32]) -> [Vec<f64>; 2] {
    let units = h.len();
    let columns = a.len();
    let product = |h: &[f64], column: usize| -> f64 {
        h.iter().enumerate().map(|(row, h)| h * f64::from(r[row * columns + column])).sum()
    };
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let q: Vec<f64> = (0..columns).map(|column| product(h, column) + f64::from(hidden[column])).collect();
    let z = |block: usize, unit: usize| a[block * units + unit] + q[block * units + unit];
    let each = |f: &dyn Fn(usize) -> f64| (0..units).map(f).collect::<Vec<f64>>();
    match op {
        Recurrent::SimpleRnn { .. } => [each(&|u| z(0, u).tanh()), vec![]],
        Recurrent::Lstm { .. } | Recurrent::ConvLstm { .. } => {
            let c = each(&|u| sigmoid(z(1, u)) * c[u] + sigmoid(z(0, u)) * z(2, u).tanh());
            [each(&|u| sigmoid(z(3, u)) * c[u].tanh()), c.clone()]
        }
        Recurrent::Gru { reset_after, .. } => {
            let reset = each(&|u| sigmoid(z(1, u)) * h[u]);
            let candidate = each(&|u| {
                let column = 2 * units + u;
                let inner = if *reset_after { sigmoid(z(1, u)) * q[column] } else { product(&reset, column) };
                (a[column] + inner).tanh()
            });
            [each(&|u| sigmoid(z(0, u)) * h[u] + (1.0 - sigmoid(z(0, u))) * candidate[u]), vec![]]
        }
    }
}

/// The last output and every output of one example, by the loop as Keras describes it.
fn naive(op: &Recurrent, x: &[f32], weights: [&Tensor; 3], mask: &[bool], state: &[f32]) -> Vec<f64> {
    const FEATURES: usize = 2;
    let [kernel, recurrent, bias] = weights.map(floats);
    let columns = kernel.len() / FEATURES;
    let hidden = if bias.len() > columns { bias[columns..].to_vec() } else { vec![0.0; columns] };
    let mut h: Vec<f64> = state.iter().map(|&h| f64::from(h)).collect();
    let (mut c, mut y) = (vec![0.0; h.len()], vec![0.0; h.len()]);
    let mut outputs = vec![];
    for (x, &valid) in x.chunks(FEATURES).zip(mask) {
        if valid {
            let a: Vec<f64> = (0..columns)
                .map(|column| {
                    let products =
                        (0..FEATURES).map(|k| f64::from(x[k]) * f64::from(kernel[k * columns + column]));
                    products.sum::<f64>() + f64::from(bias[column])
                })
                .collect();
            [h, c] = step(op, &a, &h, &c, &recurrent, &hidden);
            y = h.clone();
        }
        outputs.extend_from_slice(&y);
    }
    outputs
}

#[test]
fn weights_that_differ_between_gates() {
    const MASK: [bool; 8] = [false, true, true, false, true, false, true, true];
    for op in layers(&options(true, false)) {
        let columns = op.gates() as usize * 3;
        let (x, state) = (noise(&[2, 4, 2], 1), noise(&[2, 3], 5));
        let (kernel, recurrent) = (noise(&[2, columns], 2), noise(&[3, columns], 3));
        let (bias, mask) = (noise(&bias_shape(&op, 3), 4), tensor(&[2, 4], MASK));
        let operands = [&x, &kernel, &recurrent, &bias, &mask, &state].map(Some).to_vec();
        let expected: Vec<f64> = [0, 1]
            .iter()
            .flat_map(|&example| {
                let (x, state) = (floats(&x), floats(&state));
                let (x, state) = (&x[example * 8..][..8], &state[example * 3..][..3]);
                naive(&op, x, [&kernel, &recurrent, &bias], &MASK[example * 4..][..4], state)
            })
            .collect();
        assert_close(&run(&op, operands)[0], &expected);
    }
}

/// With windows of one position, every position has an LSTM of its own.
#[test]
fn windows_of_one_position_are_lstms_side_by_side() {
    const PLACES: usize = 3;
    for (backwards, zero_masked) in [(false, false), (true, false), (false, true)] {
        let options = RecurrentOptions { zero_masked, ..options(true, backwards) };
        let lstm = Recurrent::Lstm { options: options.clone(), recurrent_activation: SIGMOID };
        let (strides, dilation) = (vec![1], vec![1]);
        let conv =
            Recurrent::ConvLstm { options, recurrent_activation: SIGMOID, strides, dilation, same: false };
        let (kernel, recurrent, bias) = (noise(&[2, 12], 2), noise(&[3, 12], 3), noise(&[12], 4));
        let (x, mask) = (noise(&[1, 4, PLACES, 2], 1), tensor(&[1, 4], [false, true, false, true]));
        let window = |weight: &Tensor| tensor(&[&[1], weight.shape()].concat(), floats(weight));
        let (wide, wide_recurrent) = (window(&kernel), window(&recurrent));
        let operands = [&x, &wide, &wide_recurrent, &bias, &mask].map(Some).to_vec();
        let found = floats(&run(&conv, operands)[0]);
        for place in 0..PLACES {
            let own: Vec<f32> = floats(&x).chunks(2).skip(place).step_by(PLACES).flatten().copied().collect();
            let own = tensor(&[1, 4, 2], own);
            let operands = [&own, &kernel, &recurrent, &bias, &mask].map(Some).to_vec();
            let alone: Vec<f64> = floats(&run(&lstm, operands)[0]).into_iter().map(f64::from).collect();
            let part: Vec<f32> = found.chunks(3).skip(place).step_by(PLACES).flatten().copied().collect();
            assert_close(&tensor(&[1, 4, 3], part), &alone);
        }
    }
}

#[test]
fn what_lies_under_the_mask_is_not_seen() {
    let mask = tensor(&[1, 3], [true, false, true]);
    for op in layers(&options(true, false)) {
        let columns = op.gates() as usize;
        let (kernel, recurrent) = (noise(&[2, columns], 2), noise(&[1, columns], 3));
        let over = |hidden: f32| {
            let x = tensor(&[1, 3, 2], [0.5, -0.5, hidden, hidden, 0.25, 1.0]);
            run(&op, vec![Some(&x), Some(&kernel), Some(&recurrent), None, Some(&mask)])
        };
        assert_eq!(over(f32::NAN), over(0.0));
    }
}

#[test]
fn no_steps_and_no_examples() {
    for (batch, time) in [(2, 0), (0, 3), (1, 1), (0, 0)] {
        for op in layers(&options(true, false)) {
            let columns = op.gates() as usize * 2;
            let (x, kernel) = (noise(&[batch, time, 3], 1), noise(&[3, columns], 2));
            let recurrent = noise(&[2, columns], 3);
            let found = run(&op, vec![Some(&x), Some(&kernel), Some(&recurrent)]);
            assert_eq!(found[0].shape(), [batch, time, 2]);
            assert_eq!(found[1].shape(), [batch, 2]);
            if time == 0 {
                assert!(floats(&found[1]).iter().all(|&h| h == 0.0));
            }
        }
    }
}
