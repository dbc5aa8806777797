//! The recurrent kernels against Keras' numbers, a plain f64 loop, and their own bits.

use super::*;
use crate::activation::Activation;
use crate::pack::pack;
use crate::testing::{Lcg, assert_close, bits, with_threads};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Simple,
    Lstm,
    After,
    Before,
}

const KINDS: [Kind; 4] = [Kind::Simple, Kind::Lstm, Kind::After, Kind::Before];

impl Kind {
    fn gates(self) -> usize {
        match self {
            Self::Simple => 1,
            Self::Lstm => 4,
            Self::After | Self::Before => 3,
        }
    }
}

/// A layer with its weights as Keras keeps them.
#[derive(Clone)]
struct Layer {
    kind: Kind,
    features: usize,
    units: usize,
    /// Is the input its product with the kernel already?
    multiplied: bool,
    kernel: Vec<f32>,
    recurrent: Vec<f32>,
    bias: Option<Vec<f32>>,
    activation: Activation,
    recurrent_activation: Activation,
}

/// What a run gives.
#[derive(Debug, PartialEq)]
struct Ran {
    sequences: Vec<f32>,
    last: Vec<f32>,
    h: Vec<f32>,
    c: Vec<f32>,
}

impl Layer {
    fn random(kind: Kind, features: usize, units: usize, lcg: &mut Lcg) -> Self {
        let width = kind.gates() * units;
        let biases = if kind == Kind::After { 2 } else { 1 };
        Self {
            kind,
            features,
            units,
            multiplied: false,
            kernel: lcg.floats(features * width, 1.0 / (features.max(1) as f32).sqrt()),
            // Larger weights make the recurrence chaotic, and no two roundings comparable.
            recurrent: lcg.floats(units * width, 1.0 / (units as f32).sqrt()),
            bias: (lcg.below(4) > 0).then(|| lcg.floats(biases * width, 0.5)),
            activation: Activation::Tanh,
            recurrent_activation: Activation::Sigmoid,
        }
    }

    fn run(&self, input: &Sequences<'_>, options: Options, initial: &[f32]) -> Ran {
        let one = |out: Output<'_>| self.run_into(input, options, initial, out);
        let mut sequences = vec![f32::NAN; input.batch * input.steps * self.units];
        let mut last = vec![f32::NAN; input.batch * self.units];
        let states = one(Output::Sequences(&mut sequences));
        assert_eq!(states, one(Output::Last(&mut last)));
        Ran { sequences, last, h: states.0, c: states.1 }
    }

    fn run_into(
        &self,
        input: &Sequences<'_>,
        options: Options,
        initial: &[f32],
        out: Output<'_>,
    ) -> (Vec<f32>, Vec<f32>) {
        let Self { units, activation, recurrent_activation, .. } = *self;
        let (mut h, mut c) = (initial.to_vec(), initial.to_vec());
        let width = self.kind.gates() * units;
        let packed = pack(&self.kernel, self.features, width);
        let kernel = PackedMatrix::new(&packed, self.features, width).expect("the packed length");
        let kernel = (!self.multiplied).then_some(kernel);
        let columns = |first: usize, count: usize| -> Vec<f32> {
            let rows = self.recurrent.chunks_exact(width);
            pack(&rows.flat_map(|row| &row[first..first + count]).copied().collect::<Vec<_>>(), units, count)
        };
        let (whole, gates, candidate) =
            (columns(0, width), columns(0, width.min(2 * units)), columns(width - units, units));
        let matrix = |data, n| PackedMatrix::new(data, units, n).expect("the packed length");
        let weights = matrix(&whole, width);
        let bias = self.bias.as_ref().map(|bias| &bias[..width]);
        match self.kind {
            Kind::Simple => {
                let cell = SimpleRnn { kernel, recurrent: weights, bias, activation };
                simple_rnn(&cell, input, options, &mut h, out);
            }
            Kind::Lstm => {
                let cell = Lstm { kernel, recurrent: weights, bias, activation, recurrent_activation };
                lstm(&cell, input, options, &mut h, &mut c, out);
            }
            Kind::After | Kind::Before => {
                let recurrent = if self.kind == Kind::After {
                    GruRecurrent::After { weights, bias: self.bias.as_ref().map(|bias| &bias[width..]) }
                } else {
                    let (gates, candidate) = (matrix(&gates, 2 * units), matrix(&candidate, units));
                    GruRecurrent::Before { gates, candidate }
                };
                gru(
                    &Gru { kernel, bias, recurrent, activation, recurrent_activation },
                    input,
                    options,
                    &mut h,
                    out,
                );
            }
        }
        (h, c)
    }

    fn bias(&self, row: usize, j: usize) -> f64 {
        self.bias.as_ref().map_or(0.0, |bias| f64::from(bias[row * self.kind.gates() * self.units + j]))
    }

    /// `h R` for column j.
    fn dot(&self, h: &[f64], j: usize) -> f64 {
        let width = self.kind.gates() * self.units;
        h.iter().enumerate().map(|(p, h)| h * f64::from(self.recurrent[p * width + j])).sum()
    }

    /// One step of one row in f64, as Keras documents it.
    fn step(&self, x: &[f32], h: &mut [f64], c: &mut [f64]) {
        let (units, old) = (self.units, h.to_vec());
        let width = self.kind.gates() * units;
        let sigma = |x: f64| 1.0 / (1.0 + (-x).exp());
        let a = |j: usize| {
            let x = x.iter().enumerate();
            x.map(|(p, &x)| f64::from(x) * f64::from(self.kernel[p * width + j])).sum::<f64>()
                + self.bias(0, j)
        };
        let reset: Vec<f64> = (0..units)
            .map(|i| match self.kind {
                Kind::After => sigma(a(units + i) + self.dot(&old, units + i) + self.bias(1, units + i)),
                Kind::Before => sigma(a(units + i) + self.dot(&old, units + i)),
                _ => 0.0,
            })
            .collect();
        let kept: Vec<f64> = reset.iter().zip(&old).map(|(r, h)| r * h).collect();
        for i in 0..units {
            let z = |gate: usize| a(gate * units + i) + self.dot(&old, gate * units + i);
            h[i] = match self.kind {
                Kind::Simple => z(0).tanh(),
                Kind::Lstm => {
                    c[i] = sigma(z(1)) * c[i] + sigma(z(0)) * z(2).tanh();
                    sigma(z(3)) * c[i].tanh()
                }
                Kind::After => {
                    let update = sigma(z(0) + self.bias(1, i));
                    let q = self.dot(&old, 2 * units + i) + self.bias(1, 2 * units + i);
                    update * old[i] + (1.0 - update) * (a(2 * units + i) + reset[i] * q).tanh()
                }
                Kind::Before => {
                    let candidate = a(2 * units + i) + self.dot(&kept, 2 * units + i);
                    sigma(z(0)) * old[i] + (1.0 - sigma(z(0))) * candidate.tanh()
                }
            };
        }
    }

    /// Keras' loop with a mask, row by row: sequences, last output, final h, final c.
    fn naive(&self, input: &Sequences<'_>, options: Options, initial: &[f32]) -> [Vec<f64>; 4] {
        let mut results: [Vec<f64>; 4] = Default::default();
        for b in 0..input.batch {
            let mut h: Vec<f64> = initial[b * self.units..][..self.units].iter().map(|&x| x.into()).collect();
            let (mut c, mut y) = (h.clone(), vec![0.0; self.units]);
            for step in 0..input.steps {
                let t = if options.go_backwards { input.steps - 1 - step } else { step };
                let at = b * input.steps + t;
                if input.mask.is_none_or(|mask| mask[at]) {
                    self.step(&input.x[at * self.features..][..self.features], &mut h, &mut c);
                    y.clone_from(&h);
                } else if options.zero_output_for_mask {
                    y.fill(0.0);
                }
                results[0].extend(&y);
            }
            results[1].extend(&y);
            results[2].extend(&h);
            results[3].extend(if self.kind == Kind::Lstm { c } else { initial_c(initial, b, self.units) });
        }
        results
    }
}

fn initial_c(initial: &[f32], b: usize, units: usize) -> Vec<f64> {
    initial[b * units..][..units].iter().map(|&x| x.into()).collect()
}

fn every_option() -> [Options; 4] {
    [(false, false), (true, false), (false, true), (true, true)].map(
        |(go_backwards, zero_output_for_mask)| Options {
            go_backwards,
            in_order: false,
            zero_output_for_mask,
        },
    )
}

#[test]
fn they_are_keras_loop() {
    let mut lcg = Lcg::new(11);
    let shapes = [
        (3, 5, 2, 3),
        (1, 1, 4, 17),
        (9, 6, 1, 40),
        (2, 0, 3, 4),
        (0, 3, 2, 2),
        (4, 7, 0, 5),
        (7, 3, 33, 32),
    ];
    for (batch, steps, features, units) in shapes {
        for kind in KINDS {
            for options in every_option() {
                let layer = Layer::random(kind, features, units, &mut lcg);
                let x = lcg.floats(batch * steps * features, 1.5);
                let mut mask = lcg.bools(batch * steps);
                mask.iter_mut().take(steps).for_each(|valid| *valid = false);
                let initial = lcg.floats(batch * units, 0.8);
                for mask in [None, Some(&mask[..])] {
                    let input = Sequences { x: &x, rows: None, batch, steps, features, mask, places: None };
                    let ran = layer.run(&input, options, &initial);
                    let want = layer.naive(&input, options, &initial);
                    for (got, want) in [&ran.sequences, &ran.last, &ran.h, &ran.c].into_iter().zip(&want) {
                        assert_close(got, want, 3e-6);
                    }
                }
            }
        }
    }
}

/// Numbers that Keras printed for units 1, kernel 0.1, recurrent 0.2, bias 0.05, all constant.
#[test]
fn the_numbers_of_keras() {
    let x: Vec<f32> = (0..12).map(|i| i as f32 / 10.0).collect();
    let mask = [true, true, false, true, false, true];
    let input =
        Sequences { x: &x, rows: None, batch: 2, steps: 3, features: 2, mask: Some(&mask), places: None };
    let table: [(Kind, [f64; 6], [f64; 6]); 4] = [
        (
            Kind::Simple,
            [0.059928, 0.111520, 0.111520, 0.178081, 0.178081, 0.287296],
            [0.0, 0.099668, 0.079764, 0.254296, 0.254296, 0.226843],
        ),
        (
            Kind::Lstm,
            [0.015889, 0.036892, 0.036892, 0.052706, 0.052706, 0.114603],
            [0.0, 0.027444, 0.031349, 0.080520, 0.080520, 0.100444],
        ),
        (
            Kind::After,
            [0.040713, 0.082117, 0.082117, 0.090729, 0.090729, 0.174563],
            [0.0, 0.058374, 0.074375, 0.118925, 0.118925, 0.162208],
        ),
        (
            Kind::Before,
            [0.029065, 0.063935, 0.063935, 0.081048, 0.081048, 0.159494],
            [0.0, 0.047344, 0.055773, 0.110711, 0.110711, 0.146297],
        ),
    ];
    for (kind, forward, backward) in table {
        let mut layer = Layer::random(kind, 2, 1, &mut Lcg::new(1));
        layer.kernel.fill(0.1);
        layer.recurrent.fill(0.2);
        layer.bias = Some(vec![0.05; 2 * kind.gates()]);
        for (go_backwards, want) in [(false, forward), (true, backward)] {
            let ran = layer.run(&input, Options { go_backwards, ..Options::default() }, &[0.0; 2]);
            assert_close(&ran.sequences, &want, 6e-7);
            assert_close(&ran.last, &[want[2], want[5]], 6e-7);
            if kind == Kind::Lstm && !go_backwards {
                assert_close(&ran.c, &[0.070283, 0.204860], 6e-7);
            }
        }
    }
}

/// Rows of ragged length, padded to `steps` with garbage before or behind.
fn padded(rows: &[Vec<f32>], features: usize, steps: usize, left: bool) -> (Vec<f32>, Vec<bool>) {
    let (mut x, mut mask) = (Vec::new(), Vec::new());
    for row in rows {
        let (len, garbage) = (row.len() / features, vec![f32::NAN; steps * features - row.len()]);
        let (valid, padding) = (vec![true; len], vec![false; steps - len]);
        if left {
            x.extend(garbage.iter().chain(row));
            mask.extend(padding.into_iter().chain(valid));
        } else {
            x.extend(row.iter().chain(&garbage));
            mask.extend(valid.into_iter().chain(padding));
        }
    }
    (x, mask)
}

#[test]
fn company_order_padding_and_threads_do_not_show() {
    let (features, units, longest) = (24, 72, 15);
    for kind in KINDS {
        let mut lcg = Lcg::new(kind as u64);
        let layer = Layer::random(kind, features, units, &mut lcg);
        let rows: Vec<Vec<f32>> = (0..33).map(|i| lcg.floats(features * (i % (longest + 1)), 1.0)).collect();
        let run = |rows: &[Vec<f32>], steps, left, options| {
            let (x, mask) = padded(rows, features, steps, left);
            let input = Sequences {
                x: &x,
                rows: None,
                batch: rows.len(),
                steps,
                features,
                mask: Some(&mask),
                places: None,
            };
            let ran = layer.run(&input, options, &vec![0.0; rows.len() * units]);
            (bits(&ran.last), bits(&ran.h))
        };
        for options in every_option().into_iter().filter(|options| !options.zero_output_for_mask) {
            let together = with_threads(1, || run(&rows, longest, false, options));
            assert_eq!(together, with_threads(2, || run(&rows, longest, false, options)));
            assert_eq!(together, with_threads(3, || run(&rows, longest, false, options)));
            assert_eq!(together, run(&rows, longest + 9, false, options));
            assert_eq!(together, run(&rows, longest + 4, true, options));
            let turned: Vec<_> = rows.iter().rev().cloned().collect();
            let turned = run(&turned, longest, false, options);
            for (i, row) in rows.iter().enumerate() {
                let mine = together.0[i * units..][..units].to_vec();
                assert_eq!(mine, turned.0[(rows.len() - 1 - i) * units..][..units]);
                let alone = run(std::slice::from_ref(row), row.len() / features, false, options);
                assert_eq!(mine, alone.0);
            }
        }
    }
}

/// What is whole is `[batch, steps, width]`; taken are the rows at the places.
fn taken(whole: &[f32], places: &[i32], width: usize) -> Vec<f32> {
    places.iter().flat_map(|&place| &whole[place as usize * width..][..width]).copied().collect()
}

#[test]
fn rows_at_places_are_those_of_the_whole() {
    let (batch, steps, features, units) = (9, 12, 7, 19);
    for kind in KINDS {
        let mut lcg = Lcg::new(kind as u64);
        let layer = Layer::random(kind, features, units, &mut lcg);
        let x = lcg.floats(batch * steps * features, 1.0);
        let mut mask = lcg.bools(batch * steps);
        mask[..steps].fill(false);
        let initial = lcg.floats(batch * units, 0.8);
        let wanted: Vec<bool> = lcg.bools(batch * steps).iter().zip(&mask).map(|(a, b)| *a || *b).collect();
        let places: Vec<i32> = (0..).zip(&wanted).filter(|(_, wanted)| **wanted).map(|(at, _)| at).collect();
        let (rows, at) = (taken(&x, &places, features), Places::new(&places, [batch, steps], &mask).unwrap());
        let whole = Sequences { x: &x, rows: None, batch, steps, features, mask: Some(&mask), places: None };
        let packed = Sequences { x: &rows, places: Some(&at), ..whole };
        for options in every_option() {
            let options = Options { in_order: true, ..options };
            let ran = layer.run(&whole, options, &initial);
            for threads in [1, 3] {
                let mut found = vec![f32::NAN; places.len() * units];
                let run = || layer.run_into(&packed, options, &initial, Output::Sequences(&mut found));
                let (h, _) = with_threads(threads, run);
                assert_eq!(bits(&found), bits(&taken(&ran.sequences, &places, units)));
                assert_eq!(bits(&h), bits(&ran.h));
            }
        }
    }
}

#[test]
fn products_that_are_given_are_those_that_are_computed() {
    let (batch, steps, features, units) = (5, 11, 7, 19);
    for kind in KINDS {
        let mut lcg = Lcg::new(kind as u64);
        let layer = Layer::random(kind, features, units, &mut lcg);
        let width = kind.gates() * units;
        let (x, mask) = (lcg.floats(batch * steps * features, 1.0), lcg.bools(batch * steps));
        let initial = lcg.floats(batch * units, 1.0);
        let packed = pack(&layer.kernel, features, width);
        let kernel = PackedMatrix::new(&packed, features, width).expect("the packed length");
        let init = layer.bias.as_ref().map_or(Init::Zero, |bias| Init::Bias(&bias[..width]));
        let mut products = vec![f32::NAN; batch * steps * width];
        gemm(&x, batch * steps, kernel, init, &mut products);
        let whole = Sequences { x: &x, rows: None, batch, steps, features, mask: Some(&mask), places: None };
        // Those of a table, too: here the row of every step is the one at its place.
        let rows: Vec<usize> = (0..batch * steps).collect();
        for rows in [None, Some(rows.as_slice())] {
            let given = Sequences { x: &products, rows, features: width, ..whole };
            for options in every_option() {
                let computed = layer.run(&whole, options, &initial);
                let layer = Layer { multiplied: true, ..layer.clone() };
                for threads in [1, 3] {
                    let ran = with_threads(threads, || layer.run(&given, options, &initial));
                    assert_eq!(bits(&ran.sequences), bits(&computed.sequences));
                    assert_eq!(ran, computed);
                }
            }
        }
    }
}

#[test]
fn outputs_in_order_are_those_of_the_steps() {
    let (batch, steps, units) = (4, 6, 5);
    let mut lcg = Lcg::new(8);
    let layer = Layer::random(Kind::Lstm, 3, units, &mut lcg);
    let (x, mask) = (lcg.floats(batch * steps * 3, 1.0), lcg.bools(batch * steps));
    let input = Sequences { x: &x, rows: None, batch, steps, features: 3, mask: Some(&mask), places: None };
    let backwards = Options { go_backwards: true, ..Options::default() };
    let [turned, ordered] = [false, true]
        .map(|in_order| layer.run(&input, Options { in_order, ..backwards }, &vec![0.0; batch * units]));
    let back: Vec<f32> = (turned.sequences.chunks(steps * units))
        .flat_map(|example| example.chunks(units).rev().flatten().copied())
        .collect();
    assert_eq!(back, ordered.sequences);
}

#[test]
fn places_have_to_be_in_order_and_to_hold_the_mask() {
    let mask = [true, false, true, false];
    let places = |places: &[i32]| Places::new(places, [2, 2], &mask).is_some();
    assert!(places(&[0, 2]) && places(&[0, 1, 2, 3]));
    assert!(
        !places(&[0])
            && !places(&[2, 0])
            && !places(&[0, 2, 2])
            && !places(&[0, 2, 4])
            && !places(&[-1, 0, 2])
    );
    assert!(Places::new(&[], [2, 2], &mask[..2]).is_none());
}

#[test]
fn any_activation_will_do() {
    let mut lcg = Lcg::new(2);
    for kind in KINDS {
        let mut layer = Layer::random(kind, 3, 5, &mut lcg);
        layer.activation = Activation::Softmax;
        layer.recurrent_activation = Activation::HardSigmoid;
        let x = lcg.floats(2 * 4 * 3, 1.0);
        let input =
            Sequences { x: &x, rows: None, batch: 2, steps: 4, features: 3, mask: None, places: None };
        let ran = layer.run(&input, Options::default(), &[0.0; 10]);
        assert!(ran.sequences.iter().all(|y| (0.0..=1.0).contains(y)), "{kind:?}");
    }
}

#[test]
fn many_chunks_are_one_run() {
    let mut lcg = Lcg::new(9);
    let (batch, steps, features, units) = (5, 200, 60, 64);
    let layer = Layer::random(Kind::After, features, units, &mut lcg);
    assert!(batch * steps * (features + 3 * units) > CHUNK);
    let (x, mask) = (lcg.floats(batch * steps * features, 1.0), lcg.bools(batch * steps));
    let input = Sequences { x: &x, rows: None, batch, steps, features, mask: Some(&mask), places: None };
    let ran = layer.run(&input, Options::default(), &vec![0.0; batch * units]);
    assert_close(
        &ran.sequences,
        &layer.naive(&input, Options::default(), &vec![0.0; batch * units])[0],
        1e-5,
    );
}
