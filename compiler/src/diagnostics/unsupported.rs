//! `mask-unsupported`: a layer gets a mask, and does not support masking.

use masque_ir::Semantics;
use masque_ir::facts::InferredGraph;
use masque_ir::layers::CallId;
use masque_ir::mask::MaskId;

use super::{Code, Diagnostic, Severity, Subject, TAKES_PADDING, enumerated};
use crate::layer::{Kind, Layer};
use crate::masks;

/// Finds every call that gets a mask which its layer does not support.
pub fn unsupported_masks(
    model: &InferredGraph,
    layers: &[Box<dyn Layer>],
    pointers: &[String],
    severity: Severity,
) -> Vec<Diagnostic> {
    let subject = Subject { model, layers, pointers };
    let found = model.graph.calls().filter_map(|id| {
        let layer = subject.layer(id);
        let known = |mask: &&MaskId| !model.facts.masks.is_unknown(**mask);
        let mask =
            model.facts.call(id).mask_in.iter().take(layer.masking().answers_for).flatten().find(known);
        let mask = mask
            .filter(|_| !masks::supports(model.graph.semantics, layer) && layer.kind() != Kind::Operation);
        mask.map(|&mask| unsupported(&subject, id, mask, severity))
    });
    found.collect()
}

fn unsupported(subject: &Subject<'_>, id: CallId, mask: MaskId, severity: Severity) -> Diagnostic {
    let advice = subject.layer(id).masking().advice;
    let class = &subject.model.graph.layer_of(id).class;
    let message = format!("{} gets a mask, but {class} does not support masking", subject.named(id));
    let mut finding = subject.finding(id, Code::MaskUnsupported, severity, message);
    let path = subject.path(id, mask);
    let rank = subject.model.facts.masks.rank(mask) as usize;
    let after = subject.after(id, false, |ty| ty.rank() > rank);
    finding.labels = subject.path_labels(&path);
    finding.labels.extend(after.users.iter().map(|&user| subject.label(user, TAKES_PADDING)));
    finding.labels.push(subject.label(id, "and dropped here"));
    finding.notes = vec![
        subject.birth(path[0], mask),
        format!("{class}: {}", advice.reason),
        match subject.model.graph.semantics {
            Semantics::Keras2 => "TF-Keras 2 drops the mask silently".to_owned(),
            Semantics::Keras3_15 => "Keras 3 warns, drops the mask and goes on".to_owned(),
        },
        match (after.users.as_slice(), advice.by_position) {
            ([], true) => {
                "nothing after it uses the mask, and it works position by position: what it computes at valid \
                 positions is right"
                    .to_owned()
            }
            ([], false) => {
                let reached = subject.outputs_after(id);
                format!("so the numbers at padded positions have a part in {}", enumerated(&reached))
            }
            (users, _) => format!("so {} take{} padding for data", subject.listed(users), plural(users)),
        },
    ];
    finding
}

/// The ending of a verb.
fn plural(subjects: &[CallId]) -> &'static str {
    if subjects.len() == 1 { "s" } else { "" }
}
