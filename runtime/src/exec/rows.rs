//! Rows without padding, and back.

use masque_ir::ops::{Op, Rows};

use super::{Call, Gives, Writes, elements};
use crate::Tensor;
use crate::data::{Elements, ElementsMut};
use crate::error::OpFailure;
use crate::reference;

/// Where a mask is true.
#[derive(Debug)]
pub(super) struct Places;

impl Gives for Places {
    fn give(&self, call: &Call<'_>) -> Result<Vec<Tensor>, OpFailure> {
        let mask = call.maybe_flags(0)?.ok_or_else(|| call.unfit(0))?;
        Ok(vec![reference::places(mask.iter().copied())?])
    }
}

/// Rows at some places, next to each other.
#[derive(Debug)]
pub(super) struct Pack;

/// Rows at some places, among others.
#[derive(Debug)]
pub(super) struct Unpack;

/// `moved!(x, out; (from, to) => body)`: the elements of both, which are of one type.
macro_rules! moved {
    ($x:expr, $out:expr; ($from:ident, $to:ident) => $body:expr) => {
        match ($x, $out) {
            (Elements::F32($from), ElementsMut::F32($to)) => $body,
            (Elements::F64($from), ElementsMut::F64($to)) => $body,
            (Elements::I32($from), ElementsMut::I32($to)) => $body,
            (Elements::I64($from), ElementsMut::I64($to)) => $body,
            (Elements::Bool($from), ElementsMut::Bool($to)) => $body,
            _ => return Err(OpFailure::mismatch("elements of one type", "elements of two types")),
        }
    };
}

/// The size of a row, and the places, all of which are below a number of rows.
fn places<'a>(call: &Call<'a>, rows: usize) -> Result<(usize, &'a [i32]), OpFailure> {
    let [_, _, row @ ..] = call.operand(0)?.shape else { return Err(call.unfit(0)) };
    let Elements::I32(places) = call.operand(1)?.elements else { return Err(call.unfit(1)) };
    let wrong = places.iter().position(|&place| usize::try_from(place).map_or(true, |place| place >= rows));
    match wrong {
        Some(at) => Err(OpFailure::IndexOutOfRange { index: places[at].into(), rows, position: vec![at] }),
        None => Ok((elements(row), places)),
    }
}

impl Writes for Pack {
    fn write(&self, call: &mut Call<'_>) -> Result<(), OpFailure> {
        let x = call.operand(0)?;
        let &[batch, steps, ..] = x.shape else { return Err(call.unfit(0)) };
        let (width, places) = places(call, batch.saturating_mul(steps))?;
        if width == 0 {
            return Ok(());
        }
        let out = &mut call.results[0].elements;
        moved!(x.elements, out; (x, out) => {
            for (row, &place) in out.chunks_exact_mut(width).zip(places) {
                row.copy_from_slice(&x[place as usize * width..][..width]);
            }
        });
        Ok(())
    }
}

impl Writes for Unpack {
    fn write(&self, call: &mut Call<'_>) -> Result<(), OpFailure> {
        let Op::Rows(Rows::Unpack { fill }) = call.op else { return Err(call.unfit(0)) };
        let &[batch, steps, ..] = call.result_shape(0) else { return Err(call.unfit(0)) };
        let (width, places) = places(call, batch.saturating_mul(steps))?;
        let (x, fill, out) = (call.operand(0)?.elements, fill.0, &mut call.results[0].elements);
        match out {
            ElementsMut::F32(out) => out.fill(fill as f32),
            ElementsMut::F64(out) => out.fill(fill),
            ElementsMut::I32(out) => out.fill(fill as i32),
            ElementsMut::I64(out) => out.fill(fill as i64),
            ElementsMut::Bool(out) => out.fill(fill != 0.0),
        }
        if width == 0 {
            return Ok(());
        }
        moved!(x, out; (x, out) => {
            for (row, &place) in x.chunks_exact(width).zip(places) {
                out[place as usize * width..][..width].copy_from_slice(row);
            }
        });
        Ok(())
    }
}
