//! What keeps a model from being compiled.

use crate::diagnostics::Diagnostic;
use crate::frontend::{LoadError, WeightError};
use crate::{executable, infer, layers, lower, plan};

/// Why there are no numbers, and what to do.
fn unknown(layer: &str, class: &str) -> String {
    let reason = layers::refusal(class);
    format!(
        "layer `{layer}`: {reason}; masks, check, explain, summary, diff and the dumps of layers and masks go on \
             around it"
    )
}

/// Anything that keeps a model from being compiled. One line: file, place, expected, found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be read as a model.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The types of the model do not fit together.
    #[error("{file}: {source}")]
    Infer {
        /// The file.
        file: String,
        /// What does not fit.
        source: infer::InferError,
    },
    /// The weights are not those of the model.
    #[error("{file}: {source}")]
    Weights {
        /// The file.
        file: String,
        /// What is wrong.
        source: WeightError,
    },
    /// A layer built operations that do not fit: a mistake of ours, or of a layer that a program brings itself.
    #[error("{file}: {source}; this is a mistake in {}", source.whose())]
    Lower {
        /// The file.
        file: String,
        /// What does not fit.
        source: lower::LowerError,
    },
    /// The program can't be planned.
    #[error("{file}: {source}")]
    Plan {
        /// The file.
        file: String,
        /// Why.
        source: plan::PlanError,
    },
    /// An output's logits do not fit what was lowered: a mistake of ours.
    #[error("{file}: {source}; this is a mistake in masque")]
    Logits {
        /// The file.
        file: String,
        /// What does not fit.
        source: masque_ir::ops::OpError,
    },
    /// A layer is of an unknown class: what it computes cannot be known.
    #[error("{file}: {}", unknown(layer, class))]
    Opaque {
        /// The file.
        file: String,
        /// The call.
        layer: String,
        /// Its layer's class.
        class: String,
    },
    /// A layer is of an unknown class, and nobody states what it does with masks.
    #[error(
        "{file}: layer `{layer}`: {}; --opaque {layer}=keep, {layer}=ends or {layer}=lost states what it does with \
         masks",
        layers::refusal(class)
    )]
    Unstated {
        /// The file.
        file: String,
        /// The call.
        layer: String,
        /// Its layer's class.
        class: String,
    },
    /// Masks reach layers that do not support them, and the policy says that this is an error.
    #[error("{file}: {} of its calls get a mask that they do not support", diagnostics.len())]
    UnsupportedMasks {
        /// The file.
        file: String,
        /// All of them.
        diagnostics: Vec<Diagnostic>,
    },
    /// The executable can't be written.
    #[error(transparent)]
    Executable(#[from] executable::ExecutableError),
    /// The program that an executable is to begin with is none.
    #[error(transparent)]
    Runner(#[from] executable::RunnerError),
}
