//! Recurrent layers over sequences of unlike lengths, in floating-point operations a nanosecond (GFLOP/s), on one thread.
//!
//! `cargo bench -p masque-kernels --bench recurrent -- [PART OF A NAME]`

#[path = "support/timing.rs"]
mod timing;

use masque_kernels::activation::Activation;
use masque_kernels::pack::{PackedMatrix, pack};
use masque_kernels::recurrent::{Gru, GruRecurrent, Lstm, Options, Output, Sequences, gru, lstm};
use timing::{Case, measure};

/// Batch, steps of the longest sequence, features and units.
const SHAPES: [[usize; 4]; 5] =
    [[32, 128, 128, 256], [32, 128, 512, 256], [4, 128, 128, 256], [1, 128, 128, 256], [32, 256, 128, 128]];

/// Numbers without meaning, the same in every run.
fn numbers(len: usize, scale: f32) -> Vec<f32> {
    (0..len).map(|i| ((i.wrapping_mul(2_654_435_761) % 2048) as f32 / 1024.0 - 1.0) * scale).collect()
}

/// The first sequence has all steps, the others fewer and fewer: a quarter in the mean.
fn lengths(batch: usize, steps: usize) -> Vec<usize> {
    (0..batch)
        .map(|row| (steps as f64 * (-(row as f64) * 4.0 / batch as f64).exp()).ceil() as usize)
        .collect()
}

fn layer([batch, steps, features, units]: [usize; 4], gates: usize) -> Case<'static> {
    let columns = gates * units;
    let kernel = pack(&numbers(features * columns, 0.05), features, columns);
    let recurrent = pack(&numbers(units * columns, 0.05), units, columns);
    let (x, lengths) = (numbers(batch * steps * features, 1.0), lengths(batch, steps));
    let mask: Vec<bool> =
        lengths.iter().flat_map(|&length| (0..steps).map(move |step| step < length)).collect();
    let valid: usize = lengths.iter().sum();
    let mut out = vec![0.0; batch * steps * units];
    let name = if gates == 4 { "lstm" } else { "gru" };
    let work = 2.0 * (valid * (features + units) * columns) as f64;
    Case::new(format!("{name} {units}, {batch} x {steps} x {features}"), work, move || {
        let matrix = |data, k| PackedMatrix::new(data, k, columns).expect("the packed length");
        let (kernel, recurrent) = (Some(matrix(&kernel, features)), matrix(&recurrent, units));
        let input = Sequences { x: &x, rows: None, batch, steps, features, mask: Some(&mask), places: None };
        let (mut h, mut c) = (vec![0.0; batch * units], vec![0.0; batch * units]);
        let (activation, recurrent_activation) = (Activation::Tanh, Activation::Sigmoid);
        let (options, out) = (Options::default(), Output::Sequences(&mut out));
        if gates == 4 {
            let cell = Lstm { kernel, recurrent, bias: None, activation, recurrent_activation };
            lstm(&cell, &input, options, &mut h, &mut c, out);
        } else {
            let recurrent = GruRecurrent::After { weights: recurrent, bias: None };
            let cell = Gru { kernel, bias: None, recurrent, activation, recurrent_activation };
            gru(&cell, &input, options, &mut h, out);
        }
    })
}

fn main() {
    measure(SHAPES.into_iter().flat_map(|shape| [layer(shape, 4), layer(shape, 3)]).collect());
}
