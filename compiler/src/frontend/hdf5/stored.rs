//! HDF5 element types, and the element types and texts they are.

use hdf5_reader::{ByteOrder, Datatype, StringPadding, StringSize, VarLenKind};
use masque_ir::DType;
use masque_runtime::element::{self, Element};

/// How the elements of a dataset or an attribute are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    Plain(Element, element::ByteOrder),
    Text(Text),
}

/// How texts are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    /// The number of bytes of each; `None` if they lie in the file's heap.
    pub(super) size: Option<usize>,
    pub(super) padding: StringPadding,
}

impl Stored {
    /// The element type, if it is one of ours. `raw` is the type as the file has it: the library keeps neither the
    /// layout of a float nor the unused bits of an integer.
    pub(super) fn new(datatype: &Datatype, raw: &[u8], is_bfloat16: bool) -> Option<Stored> {
        match datatype {
            Datatype::FloatingPoint { byte_order, .. } => {
                float(raw).map(|element| plain(element, *byte_order))
            }
            Datatype::FixedPoint { size, signed, byte_order } => {
                let whole = raw.get(8..12)? == [0, 0, size.checked_mul(8)?, 0];
                integer(*size, *signed).filter(|_| whole).map(|element| plain(element, *byte_order))
            }
            Datatype::Enum { base, members } => {
                let byte = matches!(**base, Datatype::FixedPoint { size: 1, .. });
                let mut values: Vec<&[u8]> = members.iter().map(|member| &member.value[..]).collect();
                values.sort_unstable();
                let truth = byte && values == [&[0], &[1]];
                truth.then_some(plain(Element::Bool, ByteOrder::LittleEndian))
            }
            Datatype::Opaque { size: 2, .. } if is_bfloat16 => {
                Some(plain(Element::BFloat16, ByteOrder::LittleEndian))
            }
            _ => Text::new(datatype).map(Stored::Text),
        }
    }

    /// The element type of the tensor.
    pub(super) fn dtype(&self) -> DType {
        match self {
            Stored::Plain(element, _) => element.dtype(),
            Stored::Text(_) => DType::Str,
        }
    }
}

impl Text {
    /// How texts of this type are stored, if it is text.
    pub(super) fn new(datatype: &Datatype) -> Option<Text> {
        match datatype {
            Datatype::String { size: StringSize::Fixed(size), padding, .. } => {
                Some(Text { size: Some(usize::try_from(*size).ok()?), padding: *padding })
            }
            Datatype::String { size: StringSize::Variable, padding, .. } => {
                Some(Text { size: None, padding: *padding })
            }
            Datatype::VarLen { base, kind: VarLenKind::String, padding, .. }
                if base.is_vlen_string_base() =>
            {
                Some(Text { size: None, padding: *padding })
            }
            _ => None,
        }
    }

    /// The `count` texts that `bytes` are, or refer to; `resolve` follows a reference and `reference` is the size of
    /// one. Together they may have at most `budget` bytes, since many references may lead to one long text.
    pub(super) fn decode(
        &self,
        count: usize,
        bytes: &[u8],
        reference: usize,
        mut budget: usize,
        resolve: impl Fn(&[u8]) -> Result<Vec<u8>, String>,
    ) -> Result<Vec<String>, String> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let size = self.size.unwrap_or(reference);
        if size == 0 || count.checked_mul(size) != Some(bytes.len()) {
            return Err(format!("{count} texts of {size} bytes are not {} bytes", bytes.len()));
        }
        let decode_one = |element: &[u8]| {
            if self.size.is_some() {
                return self.text(element);
            }
            let (length, _) = element.split_first_chunk().ok_or("a reference is cut off")?;
            let length = u32::from_le_bytes(*length) as usize;
            budget = budget.checked_sub(length).ok_or("its texts are longer than the file")?;
            self.text(&resolve(element)?)
        };
        bytes.chunks_exact(size).map(decode_one).collect()
    }

    fn text(&self, bytes: &[u8]) -> Result<String, String> {
        let end = |padding: u8| bytes.iter().rposition(|&byte| byte != padding).map_or(0, |last| last + 1);
        let length = match self.padding {
            StringPadding::NullTerminate => bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len()),
            StringPadding::NullPad => end(0),
            StringPadding::SpacePad => end(b' '),
        };
        String::from_utf8(bytes[..length].to_vec()).map_err(|_| "its text is not UTF-8".to_owned())
    }
}

fn plain(element: Element, order: ByteOrder) -> Stored {
    let order = match order {
        ByteOrder::LittleEndian => element::ByteOrder::Little,
        ByteOrder::BigEndian => element::ByteOrder::Big,
    };
    Stored::Plain(element, order)
}

fn integer(size: u8, signed: bool) -> Option<Element> {
    Some(match (size, signed) {
        (1, true) => Element::I8,
        (2, true) => Element::I16,
        (4, true) => Element::I32,
        (8, true) => Element::I64,
        (1, false) => Element::U8,
        (2, false) => Element::U16,
        (4, false) => Element::U32,
        (8, false) => Element::U64,
        _ => return None,
    })
}

/// The float whose layout a type message describes: size, offset, precision, exponent and mantissa.
fn float(raw: &[u8]) -> Option<Element> {
    let size = u32::from_le_bytes(*raw.get(4..8)?.first_chunk()?);
    // Offset and precision, two bytes each; place and size of the exponent, then of the mantissa.
    let layout: &[u8; 8] = raw.get(8..16)?.first_chunk()?;
    match (size, layout) {
        (2, [0, 0, 16, 0, 10, 5, 0, 10]) => Some(Element::F16),
        (2, [0, 0, 16, 0, 7, 8, 0, 7]) => Some(Element::BFloat16),
        (4, [0, 0, 32, 0, 23, 8, 0, 23]) => Some(Element::F32),
        (8, [0, 0, 64, 0, 52, 11, 0, 52]) => Some(Element::F64),
        _ => None,
    }
}
