//! Under whose rules a model is read. Keras changed what masks do in nearly every release; every graph says
//! which rules it follows, and every dump prints it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The rules a graph is read under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Semantics {
    /// Keras 2 as it came with TensorFlow 2 (2.11 to 2.21): `tf.keras`, now `tf_keras`.
    #[serde(rename = "keras-2")]
    Keras2,
    /// Keras 3.15: the masks of a running model, defects included.
    #[serde(rename = "keras-3.15")]
    Keras3_15,
}

impl Semantics {
    /// All of them.
    pub const ALL: [Semantics; 2] = [Semantics::Keras2, Semantics::Keras3_15];

    /// The name in the text form and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Semantics::Keras2 => "keras-2",
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
#[error("unknown semantics `{0}`: expected keras-2 or keras-3.15")]
pub struct UnknownSemantics(String);

impl std::str::FromStr for Semantics {
    type Err = UnknownSemantics;
    fn from_str(name: &str) -> Result<Semantics, UnknownSemantics> {
        let found = Semantics::ALL.into_iter().find(|semantics| semantics.name() == name);
        found.ok_or_else(|| UnknownSemantics(name.chars().take(40).collect()))
    }
}
