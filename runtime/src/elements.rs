//! The one place where results get their memory: how large a result is, is known and checked before.

use masque_ir::{Dim, Type};
use ndarray::{ArrayD, IxDyn};

use crate::error::OpFailure;
use crate::tensor::TensorView;

/// No result of an operation may need more memory than this, 4 GiB.
pub const MAX_RESULT_BYTES: u64 = 1 << 32;

/// What a tensor can hold.
pub(crate) trait Element: Clone {
    /// The bytes that an element owns beside its place in the tensor.
    fn owned_bytes(&self) -> u64 {
        0
    }
}

impl Element for f32 {}
impl Element for f64 {}
impl Element for i32 {}
impl Element for i64 {}
impl Element for bool {}
impl Element for String {
    fn owned_bytes(&self) -> u64 {
        self.len() as u64
    }
}

/// A tensor of these elements, row by row.
///
/// # Errors
/// [`OpFailure::TooLarge`] before anything is allocated, or once texts turn out to be too long;
/// [`OpFailure::ShapeMismatch`] if there are more or fewer elements than the shape has places.
pub(crate) fn collect<T: Element>(
    shape: &[usize],
    elements: impl IntoIterator<Item = T>,
) -> Result<ArrayD<T>, OpFailure> {
    let (count, mut bytes) = demand::<T>(shape)?;
    let mut all: Vec<T> = Vec::new();
    all.try_reserve_exact(count).map_err(|_| too_large(bytes))?;
    for element in elements {
        bytes = bytes.saturating_add(element.owned_bytes());
        if bytes > MAX_RESULT_BYTES {
            return Err(too_large(bytes));
        }
        all.push(element);
    }
    let found = all.len();
    ArrayD::from_shape_vec(IxDyn(shape), all)
        .map_err(|_| OpFailure::mismatch(format!("the elements of {shape:?}"), format!("{found} elements")))
}

/// How many elements a shape has, and how many bytes they need. Axes of size 0 count as 1: what has no elements
/// must still be a shape that can be counted through.
///
/// # Errors
/// [`OpFailure::TooLarge`].
pub(crate) fn demand<T>(shape: &[usize]) -> Result<(usize, u64), OpFailure> {
    let places = shape.iter().try_fold(1u64, |product, &size| product.checked_mul(size.max(1) as u64));
    let bytes = places.and_then(|places| places.checked_mul(size_of::<T>() as u64)).unwrap_or(u64::MAX);
    if bytes > MAX_RESULT_BYTES {
        return Err(too_large(bytes));
    }
    Ok((shape.iter().product(), bytes))
}

/// More bytes than any result may have.
pub(crate) fn too_large(bytes: u64) -> OpFailure {
    OpFailure::TooLarge { bytes, limit: MAX_RESULT_BYTES }
}

/// The type of a tensor in this run: all sizes are numbers.
pub(crate) fn type_of(view: &TensorView<'_>) -> Type {
    let shape: Vec<Dim> = view.shape().iter().map(|&size| Dim::constant(size as i64)).collect();
    Type::new(view.dtype(), shape)
}
