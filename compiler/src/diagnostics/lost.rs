//! `mask-lost`: an operation, or a merge with an input that has no mask, loses a mask without a word, and something
//! behind it would have used one.
//!
//! A mask that dies where nobody could use it is no finding: the call's output must still have the mask's axes, and
//! behind it, through tensors that still have them, must stand a call that computes with masks and gets none.

use std::collections::HashSet;

use masque_ir::Type;
use masque_ir::facts::{InferredGraph, MaskStatus};
use masque_ir::layers::{CallId, TensorRef};
use masque_ir::mask::MaskId;
use masque_ir::text::print_tensor;

use super::behind::Behind;
use super::{Code, Diagnostic, Severity, Subject, Suggestion, enumerated};
use crate::layer::{Layer, Supports};
use crate::{layers, masks, table};

/// Finds every call that loses a mask without a word. One that only hands on what another lost is no finding.
pub fn lost_masks(model: &InferredGraph, layers: &[Box<dyn Layer>], pointers: &[String]) -> Vec<Diagnostic> {
    let subject = Subject { model, layers, pointers };
    let plumbing = table::plumbing(&model.graph);
    let (mut found, mut downstream) = (vec![], HashSet::new());
    for id in model.graph.calls() {
        let layer = subject.layer(id);
        let silent = layer.is_operation() || masks::supports(model.graph.semantics, layer);
        if plumbing[id.0 as usize] || !silent || downstream.contains(&id) {
            continue;
        }
        let Some(mask) = lost(&subject, id) else { continue };
        let axes =
            masks::type_of(&model.facts.masks, mask, &|tensor| model.facts.tensor(tensor).ty.clone()).shape;
        let behind = subject.behind(id, |ty: &Type| ty.shape.starts_with(&axes));
        if !behind.users.is_empty() {
            found.push(finding(&subject, id, mask, &behind));
            downstream.extend(behind.passed);
        }
    }
    found
}

/// The mask that came in and does not go out, though it did not end there.
fn lost(subject: &Subject<'_>, id: CallId) -> Option<MaskId> {
    let fact = subject.model.facts.call(id);
    let came = fact.mask_in.iter().copied().find(|&mask| subject.says_something(mask)).flatten()?;
    let goes = fact.outputs.iter().any(|output| subject.says_something(output.mask));
    let ended = matches!(fact.status, MaskStatus::Consumed | MaskStatus::None);
    (!goes && !ended).then_some(came)
}

fn finding(subject: &Subject<'_>, id: CallId, mask: MaskId, behind: &Behind) -> Diagnostic {
    let unmasked = unmasked(subject, id);
    let merges = !subject.layer(id).is_operation();
    let because = match merges {
        true => format!(
            ", because {} ha{} none",
            enumerated(&unmasked),
            if unmasked.len() == 1 { "s" } else { "ve" }
        ),
        false => String::new(),
    };
    let message = format!("{} loses a mask without a word{because}", subject.named(id));
    let mut finding = subject.finding(id, Code::MaskLost, Severity::Warning, message);
    let path = subject.path(id, mask);
    finding.labels = subject.path_labels(&path);
    finding.labels.extend(behind.users.iter().map(|&user| subject.label(user, "takes padding for data")));
    finding.labels.push(subject.label(id, "and lost here"));
    let users = subject.listed(&behind.users);
    finding.notes = vec![subject.birth(path[0], mask), silence(subject, id).to_owned()];
    finding.notes.push(format!(
        "{users} would use the mask, and without one take{} padding for data",
        match behind.users.len() {
            1 => "s",
            _ => "",
        }
    ));
    finding.advice = if merges { merge_mends(&unmasked) } else { operation_mends(subject, id) };
    let user = subject.model.graph.call_name(behind.users[0]);
    finding.advice.push(Suggestion::words(format!(
        "pass the mask by hand: mask = ops.not_equal(ids, 0), then {user}(x, mask=mask)"
    )));
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

/// What Keras says of it: nothing.
fn silence(subject: &Subject<'_>, id: CallId) -> &'static str {
    match (
        subject.layer(id).is_operation(),
        subject.model.facts.call(id).outputs.iter().any(|output| output.mask.is_some()),
    ) {
        (true, _) => {
            "Keras says nothing: an operation of keras.ops, `+` and slices among them, carries no mask"
        }
        (false, true) => {
            "Keras says nothing: to it an input without a mask is valid everywhere, and so is what it is joined with"
        }
        (false, false) => {
            "Keras 3 says nothing: a merge has a mask if all its inputs have one; TF-Keras 2 took what masks there are"
        }
    }
}

fn merge_mends(unmasked: &[String]) -> Vec<Suggestion> {
    vec![Suggestion::words(format!(
        "give {} the mask, too: an Embedding(mask_zero=True) of ids that are 0 at the same positions, or a Masking \
         layer behind it",
        enumerated(unmasked)
    ))]
}

/// The layer that does the same, if there is one, carries masks.
fn operation_mends(subject: &Subject<'_>, id: CallId) -> Vec<Suggestion> {
    let class = subject.model.graph.layer_of(id).class.trim_start_matches("ops.");
    let same = layers::LAYERS
        .iter()
        .find(|def| def.class.eq_ignore_ascii_case(class) && def.supports_masking == Supports::Always);
    let tensors: usize = subject.model.graph.call(id).positional().map(|value| value.tensors().len()).sum();
    let merges = |def: &str| {
        layers::find(def).is_some_and(|def| def.masks == "union" || def.masks.starts_with("concat"))
    };
    let text = match same {
        Some(def) if tensors > 1 || !merges(def.class) => {
            format!("use the layer {}() in its place: it does the same, and carries masks", def.class)
        }
        _ => "use a layer in its place, which carries masks: Add() for x + y, Rescaling(2.0) for 2 * x, \
              Activation(\"relu\") for ops.relu(x)"
            .to_owned(),
    };
    vec![Suggestion::words(text)]
}
