//! How people write an operation. What has no notation of its own is written as a function, by its mnemonic and with its
//! attributes, so that every operation can be shown.

/// The notation of one operation, with its attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notation {
    /// `exp(x)`, `sum(x, axes = [1])`
    Function,
    /// `a + b`
    Infix {
        /// Between the operands in plain text.
        symbol: &'static str,
        /// The same in LaTeX.
        latex: &'static str,
        /// How tightly it binds: more is tighter.
        strength: u8,
    },
    /// `-x`
    Prefix {
        /// Before the operand in plain text.
        symbol: &'static str,
        /// The same in LaTeX.
        latex: &'static str,
    },
    /// `x[:, 0:5]`: the first operand and, in brackets, places; where a place is `None`, the second operand stands.
    Places(Vec<Option<String>>),
    /// The operand itself: the same numbers, only seen in another shape or type.
    Same,
}

impl Notation {
    /// Between two operands.
    pub(super) const fn infix(symbol: &'static str, latex: &'static str, strength: u8) -> Notation {
        Notation::Infix { symbol, latex, strength }
    }
}
