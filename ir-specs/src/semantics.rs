//! Under whose rules a model is read. Keras changed what masks do in nearly every release; every graph says
//! which rules it follows, and every dump prints it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The rules a graph is read under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Semantics {
    /// Keras 3.15: the masks of a running model, defects included.
    #[serde(rename = "keras-3.15")]
    Keras3_15,
}

impl Semantics {
    /// The name in the text form and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Semantics::Keras3_15 => "keras-3.15",
        }
    }
}

impl fmt::Display for Semantics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No semantics has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown semantics `{0}`: expected keras-3.15")]
pub struct UnknownSemantics(String);

impl std::str::FromStr for Semantics {
    type Err = UnknownSemantics;
    fn from_str(name: &str) -> Result<Semantics, UnknownSemantics> {
        match name {
            "keras-3.15" => Ok(Semantics::Keras3_15),
            _ => Err(UnknownSemantics(name.chars().take(40).collect())),
        }
    }
}
