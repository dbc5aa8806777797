//! Sums of products.

use masque_ir::contraction::Contraction;
use masque_ir::ops::Product;
use ndarray::{ArrayD, ArrayViewD, Axis};

use crate::elements::{Element, collect, demand};
use crate::error::OpFailure;
use crate::tensor::{Tensor, TensorView};

pub(super) fn evaluate(op: &Product, a: &TensorView<'_>, b: &TensorView<'_>) -> Result<Tensor, OpFailure> {
    use TensorView::{F32, F64, I32, I64};
    match (op, a, b) {
        (Product::Matmul, F32(a), F32(b)) => Ok(matmul(a, b, 0.0, f32::mul_add)?.into()),
        (Product::Matmul, F64(a), F64(b)) => Ok(matmul(a, b, 0.0, f64::mul_add)?.into()),
        (Product::Contract { axes }, F32(a), F32(b)) => Ok(contract(axes, a, b, 0.0, f32::mul_add)?.into()),
        (Product::Contract { axes }, F64(a), F64(b)) => Ok(contract(axes, a, b, 0.0, f64::mul_add)?.into()),
        (Product::Contract { axes }, I32(a), I32(b)) => {
            Ok(contract(axes, a, b, 0, |a, b, sum| a.wrapping_mul(b).wrapping_add(sum))?.into())
        }
        (Product::Contract { axes }, I64(a), I64(b)) => {
            Ok(contract(axes, a, b, 0, |a, b, sum| a.wrapping_mul(b).wrapping_add(sum))?.into())
        }
        (_, _, other) => Err(OpFailure::ElementType { found: other.dtype() }),
    }
}

/// Both operands are spread over all letters, those of the result first; then each run of what is left is one sum.
fn contract<T: Element + Copy>(
    axes: &Contraction,
    a: &ArrayViewD<'_, T>,
    b: &ArrayViewD<'_, T>,
    zero: T,
    mul_add: impl Fn(T, T, T) -> T,
) -> Result<ArrayD<T>, OpFailure> {
    let summed = axes.summed();
    let size = |letter: char| {
        let at = |letters: &str, x: &ArrayViewD<'_, T>| letters.find(letter).map(|axis| x.shape()[axis]);
        at(axes.a(), a).or(at(axes.b(), b)).unwrap_or(1)
    };
    let shape: Vec<usize> = axes.result().chars().map(size).collect();
    let mismatch = || {
        OpFailure::mismatch(
            format!("sizes that agree along {axes}"),
            format!("{:?} and {:?}", a.shape(), b.shape()),
        )
    };
    let order: String = axes.result().chars().chain(summed.chars()).collect();
    let all: Vec<usize> = order.chars().map(size).collect();
    let (a, b) = (spread(a, axes.a(), &order), spread(b, axes.b(), &order));
    let a = a.broadcast(all.as_slice()).ok_or_else(mismatch)?;
    let b = b.broadcast(all.as_slice()).ok_or_else(mismatch)?;
    let (count, _) = demand::<T>(&shape)?;
    let terms: usize = summed.chars().map(size).product();
    let mut products = a.iter().zip(b.iter());
    let sums =
        (0..count).map(|_| products.by_ref().take(terms).fold(zero, |sum, (&a, &b)| mul_add(a, b, sum)));
    collect(&shape, sums)
}

/// The axes in the order of some letters, with size 1 for those that `x` lacks.
fn spread<'x, T>(x: &'x ArrayViewD<'_, T>, letters: &str, order: &str) -> ArrayViewD<'x, T> {
    let perm: Vec<usize> = order.chars().filter_map(|letter| letters.find(letter)).collect();
    let mut x = x.view().permuted_axes(perm);
    for (axis, _) in order.chars().enumerate().filter(|(_, letter)| !letters.contains(*letter)) {
        x = x.insert_axis(Axis(axis));
    }
    x
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
