//! `mask-lost`: an operation, or a merge with an input that has no mask, drops a mask silently, and something after it
//! would have used one.
//!
//! A mask that ends where nothing could use it is no finding: the call's output must still have the mask's axes, and
//! after it, through tensors that still have them, must come a call that computes with masks and gets none.

use std::collections::HashSet;

use masque_ir::Type;
use masque_ir::facts::{InferredGraph, MaskStatus};
use masque_ir::layers::{CallId, TensorRef};
use masque_ir::mask::MaskId;
use masque_ir::text::print_tensor;

use super::after::After;
use super::{Code, Diagnostic, Severity, Subject, TAKES_PADDING, enumerated};
use crate::layer::{Kind, Layer};
use crate::{masks, table};

/// Finds every call that drops a mask silently. One that only passes on what another dropped is no finding.
pub fn lost_masks(model: &InferredGraph, layers: &[Box<dyn Layer>], pointers: &[String]) -> Vec<Diagnostic> {
    let subject = Subject { model, layers, pointers };
    let plumbing = table::plumbing(&model.graph);
    let (mut found, mut downstream) = (vec![], HashSet::new());
    for id in model.graph.calls() {
        let layer = subject.layer(id);
        let silent = layer.kind() == Kind::Operation || masks::supports(model.graph.semantics, layer);
        if plumbing[id.0 as usize] || !silent || downstream.contains(&id) {
            continue;
        }
        let Some(mask) = lost(&subject, id) else { continue };
        let axes =
            masks::type_of(&model.facts.masks, mask, &|tensor| model.facts.tensor(tensor).ty.clone()).shape;
        let after = subject.after(id, false, |ty: &Type| ty.shape.starts_with(&axes));
        if !after.users.is_empty() {
            found.push(finding(&subject, id, mask, &after));
            downstream.extend(after.passed);
        }
    }
    found
}

/// The mask that came in and does not go out, though it did not end there.
fn lost(subject: &Subject<'_>, id: CallId) -> Option<MaskId> {
    let fact = subject.model.facts.call(id);
    let masks = &subject.model.facts.masks;
    let known = |mask: &MaskId| subject.says_something(Some(*mask)) && !masks.is_unknown(*mask);
    let came = fact.mask_in.iter().copied().flatten().find(known)?;
    let goes = fact.outputs.iter().any(|output| subject.says_something(output.mask));
    let ended = matches!(fact.status, MaskStatus::Consumed | MaskStatus::None);
    (!goes && !ended).then_some(came)
}

fn finding(subject: &Subject<'_>, id: CallId, mask: MaskId, after: &After) -> Diagnostic {
    let unmasked = unmasked(subject, id);
    let merges = subject.layer(id).kind() != Kind::Operation && !unmasked.is_empty();
    let because = match merges {
        true => format!(
            ", because {} ha{} none",
            enumerated(&unmasked),
            if unmasked.len() == 1 { "s" } else { "ve" }
        ),
        false => String::new(),
    };
    let message = format!("{} drops the mask silently{because}", subject.named(id));
    let mut finding = subject.finding(id, Code::MaskLost, Severity::Warning, message);
    let path = subject.path(id, mask);
    finding.labels = subject.path_labels(&path);
    finding.labels.extend(after.users.iter().map(|&user| subject.label(user, TAKES_PADDING)));
    finding.labels.push(subject.label(id, "and dropped here"));
    let users = subject.listed(&after.users);
    finding.notes = vec![subject.birth(path[0], mask), silence(subject, id).to_owned()];
    finding.notes.push(format!(
        "{users} would use the mask, and without one take{} padding for data",
        match after.users.len() {
            1 => "s",
            _ => "",
        }
    ));
    finding
}

/// The tensors that come without a mask.
fn unmasked(subject: &Subject<'_>, id: CallId) -> Vec<String> {
    let graph = &subject.model.graph;
    let tensors: Vec<TensorRef> =
        graph.call(id).positional().flat_map(|argument| argument.tensors()).collect();
    let masks = subject.model.facts.call(id).mask_in.iter();
    let without = tensors.into_iter().zip(masks).filter(|(_, mask)| mask.is_none()).map(|(tensor, _)| tensor);
    without.map(|tensor| print_tensor(graph, tensor)).collect()
}

/// What Keras reports: nothing.
fn silence(subject: &Subject<'_>, id: CallId) -> &'static str {
    match (
        subject.layer(id).kind() == Kind::Operation,
        subject.model.facts.call(id).outputs.iter().any(|output| output.mask.is_some()),
    ) {
        (true, _) => {
            "Keras gives no warning: an operation of keras.ops, `+` and slices among them, carries no mask"
        }
        (false, true) => {
            "Keras gives no warning: an input without a mask counts as valid everywhere, and so does every position \
             of what it is joined with"
        }
        (false, false) => {
            "Keras 3 gives no warning: a merge has a mask only if all its inputs have one (TF-Keras 2 took the masks \
             there were)"
        }
    }
}
