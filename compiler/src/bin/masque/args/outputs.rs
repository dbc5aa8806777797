//! What commands that compile are told of a model's outputs.

use clap::{Args, ValueEnum};
use masque::Padded;

/// What outputs hold where their masks are false.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Padding {
    /// What they hold in Keras
    Keep,
    /// Zero: what nobody reads is not computed
    Zero,
}

impl From<Padding> for Padded {
    fn from(padding: Padding) -> Padded {
        match padding {
            Padding::Keep => Padded::Keep,
            Padding::Zero => Padded::Zero,
        }
    }
}

/// What outputs hold where their masks are false, for commands that compile.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Outputs {
    /// What outputs hold at padded positions
    #[arg(long, value_enum, default_value = "keep", value_name = "keep|zero")]
    pub(crate) padding: Padding,
}
