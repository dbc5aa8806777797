//! Elements moved, never computed.

use masque_ir::Dim;
use masque_ir::dim::Bindings;
use masque_ir::ops::Shape;
use ndarray::{ArrayD, ArrayViewD, Axis, Dimension, IxDyn, indices};

use crate::elements::{Element, collect, demand};
use crate::error::OpFailure;
use crate::tensor::{Tensor, TensorView};

/// `for_any!(view, x => body)`: the same for elements of every type.
macro_rules! for_any {
    ($view:expr, $x:ident => $body:expr) => {
        match $view {
            TensorView::F32($x) => $body.map(Tensor::F32),
            TensorView::F64($x) => $body.map(Tensor::F64),
            TensorView::I32($x) => $body.map(Tensor::I32),
            TensorView::I64($x) => $body.map(Tensor::I64),
            TensorView::Bool($x) => $body.map(Tensor::Bool),
            TensorView::Str($x) => $body.map(Tensor::Str),
        }
    };
}
pub(super) use for_any;

pub(super) fn evaluate(
    op: &Shape,
    operands: &[TensorView<'_>],
    bindings: &Bindings,
) -> Result<Tensor, OpFailure> {
    let x = &operands[0];
    match op {
        Shape::Reshape { shape } => {
            let shape = sizes(shape, bindings)?;
            for_any!(x, x => collect(&shape, x.iter().cloned()))
        }
        Shape::Transpose { perm } => {
            let perm: Vec<usize> = perm.iter().map(|&axis| axis as usize).collect();
            for_any!(x, x => copy(x.view().permuted_axes(perm)))
        }
        Shape::Broadcast { shape } => {
            let shape = sizes(shape, bindings)?;
            for_any!(x, x => broadcast(x, &shape))
        }
        Shape::Concat { axis } => concat(operands, *axis as usize),
        Shape::Slice { axis, start, stop, step } => {
            let bounds = bounds(size(start, bindings)?, size(stop, bindings)?, x.shape()[*axis as usize])?;
            let slice = ndarray::Slice::from(bounds).step_by(*step as isize);
            for_any!(x, x => copy(x.slice_axis(Axis(*axis as usize), slice)))
        }
        Shape::Pad { low, high, spread } => pad(x, &operands[1], [low, high], spread),
        Shape::Reverse { axis } => for_any!(x, x => {
            let mut x = x.view();
            x.invert_axis(Axis(*axis as usize));
            copy(x)
        }),
        Shape::Positions { axis } => {
            let size = x.shape()[*axis as usize];
            Ok(Tensor::I64(collect(&[size], 0..i64::try_from(size).unwrap_or(i64::MAX))?))
        }
        Shape::Size { axes } => {
            let count = axes.iter().try_fold(1i64, |count, &axis| {
                count.checked_mul(i64::try_from(x.shape()[axis as usize]).ok()?)
            });
            let count = count.ok_or_else(|| OpFailure::UnboundSize { size: format!("{:?}", x.shape()) })?;
            Ok(Tensor::I64(collect(&[], [count])?))
        }
    }
}

/// A size in this run.
pub(super) fn size(dim: &Dim, bindings: &Bindings) -> Result<usize, OpFailure> {
    dim.eval(bindings)
        .and_then(|size| usize::try_from(size).ok())
        .ok_or_else(|| OpFailure::UnboundSize { size: dim.to_string() })
}

pub(super) fn sizes(shape: &[Dim], bindings: &Bindings) -> Result<Vec<usize>, OpFailure> {
    shape.iter().map(|dim| size(dim, bindings)).collect()
}

fn bounds(start: usize, stop: usize, size: usize) -> Result<std::ops::Range<usize>, OpFailure> {
    if start > stop || stop > size {
        return Err(OpFailure::SliceOutOfRange { start, stop, size });
    }
    Ok(start..stop)
}

fn copy<T: Element>(x: ArrayViewD<'_, T>) -> Result<ArrayD<T>, OpFailure> {
    collect(x.shape(), x.iter().cloned())
}

fn broadcast<T: Element>(x: &ArrayViewD<'_, T>, shape: &[usize]) -> Result<ArrayD<T>, OpFailure> {
    let view = x.broadcast(IxDyn(shape)).ok_or_else(|| {
        OpFailure::mismatch(format!("a shape that broadcasts to {shape:?}"), format!("{:?}", x.shape()))
    })?;
    copy(view)
}

/// Every position of the result is an element of `x` or the value.
fn pad(
    x: &TensorView<'_>,
    value: &TensorView<'_>,
    [low, high]: [&[i64]; 2],
    spread: &[u32],
) -> Result<Tensor, OpFailure> {
    let sizes = x.shape().iter().enumerate().map(|(axis, &size)| {
        let spread = i128::try_from(size).ok()? * (i128::from(spread[axis]) + 1);
        usize::try_from(spread + i128::from(low[axis]) + i128::from(high[axis])).ok()
    });
    let shape = sizes.collect::<Option<Vec<usize>>>();
    let shape =
        shape.ok_or_else(|| OpFailure::mismatch("sizes of at least 0", format!("{:?}", x.shape())))?;
    demand::<u8>(&shape)?;
    // For each axis and position: where it comes from.
    let sources: Vec<Vec<Option<usize>>> = (0..shape.len())
        .map(|axis| {
            let step = i64::from(spread[axis]) + 1;
            let source = |place: usize| {
                let place = usize::try_from(i64::try_from(place).ok()?.checked_sub(low[axis])?).ok()?;
                let step = usize::try_from(step).ok()?;
                (place % step == 0 && place / step < x.shape()[axis]).then_some(place / step)
            };
            (0..shape[axis]).map(source).collect()
        })
        .collect();
    macro_rules! padded {
        ($($dtype:ident)*) => {
            match (x, value) {
                $((TensorView::$dtype(x), TensorView::$dtype(value)) => {
                    let value = value.first();
                    let elements = indices(IxDyn(&shape)).into_iter().filter_map(|place| {
                        let source = place.slice().iter().zip(&sources).map(|(&place, sources)| sources[place]);
                        let source: Option<Vec<usize>> = source.collect();
                        source.and_then(|source| x.get(IxDyn(&source))).or(value).cloned()
                    });
                    collect(&shape, elements).map(Tensor::$dtype)
                })*
                (_, other) => Err(OpFailure::ElementType { found: other.dtype() }),
            }
        };
    }
    padded!(F32 F64 I32 I64 Bool Str)
}

/// Joins tensors of one element type along an axis. There is at least one.
pub(super) fn concat(parts: &[TensorView<'_>], axis: usize) -> Result<Tensor, OpFailure> {
    macro_rules! parts_of {
        ($($dtype:ident)*) => {
            match &parts[0] {$(
                TensorView::$dtype(_) => {
                    let parts = parts.iter().map(|part| match part {
                        TensorView::$dtype(part) => Ok(part.view()),
                        other => Err(OpFailure::ElementType { found: other.dtype() }),
                    });
                    join(&parts.collect::<Result<Vec<_>, _>>()?, axis).map(Tensor::$dtype)
                }
            )*}
        };
    }
    parts_of!(F32 F64 I32 I64 Bool Str)
}

fn join<T: Element>(parts: &[ArrayViewD<'_, T>], axis: usize) -> Result<ArrayD<T>, OpFailure> {
    let mut shape = parts[0].shape().to_vec();
    shape[axis] = 0;
    for part in parts {
        let mut others = part.shape().to_vec();
        let size = others.get_mut(axis).map_or(0, std::mem::take);
        let joined = std::mem::take(&mut shape[axis]);
        if others != shape {
            return Err(OpFailure::mismatch(
                format!("parts like {:?} in all axes but {axis}", parts[0].shape()),
                format!("{:?}", part.shape()),
            ));
        }
        shape[axis] = joined.saturating_add(size);
    }
    let rows: Vec<_> = parts.iter().map(|part| part.as_standard_layout()).collect();
    let before: usize = shape[..axis].iter().product();
    let blocks = (0..before).flat_map(|row| {
        rows.iter().flat_map(move |part| {
            let block: usize = part.shape()[axis..].iter().product();
            part.as_slice().unwrap_or_default().iter().skip(row * block).take(block).cloned()
        })
    });
    collect(&shape, blocks)
}
