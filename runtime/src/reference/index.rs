//! Elements picked by number.

use masque_ir::DType;
use masque_ir::ops::Index;
use ndarray::{ArrayD, ArrayViewD, Axis, Dimension, IxDyn};

use super::shape::for_any;
use crate::cast::cast;
use crate::elements::{Element, collect};
use crate::error::OpFailure;
use crate::tensor::{Tensor, TensorView};

pub(super) fn evaluate(op: &Index, operands: &[TensorView<'_>]) -> Result<Tensor, OpFailure> {
    match (op, operands) {
        (Index::Gather, [table, indices]) => {
            let rows = rows(table.shape()[0], indices)?;
            for_any!(table, table => gather(table, &rows))
        }
        (Index::GatherAlong { axis }, [x, indices]) => {
            let axis = *axis as usize;
            let places = rows(x.shape()[axis], indices)?;
            for_any!(x, x => gather_along(x, &places, axis))
        }
        (Index::Order { axis }, [x, ..]) => {
            let axis = *axis as usize;
            let TensorView::I64(x) = x else {
                let x = cast(x, DType::F64)?;
                let x = x.as_f64().ok_or(OpFailure::ElementType { found: x.dtype() })?;
                return Ok(order(&x.view(), axis, |x: f64| (x.is_nan(), x)).into());
            };
            Ok(order(x, axis, |x| x).into())
        }
        _ => Err(OpFailure::mismatch("as many operands as the row has", operands.len())),
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

fn gather_along<T: Element>(
    x: &ArrayViewD<'_, T>,
    places: &ArrayD<usize>,
    axis: usize,
) -> Result<ArrayD<T>, OpFailure> {
    let picked = places.indexed_iter().map(|(position, &place)| {
        let mut position = position.clone();
        position[axis] = place;
        x[position].clone()
    });
    collect(places.shape(), picked)
}

fn order<T: Copy, K: PartialOrd>(x: &ArrayViewD<'_, T>, axis: usize, key: impl Fn(T) -> K) -> ArrayD<i64> {
    let mut order = ArrayD::zeros(x.raw_dim());
    for (lane, mut places) in x.lanes(Axis(axis)).into_iter().zip(order.lanes_mut(Axis(axis))) {
        let mut sorted: Vec<usize> = (0..lane.len()).collect();
        sorted.sort_by(|&a, &b| key(lane[a]).partial_cmp(&key(lane[b])).unwrap_or(std::cmp::Ordering::Equal));
        places.iter_mut().zip(sorted).for_each(|(place, from)| *place = from as i64);
    }
    order
}

fn gather<T: Element>(table: &ArrayViewD<'_, T>, rows: &ArrayD<usize>) -> Result<ArrayD<T>, OpFailure> {
    let shape = [rows.shape(), &table.shape()[1..]].concat();
    let picked = rows.iter().flat_map(|&row| table.view().index_axis_move(Axis(0), row).into_iter().cloned());
    collect(&shape, picked)
}
