//! The operations of the tensor graph: a closed set, in families.
//!
//! Each family is a file beside this one with *one* table: an operation's mnemonic, operands, attributes and
//! meaning stand in its row, and from the rows come the enum, the parser, the printer and the reference tables.
//! A family also says what type an operation gives ([`Op::infer`]) and, for composites, what it means in terms
//! of primitives ([`Op::decompose`]). The only list of all families is at the end of this file; a pass asks an
//! operation for a property and never lists the operations again.

mod activations;
pub mod attend;
mod attention;
mod convolve;
mod dense;
mod element;
mod elementwise;
mod index;
mod leaf;
mod lookup;
mod map;
mod normalize;
mod notation;
mod pool;
mod product;
mod recurrent;
mod reduce;
mod rows;
mod scan;
mod shape;
mod text;
mod window;

pub use attention::Attention;
pub use convolve::Convolve;
pub use dense::{Activate, Dense};
pub use elementwise::Elementwise;
pub use index::Index;
pub use leaf::Leaf;
pub use lookup::{Lookup, Spread};
pub use map::{Map, is_elementwise};
pub use normalize::Normalize;
pub use notation::Notation;
pub use pool::Pool;
pub use product::Product;
pub use recurrent::{Recurrent, RecurrentOptions};
pub use reduce::Reduce;
pub use rows::Rows;
pub use scan::{MAX_LOOPS, Scan};
pub use shape::Shape;
pub use text::{NgramWidths, Split, Standardize, Text, TokenOutput};
pub use window::Window;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::dim::Names;
use crate::flow::{Element, Flow, Known, Role};
use crate::program::{Builder, Operand, Program};
use crate::ty::Type;

/// One operand in an operation's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperandInfo {
    /// The name; optional operands are written with it, `mask = %m`, unless a required one follows.
    pub name: &'static str,
    /// How often it can stand.
    pub arity: Arity,
}

/// How often an operand can stand in an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// Exactly once.
    One,
    /// Once or not at all.
    Optional,
    /// Any number of times; only the last operand of a row.
    Many,
}

impl OperandInfo {
    /// Reads the table's notation: `x`, `bias?`, `parts*`.
    const fn new(text: &'static str) -> OperandInfo {
        let (name, mark) = text.split_at(text.len() - 1);
        match mark.as_bytes() {
            b"?" => OperandInfo { name, arity: Arity::Optional },
            b"*" => OperandInfo { name, arity: Arity::Many },
            _ => OperandInfo { name: text, arity: Arity::One },
        }
    }
}

/// A row of the table of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpInfo {
    /// The word in the text form.
    pub mnemonic: &'static str,
    /// What it does, in a sentence.
    pub summary: &'static str,
    /// The operands, in order.
    pub operands: &'static [OperandInfo],
    /// The names of the attributes.
    pub attributes: &'static [&'static str],
}

impl OpInfo {
    /// Is an operand written with its name? Of those that may be missing, what stands before a required one is not.
    pub fn is_named(&self, place: usize) -> bool {
        let last = self.operands.iter().rposition(|operand| operand.arity != Arity::Optional);
        let optional = self.operands.get(place).is_some_and(|operand| operand.arity == Arity::Optional);
        optional && last.is_none_or(|last| place > last)
    }
}

/// An operation cannot be applied to these operands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{op}` expects {expected}, found {found}")]
pub struct OpError {
    /// The mnemonic.
    pub op: &'static str,
    /// What it needs.
    pub expected: String,
    /// What it got.
    pub found: String,
}

/// The types of an operation's operands; optional ones may be missing.
pub type OperandTypes<'a> = &'a [Option<&'a Type>];

/// What a family owes beside its table.
trait Family: Clone {
    /// The operation's row.
    fn info(&self) -> &'static OpInfo;

    /// The types of the results. Required operands are present.
    fn infer(&self, operands: OperandTypes<'_>) -> Result<Vec<Type>, OpError>;

    /// What a composite means, in primitives; `None` for a primitive.
    fn decompose(
        &self,
        _builder: &mut Builder,
        _operands: &[Operand],
    ) -> Option<Result<Vec<Operand>, OpError>> {
        None
    }

    /// Is it a composite?
    fn is_composite(&self) -> bool {
        false
    }

    /// How people write it. Required operands are present.
    fn notation(&self, _operands: OperandTypes<'_>) -> Notation {
        Notation::Function
    }

    /// How positions of the operands become positions of the results. Unless the operation says better: as in its
    /// decomposition, or, for a primitive, in any way.
    fn flow(&self, _operands: OperandTypes<'_>) -> Flow<'_> {
        if self.is_composite() { Flow::Meaning } else { Flow::Anything }
    }

    /// What one element of the result is known to be, given what is known of the elements that it is made of. Where
    /// axes are folded: what one element of the fold is known to be.
    fn element(&self, _operands: &[Known]) -> Element {
        Known::Anything.into()
    }

    /// The number that it fills shorter rows up with, at their end, and gives nowhere else.
    fn fills(&self) -> Option<f64> {
        None
    }

    /// The operation with other names for the symbols of its attributes.
    fn renamed(&self, _names: &Names) -> Self {
        self.clone()
    }

    /// An error of this operation.
    fn expects(&self, expected: impl Into<String>, found: impl ToString) -> OpError {
        OpError { op: self.info().mnemonic, expected: expected.into(), found: found.to_string() }
    }
}

/// The table of one family: makes its enum and its rows.
macro_rules! family {
    (
        $(#[doc = $family_doc:literal])*
        $family:ident {
            $($(#[doc = $doc:literal])* $variant:ident = $mnemonic:literal ( $($operand:literal),* )
            $({ $($(#[doc = $field_doc:literal])* $(#[serde($field_serde:meta)])? $field:ident : $ty:ty),* $(,)? })?;)*
        }
    ) => {
        $(#[doc = $family_doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub enum $family {
            $($(#[doc = $doc])* #[serde(rename = $mnemonic)]
                $variant $({ $($(#[doc = $field_doc])* $(#[serde($field_serde)])? $field: $ty),* })?),*
        }

        impl $family {
            /// The family's rows.
            pub const TABLE: &'static [$crate::ops::OpInfo] = &[$($crate::ops::OpInfo {
                mnemonic: $mnemonic,
                summary: concat!($($doc),*),
                operands: &[$($crate::ops::OperandInfo::new($operand)),*],
                attributes: &[$($(stringify!($field)),*)?],
            }),*];

            fn row(&self) -> &'static $crate::ops::OpInfo {
                #[derive(Clone, Copy)]
                enum Place { $($variant),* }
                let place = match self { $($family::$variant { .. } => Place::$variant),* };
                &Self::TABLE[place as usize]
            }
        }
    };
}
use family;

/// The list of families: makes [`Op`] and its dispatch.
macro_rules! families {
    ($($(#[doc = $doc:literal])* $family:ident),* $(,)?) => {
        /// An operation with its attributes.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Op { $($(#[doc = $doc])* $family($family)),* }

        $(impl From<$family> for Op {
            fn from(op: $family) -> Op { Op::$family(op) }
        })*

        impl Op {
            /// The rows of all families, in reading order.
            pub fn table() -> impl Iterator<Item = &'static OpInfo> {
                std::iter::empty()$(.chain($family::TABLE))*
            }

            /// The operation's row.
            pub fn info(&self) -> &'static OpInfo {
                match self { $(Op::$family(op) => op.info()),* }
            }

            /// The program that it holds.
            pub fn body(&self) -> Option<&Program> {
                match self {
                    Op::Scan(Scan::Scan { body, .. }) | Op::Map(Map::Map { body }) => Some(body),
                    _ => None,
                }
            }

            /// Does it decide by comparing positions with one another which of them reads which?
            pub fn compares_positions(&self) -> bool {
                matches!(self, Op::Attention(_))
            }

            /// Is it defined by a decomposition into primitives?
            pub fn is_composite(&self) -> bool {
                match self { $(Op::$family(op) => op.is_composite()),* }
            }

            /// The types of the results; an error says which operand does not fit.
            pub fn infer(&self, operands: OperandTypes<'_>) -> Result<Vec<Type>, OpError> {
                self.check_arity(operands)?;
                match self { $(Op::$family(op) => op.infer(operands)),* }
            }

            /// What a composite means: builds its decomposition into primitives and gives the results. `None`
            /// for a primitive.
            pub fn decompose(&self, builder: &mut Builder, operands: &[Operand]) -> Option<Result<Vec<Operand>, OpError>> {
                match self { $(Op::$family(op) => op.decompose(builder, operands)),* }
            }

            /// How people write it.
            pub fn notation(&self, operands: OperandTypes<'_>) -> Notation {
                match self { $(Op::$family(op) => op.notation(operands)),* }
            }

            /// How positions of the operands become positions of the results.
            pub fn flow(&self, operands: OperandTypes<'_>) -> Flow<'_> {
                match self { $(Op::$family(op) => op.flow(operands)),* }
            }

            /// What one element of the result (where axes are folded: of the fold) is known to be, given what is
            /// known of the elements that it is made of.
            pub fn element(&self, operands: &[Known]) -> Element {
                match self { $(Op::$family(op) => op.element(operands)),* }
            }

            /// The number that it fills shorter rows up with, at their end, and gives nowhere else.
            pub fn fills(&self) -> Option<f64> {
                match self { $(Op::$family(op) => op.fills()),* }
            }

            /// The operation with other names for the symbols of its attributes.
            pub fn renamed(&self, names: &Names) -> Op {
                match self { $(Op::$family(op) => Op::$family(op.renamed(names))),* }
            }

            /// The attributes by name, in JSON's terms; an object, empty if there are none.
            pub fn attributes(&self) -> Json {
                let tagged = match self { $(Op::$family(op) => serde_json::to_value(op)),* };
                match tagged {
                    Ok(Json::Object(mut map)) => map.remove(self.info().mnemonic).unwrap_or(Json::Null),
                    _ => Json::Object(serde_json::Map::new()),
                }
            }

            /// The operation with that mnemonic and these attributes.
            pub fn from_parts(mnemonic: &str, attributes: Json) -> Result<Op, UnknownOp> {
                let bad = |source: serde_json::Error| UnknownOp::Attributes { op: mnemonic.to_owned(), message: source.to_string() };
                $(if let Some(row) = $family::TABLE.iter().find(|row| row.mnemonic == mnemonic) {
                    let tagged = if row.attributes.is_empty() {
                        match &attributes {
                            Json::Object(map) if !map.is_empty() => {
                                return Err(UnknownOp::Attributes { op: mnemonic.to_owned(), message: "it has none".into() });
                            }
                            _ => Json::String(mnemonic.to_owned()),
                        }
                    } else {
                        Json::Object(serde_json::Map::from_iter([(mnemonic.to_owned(), attributes)]))
                    };
                    return serde_json::from_value::<$family>(tagged).map(Op::$family).map_err(bad);
                })*
                Err(UnknownOp::Mnemonic(mnemonic.chars().take(60).collect()))
            }
        }
    };
}

/// The text names no operation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownOp {
    /// No operation has this mnemonic.
    #[error("unknown operation `{0}`")]
    Mnemonic(String),
    /// The operation has other attributes.
    #[error("attributes of `{op}`: {message}")]
    Attributes {
        /// The mnemonic.
        op: String,
        /// What is wrong with them.
        message: String,
    },
}

impl Op {
    fn check_arity(&self, operands: OperandTypes<'_>) -> Result<(), OpError> {
        let info = self.info();
        let many = info.operands.last().is_some_and(|operand| operand.arity == Arity::Many);
        let fits = if many {
            operands.len() + 1 >= info.operands.len()
        } else {
            operands.len() == info.operands.len()
        };
        let missing = operands.iter().enumerate().find(|(place, operand)| {
            operand.is_none() && info.operands.get(*place).is_none_or(|row| row.arity != Arity::Optional)
        });
        if !fits {
            let expected = format!("{} operands", info.operands.len());
            return Err(OpError { op: info.mnemonic, expected, found: operands.len().to_string() });
        }
        match missing {
            Some((place, _)) => {
                let name =
                    info.operands.get(place).or(info.operands.last()).map_or("operand", |row| row.name);
                Err(OpError {
                    op: info.mnemonic,
                    expected: format!("an operand `{name}`"),
                    found: "none".into(),
                })
            }
            None => Ok(()),
        }
    }
}

families! {
    /// What a program starts from.
    Leaf,
    /// One element from one element of each operand.
    Elementwise,
    /// Axes folded away.
    Reduce,
    /// Elements moved, never computed.
    Shape,
    /// Elements picked by number.
    Index,
    /// Sums of products.
    Product,
    /// Rows without padding.
    Rows,
    /// Windows that slide over axes.
    Window,
    /// A loop over time.
    Scan,
    /// Element-wise operations, fused.
    Map,
    /// Text to numbers.
    Text,
    /// Tokens to numbers.
    Lookup,
    /// Activation functions.
    Activate,
    /// The fully connected layer.
    Dense,
    /// The convolutional layer.
    Convolve,
    /// Attention by products.
    Attention,
    /// Normalization over axes.
    Normalize,
    /// Means over time.
    Pool,
    /// Recurrent layers.
    Recurrent,
}

/// The sizes of two shapes agree, as far as they are known.
fn agree(left: &[crate::dim::Dim], right: &[crate::dim::Dim]) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).all(|(a, b)| match (a.known(), b.known()) {
            (Some(a), Some(b)) => a == b,
            _ => true,
        })
}

/// Axes that run along these letters.
fn at(letters: std::ops::Range<u32>) -> Vec<Role> {
    letters.map(Role::At).collect()
}
