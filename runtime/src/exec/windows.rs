//! The largest element or the mean of windows.

use masque_ir::ops::{Op, Window};

use super::{Call, Writes, elements};
use crate::error::OpFailure;
use crate::kernels::windows::{Axis, Layout, Pool, pool, spread};

#[derive(Debug)]
pub(super) struct Windows;

impl Writes for Windows {
    fn write(&self, call: &mut Call<'_>) -> Result<(), OpFailure> {
        let Op::Window(op) = call.op else { return Err(call.unfit(0)) };
        match op {
            Window::WindowMax { window, strides, same } => slide(call, Pool::Max, window, strides, *same),
            Window::WindowMean { window, strides, same } => slide(call, Pool::Mean, window, strides, *same),
            Window::SpreadMax { axis, size } => cover(call, Pool::Max, *axis, *size),
            Window::SpreadMean { axis, size } => cover(call, Pool::Mean, *axis, *size),
            Window::Conv { .. } => Err(call.unfit(0)),
        }
    }
}

fn slide(
    call: &mut Call<'_>,
    how: Pool,
    window: &[u32],
    strides: &[u32],
    same: bool,
) -> Result<(), OpFailure> {
    let &[batch, ref sizes @ .., channels] = call.operand(0)?.shape else { return Err(call.unfit(0)) };
    let axis = |((&size, &window), &stride): ((&usize, &u32), &u32)| {
        let (window, stride) = (window as usize, stride as usize);
        match same {
            true => Axis::same(size, window, [stride, 1]),
            false => Axis::padded(size, window, [stride, 1, 1], [0, 0]),
        }
    };
    let axes: Vec<Axis> = sizes.iter().zip(window).zip(strides).map(axis).collect();
    fit(call, batch, &axes)?;
    let x = call.floats(0)?;
    pool(how, Layout::Dense { batch, axes: &axes }, channels, x, call.out(0)?);
    Ok(())
}

fn cover(call: &mut Call<'_>, how: Pool, axis: u32, size: u32) -> Result<(), OpFailure> {
    let shape = call.operand(0)?.shape;
    let (before, rest) = shape.split_at_checked(axis as usize).ok_or_else(|| call.unfit(0))?;
    let [length, after @ ..] = rest else { return Err(call.unfit(0)) };
    let x = call.floats(0)?;
    spread(how, [elements(before), *length, elements(after)], size as usize, x, call.out(0)?);
    Ok(())
}

/// Are the windows as many as the result has, and all rows so few that a `u32` can number them?
pub(super) fn fit(call: &Call<'_>, batch: usize, axes: &[Axis]) -> Result<(), OpFailure> {
    let counts: Vec<usize> = axes.iter().map(|axis| axis.count).collect();
    let few = |size: fn(&Axis) -> usize| {
        let rows = axes.iter().map(size).try_fold(batch, usize::checked_mul);
        rows.is_some_and(|rows| u32::try_from(rows).is_ok())
    };
    let few = few(|axis| axis.size) && few(|axis| axis.count);
    let &[_, ref results @ .., _] = call.result_shape(0) else { return Err(call.unfit(0)) };
    match few && results == counts {
        true => Ok(()),
        false => Err(OpFailure::mismatch(
            format_args!("windows {results:?} of fewer than 2^32 rows"),
            format_args!("{counts:?} for {batch} examples"),
        )),
    }
}
