//! How people write an operation on numbers. What has no notation of its own is written as a function, by its mnemonic.

/// The notation of one operation, with its attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notation {
    /// `exp(x)`
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
}

impl Notation {
    /// Between two operands.
    pub(super) const fn infix(symbol: &'static str, latex: &'static str, strength: u8) -> Notation {
        Notation::Infix { symbol, latex, strength }
    }
}
