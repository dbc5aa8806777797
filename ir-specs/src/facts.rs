//! What inference learned about a layer graph: the type and the mask of every tensor, what every call did with
//! masks, and the weights every layer needs. A value beside the graph, demanded by every later stage.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::layers::{CallId, LayerGraph, TensorRef};
use crate::mask::{MaskId, MaskPool};
use crate::ty::Type;

/// What is known about one tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorFact {
    /// Element type and shape.
    pub ty: Type,
    /// The padding mask it carries.
    pub mask: Option<MaskId>,
}

/// What a call did with a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MaskStatus {
    /// No mask came in, none goes out.
    None,
    /// Made it.
    Born,
    /// Passed it on as it was.
    Carried,
    /// Passed on another.
    Changed,
    /// Used it, and gave out tensors that need none.
    Consumed,
    /// Lost it though its output still has the axis, or though it cannot use it.
    Dropped,
    /// Nobody can tell: what the layer does is not known.
    Unknown,
}

impl MaskStatus {
    /// Every status.
    pub const ALL: [MaskStatus; 7] = [
        MaskStatus::None,
        MaskStatus::Born,
        MaskStatus::Carried,
        MaskStatus::Changed,
        MaskStatus::Consumed,
        MaskStatus::Dropped,
        MaskStatus::Unknown,
    ];

    /// The word in dumps, tables and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            MaskStatus::None => "none",
            MaskStatus::Born => "born",
            MaskStatus::Carried => "carried",
            MaskStatus::Changed => "changed",
            MaskStatus::Consumed => "consumed",
            MaskStatus::Dropped => "dropped",
            MaskStatus::Unknown => "unknown",
        }
    }
}

impl fmt::Display for MaskStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// No status has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown mask status `{0}`: expected none, born, carried, changed, consumed, dropped or unknown")]
pub struct UnknownMaskStatus(String);

impl FromStr for MaskStatus {
    type Err = UnknownMaskStatus;
    fn from_str(name: &str) -> Result<MaskStatus, UnknownMaskStatus> {
        let found = MaskStatus::ALL.into_iter().find(|status| status.name() == name);
        found.ok_or_else(|| UnknownMaskStatus(name.chars().take(40).collect()))
    }
}

/// What is known about one call.
#[derive(Clone, Debug, PartialEq)]
pub struct CallFact {
    /// The mask that came with each tensor it reads as data, in order; a `mask=` argument stands in for the
    /// tensor's own.
    pub mask_in: Vec<Option<MaskId>>,
    /// What happened to them.
    pub status: MaskStatus,
    /// Its outputs, in order.
    pub outputs: Vec<TensorFact>,
}

/// A weight that a layer needs: `@gru/kernel`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightDecl {
    /// Layer name, `/`, the weight's name in that layer.
    pub name: String,
    /// Element type and shape, all sizes known.
    pub ty: Type,
    /// The content's hash in hexadecimal digits; none where a model came without weights.
    pub hash: Option<String>,
}

/// Which masks a model is taken to have: those that a running Keras model really has, or those that were meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MaskSource {
    /// Keras', its defects included: masks taken off in place, not filled in, lost by operators.
    #[default]
    Keras,
    /// Those that the rules of the layers intend.
    Intended,
}

impl MaskSource {
    /// The name in the text form and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            MaskSource::Keras => "keras",
            MaskSource::Intended => "intended",
        }
    }
}

impl fmt::Display for MaskSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// No source of masks has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown masks `{0}`: expected keras or intended")]
pub struct UnknownMaskSource(String);

impl FromStr for MaskSource {
    type Err = UnknownMaskSource;
    fn from_str(name: &str) -> Result<MaskSource, UnknownMaskSource> {
        let found =
            [MaskSource::Keras, MaskSource::Intended].into_iter().find(|source| source.name() == name);
        found.ok_or_else(|| UnknownMaskSource(name.chars().take(40).collect()))
    }
}

/// Everything inferred about one layer graph; see the module's documentation.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Which masks these are.
    pub source: MaskSource,
    /// By call, in execution order.
    pub calls: Vec<CallFact>,
    /// Every mask that a call's facts name.
    pub masks: MaskPool,
    /// In the order of the layers, then of each layer's own list.
    pub weights: Vec<WeightDecl>,
}

impl Facts {
    /// The facts of a call.
    pub fn call(&self, id: CallId) -> &CallFact {
        &self.calls[id.0 as usize]
    }

    /// The facts of a tensor.
    pub fn tensor(&self, tensor: TensorRef) -> &TensorFact {
        &self.call(tensor.call).outputs[tensor.output as usize]
    }

    /// The same facts with no mask that nobody names, and masks numbered by what they say alone. Two sets of
    /// facts about one graph are equal when they are equal in this form, whatever order they were built in.
    pub fn compact(&self) -> Facts {
        let named = self.calls.iter().flat_map(|call| {
            call.mask_in.iter().copied().chain(call.outputs.iter().map(|output| output.mask)).flatten()
        });
        let (masks, known) = self.masks.compact(named);
        let mut calls = self.calls.clone();
        for call in &mut calls {
            let outputs = call.outputs.iter_mut().map(|output| &mut output.mask);
            for mask in call.mask_in.iter_mut().chain(outputs).flatten() {
                *mask = known[mask];
            }
        }
        Facts { source: self.source, calls, masks, weights: self.weights.clone() }
    }
}

impl PartialEq for Facts {
    fn eq(&self, other: &Self) -> bool {
        let (left, right) = (self.compact(), other.compact());
        left.source == right.source
            && left.calls == right.calls
            && left.weights == right.weights
            && left.masks.iter().eq(right.masks.iter())
    }
}

/// A layer graph with what was inferred about it: what the stage `masks` dumps.
#[derive(Clone, Debug, PartialEq)]
pub struct InferredGraph {
    /// The calls.
    pub graph: LayerGraph,
    /// What is known about them.
    pub facts: Facts,
}
