//! Rows without padding, and back.

use masque_ir::ops::{Op, Rows};

use super::gather::out_of_range;
use super::moves::moved;
use super::{Call, Gives, Writes, elements};
use crate::Tensor;
use crate::data::{Elements, ElementsMut};
use crate::error::OpFailure;
use crate::kernels::gather::{gather, scatter, scatter_runs};
use crate::reference;

/// Where a mask is true, or where its runs of false begin as well.
#[derive(Debug)]
pub(super) struct Places;

impl Gives for Places {
    fn give(&self, call: &Call<'_>) -> Result<Vec<Tensor>, OpFailure> {
        let mask = call.maybe_flags(0)?.ok_or_else(|| call.unfit(0))?;
        let steps = call.operand(0)?.shape.get(1).copied().unwrap_or(0);
        Ok(vec![match call.op {
            Op::Rows(Rows::Runs { .. }) => reference::runs(mask, steps)?,
            _ => reference::places(mask.iter().copied())?,
        }])
    }
}

/// Rows at some places, next to each other.
#[derive(Debug)]
pub(super) struct Pack;

/// Rows at some places, among others.
#[derive(Debug)]
pub(super) struct Unpack;

/// The size of a row, and the places.
fn places<'a>(call: &Call<'a>) -> Result<(usize, &'a [i32]), OpFailure> {
    let [_, _, row @ ..] = call.operand(0)?.shape else { return Err(call.unfit(0)) };
    match call.operand(1)?.elements {
        Elements::I32(places) => Ok((elements(row), places)),
        _ => Err(call.unfit(1)),
    }
}

impl Writes for Pack {
    fn write(&self, call: &mut Call<'_>) -> Result<(), OpFailure> {
        let x = call.operand(0)?;
        let &[batch, steps, ..] = x.shape else { return Err(call.unfit(0)) };
        let (width, places) = places(call)?;
        let (rows, out) = (batch.saturating_mul(steps), &mut call.results[0].elements);
        let done = moved!(x.elements, out; (x, out) => gather(x, rows, width, places, out));
        done.map_err(|error| out_of_range(error, &[places.len()]))
    }
}

impl Writes for Unpack {
    fn write(&self, call: &mut Call<'_>) -> Result<(), OpFailure> {
        let fill = match call.op {
            Op::Rows(Rows::Unpack { fill }) => Some(fill.0),
            _ => None,
        };
        let &[batch, steps, ..] = call.result_shape(0) else { return Err(call.unfit(0)) };
        let (width, places) = places(call)?;
        let (x, out) = (call.operand(0)?.elements, &mut call.results[0].elements);
        let rows = batch.saturating_mul(steps);
        let before = places.first().and_then(|&place| usize::try_from(place).ok()).unwrap_or(rows).min(rows);
        let (number, filled) = fill.map_or((0.0, before * width), |fill| (fill, rows * width));
        match out {
            ElementsMut::F32(out) => out[..filled].fill(number as f32),
            ElementsMut::F64(out) => out[..filled].fill(number),
            ElementsMut::I32(out) => out[..filled].fill(number as i32),
            ElementsMut::I64(out) => out[..filled].fill(number as i64),
            ElementsMut::Bool(out) => out[..filled].fill(number != 0.0),
        }
        let done = match fill {
            Some(_) => moved!(x, out; (x, out) => scatter(x, rows, width, places, out)),
            None if !places.is_sorted_by(|a, b| a < b) => {
                return Err(OpFailure::mismatch("places in order", "places out of order"));
            }
            None => moved!(x, out; (x, out) => scatter_runs(x, rows, width, places, out)),
        };
        done.map_err(|error| out_of_range(error, &[places.len()]))
    }
}
