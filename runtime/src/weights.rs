//! Weights as bytes: how a tensor is laid out in the weights section, and how it is seen there again.
//!
//! Numbers are little-endian. `Rows` is the tensor row by row, a truth value one byte, 0 or 1. `Panels` is a matrix
//! the way [`kernels::pack`](crate::kernels::pack) describes. `Texts` are the lengths in bytes (u32 each) of all
//! texts, then all texts. Whatever can be used where it lies is borrowed.

use std::borrow::Cow;

use bytemuck::Pod;
use masque_ir::DType;
use masque_ir::plan::{Layout, PlanWeight};
use ndarray::{ArrayD, ArrayViewD, IxDyn};

use crate::element::element_count;
use crate::kernels::pack::{PackedMatrix, pack, packed_len, unpack};
use crate::quote::quoted;
use crate::{Tensor, TensorView};

#[cfg(target_endian = "big")]
compile_error!("weights are used as they lie in the file, which is little-endian");

/// A weight cannot be laid out, or its bytes are no such weight.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeightError {
    /// The tensor has no such layout.
    #[error("a tensor of {dtype} with {rank} axes has no layout {layout:?}")]
    Layout {
        /// The tensor's element type.
        dtype: DType,
        /// Its number of axes.
        rank: usize,
        /// The layout asked for.
        layout: Layout,
    },
    /// The bytes are not what the layout demands.
    #[error("weight {name} is not {expected}")]
    Bytes {
        /// The weight.
        name: String,
        /// What its bytes should be.
        expected: String,
    },
}

/// The bytes of a tensor in a layout.
///
/// # Errors
///
/// [`WeightError::Layout`]: panels are made of `f32` matrices, texts of text, rows of everything else.
pub fn lay_out(tensor: &TensorView<'_>, layout: Layout) -> Result<Vec<u8>, WeightError> {
    let error = || WeightError::Layout { dtype: tensor.dtype(), rank: tensor.shape().len(), layout };
    match (layout, tensor) {
        (Layout::Rows, TensorView::F32(array)) => Ok(rows(array)),
        (Layout::Rows, TensorView::F64(array)) => Ok(rows(array)),
        (Layout::Rows, TensorView::I32(array)) => Ok(rows(array)),
        (Layout::Rows, TensorView::I64(array)) => Ok(rows(array)),
        (Layout::Rows, TensorView::Bool(array)) => Ok(rows(array)),
        (Layout::Panels, TensorView::F32(array)) => match *array.shape() {
            [k, n] => {
                let elements: Vec<f32> = array.iter().copied().collect();
                Ok(bytemuck::cast_slice(&pack(&elements, k, n)).to_vec())
            }
            _ => Err(error()),
        },
        (Layout::Texts, TensorView::Str(array)) => texts(array).ok_or_else(error),
        _ => Err(error()),
    }
}

fn rows<T: bytemuck::NoUninit>(array: &ArrayViewD<'_, T>) -> Vec<u8> {
    let elements: Vec<T> = array.iter().copied().collect();
    bytemuck::cast_slice(&elements).to_vec()
}

fn texts(array: &ArrayViewD<'_, String>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for text in array {
        bytes.extend(u32::try_from(text.len()).ok()?.to_le_bytes());
    }
    array.iter().for_each(|text| bytes.extend(text.as_bytes()));
    Some(bytes)
}

/// The number of bytes that a weight of numbers takes; `None` if it cannot be counted, has no such layout, or is text.
pub fn stored_bytes(dtype: DType, shape: &[usize], layout: Layout) -> Option<usize> {
    let elements = match (layout, dtype, shape) {
        (Layout::Rows, ..) => element_count(shape),
        (Layout::Panels, DType::F32, &[k, n]) => Some(packed_len(k, n)),
        _ => None,
    };
    elements?.checked_mul(dtype.size()?)
}

/// A weight as it lies in the weights section.
#[derive(Clone, Debug)]
pub enum Stored<'a> {
    /// Row by row, where it lies.
    Rows(TensorView<'a>),
    /// Decoded, because it could not be used where it lies.
    Owned(Tensor),
    /// A matrix in panels.
    Panels {
        /// The panels.
        data: Cow<'a, [f32]>,
        /// The numbers of rows and columns.
        shape: [usize; 2],
    },
}

impl<'a> Stored<'a> {
    /// Sees a weight in the weights section. Only bytes that are not aligned, and texts, are copied.
    ///
    /// # Errors
    ///
    /// [`WeightError::Bytes`] if the bytes are not there or not what type, shape and layout demand.
    pub fn read(weight: &PlanWeight, section: &'a [u8]) -> Result<Stored<'a>, WeightError> {
        Stored::find(weight, section).ok_or_else(|| WeightError::Bytes {
            name: quoted(&weight.name),
            expected: format!("{} of shape {:?} in layout {:?}", weight.dtype, weight.shape, weight.layout),
        })
    }

    fn find(weight: &PlanWeight, section: &'a [u8]) -> Option<Stored<'a>> {
        let start = usize::try_from(weight.offset).ok()?;
        let end = start.checked_add(usize::try_from(weight.bytes).ok()?)?;
        let bytes = section.get(start..end)?;
        let shape: Vec<usize> =
            weight.shape.iter().map(|&size| usize::try_from(size).ok()).collect::<Option<_>>()?;
        if weight.layout == Layout::Texts {
            return (weight.dtype == DType::Str).then(|| read_texts(bytes, &shape))?.map(Stored::Owned);
        }
        if stored_bytes(weight.dtype, &shape, weight.layout)? != bytes.len() {
            return None;
        }
        if let (Layout::Panels, &[k, n]) = (weight.layout, shape.as_slice()) {
            return Some(Stored::Panels { data: cast(bytes), shape: [k, n] });
        }
        match weight.dtype {
            DType::F32 => numbers(bytes, &shape, TensorView::F32, Tensor::F32),
            DType::F64 => numbers(bytes, &shape, TensorView::F64, Tensor::F64),
            DType::I32 => numbers(bytes, &shape, TensorView::I32, Tensor::I32),
            DType::I64 => numbers(bytes, &shape, TensorView::I64, Tensor::I64),
            DType::Bool => {
                let flags: &[bool] = bytemuck::checked::try_cast_slice(bytes).ok()?;
                Some(Stored::Rows(TensorView::Bool(view(flags, &shape)?)))
            }
            DType::Str => None,
        }
    }

    /// The same weight, borrowed from this one.
    pub fn view(&self) -> Stored<'_> {
        match self {
            Stored::Rows(view) => Stored::Rows(view.view()),
            Stored::Owned(tensor) => Stored::Rows(tensor.view()),
            Stored::Panels { data, shape } => Stored::Panels { data: Cow::Borrowed(data), shape: *shape },
        }
    }

    /// The element type, and the size along every axis.
    pub fn dtype_and_shape(&self) -> (DType, &[usize]) {
        match self {
            Stored::Rows(view) => (view.dtype(), view.shape()),
            Stored::Owned(tensor) => (tensor.dtype(), tensor.shape()),
            Stored::Panels { shape, .. } => (DType::F32, shape),
        }
    }

    /// The elements as a tensor; `None` for panels.
    pub fn tensor(&self) -> Option<TensorView<'_>> {
        match self {
            Stored::Rows(view) => Some(view.view()),
            Stored::Owned(tensor) => Some(tensor.view()),
            Stored::Panels { .. } => None,
        }
    }

    /// The matrix, if it lies in panels.
    pub fn matrix(&self) -> Option<PackedMatrix<'_>> {
        match self {
            Stored::Panels { data, shape: [k, n] } => PackedMatrix::new(data, *k, *n),
            _ => None,
        }
    }

    /// The elements row by row, whatever the layout.
    pub fn to_tensor(&self) -> Tensor {
        match self {
            Stored::Rows(view) => view.to_owned(),
            Stored::Owned(tensor) => tensor.clone(),
            Stored::Panels { data, shape: [k, n] } => {
                let elements = ndarray::Array1::from_vec(unpack(data, *k, *n)).into_dyn();
                let zeros = || Tensor::F32(ArrayD::zeros(IxDyn(&[*k, *n])));
                Tensor::F32(elements).reshaped(&[*k, *n]).unwrap_or_else(zeros)
            }
        }
    }
}

fn cast<T: Pod>(bytes: &[u8]) -> Cow<'_, [T]> {
    match bytemuck::try_cast_slice(bytes) {
        Ok(elements) => Cow::Borrowed(elements),
        Err(_) => {
            let mut elements = vec![T::zeroed(); bytes.len() / size_of::<T>()];
            bytemuck::cast_slice_mut(&mut elements).copy_from_slice(bytes);
            Cow::Owned(elements)
        }
    }
}

fn view<'a, T>(elements: &'a [T], shape: &[usize]) -> Option<ArrayViewD<'a, T>> {
    ArrayViewD::from_shape(IxDyn(shape), elements).ok()
}

fn numbers<'a, T: Pod>(
    bytes: &'a [u8],
    shape: &[usize],
    borrowed: impl Fn(ArrayViewD<'a, T>) -> TensorView<'a>,
    owned: impl Fn(ArrayD<T>) -> Tensor,
) -> Option<Stored<'a>> {
    match cast(bytes) {
        Cow::Borrowed(elements) => view(elements, shape).map(borrowed).map(Stored::Rows),
        Cow::Owned(elements) => {
            ArrayD::from_shape_vec(IxDyn(shape), elements).ok().map(owned).map(Stored::Owned)
        }
    }
}

fn read_texts(bytes: &[u8], shape: &[usize]) -> Option<Tensor> {
    let count = element_count(shape)?;
    let (lengths, mut rest) = bytes.split_at_checked(count.checked_mul(4)?)?;
    let mut texts = Vec::with_capacity(count);
    for length in lengths.as_chunks().0 {
        let (text, behind) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        texts.push(std::str::from_utf8(text).ok()?.to_owned());
        rest = behind;
    }
    let array = ArrayD::from_shape_vec(IxDyn(shape), texts).ok()?;
    rest.is_empty().then_some(Tensor::Str(array))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{arr0, arr1, arr2};

    fn stored(bytes: &[u8], tensor: &Tensor, layout: Layout) -> PlanWeight {
        PlanWeight {
            name: "w".into(),
            dtype: tensor.dtype(),
            shape: tensor.shape().iter().map(|&size| size as u64).collect(),
            layout,
            offset: 0,
            bytes: bytes.len() as u64,
            hash: String::new(),
        }
    }

    fn samples() -> Vec<(Tensor, Layout)> {
        vec![
            (Tensor::F32(arr2(&[[1.0, f32::NEG_INFINITY], [0.5, -0.0]]).into_dyn()), Layout::Rows),
            (Tensor::F32(arr2(&[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).into_dyn()), Layout::Panels),
            (Tensor::F64(arr0(1e300).into_dyn()), Layout::Rows),
            (Tensor::I32(arr1(&[i32::MIN, 7]).into_dyn()), Layout::Rows),
            (Tensor::I64(arr1(&[i64::MAX]).into_dyn()), Layout::Rows),
            (Tensor::Bool(arr1(&[true, false, true]).into_dyn()), Layout::Rows),
            (Tensor::Str(arr1(&["".to_owned(), "über".into()]).into_dyn()), Layout::Texts),
        ]
    }

    #[test]
    fn tensors_come_back_wherever_their_bytes_lie() {
        for (tensor, layout) in samples() {
            let bytes = lay_out(&tensor.view(), layout).unwrap();
            for shift in 0..4 {
                let mut section = vec![0; shift];
                section.extend(&bytes);
                let weight = PlanWeight { offset: shift as u64, ..stored(&bytes, &tensor, layout) };
                assert_eq!(Stored::read(&weight, &section).unwrap().to_tensor(), tensor);
            }
        }
    }

    #[test]
    fn bytes_that_are_no_such_weight_are_refused() {
        for (tensor, layout) in samples() {
            let bytes = lay_out(&tensor.view(), layout).unwrap();
            let weight = stored(&bytes, &tensor, layout);
            assert!(Stored::read(&weight, &bytes[1..]).is_err());
            let shorter = PlanWeight { bytes: weight.bytes - 1, ..weight.clone() };
            assert!(Stored::read(&shorter, &bytes).is_err());
            let far = PlanWeight { offset: u64::MAX, ..weight.clone() };
            assert!(Stored::read(&far, &bytes).is_err());
            let huge = PlanWeight { shape: vec![u64::MAX, 2], ..weight };
            assert!(Stored::read(&huge, &bytes).is_err());
        }
        let flags = Tensor::Bool(arr1(&[true]).into_dyn());
        let error = Stored::read(&stored(&[2], &flags, Layout::Rows), &[2]).unwrap_err();
        assert_eq!(error.to_string(), r#"weight "w" is not bool of shape [1] in layout Rows"#);
    }

    #[test]
    fn layouts_and_types_have_to_match() {
        let text = Tensor::Str(arr1(&["a".to_owned()]).into_dyn());
        assert!(lay_out(&text.view(), Layout::Rows).is_err());
        let vector = Tensor::F32(arr1(&[1.0]).into_dyn());
        assert!(lay_out(&vector.view(), Layout::Panels).is_err());
    }
}
