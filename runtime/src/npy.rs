//! The `.npy` format: one array, as numpy saves it.
//!
//! A file is a short header, written as a Python dictionary, and the elements behind it. All three versions of the
//! format are read, both byte orders and both element orders, and every element type that is numbers, truth values or
//! text; [`element`] says what each becomes. Arrays of Python objects are pickles, programs that run
//! when they are loaded, and are refused.
//!
//! Sizes are held against the bytes that are there before anything is allocated, and a file has to end with its last
//! element.

mod header;

use std::fmt::Write as _;

use crate::element::{self, ByteOrder, Element, ElementError};
use crate::quote::quoted;
use crate::{Tensor, TensorView};
use header::Header;

const MAGIC: &[u8; 6] = b"\x93NUMPY";
/// numpy refuses headers above 10 000 characters; only structured arrays have long ones.
const LONGEST_HEADER: usize = 1 << 16;

/// Why bytes are not an array that is read here. Each message is one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NpyError {
    /// The bytes are something else.
    #[error("not a .npy array: expected it to begin with \"\\x93NUMPY\", found {found}")]
    NotNpy {
        /// The first bytes.
        found: String,
    },
    /// A version of the format that there was not when this was written.
    #[error(".npy format version {major}.{minor} is unknown, expected 1.0, 2.0 or 3.0")]
    Version {
        /// Before the dot.
        major: u8,
        /// Behind the dot.
        minor: u8,
    },
    /// The header is cut off, too long, or not the expected dictionary.
    #[error("the .npy header is not valid: {problem}")]
    Header {
        /// What is wrong.
        problem: String,
    },
    /// An array of Python objects.
    #[error(
        "the array holds pickled objects (dtype \"|O\"), which would have to be run to be read; \
         save it with a plain dtype, e.g. .astype(\"float32\") or .astype(str), padded to one length"
    )]
    Pickled,
    /// An element type that has no tensor.
    #[error(
        "dtype {descr} is not read; expected float (f2, f4, f8), integer (i1..i8, u1..u8), bool or str (U, S)"
    )]
    Dtype {
        /// As the header has it.
        descr: String,
    },
    /// The elements are not what the header promised.
    #[error("the .npy array is damaged: {0}")]
    Elements(#[from] ElementError),
    /// Text that is not Unicode.
    #[error("element {index} of the text array is not valid {encoding}")]
    Text {
        /// Its position.
        index: usize,
        /// What it should be.
        encoding: &'static str,
    },
}

/// Reads the array that `bytes` are, from their first to their last.
///
/// # Errors
///
/// [`NpyError`] says which part is not as it should be.
pub fn read(bytes: &[u8]) -> Result<Tensor, NpyError> {
    let (header, elements) = split(bytes)?;
    let header = Header::parse(header)?;
    if header.descr.trim_start_matches(['|', '<', '>', '=']).starts_with('O') {
        return Err(NpyError::Pickled);
    }
    let unknown = || NpyError::Dtype { descr: quoted(&header.descr) };
    let (order, kind) = match header.descr.split_at_checked(1).ok_or_else(unknown)? {
        ("<" | "|" | "=", kind) => (ByteOrder::Little, kind),
        (">", kind) => (ByteOrder::Big, kind),
        _ => (ByteOrder::Little, header.descr.as_str()),
    };
    if let Some(element) = numeric(kind) {
        return Ok(element.tensor(elements, order, &header.shape, header.order)?);
    }
    let (kind, length) = kind.split_at_checked(1).ok_or_else(unknown)?;
    let length: usize = length.parse().map_err(|_| unknown())?;
    match kind {
        "U" => {
            text(elements, length.checked_mul(4).ok_or_else(unknown)?, &header, |bytes| utf32(bytes, order))
        }
        "S" => text(elements, length, &header, |bytes| String::from_utf8(trimmed(bytes, 1).to_vec()).ok()),
        _ => Err(unknown()),
    }
}

/// The `.npy` file of a tensor, in format version 1.0, row-major and little-endian.
pub fn write(tensor: &Tensor) -> Vec<u8> {
    match tensor.view() {
        TensorView::F32(array) => file("<f4", array.shape(), array.iter().flat_map(|x| x.to_le_bytes())),
        TensorView::F64(array) => file("<f8", array.shape(), array.iter().flat_map(|x| x.to_le_bytes())),
        TensorView::I32(array) => file("<i4", array.shape(), array.iter().flat_map(|x| x.to_le_bytes())),
        TensorView::I64(array) => file("<i8", array.shape(), array.iter().flat_map(|x| x.to_le_bytes())),
        TensorView::Bool(array) => file("|b1", array.shape(), array.iter().map(|&x| u8::from(x))),
        TensorView::Str(array) => {
            let longest = array.iter().map(|text| text.chars().count()).max().unwrap_or(0).max(1);
            let padded = |text: &String| -> Vec<u8> {
                let padding = std::iter::repeat('\0');
                text.chars().chain(padding).take(longest).flat_map(|c| u32::from(c).to_le_bytes()).collect()
            };
            file(&format!("<U{longest}"), array.shape(), array.iter().flat_map(padded))
        }
    }
}

/// Takes the header off; what follows it are the elements.
fn split(bytes: &[u8]) -> Result<(&str, &[u8]), NpyError> {
    let broken = |problem: &str| NpyError::Header { problem: problem.to_owned() };
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        let found: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let found =
            if found.is_empty() { "nothing".to_owned() } else { format!("the bytes {}", found.join(" ")) };
        return Err(NpyError::NotNpy { found });
    };
    let cut = || broken("it is cut off");
    let (&[major, minor], rest) = rest.split_first_chunk().ok_or_else(cut)?;
    let (length, rest) = match (major, minor) {
        (1, 0) => {
            let (length, rest) = rest.split_first_chunk().ok_or_else(cut)?;
            (u32::from(u16::from_le_bytes(*length)), rest)
        }
        (2 | 3, 0) => {
            let (length, rest) = rest.split_first_chunk().ok_or_else(cut)?;
            (u32::from_le_bytes(*length), rest)
        }
        _ => return Err(NpyError::Version { major, minor }),
    };
    let length = length as usize;
    if length > LONGEST_HEADER {
        return Err(broken(&format!("it has {length} bytes, expected at most {LONGEST_HEADER}")));
    }
    let (header, elements) = rest.split_at_checked(length).ok_or_else(cut)?;
    Ok((std::str::from_utf8(header).map_err(|_| broken("it is not UTF-8"))?, elements))
}

fn numeric(kind: &str) -> Option<Element> {
    Some(match kind {
        "f2" => Element::F16,
        "f4" => Element::F32,
        "f8" => Element::F64,
        "i1" => Element::I8,
        "i2" => Element::I16,
        "i4" => Element::I32,
        "i8" => Element::I64,
        "u1" => Element::U8,
        "u2" => Element::U16,
        "u4" => Element::U32,
        "u8" => Element::U64,
        "b1" => Element::Bool,
        _ => return None,
    })
}

/// An array of texts of `size` bytes each.
fn text(
    bytes: &[u8],
    size: usize,
    header: &Header,
    decode: impl Fn(&[u8]) -> Option<String>,
) -> Result<Tensor, NpyError> {
    let count = element::element_count(&header.shape);
    let expected = count.and_then(|count| count.checked_mul(size));
    let Some(count) = count.filter(|&count| expected == Some(bytes.len()) && (size > 0 || count == 0)) else {
        let problem =
            format!("shape {:?} of {size}-byte texts does not fit {} bytes", header.shape, bytes.len());
        return Err(NpyError::Header { problem });
    };
    let encoding = if header.descr.contains('U') { "Unicode" } else { "UTF-8" };
    let decoded = (0..count).map(|index| {
        decode(&bytes[index * size..(index + 1) * size]).ok_or(NpyError::Text { index, encoding })
    });
    let texts = decoded.collect::<Result<Vec<_>, _>>()?;
    Ok(Tensor::Str(element::array(texts.into_iter(), &header.shape, header.order)?))
}

/// Without the zeros that fill it up, which are not part of the text.
fn trimmed(bytes: &[u8], unit: usize) -> &[u8] {
    let used = bytes.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    &bytes[..used.next_multiple_of(unit).min(bytes.len())]
}

fn utf32(bytes: &[u8], order: ByteOrder) -> Option<String> {
    let (units, _) = trimmed(bytes, 4).as_chunks();
    let scalar = |unit: &[u8; 4]| match order {
        ByteOrder::Little => u32::from_le_bytes(*unit),
        ByteOrder::Big => u32::from_be_bytes(*unit),
    };
    units.iter().map(|unit| char::from_u32(scalar(unit))).collect()
}

fn file(descr: &str, shape: &[usize], elements: impl Iterator<Item = u8>) -> Vec<u8> {
    /// Elements begin at a multiple of this.
    const ALIGNMENT: usize = 64;
    let mut sizes = String::new();
    for size in shape {
        // Writing to a string cannot fail.
        let _ = write!(sizes, "{size}, ");
    }
    let sizes = if shape.len() == 1 { sizes.trim_end() } else { sizes.trim_end_matches(", ") };
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({sizes}), }}");
    let start = MAGIC.len() + 4;
    let end = (start + header.len() + 1).next_multiple_of(ALIGNMENT);
    header.extend(std::iter::repeat_n(' ', end - start - header.len() - 1));
    header.push('\n');

    // A shape has at most as many axes as an array can have, so that its header is always short enough.
    let length = u16::try_from(header.len()).unwrap_or(u16::MAX);
    let mut bytes = MAGIC.to_vec();
    bytes.extend([1, 0]);
    bytes.extend(length.to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(elements);
    bytes
}

#[cfg(test)]
mod tests;
