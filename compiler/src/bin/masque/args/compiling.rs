//! How commands that compile do it.

use clap::{Args, ValueEnum};
use masque::{Growth, Options, Padded};

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

/// What a plan is like, for commands that make one.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Compiling {
    /// What outputs hold at padded positions
    #[arg(long, value_enum, default_value = "keep", value_name = "keep|zero")]
    padding: Padding,
    /// Let the weights grow by up to so many megabytes for products of embedding tables and the kernels behind them, computed
    /// once for all runs; a quarter of the weights if absent
    #[arg(long, value_name = "MB")]
    fold_tables: Option<u32>,
}

impl Compiling {
    /// What these options say; the rest as it is if nothing is said.
    pub(crate) fn options(self) -> Options {
        let bytes = |megabytes| Growth::Bytes(u64::from(megabytes) * 1_000_000);
        let growth = self.fold_tables.map_or_else(Growth::default, bytes);
        Options { padded: self.padding.into(), growth, ..Options::default() }
    }

    /// An option that says something of a plan that is to be made.
    pub(crate) fn said(self) -> Option<&'static str> {
        let padding = Some("padding").filter(|_| self.padding != Padding::Keep);
        padding.or(self.fold_tables.map(|_| "fold-tables"))
    }
}
