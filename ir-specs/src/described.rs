//! Layers in the IR's own words: what a custom layer's class does, as calls of layers that are known.
//!
//! A description stands for code that no model file holds. It is data as everything else: its body is a layer graph, in
//! whose settings the settings of the layer stand by name (`$units`).

use crate::layers::{LayerGraph, Settings, TensorRef};

/// The class of the calls in a body that stand for what the layer is called on.
pub const ARGUMENT: &str = "Argument";

/// The class of the calls in a body that give a weight of the layer's own.
pub const WEIGHT: &str = "ops.Weight";

/// The class of the calls in a body that give a tensor's mask.
pub const MASK_OF: &str = "ops.MaskOf";

/// The class of the calls in a body that give their argument if a condition holds, and else nothing.
pub const WHEN: &str = "ops.When";

/// The class of the calls in a body that give the first of their arguments that there is.
pub const COALESCE: &str = "ops.Coalesce";

/// The name of the layer in a body that is the layer itself, as the class that its own class extends.
pub const SUPER: &str = "super";

/// What a custom layer does.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// The class, as model files name it: `Custom>TransformerBlock`.
    pub class: String,
    /// What it does.
    pub meaning: Meaning,
}

/// What a class does.
#[derive(Clone, Debug, PartialEq)]
pub enum Meaning {
    /// The same as another class, whose settings and weights it has.
    Same(String),
    /// What is written down.
    Body(Body),
}

/// The calls that a custom layer makes.
#[derive(Clone, Debug, PartialEq)]
pub struct Body {
    /// The settings by name: a type, or a map with a type, a default and the values that are described.
    pub settings: Settings,
    /// The calls; its name is the class.
    pub graph: LayerGraph,
    /// What becomes of masks.
    pub masks: OwnMasks,
}

/// What becomes of the masks of a custom layer, where the layers inside it leave its outputs without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnMasks {
    /// It knows nothing of masks: they are lost.
    Lost,
    /// Those of what it is called on: `supports_masking = True`.
    Keep,
    /// There are none, and rightly: `compute_mask` gives `None`.
    Ends,
    /// One for each output, where there is one: what `compute_mask` gives.
    Given(Vec<Option<TensorRef>>),
}
