//! Layers, products, look-ups.

use masque_ir::activation::Activation;
use masque_ir::float::Float;
use masque_ir::ops::attend::Blind;
use masque_ir::ops::{
    Activate, Attention, Dense, Index, Normalize, Pool, Product, Recurrent, RecurrentOptions, Rows, Split,
    Standardize, Text, TokenOutput,
};
use masque_ir::{DType, Dim};
use masque_runtime::Tensor;
use ndarray::{ArrayD, IxDyn};

use crate::case::{Case, compare};
use crate::random::Random;

#[test]
fn activate() {
    compare("activate", |random| {
        let shape: Vec<usize> = (0..1 + random.below(3)).map(|_| random.size()).collect();
        let scale = random.pick(&[1.0, 10.0, 100.0]);
        let x = random.floats(&shape).as_f32().unwrap().mapv(|x| x * scale);
        Case::new(Activate::Activate { f: random.activation() }).input(x.into())
    });
}

#[test]
fn dense() {
    compare("dense", |random| {
        let (inner, columns) = (random.size(), random.size());
        let mut shape: Vec<usize> = (0..random.below(3)).map(|_| random.size()).collect();
        shape.push(inner);
        let (x, kernel) = (random.floats(&shape), random.floats(&[inner, columns]));
        Case::new(Dense::Dense { activation: random.activation() })
            .input(x)
            .weight(random, kernel)
            .maybe(random, |random| random.floats(&[columns]))
    });
}

/// Each axis of the result, and those summed over, in one or both operands, everything in any order.
#[test]
fn contract() {
    compare("contract", |random| {
        let (mut a, mut b, mut result) = (vec![], vec![], vec![]);
        for letter in 'a'..'g' {
            let size = random.size();
            let (left, right, kept) = random.pick(&[
                (true, true, true),
                (true, true, false),
                (true, false, true),
                (false, true, true),
            ]);
            for (list, stands) in [(&mut a, left), (&mut b, right), (&mut result, kept)] {
                if stands {
                    list.insert(random.below(list.len() + 1), (letter, size));
                }
            }
            if a.len() + b.len() > 4 {
                break;
            }
        }
        let letters = |list: &[(char, usize)]| list.iter().map(|(letter, _)| *letter).collect::<String>();
        let sizes = |list: &[(char, usize)]| list.iter().map(|(_, size)| *size).collect::<Vec<_>>();
        let axes = format!("{},{}->{}", letters(&a), letters(&b), letters(&result)).parse().unwrap();
        let (x, y) = (random.floats(&sizes(&a)), random.floats(&sizes(&b)));
        Case::new(Product::Contract { axes }).input(x).weight(random, y)
    });
}

#[test]
fn layer_norm() {
    compare("layer_norm", |random| {
        let shape: Vec<usize> = (0..1 + random.below(3)).map(|_| random.size()).collect();
        let axes = 1 + random.below(shape.len());
        let inner = shape[shape.len() - axes..].to_vec();
        let epsilon = Float(random.pick(&[1e-3, 1e-6, 0.1]));
        Case::new(Normalize::LayerNorm { axes: axes as u32, epsilon })
            .input(random.floats(&shape))
            .maybe(random, |random| random.floats(&inner))
            .maybe(random, |random| random.floats(&inner))
    });
}

#[test]
fn mean_over_time() {
    compare("mean_over_time", |random| {
        let mut shape: Vec<usize> = (0..2 + random.below(3)).map(|_| random.size()).collect();
        shape[0] = shape[0].min(4);
        Case::new(Pool::MeanOverTime { keep: random.once_in(2) })
            .input(random.floats(&shape))
            .maybe(random, |random| random.mask(shape[0], shape[1]))
    });
}

#[test]
fn gather() {
    compare("gather", |random| {
        let mut shape: Vec<usize> = (0..1 + random.below(3)).map(|_| random.size()).collect();
        shape[0] = shape[0].max(1);
        let ids: Vec<usize> = (0..random.below(3)).map(|_| random.size()).collect();
        // Now and then a number outside the table.
        let rows = shape[0] + usize::from(random.once_in(10));
        let ids = ArrayD::from_shape_simple_fn(IxDyn(&ids), || random.below(rows) as i64);
        let ids = if random.once_in(2) { ids.into() } else { ids.mapv(|id| id as i32).into() };
        let table = random.floats(&shape);
        Case::new(Index::Gather).weight(random, table).input(ids)
    });
}

/// A recurrent layer: sizes, weights, and what may be left out.
fn recurrent(random: &mut Random, op: Recurrent, bias_rows: usize) -> Case {
    let [batch, steps, features, units] = std::array::from_fn(|_| random.size().min(9));
    let columns = op.gates() as usize * units;
    let multiplied = random.once_in(3);
    let features = if multiplied { columns } else { features };
    let states = op.states();
    let rows = random.once_in(3).then(|| random.size());
    let mask = random.mask(batch, steps);
    let options = op.options();
    let in_order = !options.sequences || !options.backwards || options.in_order;
    let places = (in_order && random.once_in(2)).then(|| places(random, &mask));
    let shape = places.as_ref().map_or([batch, steps], |places| [1, places.shape()[0]]);
    let x = match rows {
        None => random.floats(&[shape[0], shape[1], features]),
        Some(rows) => random.floats(&[rows, features]),
    };
    let (kernel, inner) = (random.floats(&[features, columns]), random.floats(&[units, columns]));
    let bias: &[usize] = if bias_rows == 2 && !multiplied { &[2, columns] } else { &[columns] };
    let case = Case::new(op).input(x);
    let case = if multiplied { case.absent() } else { case.weight(random, kernel) };
    let case = case.weight(random, inner);
    let mut case = match multiplied && bias_rows == 1 {
        true => case.absent(),
        false => case.maybe(random, |random| random.floats(bias)),
    };
    case = if places.is_some() { case.input(mask) } else { case.maybe(random, |_| mask) };
    for _ in 0..states {
        case = case.maybe(random, |random| random.floats(&[batch, units]));
    }
    case = match rows {
        None => case.absent(),
        Some(rows) => case.input(random.indices(rows, &shape)),
    };
    match places {
        None => case.absent(),
        Some(places) => case.input(places),
    }
}

/// Where a mask is true, and some other places.
fn places(random: &mut Random, mask: &Tensor) -> Tensor {
    let Tensor::Bool(mask) = mask else { panic!("a mask") };
    let wanted = (0..).zip(mask).filter(|(_, valid)| **valid || random.once_in(4));
    Tensor::I32(wanted.map(|(place, _)| place).collect::<ndarray::Array1<i32>>().into_dyn())
}

fn options(random: &mut Random) -> RecurrentOptions {
    RecurrentOptions {
        activation: random.pick(&[Activation::Tanh, Activation::Sigmoid, Activation::RELU]),
        sequences: random.once_in(2),
        states: random.once_in(2),
        backwards: random.once_in(2),
        in_order: random.once_in(2),
        zero_masked: random.once_in(2),
    }
}

/// Rows of a mask, taken and put back.
#[test]
fn rows() {
    compare("rows", |random| {
        let [batch, steps] = std::array::from_fn(|_| random.size().min(9));
        let mask = random.mask(batch, steps);
        let places = places(random, &mask);
        let (count, width) = (places.shape()[0], random.size());
        let size = |number: usize| Dim::constant(number as i64);
        let Tensor::Bool(valid) = &mask else { panic!("a mask") };
        let begins = |at: usize, row: &[bool]| row[at] || at == 0 || row[at - 1];
        let rows: Vec<bool> = valid.iter().copied().collect();
        let runs = rows.chunks(steps.max(1)).map(|row| (0..row.len()).filter(|&at| begins(at, row)).count());
        let (valid, runs) = (size(rows.iter().filter(|valid| **valid).count()), size(runs.sum()));
        let unpack = match random.once_in(2) {
            true => Rows::Unpack { fill: Float(0.5) },
            false => Rows::UnpackRuns,
        };
        match random.below(4) {
            0 => Case::new(Rows::Places { count: valid }).input(mask),
            1 => Case::new(Rows::Runs { count: runs }).input(mask),
            2 => Case::new(Rows::Pack).input(random.floats(&[batch, steps, width])).input(places),
            _ => Case::new(unpack).input(random.floats(&[1, count, width])).input(places).input(mask),
        }
    });
}

#[test]
fn gru() {
    compare("gru", |random| {
        let reset_after = random.once_in(2);
        let recurrent_activation = random.gate();
        let op = Recurrent::Gru { options: options(random), recurrent_activation, reset_after };
        recurrent(random, op, if reset_after { 2 } else { 1 })
    });
}

#[test]
fn lstm() {
    compare("lstm", |random| {
        let recurrent_activation = random.gate();
        let op = Recurrent::Lstm { options: options(random), recurrent_activation };
        recurrent(random, op, 1)
    });
}

#[test]
fn simple_rnn() {
    compare("simple_rnn", |random| {
        let op = Recurrent::SimpleRnn { options: options(random) };
        recurrent(random, op, 1)
    });
}

#[test]
fn vectorize() {
    let words = ["dog", "cat", "bird", "A dog,", "a CAT!", "", "no such word"];
    let texts = |random: &mut Random, count: usize| {
        ArrayD::from_shape_simple_fn(IxDyn(&[count]), || random.pick(&words).to_owned())
    };
    compare("vectorize", |random| {
        let (length, output) = random.pick(&[("2", TokenOutput::Int), ("5", TokenOutput::MultiHot)]);
        let op = Text::Vectorize {
            standardize: Standardize::LowerAndStripPunctuation,
            split: Split::Whitespace,
            ngrams: vec![],
            output,
            length: length.parse().unwrap(),
            to: DType::I64,
        };
        let count = random.size();
        let vocabulary =
            ArrayD::from_shape_vec(IxDyn(&[3]), ["dog", "cat", "bird"].map(str::to_owned).to_vec());
        let mut case = Case::new(op).input(texts(random, count).into());
        case.operands.extend([Some((vocabulary.unwrap().into(), true)), None]);
        case
    });
}

#[test]
fn attention_rows() {
    compare("attention_rows", |random| {
        let (batch, steps, depth, width) = (random.below(4), random.size(), random.size(), random.size());
        let groups = random.pick(&[1, 1, 2, 3]);
        let heads = groups * random.pick(&[1, 1, 2, 3]);
        let mask = random.mask(batch, steps);
        let rows = mask.as_bool().unwrap().iter().filter(|valid| **valid).count();
        let op = Attention::Rows { scale: Float(random.pick(&[1.0, 0.5, 0.3])), causal: random.once_in(3) };
        let query = finite(random, &[1, rows, heads, depth]);
        let key = finite(random, &[1, rows, groups, depth]);
        let value = finite(random, &[1, rows, groups, width]);
        Case::new(op).input(query).input(key).input(value).input(mask)
    });
}

/// Floats that can be summed in any order.
fn finite(random: &mut Random, shape: &[usize]) -> Tensor {
    random.floats(shape).as_f32().unwrap().mapv(|x| if x.is_finite() { x } else { 0.5 }).into()
}

#[test]
fn attention() {
    compare("attention", |random| {
        let (batch, looking, seen) = (random.below(4), random.size(), random.size());
        let groups = random.pick(&[1, 1, 2, 3]);
        let heads = groups * random.pick(&[1, 1, 2, 3]);
        let (depth, width) = (random.size(), random.size());
        let op = Attention::Attention {
            scale: Float(random.pick(&[1.0, 0.5, 0.3])),
            causal: random.once_in(3),
            within: random.once_in(4).then(|| 1 + random.below(5) as u32),
            blind: random.pick(&[Blind::Mean, Blind::Lowered, Blind::Nothing]),
        };
        let case = Case::new(op)
            .input(finite(random, &[batch, looking, heads, depth]))
            .input(finite(random, &[batch, seen, groups, depth]))
            .input(finite(random, &[batch, seen, groups, width]));
        let case = case
            .maybe(random, |random| random.mask(batch, looking))
            .maybe(random, |random| random.mask(batch, seen));
        case.maybe(random, |random| {
            let shape = [batch, heads, looking, seen].map(|size| if random.once_in(3) { 1 } else { size });
            random.elements(DType::Bool, &shape)
        })
    });
}
