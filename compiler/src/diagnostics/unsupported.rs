//! `mask-unsupported`: a layer gets a mask, and does not support masking.

use masque_ir::facts::InferredGraph;
use masque_ir::layers::CallId;
use masque_ir::mask::MaskId;

use super::{Code, Diagnostic, Severity, Subject, Suggestion, enumerated};
use crate::layer::Layer;
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
        let mask = model.facts.call(id).mask_in.iter().flatten().next();
        let mask = mask.filter(|_| !masks::supports(model.graph.semantics, layer) && !layer.is_operation());
        mask.map(|&mask| unsupported(&subject, id, mask, severity))
    });
    found.collect()
}

fn unsupported(subject: &Subject<'_>, id: CallId, mask: MaskId, severity: Severity) -> Diagnostic {
    let advice = subject.layer(id).advice();
    let class = &subject.model.graph.layer_of(id).class;
    let message = format!("{} gets a mask, but {class} does not support masking", subject.named(id));
    let mut finding = subject.finding(id, Code::MaskUnsupported, severity, message);
    let path = subject.path(id, mask);
    let rank = subject.model.facts.masks.rank(mask) as usize;
    let behind = subject.behind(id, |ty| ty.rank() > rank);
    finding.labels = subject.path_labels(&path);
    finding.labels.extend(behind.users.iter().map(|&user| subject.label(user, "takes padding for data")));
    finding.labels.push(subject.label(id, "and cannot be used here"));

    finding.notes = vec![
        subject.birth(path[0], mask),
        format!("{class}: {}", advice.reason),
        "Keras 3 warns, drops the mask and goes on; TF-Keras 2 drops it without a word".to_owned(),
        match (behind.users.as_slice(), advice.by_position) {
            ([], true) => {
                "nothing behind it uses the mask, and it works position by position: what it computes at \
                           valid positions is right"
                    .to_owned()
            }
            ([], false) => {
                let reached = subject.behind(id, |_| true).outputs;
                format!("so what stands under the padding has a part in {}", enumerated(&reached))
            }
            (users, _) => format!("so {} take{} padding for data", subject.listed(users), plural(users)),
        },
    ];
    let name = subject.model.graph.call_name(id);
    let computed = subject.in_keras(mask);
    let user = behind.users.first().map_or("layer".to_owned(), |&user| subject.model.graph.call_name(user));
    let filled = |mend: &str| mend.replace("{}", &name).replace("{mask}", &computed).replace("{user}", &user);
    finding.advice = advice.mends.iter().map(|mend| Suggestion::words(filled(mend))).collect();
    finding.advice.push(subject.without_padding(path[0]));
    finding.advice.push(Suggestion::words(
        "for Keras' numbers, padding counted as data, pass --on-unsupported-mask warn",
    ));
    finding
}

/// The ending of a verb.
fn plural(subjects: &[CallId]) -> &'static str {
    if subjects.len() == 1 { "s" } else { "" }
}
