//! Axes folded away, in storage order. Of nothing, the sum is 0, the product 1, the largest element is below every other one and
//! the smallest above.

use masque_ir::ops::Reduce;
use ndarray::{ArrayD, ArrayViewD};

use crate::elements::{Element, collect};
use crate::error::OpFailure;
use crate::tensor::{Tensor, TensorView};

/// `fold!(x, axes; (F32 start) (F64 start) => f)`: from `start` through the folded elements with `f`.
macro_rules! fold {
    ($x:expr, $op:expr; $(($dtype:ident $start:expr))* => $f:expr) => {
        match $x {
            $(TensorView::$dtype(x) => fold(x, $op, $start, $f),)*
            other => Err(OpFailure::ElementType { found: other.dtype() }),
        }
    };
}

pub(super) fn evaluate(op: &Reduce, x: &TensorView<'_>) -> Result<Tensor, OpFailure> {
    match op {
        Reduce::Sum { .. } => match x {
            TensorView::F32(x) => fold(x, op, 0.0, |a, b| a + b),
            TensorView::F64(x) => fold(x, op, 0.0, |a, b| a + b),
            TensorView::I32(x) => fold(x, op, 0, i32::wrapping_add),
            TensorView::I64(x) => fold(x, op, 0, i64::wrapping_add),
            other => Err(OpFailure::ElementType { found: other.dtype() }),
        },
        Reduce::Product { .. } => match x {
            TensorView::F32(x) => fold(x, op, 1.0, |a, b| a * b),
            TensorView::F64(x) => fold(x, op, 1.0, |a, b| a * b),
            TensorView::I32(x) => fold(x, op, 1, i32::wrapping_mul),
            TensorView::I64(x) => fold(x, op, 1, i64::wrapping_mul),
            other => Err(OpFailure::ElementType { found: other.dtype() }),
        },
        Reduce::ReduceMax { .. } => fold!(
            x, op; (F32 f32::NEG_INFINITY) (F64 f64::NEG_INFINITY) (I32 i32::MIN) (I64 i64::MIN)
            => |a, b| if unordered(b) || b > a { b } else { a }
        ),
        Reduce::ReduceMin { .. } => fold!(
            x, op; (F32 f32::INFINITY) (F64 f64::INFINITY) (I32 i32::MAX) (I64 i64::MAX)
            => |a, b| if unordered(b) || b < a { b } else { a }
        ),
        Reduce::Any { .. } => fold!(x, op; (Bool false) => |a, b| a || b),
        Reduce::All { .. } => fold!(x, op; (Bool true) => |a, b| a && b),
    }
}

/// Is it NaN?
fn unordered<T: PartialOrd + Copy>(x: T) -> bool {
    x.partial_cmp(&x).is_none()
}

fn fold<T: Element + Copy>(
    x: &ArrayViewD<'_, T>,
    op: &Reduce,
    start: T,
    f: impl Fn(T, T) -> T,
) -> Result<Tensor, OpFailure>
where
    Tensor: From<ArrayD<T>>,
{
    let (axes, keep) = op.axes();
    let folded = |axis: &usize| axes.contains(&(*axis as u32));
    let (inner, outer): (Vec<usize>, Vec<usize>) = (0..x.ndim()).partition(folded);
    let size = |axes: &[usize]| axes.iter().map(|&axis| x.len_of(ndarray::Axis(axis))).product::<usize>();
    let (results, each) = (size(&outer), size(&inner));
    let shape: Vec<usize> = (0..x.ndim())
        .filter(|axis| keep || !folded(axis))
        .map(|axis| if folded(&axis) { 1 } else { x.shape()[axis] })
        .collect();
    let ordered = x.view().permuted_axes([outer, inner].concat());
    let mut elements = ordered.iter();
    let sums = (0..results).map(|_| elements.by_ref().take(each).fold(start, |a, &b| f(a, b)));
    Ok(collect(&shape, sums)?.into())
}
