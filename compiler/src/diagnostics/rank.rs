//! `mask-rank`: a layer applies a mask that does not fit what it is applied to, and Keras raises when the model runs.

use masque_ir::facts::InferredGraph;
use masque_ir::layers::CallId;
use masque_ir::mask::MaskId;

use super::{Code, Diagnostic, Severity, Subject};
use crate::layer::{Arguments, Layer};
use crate::masks;

/// Finds every call whose mask does not fit.
pub fn misfit_masks(
    model: &InferredGraph,
    layers: &[Box<dyn Layer>],
    pointers: &[String],
) -> Vec<Diagnostic> {
    let subject = Subject { model, layers, pointers };
    let found = model.graph.calls().filter_map(|id| {
        let (rules, layer) = (masks::Rules::of(&model.graph, &model.facts), subject.layer(id));
        let arguments = Arguments::bind(model.graph.call(id), layer.signature().parameters).ok()?;
        let used = masks::used(rules, layer, &arguments, &model.facts.call(id).mask_in);
        let read = arguments.data().iter().zip(used);
        let mut misfit = read.filter_map(|(&x, mask)| {
            let x = &model.facts.tensor(x).ty;
            let unknown = model.facts.masks.is_unknown(mask?);
            let ty =
                masks::type_of(&model.facts.masks, mask?, &|tensor| model.facts.tensor(tensor).ty.clone());
            (!unknown && !layer.masking().fit.fits(x, &ty)).then(|| (mask, x.to_string(), ty.to_string()))
        });
        let (mask, x, ty) = misfit.next()?;
        Some(finding(&subject, id, mask?, [&x, &ty]))
    });
    found.collect()
}

fn finding(subject: &Subject<'_>, id: CallId, mask: MaskId, [x, ty]: [&str; 2]) -> Diagnostic {
    let message = format!("{} applies a mask {ty} to {x}, which it does not fit", subject.named(id));
    let mut finding = subject.finding(id, Code::MaskRank, Severity::Error, message);
    let path = subject.path(id, mask);
    finding.labels = subject.path_labels(&path);
    finding.labels.push(subject.label(id, "and does not fit here"));
    finding.notes = vec![
        subject.birth(path[0], mask),
        "sizes are compared from the last axis on, where each has to be the same or 1; Keras raises when the model \
         runs, unless sizes happen to be equal, and then it masks something else"
            .to_owned(),
    ];
    finding
}
