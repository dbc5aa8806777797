//! Rows of a table.

use super::moves::moved;
use super::{Call, Writes, elements};
use crate::data::{Elements, ElementsMut};
use crate::error::OpFailure;
use crate::kernels::gather::{OutOfRange, gather};

#[derive(Debug)]
pub(super) struct Gather;

impl Writes for Gather {
    fn write(&self, call: &mut Call<'_>) -> Result<(), OpFailure> {
        let (table, ids) = (call.operand(0)?, call.operand(1)?);
        let (rows, row_shape) = table.shape.split_first().ok_or_else(|| call.unfit(0))?;
        let (width, unfit, out) = (elements(row_shape), call.unfit(1), &mut call.results[0].elements);
        let done = moved!(table.elements, out; (table, out) => match ids.elements {
            Elements::I32(ids) => gather(table, *rows, width, ids, out),
            Elements::I64(ids) => gather(table, *rows, width, ids, out),
            _ => return Err(unfit),
        });
        done.map_err(|error| out_of_range(error, ids.shape))
    }
}

/// The failure that an id among ids of a shape names no row.
pub(super) fn out_of_range(error: OutOfRange, ids: &[usize]) -> OpFailure {
    let OutOfRange { id, position, rows } = error;
    OpFailure::IndexOutOfRange { index: id, rows, position: unravel(position, ids) }
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
