//! The definition of a class of layers: its line in the registry.

use std::fmt;

use super::registry::Parse;

/// A row of the registry.
#[derive(Clone, Copy, Debug)]
pub struct LayerDef {
    /// The class: Keras' name of a layer, or `ops.` and Keras' name of an operation.
    pub class: &'static str,
    /// When masks are supported.
    pub supports_masking: Supports,
    /// What its outputs' masks are, in a few words.
    pub masks: &'static str,
    /// Reads the settings.
    pub parse: Parse,
}

/// What the words in [`LayerDef::masks`] mean.
pub const MASK_WORDS: [(&str, &str); 6] = [
    ("born", "made from the layer's input"),
    ("keep", "that of the first input"),
    ("union", "valid where any input's is; none as soon as one input has none"),
    ("concat", "joined; an input without a mask is valid everywhere"),
    ("ends", "none, and rightly: the mask was used, or the output has no such axis"),
    ("lost", "none, though the input had one"),
];

/// When a class supports masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supports {
    /// With any settings.
    Always,
    /// With no settings.
    Never,
    /// If that setting is true.
    If(&'static str),
}

impl fmt::Display for Supports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Supports::Always => f.pad("yes"),
            Supports::Never => f.pad("no"),
            Supports::If(setting) => f.pad(&format!("if {setting}")),
        }
    }
}
