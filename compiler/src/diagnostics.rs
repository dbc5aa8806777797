//! What is wrong with a model that could be read: typed, all at once, each with the place and what to do.
//!
//! A diagnostic points into the canonical text of the layer graph, so that every model has lines. Each kind has a file
//! below `diagnostics/`, and each code a page in `diagnostics/explain/`, which `masque explain CODE` prints and whose
//! examples are run. What is to be said of one layer alone stands beside the layer
//! ([`Advice`](crate::layer::Advice)).

mod after;
mod differs;
mod lost;
mod opaque;
mod path;
mod rank;
pub mod render;
mod unborn;
mod unscored;
mod unsupported;

use std::fmt;
use std::str::FromStr;

use masque_ir::facts::InferredGraph;
use masque_ir::layers::{CallId, TensorRef};
use serde::Serialize;

use crate::layer::{Arguments, Layer, Way};

pub(crate) use after::After;
pub use differs::differing_masks;
pub use lost::lost_masks;
pub use opaque::opaque_layers;
pub use rank::misfit_masks;
pub use unborn::unborn_masks;
pub use unscored::unmasked_losses;
pub use unsupported::unsupported_masks;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The model can be compiled all the same.
    Warning,
    /// It can't.
    Error,
}

/// The codes: a word, and the page that explains it.
macro_rules! codes {
    ($($(#[doc = $doc:literal])* $code:ident = $name:literal;)*) => {
        /// What is wrong, as a stable word.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        pub enum Code { $($(#[doc = $doc])* #[serde(rename = $name)] $code),* }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Code] = &[$(Code::$code),*];

            /// The word.
            pub const fn name(self) -> &'static str {
                match self { $(Code::$code => $name),* }
            }

            /// What it means, why it matters and how it is mended, as Markdown.
            pub const fn page(self) -> &'static str {
                match self { $(Code::$code => include_str!(concat!("diagnostics/explain/", $name, ".md"))),* }
            }
        }
    };
}

codes! {
    /// What a layer computes, or does with masks, is not known.
    LayerOpaque = "layer-opaque";
    /// A loss counts padded steps, because a mask ended before the output.
    LossUnmasked = "loss-unmasked";
    /// The mask that a running Keras model uses is not the one that its layers' rules intend.
    MaskDiffers = "mask-differs";
    /// A mask looks for padding where it is no longer what callers pad with.
    MaskLate = "mask-late";
    /// A mask is lost without a word, and something behind would have used it.
    MaskLost = "mask-lost";
    /// A mask does not fit what a layer applies it to.
    MaskRank = "mask-rank";
    /// A layer inside `TimeDistributed` would make a mask, which the wrapper does not pass on.
    MaskUnborn = "mask-unborn";
    /// A layer that does not support masking gets a mask.
    MaskUnsupported = "mask-unsupported";
    /// Nothing says what is padding, and an output would depend on it.
    NoMask = "no-mask";
    /// An output depends on positions that are padding in one input and not in another.
    PaddingApart = "padding-apart";
    /// An output depends on the padding.
    PaddingLeak = "padding-leak";
    /// Each step has a mask of its own, and nothing says which steps are empty.
    StepsUnmasked = "steps-unmasked";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// No code has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown code: expected {}", Code::ALL.iter().map(|code| code.name()).collect::<Vec<_>>().join(", "))]
pub struct UnknownCode;

impl FromStr for Code {
    type Err = UnknownCode;
    fn from_str(name: &str) -> Result<Code, UnknownCode> {
        Code::ALL.iter().copied().find(|code| code.name() == name).ok_or(UnknownCode)
    }
}

/// What to do with a mask that reaches a layer without support for masks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnsupportedMask {
    /// It is an error.
    #[default]
    Error,
    /// Report it, drop the mask, go on, as Keras 3 does.
    Warn,
    /// Drop the mask, as Keras 2 does.
    Drop,
}

/// A place in the layer graph with a remark.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Label {
    /// The call.
    #[serde(skip)]
    pub call: CallId,
    /// Its name.
    pub name: String,
    /// The remark.
    pub text: String,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// What is wrong.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// The layer.
    pub layer: String,
    /// Which call of the layer.
    pub call: u32,
    /// The layer's class.
    pub class: String,
    /// What is wrong, in a sentence.
    pub message: String,
    /// Where the mask was born, where it went, where it is missed, where it is lost; the last one is the place of the
    /// finding.
    pub labels: Vec<Label>,
    /// What follows from it.
    pub notes: Vec<String>,
    /// What to do about it, the best first.
    pub advice: Vec<Suggestion>,
    /// The output of the model that it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}

/// The remark at a call that would use a mask and gets none.
const TAKES_PADDING: &str = "takes padding for data";

impl Diagnostic {
    /// The calls that would use the mask and get none.
    pub(crate) fn missed_by(&self) -> impl Iterator<Item = CallId> {
        self.labels.iter().filter(|label| label.text == TAKES_PADDING).map(|label| label.call)
    }
}

/// One way to fix a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Suggestion {
    /// The kind of advice, if it is one of those that are tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub way: Option<Way>,
    /// What to do, in a sentence.
    pub text: String,
    /// The same as lines of Python, where it is a change of the model.
    pub code: Vec<String>,
}

impl Suggestion {
    /// A suggestion that is said in words alone.
    pub fn words(text: impl Into<String>) -> Suggestion {
        Suggestion { way: None, text: text.into(), code: vec![] }
    }
}

/// What findings are made of.
pub(crate) struct Subject<'a> {
    pub(crate) model: &'a InferredGraph,
    pub(crate) layers: &'a [Box<dyn Layer>],
    pub(crate) pointers: &'a [String],
}

impl Subject<'_> {
    pub(crate) fn layer(&self, call: CallId) -> &dyn Layer {
        self.layers[self.model.graph.call(call).layer.0 as usize].as_ref()
    }

    /// What a call reads as data, in order.
    pub(crate) fn data(&self, call: CallId) -> Vec<TensorRef> {
        let bound = Arguments::bind(self.model.graph.call(call), self.layer(call).signature().parameters);
        bound.map_or_else(|_| vec![], |bound| bound.all_data().copied().collect())
    }

    fn label(&self, call: CallId, text: &str) -> Label {
        Label { call, name: self.model.graph.call_name(call), text: text.to_owned() }
    }

    /// `` `gru` (GRU)``
    fn named(&self, call: CallId) -> String {
        format!("`{}` ({})", self.model.graph.call_name(call), self.model.graph.layer_of(call).class)
    }

    /// `` `a` (GRU), `b` (GRU) and 3 more``
    pub(crate) fn listed(&self, calls: &[CallId]) -> String {
        enumerated(&calls.iter().map(|&call| self.named(call)).collect::<Vec<_>>())
    }

    fn finding(&self, at: CallId, code: Code, severity: Severity, message: String) -> Diagnostic {
        let (call, layer) = (self.model.graph.call(at), self.model.graph.layer_of(at));
        Diagnostic {
            code,
            severity,
            layer: layer.name.clone(),
            call: call.index,
            class: layer.class.clone(),
            message,
            labels: vec![],
            notes: vec![],
            advice: vec![],
            output: None,
        }
    }
}

/// How many of several things are named before the rest is counted.
const NAMED: usize = 3;

/// `a, b and c`, or `a, b, c and 4 more`.
pub(crate) fn enumerated(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] if names.len() <= NAMED => format!("{} and {last}", first.join(", ")),
        _ => format!("{} and {} more", names[..NAMED].join(", "), names.len() - NAMED),
    }
}
