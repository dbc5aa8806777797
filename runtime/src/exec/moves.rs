//! Elements moved, never computed.

use masque_ir::Dim;
use masque_ir::ops::Shape;

use super::{Call, Writes};
use crate::data::{Elements, ElementsMut};
use crate::error::OpFailure;
use crate::kernels::copy::{Axis, copy, strides as row_by_row};

#[derive(Debug)]
pub(super) struct Moves;

/// `moved!(x, out; T => f)`: `f` of the elements of both, which are of one type.
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

pub(super) use moved;

impl Writes for Moves {
    fn write(&self, call: &mut Call<'_>) -> Result<(), OpFailure> {
        let masque_ir::ops::Op::Shape(op) = call.op else { return Err(call.unfit(0)) };
        match op {
            Shape::Concat { axis } => return concat(call, *axis as usize),
            Shape::Pad { low, high: _, spread } => return pad(call, low, spread),
            Shape::Positions { axis } => return positions(call, *axis as usize),
            Shape::Size { axes } => return size(call, axes),
            _ => {}
        }
        let x = call.operand(0)?;
        let to = row_by_row(call.result_shape(0));
        let (start, from) = source(op, call, x.shape)?;
        let axes: Vec<Axis> = (call.result_shape(0).iter().zip(from).zip(to))
            .map(|((&size, from), to)| Axis { size, from, to })
            .collect();
        let out = &mut call.results[0].elements;
        moved!(x.elements, out; (x, out) => copy(x, start, out, 0, &axes));
        Ok(())
    }
}

/// Where the first element of the result is read, and how far the next one along each of its axes is from it.
fn source(op: &Shape, call: &Call<'_>, shape: &[usize]) -> Result<(usize, Vec<isize>), OpFailure> {
    let strides = row_by_row(shape);
    Ok(match op {
        Shape::Transpose { perm } => (0, perm.iter().map(|&axis| strides[axis as usize]).collect()),
        Shape::Broadcast { .. } => {
            let new = call.result_shape(0).len() - shape.len();
            let along = shape.iter().zip(&strides).map(|(&size, &stride)| if size == 1 { 0 } else { stride });
            (0, std::iter::repeat_n(0, new).chain(along).collect())
        }
        Shape::Slice { axis, start, stop, step } => {
            let (axis, size) = (*axis as usize, shape[*axis as usize]);
            let (start, stop) = (known(start, call)?, known(stop, call)?);
            if start > stop || stop > size {
                return Err(OpFailure::SliceOutOfRange { start, stop, size });
            }
            let mut along = strides.clone();
            along[axis] *= *step as isize;
            // Of a slice of nothing, nothing is read.
            (start.min(size.saturating_sub(1)) * strides[axis] as usize, along)
        }
        Shape::Reverse { axis } => {
            let axis = *axis as usize;
            let mut along = strides.clone();
            along[axis] = -along[axis];
            (shape[axis].saturating_sub(1) * strides[axis] as usize, along)
        }
        // The same elements in the same order.
        _ => (0, row_by_row(call.result_shape(0))),
    })
}

/// A size in this run.
fn known(dim: &Dim, call: &Call<'_>) -> Result<usize, OpFailure> {
    let size = dim.eval(call.bindings).and_then(|size| usize::try_from(size).ok());
    size.ok_or_else(|| OpFailure::UnboundSize { size: dim.to_string() })
}

fn concat(call: &mut Call<'_>, axis: usize) -> Result<(), OpFailure> {
    let shape = call.result_shape(0);
    let to = row_by_row(shape);
    let mut target = 0;
    for place in 0..call.operands.len() {
        let part = call.operand(place)?;
        let fits = part.shape.iter().zip(shape).enumerate().all(|(at, (a, b))| at == axis || a == b);
        if !fits || part.shape.len() != shape.len() || target + part.shape[axis] > shape[axis] {
            let expected = format!("parts like {shape:?} in all axes but {axis}");
            return Err(OpFailure::mismatch(expected, format!("{:?}", part.shape)));
        }
        let axes: Vec<Axis> = (part.shape.iter().zip(row_by_row(part.shape)).zip(&to))
            .map(|((&size, from), &to)| Axis { size, from, to })
            .collect();
        let offset = target * to[axis] as usize;
        let out = &mut call.results[0].elements;
        moved!(part.elements, out; (part, out) => copy(part, 0, out, offset, &axes));
        target += part.shape[axis];
    }
    if target == shape[axis] {
        return Ok(());
    }
    Err(OpFailure::mismatch(format!("{} positions along axis {axis}", shape[axis]), target))
}

/// Fills the result and copies what of `x` lies within it.
fn pad(call: &mut Call<'_>, low: &[i64], spread: &[u32]) -> Result<(), OpFailure> {
    let (x, value, shape) = (call.operand(0)?, call.operand(1)?, call.result_shape(0));
    let (ins, outs) = (row_by_row(x.shape), row_by_row(shape));
    let (mut start, mut target, mut axes) = (0, 0, vec![]);
    for (axis, &size) in x.shape.iter().enumerate() {
        let step = i64::from(spread[axis]) + 1;
        // Of the elements at `low + i * step`, those from the first one on that is not before the result.
        let first = (-low[axis]).max(0).unsigned_abs().div_ceil(step.unsigned_abs()) as usize;
        let begin = low[axis] + first as i64 * step;
        let room = usize::try_from(shape[axis] as i64 - begin).unwrap_or(0);
        let count = size.saturating_sub(first).min(room.div_ceil(step as usize));
        start += first.min(size.saturating_sub(1)) * ins[axis] as usize;
        target +=
            usize::try_from(begin).unwrap_or(0).min(shape[axis].saturating_sub(1)) * outs[axis] as usize;
        axes.push(Axis { size: count, from: ins[axis], to: outs[axis] * step as isize });
    }
    macro_rules! padded {
        ($($dtype:ident)*) => {
            match (x.elements, value.elements, &mut call.results[0].elements) {
                $((Elements::$dtype(x), Elements::$dtype([value, ..]), ElementsMut::$dtype(out)) => {
                    out.fill(*value);
                    copy(x, start, out, target, &axes);
                })*
                _ => return Err(call.unfit(1)),
            }
        };
    }
    padded!(F32 F64 I32 I64 Bool);
    Ok(())
}

fn positions(call: &mut Call<'_>, axis: usize) -> Result<(), OpFailure> {
    let count = call.operand(0)?.shape[axis];
    match &mut call.results[0].elements {
        ElementsMut::I64(out) if out.len() == count => {
            out.iter_mut().zip(0..).for_each(|(out, place)| *out = place);
            Ok(())
        }
        _ => Err(call.unfit(0)),
    }
}

fn size(call: &mut Call<'_>, axes: &[u32]) -> Result<(), OpFailure> {
    let shape = call.operand(0)?.shape;
    let count = axes
        .iter()
        .try_fold(1i64, |count, &axis| count.checked_mul(i64::try_from(shape[axis as usize]).ok()?));
    let count = count.ok_or_else(|| OpFailure::UnboundSize { size: format!("{shape:?}") })?;
    match &mut call.results[0].elements {
        ElementsMut::I64([out]) => {
            *out = count;
            Ok(())
        }
        _ => Err(call.unfit(0)),
    }
}
