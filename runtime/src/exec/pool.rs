//! Means over time; all axes behind time are features for the kernel.

use masque_ir::ops::{Op, OperandTypes, Pool};

use super::{Adapter, Call, all_f32, elements, no_matrices, nothing_to_prepare, tensor};
use crate::Tensor;
use crate::error::OpFailure;
use crate::kernels::pool::mean_over_time;

pub(super) const ADAPTER: Adapter =
    Adapter { takes, matrices: no_matrices, prepare: nothing_to_prepare, run };

fn takes(op: &Op, operands: OperandTypes<'_>) -> bool {
    matches!(op, Op::Pool(_)) && all_f32(operands)
}

fn run(call: &Call<'_>) -> Result<Vec<Tensor>, OpFailure> {
    let (Op::Pool(Pool::MeanOverTime { keep }), [batch, steps, rest @ ..]) = (call.op, call.shape(0)) else {
        return call.by_reference();
    };
    let features = elements(rest);
    let (x, mask) = (call.required(0)?, call.flags(1));
    let mut out = vec![0.0; batch.saturating_mul(features)];
    mean_over_time(&x, [*batch, *steps, features], mask.as_deref(), &mut out);
    let kept: &[usize] = if *keep { &[1] } else { &[] };
    tensor(&[&[*batch], kept, rest].concat(), out).map(|y| vec![y])
}
