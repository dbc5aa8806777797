//! Rows of a table of floats.

use masque_ir::DType;
use masque_ir::ops::{Index, Op, OperandTypes};

use super::{Adapter, Call, elements, in_order, missing, no_matrices, nothing_to_prepare, tensor};
use crate::error::OpFailure;
use crate::kernels::gather::gather;
use crate::{Tensor, TensorView};

pub(super) const ADAPTER: Adapter =
    Adapter { takes, matrices: no_matrices, prepare: nothing_to_prepare, run };

fn takes(op: &Op, operands: OperandTypes<'_>) -> bool {
    matches!(op, Op::Index(Index::Gather)) && operands[0].is_some_and(|table| table.dtype == DType::F32)
}

fn run(call: &Call<'_>) -> Result<Vec<Tensor>, OpFailure> {
    let table = call.required(0)?;
    let (rows, row_shape) = call.shape(0).split_first().ok_or_else(|| missing(call.op, 0))?;
    let width = elements(row_shape);
    let ids = call.tensor(1).ok_or_else(|| missing(call.op, 1))?;
    let mut out = vec![0.0; elements(ids.shape()).saturating_mul(width)];
    let done = match &ids {
        TensorView::I32(ids) => gather(&table, *rows, width, &in_order(ids), &mut out),
        TensorView::I64(ids) => gather(&table, *rows, width, &in_order(ids), &mut out),
        _ => return Err(missing(call.op, 1)),
    };
    done.map_err(|error| OpFailure::IndexOutOfRange {
        index: error.id,
        rows: error.rows,
        position: unravel(error.position, ids.shape()),
    })?;
    let shape: Vec<usize> = ids.shape().iter().chain(row_shape).copied().collect();
    Ok(vec![tensor(&shape, out)?])
}

/// The position along every axis of an element counted in order.
fn unravel(mut place: usize, shape: &[usize]) -> Vec<usize> {
    let mut position: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&size| {
            let along = place % size.max(1);
            place /= size.max(1);
            along
        })
        .collect();
    position.reverse();
    position
}
