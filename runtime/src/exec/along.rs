//! Elements along one axis: picked by number, and put in order.

use masque_ir::ops::{Index, Op};

use super::gather::out_of_range;
use super::moves::moved;
use super::{Call, Writes, elements};
use crate::data::{Elements, ElementsMut};
use crate::error::OpFailure;
use crate::kernels::along::{gather_along, order};

/// Elements picked along an axis.
#[derive(Debug)]
pub(super) struct GatherAlong;

/// Positions by ascending element.
#[derive(Debug)]
pub(super) struct Order;

/// A shape around one of its axes.
fn around(shape: &[usize], axis: usize) -> Option<[usize; 3]> {
    Some([elements(shape.get(..axis)?), *shape.get(axis)?, elements(&shape[axis + 1..])])
}

impl Writes for GatherAlong {
    fn write(&self, call: &mut Call<'_>) -> Result<(), OpFailure> {
        let Op::Index(Index::GatherAlong { axis }) = call.op else { return Err(call.unfit(0)) };
        let (x, ids) = (call.operand(0)?, call.operand(1)?);
        let lines = around(x.shape, *axis as usize).ok_or_else(|| call.unfit(0))?;
        let [outer, count, inner] = around(ids.shape, *axis as usize).ok_or_else(|| call.unfit(1))?;
        if [outer, inner] != [lines[0], lines[2]] {
            let expected = format!("indices like {:?} in all axes but {axis}", x.shape);
            return Err(OpFailure::mismatch(expected, format!("{:?}", ids.shape)));
        }
        let (unfit, out) = (call.unfit(1), &mut call.results[0].elements);
        let done = moved!(x.elements, out; (x, out) => match ids.elements {
            Elements::I32(ids) => gather_along(x, lines, ids, count, out),
            Elements::I64(ids) => gather_along(x, lines, ids, count, out),
            _ => return Err(unfit),
        });
        done.map_err(|error| out_of_range(error, ids.shape))
    }
}

impl Writes for Order {
    fn write(&self, call: &mut Call<'_>) -> Result<(), OpFailure> {
        let Op::Index(Index::Order { axis }) = call.op else { return Err(call.unfit(0)) };
        let x = call.operand(0)?;
        let lines = around(x.shape, *axis as usize).ok_or_else(|| call.unfit(0))?;
        let unfit = call.unfit(0);
        let ElementsMut::I64(out) = &mut call.results[0].elements else { return Err(unfit) };
        match x.elements {
            Elements::F32(x) => order(x, lines, out),
            Elements::F64(x) => order(x, lines, out),
            Elements::I32(x) => order(x, lines, out),
            Elements::I64(x) => order(x, lines, out),
            Elements::Bool(x) => order(x, lines, out),
            Elements::Str(_) | Elements::Panels(_) => return Err(unfit),
        }
        Ok(())
    }
}
