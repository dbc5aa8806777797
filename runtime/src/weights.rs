//! Weights as bytes: how a tensor is laid out in the weights section, and how it is seen there again.
//!
//! Numbers are little-endian. `Rows` is the tensor row by row, a truth value one byte, 0 or 1. `Panels` is a matrix
//! the way [`kernels::pack`](crate::kernels::pack) describes. `Texts` are the lengths in bytes (u32 each) of all
//! texts, then all texts. Whatever can be used where it lies is borrowed.

use std::ops::Range;
use std::sync::Arc;

use bytemuck::Pod;
use masque_ir::DType;
use masque_ir::plan::{Layout, PlanWeight};
use ndarray::{ArrayD, ArrayViewD, IxDyn};

use crate::data::{Elements, Operand};
use crate::element::element_count;
use crate::kernels::pack::{PackedMatrix, pack, packed_len, unpack};
use crate::memory::Aligned;
use crate::quote::quoted;
use crate::{Bundle, Tensor, TensorView};

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
        (Layout::Panels, TensorView::F32(array)) => {
            let [k, n] = matrix(array.shape()).ok_or_else(error)?;
            let elements: Vec<f32> = array.iter().copied().collect();
            Ok(bytemuck::cast_slice(&pack(&elements, k, n)).to_vec())
        }
        (Layout::Texts, TensorView::Str(array)) => texts(array).ok_or_else(error),
        _ => Err(error()),
    }
}

/// The rows and columns of a tensor as a matrix: all axes but the last one are its rows.
fn matrix(shape: &[usize]) -> Option<[usize; 2]> {
    let (&n, rows) = shape.split_last().filter(|(_, rows)| !rows.is_empty())?;
    Some([element_count(rows)?, n])
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
    let elements = match (layout, dtype) {
        (Layout::Rows, _) => element_count(shape),
        (Layout::Panels, DType::F32) => matrix(shape).map(|[k, n]| packed_len(k, n)),
        _ => None,
    };
    elements?.checked_mul(dtype.size()?)
}

/// The bytes of a weights section, shared by whoever runs the plan.
#[derive(Clone, Debug)]
pub struct Section(Holder);

#[derive(Clone, Debug)]
enum Holder {
    Bundle(Arc<Bundle>),
    /// The bytes in whole words, and how many of them there are.
    Memory(Arc<Aligned<u64>>, usize),
}

impl Section {
    /// A copy of these bytes, aligned as kernels want them.
    pub fn copy(bytes: &[u8]) -> Section {
        let mut words = Aligned::default();
        match words.grow(bytes.len().div_ceil(size_of::<u64>())) {
            Ok(()) => bytemuck::cast_slice_mut(words.as_mut_slice())[..bytes.len()].copy_from_slice(bytes),
            // Without room for a copy there is none: the first weight is then refused as one that is not there.
            Err(_) => return Section::copy(&[]),
        }
        Section(Holder::Memory(Arc::new(words), bytes.len()))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        match &self.0 {
            Holder::Bundle(bundle) => bundle.weights(),
            Holder::Memory(words, len) => &bytemuck::cast_slice(words.as_slice())[..*len],
        }
    }
}

impl From<Arc<Bundle>> for Section {
    fn from(bundle: Arc<Bundle>) -> Section {
        Section(Holder::Bundle(bundle))
    }
}

/// The weights of a plan, as they lie in its section.
#[derive(Debug)]
pub(crate) struct Weights {
    section: Section,
    weights: Vec<Weight>,
}

#[derive(Debug)]
struct Weight {
    shape: Vec<usize>,
    dtype: DType,
    held: Held,
}

#[derive(Debug)]
enum Held {
    /// Row by row, where it lies.
    Rows(Range<usize>),
    /// A matrix in panels, where it lies.
    Panels(Range<usize>),
    /// Decoded: texts, truth values, and numbers whose bytes are not aligned.
    Owned(Tensor),
}

impl Weights {
    /// Sees the weights of a plan in its section.
    ///
    /// # Errors
    ///
    /// [`WeightError::Bytes`] if the bytes are not there or not what type, shape and layout demand.
    pub(crate) fn read(weights: &[PlanWeight], section: Section) -> Result<Weights, WeightError> {
        let read = |weight: &PlanWeight| {
            find(weight, section.bytes()).ok_or_else(|| WeightError::Bytes {
                name: quoted(&weight.name),
                expected: format!(
                    "{} of shape {:?} in layout {:?}",
                    weight.dtype, weight.shape, weight.layout
                ),
            })
        };
        let weights = weights.iter().map(read).collect::<Result<_, _>>()?;
        Ok(Weights { section, weights })
    }

    /// A weight, by place.
    pub(crate) fn operand(&self, place: u32) -> Option<Operand<'_>> {
        let Weight { shape, dtype, held } = self.weights.get(place as usize)?;
        let bytes = |range: &Range<usize>| self.section.bytes().get(range.clone());
        let elements = match held {
            Held::Owned(tensor) => return Operand::of(tensor),
            Held::Rows(range) => match dtype {
                DType::F32 => Elements::F32(bytemuck::try_cast_slice(bytes(range)?).ok()?),
                DType::F64 => Elements::F64(bytemuck::try_cast_slice(bytes(range)?).ok()?),
                DType::I32 => Elements::I32(bytemuck::try_cast_slice(bytes(range)?).ok()?),
                DType::I64 => Elements::I64(bytemuck::try_cast_slice(bytes(range)?).ok()?),
                DType::Bool | DType::Str => return None,
            },
            Held::Panels(range) => {
                let [k, n] = matrix(shape)?;
                Elements::Panels(PackedMatrix::new(bytemuck::try_cast_slice(bytes(range)?).ok()?, k, n)?)
            }
        };
        Some(Operand { shape, elements })
    }
}

fn find(weight: &PlanWeight, section: &[u8]) -> Option<Weight> {
    let start = usize::try_from(weight.offset).ok()?;
    let range = start..start.checked_add(usize::try_from(weight.bytes).ok()?)?;
    let bytes = section.get(range.clone())?;
    let shape: Vec<usize> =
        weight.shape.iter().map(|&size| usize::try_from(size).ok()).collect::<Option<_>>()?;
    let held = match (weight.layout, weight.dtype) {
        (Layout::Texts, DType::Str) => Held::Owned(read_texts(bytes, &shape)?),
        (Layout::Texts, _) | (_, DType::Str) => return None,
        (layout, dtype) if stored_bytes(dtype, &shape, layout)? != bytes.len() => return None,
        (Layout::Rows, DType::Bool) => {
            let flags: &[bool] = bytemuck::checked::try_cast_slice(bytes).ok()?;
            Held::Owned(Tensor::Bool(ArrayD::from_shape_vec(IxDyn(&shape), flags.to_vec()).ok()?))
        }
        (Layout::Rows, dtype) if is_aligned(bytes, dtype.size()?) => Held::Rows(range),
        (Layout::Panels, dtype) if is_aligned(bytes, dtype.size()?) => Held::Panels(range),
        (Layout::Rows, dtype) => Held::Owned(decoded(bytes, &shape, dtype)?),
        (Layout::Panels, _) => {
            let [k, n] = matrix(&shape)?;
            let elements = unpack(&words::<f32>(bytes), k, n);
            Held::Owned(Tensor::F32(ArrayD::from_shape_vec(IxDyn(&shape), elements).ok()?))
        }
    };
    Some(Weight { shape, dtype: weight.dtype, held })
}

fn is_aligned(bytes: &[u8], size: usize) -> bool {
    bytes.as_ptr().align_offset(size) == 0
}

fn words<T: Pod>(bytes: &[u8]) -> Vec<T> {
    let mut elements = vec![T::zeroed(); bytes.len() / size_of::<T>()];
    bytemuck::cast_slice_mut(&mut elements).copy_from_slice(bytes);
    elements
}

fn decoded(bytes: &[u8], shape: &[usize], dtype: DType) -> Option<Tensor> {
    let shape = IxDyn(shape);
    Some(match dtype {
        DType::F32 => Tensor::F32(ArrayD::from_shape_vec(shape, words(bytes)).ok()?),
        DType::F64 => Tensor::F64(ArrayD::from_shape_vec(shape, words(bytes)).ok()?),
        DType::I32 => Tensor::I32(ArrayD::from_shape_vec(shape, words(bytes)).ok()?),
        DType::I64 => Tensor::I64(ArrayD::from_shape_vec(shape, words(bytes)).ok()?),
        DType::Bool | DType::Str => return None,
    })
}

fn read_texts(bytes: &[u8], shape: &[usize]) -> Option<Tensor> {
    let count = element_count(shape)?;
    let (lengths, mut rest) = bytes.split_at_checked(count.checked_mul(4)?)?;
    let mut texts = Vec::with_capacity(count);
    for length in lengths.as_chunks().0 {
        let (text, after) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        texts.push(std::str::from_utf8(text).ok()?.to_owned());
        rest = after;
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

    /// What a weight is, panels unpacked.
    fn read(weight: &PlanWeight, section: &[u8]) -> Result<Tensor, WeightError> {
        let weights = Weights::read(std::slice::from_ref(weight), Section::copy(section))?;
        let operand = weights.operand(0).unwrap();
        Ok(match operand.elements {
            Elements::Panels(matrix) => {
                let elements = unpack(matrix.data(), matrix.k(), matrix.n());
                Tensor::F32(ArrayD::from_shape_vec(IxDyn(operand.shape), elements).unwrap())
            }
            _ => operand.view().unwrap().to_owned(),
        })
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
                assert_eq!(read(&weight, &section).unwrap(), tensor);
            }
        }
    }

    #[test]
    fn bytes_that_are_no_such_weight_are_refused() {
        for (tensor, layout) in samples() {
            let bytes = lay_out(&tensor.view(), layout).unwrap();
            let weight = stored(&bytes, &tensor, layout);
            assert!(read(&weight, &bytes[1..]).is_err());
            let shorter = PlanWeight { bytes: weight.bytes - 1, ..weight.clone() };
            assert!(read(&shorter, &bytes).is_err());
            let far = PlanWeight { offset: u64::MAX, ..weight.clone() };
            assert!(read(&far, &bytes).is_err());
            let huge = PlanWeight { shape: vec![u64::MAX, 2], ..weight };
            assert!(read(&huge, &bytes).is_err());
        }
        let flags = Tensor::Bool(arr1(&[true]).into_dyn());
        let error = read(&stored(&[2], &flags, Layout::Rows), &[2]).unwrap_err();
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
