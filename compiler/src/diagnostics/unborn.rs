//! `mask-unborn`: a layer inside `TimeDistributed` would make a mask; the wrapper passes on the mask that it gets, and it
//! gets none.

use masque_ir::facts::InferredGraph;
use masque_ir::layers::CallId;

use super::{Code, Diagnostic, Severity, Subject, Suggestion, TAKES_PADDING};
use crate::layer::{Arguments, Layer, MaskRule};
use crate::masks;

/// Finds every such wrapper after which a mask would have been used.
pub fn unborn_masks(
    model: &InferredGraph,
    layers: &[Box<dyn Layer>],
    pointers: &[String],
) -> Vec<Diagnostic> {
    let subject = Subject { model, layers, pointers };
    model.graph.calls().filter_map(|id| finding(&subject, id)).collect()
}

fn finding(subject: &Subject<'_>, id: CallId) -> Option<Diagnostic> {
    let facts = &subject.model.facts;
    let output = facts.call(id).outputs.first().filter(|output| output.mask.is_none())?;
    if !makes_mask(subject, id) {
        return None;
    }
    let front = output.ty.shape.get(..2)?.to_vec();
    let users = subject.after(id, false, |ty| ty.shape.starts_with(&front)).users;
    if users.is_empty() {
        return None;
    }
    let message = format!("{} makes no mask, though the layer inside it would", subject.named(id));
    let mut finding = subject.finding(id, Code::MaskUnborn, Severity::Warning, message);
    finding.labels = users.iter().map(|&user| subject.label(user, TAKES_PADDING)).collect();
    finding.labels.push(subject.label(id, "no mask is made here"));
    let takes = if users.len() == 1 { "takes" } else { "take" };
    finding.notes = vec![
        "Keras' `TimeDistributed` passes on the mask that it gets, and never asks the layer inside for one"
            .to_owned(),
        format!("{} would use it, and without one {takes} padding for data", subject.listed(&users)),
    ];
    finding.advice = vec![Suggestion::words(
        "call the layer without the wrapper: `Embedding` and `Masking` take sequences of sequences as they are",
    )];
    Some(finding)
}

/// Does the layer inside the wrapper make masks by its rule?
fn makes_mask(subject: &Subject<'_>, id: CallId) -> bool {
    let (layer, facts) = (subject.layer(id), &subject.model.facts);
    let Ok(bound) = Arguments::bind(subject.model.graph.call(id), layer.signature().parameters) else {
        return false;
    };
    let types = bound.map(|&tensor| facts.tensor(tensor).ty.clone());
    let rule = masks::rule(masks::Rules::of(&subject.model.graph, facts), layer, &types);
    matches!(rule, MaskRule::OverSteps(inner) if matches!(inner.of_output(0), MaskRule::Born(_)))
}
