//! Sums of products.

use masque_ir::ops::Product;
use ndarray::{ArrayD, ArrayViewD, Axis};

use crate::elements::{Element, collect};
use crate::error::OpFailure;
use crate::tensor::{Tensor, TensorView};

pub(super) fn evaluate(op: &Product, a: &TensorView<'_>, b: &TensorView<'_>) -> Result<Tensor, OpFailure> {
    match (op, a, b) {
        (Product::Matmul, TensorView::F32(a), TensorView::F32(b)) => {
            Ok(matmul(a, b, 0.0, f32::mul_add)?.into())
        }
        (Product::Matmul, TensorView::F64(a), TensorView::F64(b)) => {
            Ok(matmul(a, b, 0.0, f64::mul_add)?.into())
        }
        (Product::Matmul, _, other) => Err(OpFailure::ElementType { found: other.dtype() }),
    }
}

/// The last axis of `a` against the first one of `b`, each sum along it in order.
fn matmul<T: Element + Copy>(
    a: &ArrayViewD<'_, T>,
    b: &ArrayViewD<'_, T>,
    zero: T,
    mul_add: impl Fn(T, T, T) -> T,
) -> Result<ArrayD<T>, OpFailure> {
    let (depth, columns) = (b.shape()[0], b.shape()[1]);
    let mut shape = a.shape().to_vec();
    let rows = shape.iter().rev().skip(1).product::<usize>();
    if shape.pop() != Some(depth) {
        return Err(OpFailure::mismatch(format!("[..., {depth}]"), format!("{:?}", a.shape())));
    }
    shape.push(columns);
    let a = a.as_standard_layout();
    let a = a.as_slice().unwrap_or_default();
    let sum = |row: usize, column: usize| {
        let row = &a[row * depth..(row + 1) * depth];
        row.iter().zip(b.index_axis(Axis(1), column)).fold(zero, |sum, (&a, &b)| mul_add(a, b, sum))
    };
    collect(
        &shape,
        (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))).map(|(r, c)| sum(r, c)),
    )
}
