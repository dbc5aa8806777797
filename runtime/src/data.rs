//! What kernels read and write: the elements of a value in order, and its shape.

use masque_ir::program::Literal;
use ndarray::{ArrayViewD, IxDyn, arr0};

use crate::kernels::pack::PackedMatrix;
use crate::tensor::{Tensor, TensorView};

/// What a kernel reads in one place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operand<'a> {
    /// The size along every axis.
    pub(crate) shape: &'a [usize],
    /// The elements.
    pub(crate) elements: Elements<'a>,
}

/// Where a kernel writes a result.
#[derive(Debug)]
pub(crate) struct Room<'a> {
    /// The size along every axis.
    pub(crate) shape: &'a [usize],
    /// The elements.
    pub(crate) elements: ElementsMut<'a>,
}

/// Elements row by row, to be written. Texts are never written in place: they have no fixed size.
#[derive(Debug)]
pub(crate) enum ElementsMut<'a> {
    F32(&'a mut [f32]),
    F64(&'a mut [f64]),
    I32(&'a mut [i32]),
    I64(&'a mut [i64]),
    Bool(&'a mut [bool]),
}

macro_rules! elements {
    ($($variant:ident($element:ty)),* $(,)?) => {
        /// Elements row by row, or a matrix in panels.
        #[derive(Clone, Copy, Debug)]
        pub(crate) enum Elements<'a> {
            $($variant(&'a [$element]),)*
            /// A matrix of `f32` in panels.
            Panels(PackedMatrix<'a>),
        }

        impl<'a> Operand<'a> {
            /// The elements of a tensor that lie in order; `None` if they do not.
            pub(crate) fn of(tensor: &'a Tensor) -> Option<Operand<'a>> {
                let elements = match tensor {
                    $(Tensor::$variant(array) => Elements::$variant(array.as_slice()?),)*
                };
                Some(Operand { shape: tensor.shape(), elements })
            }

            /// The same elements as a view; `None` for panels, and if the shape is not that of the elements.
            pub(crate) fn view(&self) -> Option<TensorView<'a>> {
                let shape = IxDyn(self.shape);
                Some(match self.elements {
                    $(Elements::$variant(elements) => {
                        TensorView::$variant(ArrayViewD::from_shape(shape, elements).ok()?)
                    })*
                    Elements::Panels(_) => return None,
                })
            }
        }
    };
}

elements! {
    F32(f32),
    F64(f64),
    I32(i32),
    I64(i64),
    Bool(bool),
    Str(String),
}

/// The same tensor with its elements in order.
pub(crate) fn in_order(tensor: Tensor) -> Tensor {
    let shape = tensor.shape().to_vec();
    match Operand::of(&tensor) {
        Some(_) => tensor,
        None => tensor.clone().reshaped(&shape).unwrap_or(tensor),
    }
}

/// A number as a tensor without axes.
pub(crate) fn literal(Literal { dtype, number }: &Literal) -> Tensor {
    use masque_ir::DType::{Bool, F32, F64, I32, I64, Str};
    let number = number.0;
    match dtype {
        F32 => Tensor::F32(arr0(number as f32).into_dyn()),
        F64 => Tensor::F64(arr0(number).into_dyn()),
        I32 => Tensor::I32(arr0(number as i32).into_dyn()),
        I64 => Tensor::I64(arr0(number as i64).into_dyn()),
        Bool => Tensor::Bool(arr0(number != 0.0).into_dyn()),
        // The verifier refuses numbers of this type.
        Str => Tensor::Str(arr0(number.to_string()).into_dyn()),
    }
}
