//! `layer-opaque`: a layer is of a class that nobody knows. What is found after it rests on what is stated of it.

use std::collections::HashSet;

use masque_ir::facts::InferredGraph;
use masque_ir::layers::CallId;

use super::{Code, Diagnostic, Severity, Subject, Suggestion, enumerated};
use crate::layer::{Kind, Layer};
use crate::masks;
use crate::opaque::states_rule;

/// Finds every call of a layer that is not known.
pub fn opaque_layers(
    model: &InferredGraph,
    layers: &[Box<dyn Layer>],
    pointers: &[String],
) -> Vec<Diagnostic> {
    let subject = Subject { model, layers, pointers };
    let calls = model.graph.calls().filter(|&id| subject.layer(id).kind() == Kind::Opaque);
    calls.map(|id| finding(&subject, id)).collect()
}

fn finding(subject: &Subject<'_>, id: CallId) -> Diagnostic {
    let unknown = !states_rule(subject.layer(id));
    let message = match unknown {
        true => format!("what {} computes, and what it does with masks, is not known", subject.named(id)),
        false => format!("what {} computes is not known; its rule for masks is stated", subject.named(id)),
    };
    let mut finding = subject.finding(id, Code::LayerOpaque, Severity::Warning, message);
    if unknown {
        let touched = touched(subject, id);
        finding.labels =
            touched.uses.iter().map(|&call| subject.label(call, "uses a mask, if there is one")).collect();
        finding.labels.extend(
            touched
                .without
                .iter()
                .map(|&call| subject.label(call, "does not support a mask, if there is one")),
        );
        finding.notes.extend(rests(subject, &touched));
    }
    finding.labels.push(subject.label(id, "nobody knows this layer"));
    finding
        .notes
        .push(format!("what {} reads of the padding is not known", enumerated(&subject.outputs_after(id))));
    finding.advice = advice(subject, id, unknown);
    finding
}

/// The calls to which a mask that is not known may come.
#[derive(Default)]
struct Touched {
    /// Those that compute with it.
    uses: Vec<CallId>,
    /// Those whose layers do not support masks.
    without: Vec<CallId>,
}

fn touched(subject: &Subject<'_>, id: CallId) -> Touched {
    let (graph, facts) = (&subject.model.graph, &subject.model.facts);
    let (mut touched, mut after) = (Touched::default(), HashSet::from([id]));
    for call in graph.calls().filter(|&call| call > id) {
        let mut read = graph.call(call).arguments.iter().flat_map(|argument| argument.value.tensors());
        if !read.any(|tensor| after.contains(&tensor.call)) {
            continue;
        }
        after.insert(call);
        let layer = subject.layer(call);
        let unknown = facts.call(call).mask_in.iter().flatten().any(|mask| facts.masks.is_unknown(*mask));
        if unknown && layer.kind() != Kind::Opaque {
            if masks::uses(layer) {
                touched.uses.push(call);
            }
            if !masks::supports(graph.semantics, layer) && layer.kind() != Kind::Operation {
                touched.without.push(call);
            }
        }
    }
    touched
}

/// What rests on a mask that is not known.
fn rests(subject: &Subject<'_>, touched: &Touched) -> Vec<String> {
    let verb =
        |calls: &[CallId], one: &'static str, many: &'static str| if calls.len() == 1 { one } else { many };
    let mut notes = vec![];
    if !touched.uses.is_empty() {
        let (calls, takes) = (subject.listed(&touched.uses), verb(&touched.uses, "takes", "take"));
        notes.push(format!("{calls} would use a mask from here, and without one {takes} padding for data"));
    }
    if !touched.without.is_empty() {
        let (calls, does) = (subject.listed(&touched.without), verb(&touched.without, "does", "do"));
        notes.push(format!("{calls} {does} not support masks: one that comes from here is lost there"));
    }
    notes
}

fn advice(subject: &Subject<'_>, id: CallId, unknown: bool) -> Vec<Suggestion> {
    let name = &subject.model.graph.layer_of(id).name;
    let state = format!(
        "state its rule for masks: --opaque {name}=keep (supports_masking), ends (compute_mask gives None), or lost"
    );
    let state = unknown.then(|| Suggestion::words(state));
    let known =
        format!("have it all known: describe the layer for --layers, or use {}", crate::layers::EXPORT);
    state.into_iter().chain([Suggestion::words(known)]).collect()
}
