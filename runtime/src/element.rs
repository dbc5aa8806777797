//! Element types as files store them, and the tensors they become.
//!
//! Files know more element types than masque computes with. Each is widened to the smallest of ours that holds all its
//! values: half floats become `f32`, integers of up to 31 bits and a sign `i32`, all others `i64`.

use masque_ir::DType;
use ndarray::{ArrayD, IxDyn, ShapeBuilder};

use crate::Tensor;

/// An element type of a file, of fixed size and without text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// 16-bit IEEE float.
    F16,
    /// The upper half of a 32-bit IEEE float.
    BFloat16,
    /// 32-bit IEEE float.
    F32,
    /// 64-bit IEEE float.
    F64,
    /// 8-bit signed integer.
    I8,
    /// 16-bit signed integer.
    I16,
    /// 32-bit signed integer.
    I32,
    /// 64-bit signed integer.
    I64,
    /// 8-bit unsigned integer.
    U8,
    /// 16-bit unsigned integer.
    U16,
    /// 32-bit unsigned integer.
    U32,
    /// 64-bit unsigned integer; values above `i64::MAX` are refused.
    U64,
    /// One byte, 0 or 1.
    Bool,
}

/// Which byte of a number comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteOrder {
    /// The least significant one.
    Little,
    /// The most significant one.
    Big,
}

/// How the elements of a stored array follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementOrder {
    /// The last index runs fastest (row-major, C).
    LastFastest,
    /// The first index runs fastest (column-major, Fortran).
    FirstFastest,
}

/// Why stored elements are not a tensor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElementError {
    /// The shape and the bytes do not go together.
    #[error("shape {shape:?} needs {expected} bytes of {element:?}, found {found}")]
    Length {
        /// The shape.
        shape: Vec<usize>,
        /// The element type.
        element: Element,
        /// The size of an array of that shape, in words if it has no number.
        expected: String,
        /// The number of bytes.
        found: usize,
    },
    /// A shape no array can have.
    #[error("shape {shape:?} is larger than any array can be")]
    Shape {
        /// The shape.
        shape: Vec<usize>,
    },
    /// An unsigned number that has no signed form.
    #[error("element {index} is {value}, expected at most {}", i64::MAX)]
    TooLarge {
        /// Its position.
        index: usize,
        /// Its value.
        value: u64,
    },
    /// A truth value other than 0 and 1.
    #[error("element {index} is {value}, expected 0 or 1 for a truth value")]
    NotABool {
        /// Its position.
        index: usize,
        /// Its value.
        value: u8,
    },
}

impl Element {
    /// The number of bytes of one element.
    pub fn size(self) -> usize {
        match self {
            Element::I8 | Element::U8 | Element::Bool => 1,
            Element::F16 | Element::BFloat16 | Element::I16 | Element::U16 => 2,
            Element::F32 | Element::I32 | Element::U32 => 4,
            Element::F64 | Element::I64 | Element::U64 => 8,
        }
    }

    /// The element type of the tensor that elements of this type become.
    pub fn dtype(self) -> DType {
        match self {
            Element::F16 | Element::BFloat16 | Element::F32 => DType::F32,
            Element::F64 => DType::F64,
            Element::I8 | Element::I16 | Element::I32 | Element::U8 | Element::U16 => DType::I32,
            Element::I64 | Element::U32 | Element::U64 => DType::I64,
            Element::Bool => DType::Bool,
        }
    }

    /// The tensor of `shape` whose elements are `bytes`. Nothing is allocated before the two are known to agree.
    ///
    /// # Errors
    ///
    /// [`ElementError::Length`] if they do not agree, and the errors of single elements.
    pub fn tensor(
        self,
        bytes: &[u8],
        byte_order: ByteOrder,
        shape: &[usize],
        order: ElementOrder,
    ) -> Result<Tensor, ElementError> {
        let expected = element_count(shape).and_then(|count| count.checked_mul(self.size()));
        if expected != Some(bytes.len()) {
            return Err(ElementError::Length {
                shape: shape.to_vec(),
                element: self,
                expected: expected.map_or_else(|| "more than 2^64".to_owned(), |size| size.to_string()),
                found: bytes.len(),
            });
        }
        macro_rules! numbers {
            ($stored:ty as $element:ty) => {
                array(decode(bytes, byte_order, <$stored>::from_le_bytes).map(<$element>::from), shape, order)
                    .map(Tensor::from)
            };
        }
        match self {
            Element::F16 => {
                array(decode(bytes, byte_order, u16::from_le_bytes).map(half), shape, order).map(Tensor::from)
            }
            Element::BFloat16 => {
                let upper = decode(bytes, byte_order, u16::from_le_bytes);
                array(upper.map(|bits| f32::from_bits(u32::from(bits) << 16)), shape, order).map(Tensor::from)
            }
            Element::F32 => numbers!(f32 as f32),
            Element::F64 => numbers!(f64 as f64),
            Element::I8 => numbers!(i8 as i32),
            Element::I16 => numbers!(i16 as i32),
            Element::I32 => numbers!(i32 as i32),
            Element::I64 => numbers!(i64 as i64),
            Element::U8 => numbers!(u8 as i32),
            Element::U16 => numbers!(u16 as i32),
            Element::U32 => numbers!(u32 as i64),
            Element::U64 => {
                let values = decode(bytes, byte_order, u64::from_le_bytes).enumerate();
                let signed = values.map(|(index, value)| {
                    i64::try_from(value).map_err(|_| ElementError::TooLarge { index, value })
                });
                array(signed.collect::<Result<Vec<_>, _>>()?.into_iter(), shape, order).map(Tensor::from)
            }
            Element::Bool => {
                if let Some(index) = bytes.iter().position(|&byte| byte > 1) {
                    return Err(ElementError::NotABool { index, value: bytes[index] });
                }
                array(bytes.iter().map(|&byte| byte == 1), shape, order).map(Tensor::from)
            }
        }
    }
}

/// The number of elements of an array of `shape`, if it can be counted.
pub fn element_count(shape: &[usize]) -> Option<usize> {
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().try_fold(1_usize, |count, &size| count.checked_mul(size))
}

/// The array of `shape` with these elements in this order, turned row-major.
///
/// # Errors
///
/// [`ElementError::Shape`] if there is no such array.
pub(crate) fn array<T: Clone>(
    elements: impl Iterator<Item = T>,
    shape: &[usize],
    order: ElementOrder,
) -> Result<ArrayD<T>, ElementError> {
    let dims = IxDyn(shape).set_f(order == ElementOrder::FirstFastest);
    let array = ArrayD::from_shape_vec(dims, elements.collect())
        .map_err(|_| ElementError::Shape { shape: shape.to_vec() })?;
    Ok(if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() })
}

/// The elements of `N` bytes each, brought into little-endian order first.
fn decode<const N: usize, T>(
    bytes: &[u8],
    byte_order: ByteOrder,
    element: fn([u8; N]) -> T,
) -> impl Iterator<Item = T> {
    let (elements, _) = bytes.as_chunks::<N>();
    elements.iter().map(move |&bytes| {
        let mut bytes = bytes;
        if byte_order == ByteOrder::Big {
            bytes.reverse();
        }
        element(bytes)
    })
}

/// The value of a 16-bit float; every one has an exact `f32`.
fn half(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let exponent = u32::from(bits >> 10) & 0x1f;
    let mantissa = u32::from(bits) & 0x3ff;
    match exponent {
        0 => {
            let magnitude = mantissa as f32 * (-24_f32).exp2();
            f32::from_bits(sign | magnitude.to_bits())
        }
        0x1f => f32::from_bits(sign | 0x7f80_0000 | mantissa << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | mantissa << 13),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn f32s(element: Element, bytes: &[u8]) -> Vec<f32> {
        let shape = [bytes.len() / element.size()];
        let tensor = element.tensor(bytes, ByteOrder::Big, &shape, ElementOrder::LastFastest).unwrap();
        tensor.as_f32().unwrap().iter().copied().collect()
    }

    #[test]
    fn half_floats_have_their_exact_values() {
        let bytes = [0x3c, 0, 0xc0, 0, 0x7b, 0xff, 0x00, 0x01, 0x04, 0x00, 0x80, 0x00, 0x7c, 0x00];
        let exact = [1.0, -2.0, 65504.0, 2_f32.powi(-24), 2_f32.powi(-14), -0.0, f32::INFINITY];
        assert_eq!(f32s(Element::F16, &bytes), exact);
        assert!(f32s(Element::F16, &[0x80, 0])[0].is_sign_negative());
        assert!(f32s(Element::F16, &[0x7e, 0])[0].is_nan());
        assert_eq!(f32s(Element::BFloat16, &[0x3f, 0x80, 0xc0, 0x49]), [1.0, -3.140625]);
    }

    #[test]
    fn a_shape_is_held_against_the_bytes_before_anything_else() {
        for shape in [&[3][..], &[usize::MAX, 2], &[1 << 40, 1 << 40], &[2, 2]] {
            let error = Element::F32.tensor(&[0; 8], ByteOrder::Little, shape, ElementOrder::LastFastest);
            assert!(matches!(error, Err(ElementError::Length { found: 8, .. })), "{shape:?}");
        }
        let empty =
            Element::F32.tensor(&[], ByteOrder::Little, &[0, usize::MAX, 9], ElementOrder::LastFastest);
        assert!(matches!(empty, Err(ElementError::Shape { .. })));
    }

    #[test]
    fn unsigned_numbers_and_truth_values_are_checked() {
        let read = |element: Element, bytes: &[u8]| {
            element.tensor(
                bytes,
                ByteOrder::Little,
                &[bytes.len() / element.size()],
                ElementOrder::LastFastest,
            )
        };
        assert_eq!(read(Element::U64, &[0xff; 8]), Err(ElementError::TooLarge { index: 0, value: u64::MAX }));
        assert_eq!(read(Element::Bool, &[1, 2]), Err(ElementError::NotABool { index: 1, value: 2 }));
        assert_eq!(read(Element::U32, &[0xff; 4]).unwrap().as_i64().unwrap()[[0]], i64::from(u32::MAX));
    }
}
