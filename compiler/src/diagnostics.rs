//! What is wrong with a model that could be read: typed, all at once, each with the place and what to do.
//!
//! A diagnostic points into the canonical text of the layer graph, so that every model has lines.

use masque_ir::Semantics;
use masque_ir::facts::{InferredGraph, MaskStatus};
use masque_ir::layers::{CallId, TensorRef};
use masque_ir::mask::MaskId;
use serde::Serialize;

use crate::layer::Layer;
use crate::masks;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The model can be compiled all the same.
    Warning,
    /// It can't.
    Error,
}

/// What is wrong, as a stable word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// A layer that does not support masking gets a mask.
    MaskUnsupported,
    /// An output depends on the padding.
    PaddingLeak,
}

impl Code {
    /// The word.
    pub const fn name(self) -> &'static str {
        match self {
            Code::MaskUnsupported => "mask-unsupported",
            Code::PaddingLeak => "padding-leak",
        }
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
    /// Where the mask was born, where it went, where it is lost; the last one is the place of the finding.
    pub labels: Vec<Label>,
    /// What follows from it, and what to do.
    pub notes: Vec<String>,
}

/// Finds every call that gets a mask which its layer does not support.
pub fn unsupported_masks(
    model: &InferredGraph,
    layers: &[Box<dyn Layer>],
    pointers: &[String],
    severity: Severity,
) -> Vec<Diagnostic> {
    let graph = &model.graph;
    let mut found = vec![];
    for id in graph.calls() {
        let layer = layers[graph.call(id).layer.0 as usize].as_ref();
        let mask = model.facts.call(id).mask_in.iter().flatten().next();
        if let Some(&mask) =
            mask.filter(|_| !masks::supports(graph.semantics, layer) && !layer.is_operation())
        {
            found.push(unsupported(model, pointers, id, mask, severity));
        }
    }
    found
}

fn unsupported(
    model: &InferredGraph,
    pointers: &[String],
    id: CallId,
    mask: MaskId,
    severity: Severity,
) -> Diagnostic {
    let graph = &model.graph;
    let (call, layer) = (graph.call(id), graph.layer_of(id));
    let path = path_of_mask(model, id, mask);
    let born = path[0];
    let pointer = pointers.get(graph.call(born).layer.0 as usize).map_or("", String::as_str);
    let label = |call: CallId, text: &str| Label { call, name: graph.call_name(call), text: text.to_owned() };
    let mut labels = vec![label(born, "the mask is born here")];
    labels.extend(path[1..].iter().map(|&step| label(step, "carried on")));
    labels.push(label(id, "and cannot be used here"));
    let birth = graph.layer_of(born);
    let drops = match graph.semantics {
        Semantics::Keras2 => "Keras 2 drops the mask without a word",
        Semantics::Keras3_15 => "Keras 3 warns, drops the mask",
    };
    let mut notes = vec![
        format!("the mask comes from `{}` ({}, {pointer} of the model's config)", birth.name, birth.class),
        format!("{drops} and goes on: what follows takes padding for data"),
    ];
    notes.extend(remedies(&layer.class, &layer.name, &birth.class, &birth.name));
    Diagnostic {
        code: Code::MaskUnsupported,
        severity,
        layer: layer.name.clone(),
        call: call.index,
        class: layer.class.clone(),
        message: format!(
            "`{}` ({}) gets a mask, but {} does not support masking",
            layer.name, layer.class, layer.class
        ),
        labels,
        notes,
    }
}

fn remedies(class: &str, name: &str, birth_class: &str, birth: &str) -> Vec<String> {
    let before = match class {
        "Flatten" => format!(
            "help: put a layer that uses the mask before `{name}`, such as GlobalAveragePooling1D or a recurrent layer \
             without return_sequences, or use one in its place"
        ),
        _ => format!(
            "help: put a layer that uses the mask before `{name}`, or a layer that carries it in its place"
        ),
    };
    let birth = match birth_class {
        "Embedding" => format!("help: if 0 is no padding, build `{birth}` with mask_zero=False"),
        _ => format!("help: if nothing is padding, leave out `{birth}`"),
    };
    let warn =
        "help: for Keras' numbers, padding counted as data, pass --on-unsupported-mask warn".to_owned();
    vec![before, birth, warn]
}

/// The calls that a mask came through, the one where it was born first, the reader left out.
fn path_of_mask(model: &InferredGraph, reader: CallId, mask: MaskId) -> Vec<CallId> {
    let (graph, facts) = (&model.graph, &model.facts);
    let mut path = vec![];
    let mut at = reader;
    loop {
        let arguments = graph.call(at).arguments.iter().flat_map(|argument| argument.value.tensors());
        let carrier: Option<TensorRef> =
            arguments.into_iter().find(|&tensor| facts.tensor(tensor).mask == Some(mask));
        let Some(carrier) = carrier else { break };
        path.push(carrier.call);
        if facts.call(carrier.call).status != MaskStatus::Carried {
            break;
        }
        at = carrier.call;
    }
    path.reverse();
    // A mask that was passed by hand hangs on no tensor: it is born where it is computed.
    if path.is_empty() {
        let computed = masks::sources(&facts.masks, mask).first().map_or(reader, |tensor| tensor.call);
        path.push(computed);
    }
    path
}
