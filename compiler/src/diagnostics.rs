//! What is wrong with a model that could be read: typed, all at once, each with the place and what to do.
//!
//! A diagnostic points into the canonical text of the layer graph, so that every model has lines.

use std::collections::HashMap;

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
    let (mut found, mut paths) = (vec![], Paths::default());
    for id in graph.calls() {
        let layer = layers[graph.call(id).layer.0 as usize].as_ref();
        let mask = model.facts.call(id).mask_in.iter().flatten().next();
        if let Some(&mask) =
            mask.filter(|_| !masks::supports(graph.semantics, layer) && !layer.is_operation())
        {
            let path = paths.of(model, id, mask);
            found.push(unsupported(model, pointers, id, &path, severity));
        }
    }
    found
}

fn unsupported(
    model: &InferredGraph,
    pointers: &[String],
    id: CallId,
    path: &Path,
    severity: Severity,
) -> Diagnostic {
    let graph = &model.graph;
    let (call, layer) = (graph.call(id), graph.layer_of(id));
    let born = path.born;
    let pointer = pointers.get(graph.call(born).layer.0 as usize).map_or("", String::as_str);
    let label = |call: CallId, text: &str| Label { call, name: graph.call_name(call), text: text.to_owned() };
    let mut labels = vec![label(born, "the mask is born here")];
    labels.extend(path.steps.iter().enumerate().map(|(place, &step)| match path.skipped {
        more @ 1.. if place == 0 => label(step, &format!("carried on, through {more} calls before")),
        _ => label(step, "carried on"),
    }));
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

/// The way of a mask to a call that reads it.
struct Path {
    /// Where it was born.
    born: CallId,
    /// How many calls behind that carried it on and are not among the steps.
    skipped: usize,
    /// The last calls that carried it on, in order.
    steps: Vec<CallId>,
}

/// How many steps of a path are shown.
const LONGEST_PATH: usize = 8;

/// The ways of masks. What is known of a call is kept, so that all ways together are walked once.
#[derive(Default)]
struct Paths {
    /// For a mask on the outputs of a call: where it was born, and how many calls are between.
    known: HashMap<(CallId, MaskId), (CallId, usize)>,
}

impl Paths {
    fn of(&mut self, model: &InferredGraph, reader: CallId, mask: MaskId) -> Path {
        let Some(last) = carrier(model, reader, mask) else {
            // A mask that was passed by hand hangs on no tensor: it is born where it is computed.
            let computed = crate::masks::sources(&model.facts.masks, mask).first().map(|tensor| tensor.call);
            return Path { born: computed.unwrap_or(reader), skipped: 0, steps: vec![] };
        };
        let (born, between) = self.origin(model, last, mask);
        let mut steps: Vec<CallId> = std::iter::successors(Some(last), |&call| before(model, call, mask))
            .take_while(|&call| call != born)
            .take(LONGEST_PATH)
            .collect();
        steps.reverse();
        Path { born, skipped: between - steps.len(), steps }
    }

    /// Where the mask of a call's output was born, and how many calls carried it from there, this one among them.
    fn origin(&mut self, model: &InferredGraph, call: CallId, mask: MaskId) -> (CallId, usize) {
        let mut walked = vec![call];
        let (born, mut distance) = loop {
            let at = walked[walked.len() - 1];
            if let Some(&known) = self.known.get(&(at, mask)) {
                walked.pop();
                break known;
            }
            match before(model, at, mask) {
                Some(next) => walked.push(next),
                None => {
                    walked.pop();
                    self.known.insert((at, mask), (at, 0));
                    break (at, 0);
                }
            }
        };
        for at in walked.into_iter().rev() {
            distance += 1;
            self.known.insert((at, mask), (born, distance));
        }
        (born, distance)
    }
}

/// The call from which a call that carries a mask on has it.
fn before(model: &InferredGraph, call: CallId, mask: MaskId) -> Option<CallId> {
    let carries = model.facts.call(call).status == MaskStatus::Carried;
    carries.then(|| carrier(model, call, mask)).flatten()
}

/// The call that makes the first tensor with this mask that a call reads.
fn carrier(model: &InferredGraph, reader: CallId, mask: MaskId) -> Option<CallId> {
    let tensors = model.graph.call(reader).arguments.iter().flat_map(|argument| argument.value.tensors());
    let carrier: Option<TensorRef> = tensors.into_iter().find(|&x| model.facts.tensor(x).mask == Some(mask));
    carrier.map(|tensor| tensor.call)
}
