//! Every adapter against the meaning of its operations.

use masque_ir::activation::Activation;
use masque_ir::float::Float;
use masque_ir::ops::{
    Activate, Dense, Index, Normalize, Pool, Product, Recurrent, RecurrentOptions, Split, Standardize, Text,
    TokenOutput,
};
use masque_ir::plan::PlanWeight;
use ndarray::{ArrayD, Dimension};

use super::*;
use crate::testing::noise;
use crate::weights::lay_out;

/// An operand's shape, and whether it is a weight in the layout that the kernel wants.
type Shape<'a> = (&'a [usize], bool);

fn both(op: &Op, operands: &[Option<(Tensor, bool)>]) {
    let laid_out: Vec<Option<(PlanWeight, Vec<u8>)>> = operands
        .iter()
        .enumerate()
        .map(|(place, operand)| match operand {
            Some((tensor, true)) => Some(weight(op, place, tensor)),
            _ => None,
        })
        .collect();
    let stored: Vec<Option<Stored<'_>>> = laid_out
        .iter()
        .map(|laid| laid.as_ref().map(|(weight, bytes)| Stored::read(weight, bytes).unwrap()))
        .collect();
    let prepared: Vec<Option<Prepared>> = stored
        .iter()
        .enumerate()
        .map(|(place, stored)| stored.as_ref().and_then(|stored| prepare(op, place, stored)))
        .collect();
    let arguments: Vec<Option<Argument<'_>>> = (0..operands.len())
        .map(|place| match (&stored[place], &operands[place]) {
            (Some(stored), _) => Some(Argument::Weight(stored.view(), prepared[place].as_ref())),
            (None, Some((tensor, _))) => Some(Argument::Tensor(tensor.view())),
            (None, None) => None,
        })
        .collect();
    let types: Vec<Option<Type>> =
        arguments.iter().map(|argument| argument.as_ref().map(Argument::ty)).collect();
    let types: Vec<Option<&Type>> = types.iter().map(Option::as_ref).collect();
    assert!(has_native(op, &types), "{op:?} on {types:?}");
    let call = Call { op, operands: &arguments, bindings: &Bindings::new(), budget: u64::MAX };
    let (kernel, reference) = (call.by_kernel().unwrap(), call.by_reference().unwrap());
    assert_eq!(kernel.len(), reference.len());
    for (kernel, reference) in kernel.iter().zip(&reference) {
        close(op, kernel, reference);
    }
}

fn weight(op: &Op, place: usize, tensor: &Tensor) -> (PlanWeight, Vec<u8>) {
    let layout = weight_layout(op, place, tensor.dtype());
    let bytes = lay_out(&tensor.view(), layout).unwrap();
    let weight = PlanWeight {
        name: "w".into(),
        dtype: tensor.dtype(),
        shape: tensor.shape().iter().map(|&size| size as u64).collect(),
        layout,
        offset: 0,
        bytes: bytes.len() as u64,
        hash: String::new(),
    };
    (weight, bytes)
}

fn close(op: &Op, kernel: &Tensor, reference: &Tensor) {
    let (Tensor::F32(a), Tensor::F32(b)) = (kernel, reference) else {
        return assert_eq!(kernel, reference, "{op:?}");
    };
    assert_eq!(a.shape(), b.shape(), "{op:?}");
    for (a, b) in a.iter().zip(b) {
        let same = a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-5 + 1e-5 * b.abs();
        assert!(same, "{op:?}: {a} and {b}");
    }
}

/// `f32` operands of these shapes; the empty ones are absent.
fn floats(shapes: &[Shape<'_>]) -> Vec<Option<(Tensor, bool)>> {
    let operand = |(place, (shape, is_weight)): (usize, &Shape<'_>)| {
        (!shape.is_empty()).then(|| (Tensor::F32(noise(shape, place as u32 + 3)), *is_weight))
    };
    shapes.iter().enumerate().map(operand).collect()
}

fn mask(shape: &[usize]) -> Option<(Tensor, bool)> {
    let flags = ArrayD::from_shape_fn(IxDyn(shape), |place| {
        (place.as_array_view().iter().sum::<usize>() * 7 + 1) % 3 != 0
    });
    Some((Tensor::Bool(flags), false))
}

fn activations() -> Vec<Activation> {
    use Activation::*;
    let relu = Relu { negative_slope: Float(0.1), max_value: Some(Float(0.3)), threshold: Float(0.1) };
    vec![
        Linear,
        Activation::RELU,
        relu,
        Elu { alpha: Float(0.7) },
        Selu,
        Gelu,
        GeluTanh,
        Silu,
        Softplus,
        Softsign,
        Tanh,
        Sigmoid,
        Exponential,
        HardSigmoid,
        HardSigmoidKeras2,
        HardSilu,
        HardTanh,
        Mish,
        LogSigmoid,
        Softmax { axis: -1 },
        LogSoftmax { axis: 2 },
    ]
}

#[test]
fn dense_and_activations() {
    for activation in activations() {
        both(&Activate::Activate { f: activation }.into(), &floats(&[(&[2, 3, 5], false)]));
        let op = Dense::Dense { activation }.into();
        both(&op, &floats(&[(&[2, 3, 5], false), (&[5, 40], true), (&[40], true)]));
        both(&op, &floats(&[(&[2, 3, 5], false), (&[5, 7], false), (&[], false)]));
    }
    let relu =
        Activation::Relu { negative_slope: Float(0.0), max_value: Some(Float(1.0)), threshold: Float(-1.0) };
    let clipped = Activate::Activate { f: relu }.into();
    let along_time = Activate::Activate { f: Activation::Softmax { axis: 1 } }.into();
    let ty = Type::new(DType::F32, vec![dim(2), dim(3), dim(5)]);
    assert!(!has_native(&along_time, &[Some(&ty)]) && !has_native(&clipped, &[Some(&ty)]));
}

#[test]
fn products() {
    let product = |axes: &str| Product::Contract { axes: axes.parse().unwrap() }.into();
    both(&Product::Matmul.into(), &floats(&[(&[2, 3, 5], false), (&[5, 40], true)]));
    let shapes: [(&str, &[usize], &[usize]); 8] = [
        ("btd,dhk->bthk", &[2, 3, 5], &[5, 4, 9]),
        ("bthk,bshk->bhts", &[2, 3, 4, 5], &[2, 9, 4, 5]),
        ("bhts,bshv->bthv", &[2, 4, 3, 9], &[2, 9, 4, 5]),
        ("bthv,hvd->btd", &[2, 3, 4, 5], &[4, 5, 6]),
        ("bk,bk->b", &[3, 7], &[3, 7]),
        ("i,j->ji", &[40], &[3]),
        ("ij,jk->ik", &[2, 0], &[0, 3]),
        ("ji,kj->ki", &[5, 2], &[33, 5]),
    ];
    for (axes, a, b) in shapes {
        for weight in [false, true] {
            both(&product(axes), &floats(&[(a, false), (b, weight)]));
        }
    }
    let ints = Type::new(DType::I64, vec![dim(2), dim(3)]);
    assert!(!has_native(&product("ij,ij->i"), &[Some(&ints), Some(&ints)]));
}

#[test]
fn gather() {
    let ids = ndarray::arr2(&[[0i64, 3], [2, 2]]).into_dyn();
    let table = |shape: &[usize]| Some((Tensor::F32(noise(shape, 1)), true));
    both(&Index::Gather.into(), &[table(&[4, 3]), Some((Tensor::I64(ids.clone()), false))]);
    both(&Index::Gather.into(), &[table(&[4, 2, 3]), Some((Tensor::I32(ids.mapv(|id| id as i32)), false))]);
    both(&Index::Gather.into(), &[table(&[4]), Some((Tensor::I64(ids), false))]);
}

#[test]
fn layer_norm_and_mean() {
    for axes in [1, 2] {
        let op = Normalize::LayerNorm { axes, epsilon: Float(1e-3) }.into();
        let scale: &[usize] = if axes == 1 { &[6] } else { &[5, 6] };
        both(&op, &floats(&[(&[3, 5, 6], false), (scale, true), (scale, true)]));
        both(&op, &floats(&[(&[3, 5, 6], false), (&[], false), (&[], false)]));
    }
    for keep in [false, true] {
        let op = Pool::MeanOverTime { keep }.into();
        both(&op, &floats(&[(&[3, 5, 2, 3], false), (&[], false)]));
        let mut operands = floats(&[(&[3, 5, 6], false)]);
        operands.push(mask(&[3, 5]));
        both(&op, &operands);
    }
}

fn recurrent_ops(options: &RecurrentOptions) -> Vec<Recurrent> {
    let (options, recurrent_activation) = (options.clone(), Activation::Sigmoid);
    let gru = |reset_after| Recurrent::Gru { options: options.clone(), recurrent_activation, reset_after };
    vec![
        gru(true),
        gru(false),
        Recurrent::Lstm { options: options.clone(), recurrent_activation: Activation::HardSigmoid },
        Recurrent::SimpleRnn { options: options.clone() },
    ]
}

fn recurrent_operands(op: &Recurrent, full: bool) -> Vec<Option<(Tensor, bool)>> {
    let (batch, time, features, units) = (3, 4, 5, 6);
    let columns = op.gates() as usize * units;
    let two_rows = matches!(op, Recurrent::Gru { reset_after: true, .. });
    let bias: &[usize] = if two_rows { &[2, columns] } else { &[columns] };
    let state: &[usize] = if full { &[batch, units] } else { &[] };
    let shapes: [Shape<'_>; 5] = [
        (&[batch, time, features], false),
        (&[features, columns], true),
        (&[units, columns], true),
        (if full { bias } else { &[] }, true),
        (&[], false),
    ];
    let mut operands = floats(&shapes);
    if full {
        operands[4] = mask(&[batch, time]);
    }
    operands.extend(floats(&vec![(state, false); op.states()]));
    operands
}

#[test]
fn recurrent_layers() {
    for choice in 0..16 {
        let options = RecurrentOptions {
            activation: if choice % 3 == 0 { Activation::RELU } else { Activation::Tanh },
            sequences: choice & 1 != 0,
            states: choice & 2 != 0,
            backwards: choice & 4 != 0,
            zero_masked: choice & 8 != 0,
        };
        for op in recurrent_ops(&options) {
            for full in [false, true] {
                both(&op.clone().into(), &recurrent_operands(&op, full));
            }
        }
    }
}

#[test]
fn texts() {
    let strings =
        |texts: &[&str]| ArrayD::from_shape_fn(IxDyn(&[texts.len()]), |place| texts[place[0]].to_owned());
    for (length, output) in [("T", TokenOutput::Int), ("2", TokenOutput::Int), ("4", TokenOutput::MultiHot)] {
        let op = Text::Vectorize {
            standardize: Standardize::LowerAndStripPunctuation,
            split: Split::Whitespace,
            ngrams: vec![],
            output,
            length: length.parse().unwrap(),
            to: DType::I64,
        };
        let vocabulary = Tensor::Str(strings(&["dog", "cat", "bird"]));
        let texts = Tensor::Str(strings(&["A dog, a CAT!", "", "bird"]));
        both(&op.into(), &[Some((texts, false)), Some((vocabulary, true)), None]);
    }
}
