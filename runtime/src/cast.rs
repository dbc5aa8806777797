//! Numbers as numbers of another element type.
//!
//! Casts to integers go toward zero, to the nearest number there is, NaN to 0; from a wider integer to a narrower one the low
//! bits stay.

use masque_ir::DType;
use ndarray::{ArrayD, ArrayViewD};

use crate::elements::{Element, collect};
use crate::error::OpFailure;
use crate::tensor::{Tensor, TensorView};

/// The same numbers as another element type; see the module's documentation.
///
/// # Errors
/// [`OpFailure::ElementType`] of texts, and to texts; [`OpFailure::TooLarge`].
pub(crate) fn cast(x: &TensorView<'_>, to: DType) -> Result<Tensor, OpFailure> {
    match x {
        TensorView::F32(x) => cast_from(x, to),
        TensorView::F64(x) => cast_from(x, to),
        TensorView::I32(x) => cast_from(x, to),
        TensorView::I64(x) => cast_from(x, to),
        TensorView::Bool(x) => cast_from(x, to),
        TensorView::Str(_) => Err(OpFailure::ElementType { found: DType::Str }),
    }
}

fn cast_from<T: Cast>(x: &ArrayViewD<'_, T>, to: DType) -> Result<Tensor, OpFailure> {
    match to {
        DType::F32 => all(x, T::f32),
        DType::F64 => all(x, T::f64),
        DType::I32 => all(x, T::i32),
        DType::I64 => all(x, T::i64),
        DType::Bool => all(x, T::bool),
        DType::Str => Err(OpFailure::ElementType { found: to }),
    }
}

trait Cast: Element + Copy {
    fn f32(self) -> f32;
    fn f64(self) -> f64;
    fn i32(self) -> i32;
    fn i64(self) -> i64;
    fn bool(self) -> bool;
}

macro_rules! casts {
    ($($number:ty: $wide:ty, $zero:expr);* $(;)?) => {$(
        impl Cast for $number {
            fn f32(self) -> f32 { self as $wide as f32 }
            fn f64(self) -> f64 { self as $wide as f64 }
            fn i32(self) -> i32 { self as $wide as i32 }
            fn i64(self) -> i64 { self as $wide as i64 }
            fn bool(self) -> bool { self != $zero }
        }
    )*};
}
casts! { f32: f32, 0.0; f64: f64, 0.0; i32: i32, 0; i64: i64, 0; bool: i32, false }

fn all<T: Element + Copy, U: Element>(x: &ArrayViewD<'_, T>, f: impl Fn(T) -> U) -> Result<Tensor, OpFailure>
where
    Tensor: From<ArrayD<U>>,
{
    Ok(collect(x.shape(), x.iter().map(|&x| f(x)))?.into())
}
