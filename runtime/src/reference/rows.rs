//! Rows without padding, and back.

use masque_ir::ops::Rows;
use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn};

use super::shape::for_any;
use crate::elements::{Element, collect};
use crate::error::OpFailure;
use crate::tensor::{Tensor, TensorView};

pub(super) fn evaluate(op: &Rows, operands: &[TensorView<'_>]) -> Result<Tensor, OpFailure> {
    match (op, operands) {
        (Rows::Places { .. }, [TensorView::Bool(mask)]) => places(mask.iter().copied()),
        (Rows::Runs { .. }, [TensorView::Bool(mask)]) => {
            let standard = mask.as_standard_layout();
            let steps = mask.shape().get(1).copied().unwrap_or(0);
            runs(standard.as_slice().unwrap_or_default(), steps)
        }
        (Rows::Pack, [x, places]) => {
            let [batch, steps, rest @ ..] = x.shape() else { return Err(unfit(x.shape())) };
            let places = inside(places, batch * steps)?;
            let shape = [&[1, places.len()], rest].concat();
            let at = |place: &usize| [place / steps, place % steps];
            for_any!(x, x => rows(x, places.iter().map(at), &shape))
        }
        (Rows::Unpack { fill }, [x, places, like]) => {
            let &[batch, steps] = like.shape() else { return Err(unfit(like.shape())) };
            let [_, _, rest @ ..] = x.shape() else { return Err(unfit(x.shape())) };
            let places = inside(places, batch * steps)?;
            let shape = [&[batch, steps], rest].concat();
            let fill = fill.0;
            match x {
                TensorView::F32(x) => spread(x, &places, &shape, fill as f32).map(Tensor::F32),
                TensorView::F64(x) => spread(x, &places, &shape, fill).map(Tensor::F64),
                TensorView::I32(x) => spread(x, &places, &shape, fill as i32).map(Tensor::I32),
                TensorView::I64(x) => spread(x, &places, &shape, fill as i64).map(Tensor::I64),
                TensorView::Bool(x) => spread(x, &places, &shape, fill != 0.0).map(Tensor::Bool),
                TensorView::Str(_) => Err(OpFailure::ElementType { found: x.dtype() }),
            }
        }
        (Rows::UnpackRuns, [x, places, like]) => {
            let &[batch, steps] = like.shape() else { return Err(unfit(like.shape())) };
            let [_, _, rest @ ..] = x.shape() else { return Err(unfit(x.shape())) };
            let places = inside(places, batch * steps)?;
            let shape = [&[batch, steps], rest].concat();
            for_any!(x, x => repeat(x, &places, &shape))
        }
        _ => Err(OpFailure::Given),
    }
}

fn unfit(shape: &[usize]) -> OpFailure {
    OpFailure::mismatch("axes for examples and positions", format_args!("{shape:?}"))
}

/// The numbers of those that are true.
pub(crate) fn places(mask: impl ExactSizeIterator<Item = bool>) -> Result<Tensor, OpFailure> {
    if i32::try_from(mask.len()).is_err() {
        return Err(OpFailure::mismatch("fewer than 2^31 positions", mask.len()));
    }
    let places = mask.enumerate().filter(|(_, valid)| *valid).map(|(place, _)| place as i32);
    Ok(ndarray::Array1::from_iter(places).into_dyn().into())
}

/// The numbers of those that are true, and of those where a run of false begins within `steps`.
pub(crate) fn runs(mask: &[bool], steps: usize) -> Result<Tensor, OpFailure> {
    let begins = |place: usize| mask[place] || place.is_multiple_of(steps.max(1)) || mask[place - 1];
    places((0..mask.len()).map(begins))
}

/// Places that are all there.
fn inside(places: &TensorView<'_>, rows: usize) -> Result<Vec<usize>, OpFailure> {
    let TensorView::I32(places) = places else {
        return Err(OpFailure::ElementType { found: places.dtype() });
    };
    let inside =
        |(position, &place): (usize, &i32)| {
            usize::try_from(place).ok().filter(|&place| place < rows).ok_or_else(|| {
                OpFailure::IndexOutOfRange { index: place.into(), rows, position: vec![position] }
            })
        };
    places.iter().enumerate().map(inside).collect()
}

fn rows<T: Element>(
    x: &ArrayViewD<'_, T>,
    at: impl Iterator<Item = [usize; 2]>,
    shape: &[usize],
) -> Result<ArrayD<T>, OpFailure> {
    let rows = at.flat_map(|[example, step]| {
        x.view().index_axis_move(Axis(0), example).index_axis_move(Axis(0), step).into_iter().cloned()
    });
    collect(shape, rows)
}

fn repeat<T: Element + Default>(
    x: &ArrayViewD<'_, T>,
    places: &[usize],
    shape: &[usize],
) -> Result<ArrayD<T>, OpFailure> {
    let ends = places.iter().skip(1).copied().chain([shape[0] * shape[1]]);
    let before = places.first().map_or(shape[0] * shape[1], |&first| first);
    let width: usize = shape[2..].iter().product();
    let nothing = std::iter::repeat_n(T::default(), before * width);
    let rows = places.iter().zip(ends).enumerate().flat_map(|(row, (&place, end))| {
        let row = x.view().index_axis_move(Axis(0), 0).index_axis_move(Axis(0), row);
        let row: Vec<T> = row.into_iter().cloned().collect();
        std::iter::repeat_n(row, end.saturating_sub(place)).flatten()
    });
    collect(shape, nothing.chain(rows))
}

fn spread<T: Element>(
    x: &ArrayViewD<'_, T>,
    places: &[usize],
    shape: &[usize],
    fill: T,
) -> Result<ArrayD<T>, OpFailure> {
    let width: usize = shape[2..].iter().product();
    let mut all = collect(shape, (0..shape.iter().product()).map(|_| fill.clone()))?;
    let rows = x.as_standard_layout();
    let rows = rows.to_shape(IxDyn(&[places.len(), width])).map_err(|_| unfit(x.shape()))?;
    if let Some(all) = all.as_slice_mut() {
        for (&place, row) in places.iter().zip(rows.rows()) {
            all[place * width..][..width].iter_mut().zip(row).for_each(|(to, from)| *to = from.clone());
        }
    }
    Ok(all)
}
