//! Axes folded away.

use masque_ir::ops::{Op, Reduce};

use super::{Call, Writes};
use crate::data::{Elements, ElementsMut};
use crate::error::OpFailure;
use crate::kernels::copy::{Axis, copy, strides};
use crate::kernels::fold::{Fold, fold};

#[derive(Debug)]
pub(super) struct Folds;

macro_rules! folds {
    ($($name:ident { $($ty:ty: $start:expr, $f:expr;)* })*) => {$(
        #[derive(Clone, Copy)]
        struct $name;

        $(impl Fold<$ty> for $name {
            const START: $ty = $start;

            #[inline(always)]
            fn step(self, sum: $ty, x: $ty) -> $ty {
                let f: fn($ty, $ty) -> $ty = $f;
                f(sum, x)
            }
        })*
    )*};
}

folds! {
    Sum {
        f32: 0.0, |a, b| a + b;
        f64: 0.0, |a, b| a + b;
        i32: 0, i32::wrapping_add;
        i64: 0, i64::wrapping_add;
    }
    Product {
        f32: 1.0, |a, b| a * b;
        f64: 1.0, |a, b| a * b;
        i32: 1, i32::wrapping_mul;
        i64: 1, i64::wrapping_mul;
    }
    Largest {
        f32: f32::NEG_INFINITY, |a, b| if b.is_nan() || b > a { b } else { a };
        f64: f64::NEG_INFINITY, |a, b| if b.is_nan() || b > a { b } else { a };
        i32: i32::MIN, |a, b| a.max(b);
        i64: i64::MIN, |a, b| a.max(b);
    }
    Smallest {
        f32: f32::INFINITY, |a, b| if b.is_nan() || b < a { b } else { a };
        f64: f64::INFINITY, |a, b| if b.is_nan() || b < a { b } else { a };
        i32: i32::MAX, |a, b| a.min(b);
        i64: i64::MAX, |a, b| a.min(b);
    }
    AnyOf { bool: false, |a, b| a | b; }
    AllOf { bool: true, |a, b| a & b; }
}

impl Writes for Folds {
    fn write(&self, call: &mut Call<'_>) -> Result<(), OpFailure> {
        let Op::Reduce(op) = call.op else { return Err(call.unfit(0)) };
        let x = call.operand(0)?;
        let (axes, _) = op.axes();
        let (unfit, out) = (call.unfit(0), &mut call.results[0].elements);
        macro_rules! of {
            ($fold:ident; $($kind:ident)*) => {
                match (x.elements, out) {
                    $((Elements::$kind(x_elements), ElementsMut::$kind(out)) => {
                        folded(x_elements, x.shape, axes, $fold, out);
                        Ok(())
                    })*
                    _ => Err(unfit),
                }
            };
        }
        match op {
            Reduce::Sum { .. } => of!(Sum; F32 F64 I32 I64),
            Reduce::Product { .. } => of!(Product; F32 F64 I32 I64),
            Reduce::ReduceMax { .. } => of!(Largest; F32 F64 I32 I64),
            Reduce::ReduceMin { .. } => of!(Smallest; F32 F64 I32 I64),
            Reduce::Any { .. } => of!(AnyOf; Bool),
            Reduce::All { .. } => of!(AllOf; Bool),
        }
    }
}

/// Folds axes away. Those that lie apart are first moved behind the others.
fn folded<T: Copy + Default + Send + Sync, F: Fold<T>>(
    x: &[T],
    shape: &[usize],
    axes: &[u32],
    f: F,
    out: &mut [T],
) {
    let is_folded = |axis: &usize| axes.contains(&(*axis as u32));
    let size = |axes: std::ops::Range<usize>| shape[axes].iter().product::<usize>();
    let wide: Vec<usize> = (0..shape.len()).filter(|axis| is_folded(axis) && shape[*axis] != 1).collect();
    let (first, last) = (wide.first().copied().unwrap_or(0), wide.last().map_or(0, |last| last + 1));
    let together = (first..last).all(|axis| is_folded(&axis) || shape[axis] == 1);
    if together {
        return fold(x, [size(0..first), size(first..last), size(last..shape.len())], f, out);
    }
    let order: Vec<usize> =
        (0..shape.len()).filter(|axis| !is_folded(axis)).chain((0..shape.len()).filter(is_folded)).collect();
    let sizes: Vec<usize> = order.iter().map(|&axis| shape[axis]).collect();
    let (from, to) = (strides(shape), strides(&sizes));
    let moves: Vec<Axis> =
        (order.iter().zip(to)).map(|(&axis, to)| Axis { size: shape[axis], from: from[axis], to }).collect();
    let mut moved = vec![T::default(); x.len()];
    copy(x, 0, &mut moved, 0, &moves);
    let n = order.iter().filter(|axis| is_folded(axis)).map(|&axis| shape[axis]).product();
    fold(&moved, [out.len(), n, 1], f, out);
}
