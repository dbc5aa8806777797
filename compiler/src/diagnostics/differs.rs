//! `mask-differs`: a call of the running Keras model computes with another mask than its layers' rules intend.

use std::collections::HashSet;

use masque_ir::facts::{Facts, InferredGraph, MaskSource};
use masque_ir::layers::{CallId, TensorRef};
use masque_ir::text::print_mask;

use super::{Code, Diagnostic, Severity, Subject};
use crate::infer::Differing;
use crate::layer::{Kind, Layer, Reads};
use crate::masks;

/// What became of the intended mask on its way to the call.
enum Cause {
    /// The layer gets more than its data, and then Keras fills in no mask.
    NotFilled,
    /// Another call took it off the tensor.
    Taken(CallId),
    /// A call on the way did not pass it on.
    Lost(CallId),
    /// It is there, in another form.
    Other,
}

/// Finds every call that computes with another mask than intended. Nothing where the intended masks are those asked for.
/// `missing` are the calls that `mask-lost` names: where an operation dropped the mask, it is reported there.
pub fn differing_masks(
    model: &InferredGraph,
    intended: &Facts,
    differing: &[Differing],
    missing: &HashSet<CallId>,
    layers: &[Box<dyn Layer>],
    pointers: &[String],
) -> Vec<Diagnostic> {
    if differing.is_empty() || model.facts.source == MaskSource::Intended {
        return vec![];
    }
    let meant = InferredGraph { graph: model.graph.clone(), facts: intended.clone() };
    let running = Subject { model, layers, pointers };
    let meant = Subject { model: &meant, layers, pointers };
    let found = differing.iter().filter_map(|differing| {
        let cause = cause(&running, &meant, differing);
        let by_operation =
            matches!(cause, Cause::Lost(loser) if running.layer(loser).kind() == Kind::Operation);
        let reported = by_operation && missing.contains(&differing.call);
        (!reported).then(|| finding(&running, &meant, differing, &cause))
    });
    found.collect()
}

fn finding(running: &Subject<'_>, meant: &Subject<'_>, differing: &Differing, cause: &Cause) -> Diagnostic {
    let id = differing.call;
    let tensor = format!("%{}", running.model.graph.tensor_name(differing.tensor));
    let named = running.named(id);
    let message = match cause {
        Cause::NotFilled => format!("{named} gets more than its data, so Keras fills in no mask for it"),
        Cause::Taken(_) => format!("{named} computes without the mask of {tensor}, which was taken off it"),
        Cause::Lost(_) => format!("{named} computes without the mask that {tensor} should carry"),
        Cause::Other => format!("{named} computes with another mask of {tensor} than intended"),
    };
    let mut finding = running.finding(id, Code::MaskDiffers, Severity::Warning, message);
    let facts = &meant.model.facts;
    let Some(mask) = facts.call(id).mask_in.get(differing.place).copied().flatten() else {
        finding.labels = vec![running.label(id, "computes with a mask that was not meant")];
        finding.notes =
            vec!["the layers' rules intend no mask here, and the running model has one".to_owned()];
        return finding;
    };
    finding.labels = meant.path_labels(&meant.path(id, mask));
    finding.labels.extend(match cause {
        Cause::Taken(taker) => Some(running.label(*taker, "takes the mask off what it reads")),
        Cause::Lost(loser) => Some(running.label(*loser, "and does not pass it on")),
        Cause::NotFilled | Cause::Other => None,
    });
    finding.labels.push(running.label(id, "and missed here"));
    let meant_mask = print_mask(&meant.model.graph, facts, mask);
    finding.notes = vec![format!("the mask that is meant is {meant_mask}"), consequence(running, id, cause)];
    finding
}

/// What became of the mask: on the way from where it was born, the first tensor that should carry it and does not.
fn cause(running: &Subject<'_>, meant: &Subject<'_>, differing: &Differing) -> Cause {
    if let Some(taker) = differing.taken {
        return Cause::Taken(taker);
    }
    let (facts, id) = (&running.model.facts, differing.call);
    if facts.call(id).mask_in.get(differing.place).copied().flatten().is_some() {
        let fills = matches!(masks::reads(running.layer(id)), Reads::Argument);
        return if fills && differing.unused { Cause::NotFilled } else { Cause::Other };
    }
    let mask = meant.model.facts.call(id).mask_in.get(differing.place).copied().flatten();
    let path = mask.map(|mask| meant.path(id, mask)).unwrap_or_default();
    let unmasked = |call: &&CallId| facts.tensor(TensorRef { call: **call, output: 0 }).mask.is_none();
    match path.iter().find(unmasked) {
        Some(&loser) => Cause::Lost(loser),
        None => Cause::Lost(differing.tensor.call),
    }
}

fn consequence(running: &Subject<'_>, id: CallId, cause: &Cause) -> String {
    let what = match masks::reads(running.layer(id)) {
        Reads::Each { .. } => "every position attends to the padding",
        _ => "it takes padding for data",
    };
    match cause {
        Cause::NotFilled => format!(
            "Keras 3 fills in masks only where a layer is called on a single tensor, and gives no warning otherwise: \
             {what}"
        ),
        Cause::Taken(taker) => format!(
            "{} takes the masks off the tensors that it is called on, and calls that read them later get none; Keras \
             gives no warning: {what}",
            running.named(*taker)
        ),
        Cause::Lost(_) => format!("Keras gives no warning: {what}"),
        Cause::Other => {
            "Keras gives no warning: valid positions are taken for padding, and padding for data".to_owned()
        }
    }
}
