//! Layer normalization; the axes normalized together are one row for the kernel.

use masque_ir::ops::{Normalize, Op, OperandTypes};

use super::{Adapter, Call, all_f32, elements, no_matrices, nothing_to_prepare, tensor};
use crate::Tensor;
use crate::error::OpFailure;
use crate::kernels::norm::layer_norm;

pub(super) const ADAPTER: Adapter =
    Adapter { takes, matrices: no_matrices, prepare: nothing_to_prepare, run };

fn takes(op: &Op, operands: OperandTypes<'_>) -> bool {
    matches!(op, Op::Normalize(_)) && all_f32(operands)
}

fn run(call: &Call<'_>) -> Result<Vec<Tensor>, OpFailure> {
    let Op::Normalize(Normalize::LayerNorm { axes, epsilon }) = call.op else { return call.by_reference() };
    let shape = call.shape(0);
    let width = elements(&shape[shape.len().saturating_sub(*axes as usize)..]);
    let (x, gamma, beta) = (call.required(0)?, call.floats(1), call.floats(2));
    let mut out = vec![0.0; x.len()];
    layer_norm(&x, width, gamma.as_deref(), beta.as_deref(), epsilon.0 as f32, &mut out);
    Ok(vec![tensor(shape, out)?])
}
