//! The fully connected layer, and activation functions on their own.

use masque_ir::activation::Activation;
use masque_ir::ops::{Activate, Dense, Op, OperandTypes};
use masque_ir::ty::resolve_axis;

use super::{Adapter, Call, all_f32, elements, missing, nothing_to_prepare, tensor};
use crate::Tensor;
use crate::error::OpFailure;
use crate::kernels;
use crate::kernels::activation::Activation as Function;

pub(super) const ADAPTER: Adapter = Adapter { takes, matrices, prepare: nothing_to_prepare, run };

fn takes(op: &Op, operands: OperandTypes<'_>) -> bool {
    let rank = operands[0].map_or(0, |x| x.rank());
    all_f32(operands) && activation(op).is_some_and(|activation| function(activation, rank).is_some())
}

fn matrices(op: &Op) -> &'static [usize] {
    if matches!(op, Op::Dense(_)) { &[1] } else { &[] }
}

fn activation(op: &Op) -> Option<&Activation> {
    match op {
        Op::Activate(Activate::Activate { f }) => Some(f),
        Op::Dense(Dense::Dense { activation }) => Some(activation),
        _ => None,
    }
}

fn run(call: &Call<'_>) -> Result<Vec<Tensor>, OpFailure> {
    let shape = call.shape(0);
    let f = activation(call.op).and_then(|activation| function(activation, shape.len()));
    let f = f.ok_or_else(|| missing(call.op, 0))?;
    let x = call.required(0)?;
    if matches!(call.op, Op::Activate(_)) {
        let mut out = x.into_owned();
        f.apply(&mut out, shape.last().copied().unwrap_or(1));
        return Ok(vec![tensor(shape, out)?]);
    }
    let matrix = call.matrix(1)?;
    let w = matrix.packed()?;
    let bias = call.floats(2);
    let (columns, leading) = (w.n(), &shape[..shape.len().saturating_sub(1)]);
    let rows = elements(leading);
    let mut out = vec![0.0; rows.saturating_mul(columns)];
    kernels::dense::dense(&x, rows, w, bias.as_deref(), f, &mut out);
    let shape: Vec<usize> = leading.iter().copied().chain([columns]).collect();
    Ok(vec![tensor(&shape, out)?])
}

/// The kernel of an activation function, for operands with that many axes. There is none for a softmax along
/// another axis than the last.
pub(super) fn function(activation: &Activation, rank: usize) -> Option<Function> {
    let last = |axis: i32| resolve_axis(i64::from(axis), rank).is_some_and(|axis| axis + 1 == rank);
    if *activation == Activation::RELU {
        return Some(Function::Relu);
    }
    Some(match *activation {
        Activation::Linear => Function::Linear,
        // The kernel clips at 0 as well, below which the meaning of the operation goes on.
        Activation::Relu { max_value: Some(_), threshold, .. } if threshold.0 < 0.0 => return None,
        Activation::Relu { negative_slope, max_value, threshold } => Function::ReluWith {
            negative_slope: negative_slope.0 as f32,
            max_value: max_value.map(|max| max.0 as f32),
            threshold: threshold.0 as f32,
        },
        Activation::Elu { alpha } => Function::Elu { alpha: alpha.0 as f32 },
        Activation::Celu { alpha } => Function::Celu { alpha: alpha.0 as f32 },
        Activation::Selu => Function::Selu,
        Activation::Gelu => Function::Gelu,
        Activation::GeluTanh => Function::GeluTanh,
        Activation::Silu => Function::Silu,
        Activation::Softplus => Function::Softplus,
        Activation::Softsign => Function::Softsign,
        Activation::Tanh => Function::Tanh,
        Activation::Sigmoid => Function::Sigmoid,
        Activation::Exponential => Function::Exponential,
        Activation::HardSigmoid => Function::HardSigmoid,
        Activation::HardSigmoidKeras2 => Function::HardSigmoidKeras2,
        Activation::HardSilu => Function::HardSilu,
        Activation::HardTanh => Function::HardTanh,
        Activation::Mish => Function::Mish,
        Activation::LogSigmoid => Function::LogSigmoid,
        Activation::TanhShrink => Function::TanhShrink,
        Activation::HardShrink { threshold } => Function::HardShrink { threshold: threshold.0 as f32 },
        Activation::SoftShrink { threshold } => Function::SoftShrink { threshold: threshold.0 as f32 },
        Activation::SparsePlus => Function::SparsePlus,
        Activation::SparseSigmoid => Function::SparseSigmoid,
        Activation::Squareplus { b } => Function::Squareplus { b: b.0 as f32 },
        Activation::Softmax { axis } if last(axis) => Function::Softmax,
        Activation::LogSoftmax { axis } if last(axis) => Function::LogSoftmax,
        Activation::Softmax { .. } | Activation::Sparsemax { .. } | Activation::LogSoftmax { .. } => {
            return None;
        }
    })
}
