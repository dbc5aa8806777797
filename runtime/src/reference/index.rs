//! Elements picked by number.

use masque_ir::DType;
use masque_ir::ops::Index;
use ndarray::{ArrayD, ArrayViewD, Axis, Dimension, IxDyn};

use super::cast;
use super::shape::for_any;
use crate::elements::{Element, collect};
use crate::error::OpFailure;
use crate::tensor::{Tensor, TensorView};

pub(super) fn evaluate(
    op: &Index,
    table: &TensorView<'_>,
    indices: &TensorView<'_>,
) -> Result<Tensor, OpFailure> {
    match op {
        Index::Gather => {
            let rows = rows(table.shape()[0], indices)?;
            for_any!(table, table => gather(table, &rows))
        }
    }
}

/// The indices as numbers of rows that exist.
fn rows(rows: usize, indices: &TensorView<'_>) -> Result<ArrayD<usize>, OpFailure> {
    let indices = cast(indices, DType::I64)?;
    let Some(indices) = indices.as_i64() else {
        return Err(OpFailure::ElementType { found: indices.dtype() });
    };
    let mut found = ArrayD::zeros(IxDyn(indices.shape()));
    for ((position, &index), found) in indices.indexed_iter().zip(&mut found) {
        *found = usize::try_from(index)
            .ok()
            .filter(|&index| index < rows)
            .ok_or_else(|| OpFailure::IndexOutOfRange { index, rows, position: position.slice().to_vec() })?;
    }
    Ok(found)
}

fn gather<T: Element>(table: &ArrayViewD<'_, T>, rows: &ArrayD<usize>) -> Result<ArrayD<T>, OpFailure> {
    let shape = [rows.shape(), &table.shape()[1..]].concat();
    let picked = rows.iter().flat_map(|&row| table.view().index_axis_move(Axis(0), row).into_iter().cloned());
    collect(&shape, picked)
}
