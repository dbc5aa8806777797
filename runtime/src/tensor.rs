//! A tensor as the runtime and the file formats see it: an element type that is known at run time around an
//! `ndarray` in row-major order.

use masque_ir::DType;
use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn};

macro_rules! tensors {
    ($($variant:ident($element:ty) $as_ref:ident),* $(,)?) => {
        /// An owned tensor of any element type.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Tensor {
            $(#[doc = concat!("Elements of type `", stringify!($element), "`.")] $variant(ArrayD<$element>)),*
        }

        /// A borrowed tensor of any element type.
        #[derive(Clone, Debug, PartialEq)]
        pub enum TensorView<'a> {
            $(#[doc = concat!("Elements of type `", stringify!($element), "`.")] $variant(ArrayViewD<'a, $element>)),*
        }

        impl Tensor {
            /// The element type.
            pub fn dtype(&self) -> DType {
                match self { $(Tensor::$variant(_) => DType::$variant),* }
            }
            /// The size along every axis.
            pub fn shape(&self) -> &[usize] {
                match self { $(Tensor::$variant(array) => array.shape()),* }
            }
            /// The same elements, borrowed.
            pub fn view(&self) -> TensorView<'_> {
                match self { $(Tensor::$variant(array) => TensorView::$variant(array.view())),* }
            }
            /// The same elements under another shape; `None` if the number of elements differs.
            pub fn reshaped(self, shape: &[usize]) -> Option<Tensor> {
                Some(match self {
                    $(Tensor::$variant(array) => Tensor::$variant(
                        array.as_standard_layout().into_owned().into_shape_with_order(IxDyn(shape)).ok()?,
                    )),*
                })
            }
            /// One example of a batch; the number has to be one of its first axis.
            pub(crate) fn example(&self, index: usize) -> Tensor {
                match self {
                    $(Tensor::$variant(array) => Tensor::$variant(array.index_axis(Axis(0), index).to_owned())),*
                }
            }
            $(#[doc = concat!("The elements, if they are `", stringify!($element), "`.")]
            pub fn $as_ref(&self) -> Option<&ArrayD<$element>> {
                match self { Tensor::$variant(array) => Some(array), _ => None }
            })*
        }

        impl TensorView<'_> {
            /// The element type.
            pub fn dtype(&self) -> DType {
                match self { $(TensorView::$variant(_) => DType::$variant),* }
            }
            /// The size along every axis.
            pub fn shape(&self) -> &[usize] {
                match self { $(TensorView::$variant(array) => array.shape()),* }
            }
            /// The same elements, borrowed for no longer than this view.
            pub fn view(&self) -> TensorView<'_> {
                match self { $(TensorView::$variant(array) => TensorView::$variant(array.view())),* }
            }
            /// A copy that owns its elements.
            pub fn to_owned(&self) -> Tensor {
                match self { $(TensorView::$variant(array) => Tensor::$variant(array.to_owned())),* }
            }
        }

        $(impl From<ArrayD<$element>> for Tensor {
            fn from(array: ArrayD<$element>) -> Tensor { Tensor::$variant(array) }
        })*
    };
}

tensors! {
    F32(f32) as_f32,
    F64(f64) as_f64,
    I32(i32) as_i32,
    I64(i64) as_i64,
    Bool(bool) as_bool,
    Str(String) as_str,
}

impl Tensor {
    /// The elements as 64-bit floats; truth values are 0 and 1. `None` of texts.
    pub fn numbers(&self) -> Option<ArrayD<f64>> {
        match self {
            Tensor::F32(array) => Some(array.mapv(f64::from)),
            Tensor::F64(array) => Some(array.clone()),
            Tensor::I32(array) => Some(array.mapv(f64::from)),
            Tensor::I64(array) => Some(array.mapv(|number| number as f64)),
            Tensor::Bool(array) => Some(array.mapv(|truth| f64::from(u8::from(truth)))),
            Tensor::Str(_) => None,
        }
    }
}
