//! `loss-unmasked`: a loss counts the steps of an output that has no mask, though a mask of these steps ended before it.
//!
//! It is a finding only where the mask would have told which steps of the output are padding: the mask covers the
//! output's leading axes, at least batch and steps, and every input with these axes that the output depends on is one
//! that such a mask is made of. (The decoder of a translation has steps of its own.)

use std::collections::HashSet;

use masque_ir::facts::InferredGraph;
use masque_ir::layers::{CallId, Output};
use masque_ir::mask::MaskId;

use super::{Code, Diagnostic, Severity, Subject, Suggestion};
use crate::evaluate::Objective;
use crate::layer::Layer;
use crate::masks;

/// Finds every output of which a loss counts padded steps.
pub fn unmasked_losses(
    model: &InferredGraph,
    layers: &[Box<dyn Layer>],
    pointers: &[String],
    objective: &Objective,
) -> Vec<Diagnostic> {
    let subject = Subject { model, layers, pointers };
    let outputs = model.graph.outputs().iter().enumerate();
    let scored = outputs.filter(|(place, _)| objective.scores_positions(*place));
    scored.filter_map(|(_, output)| finding(&subject, output)).collect()
}

fn finding(subject: &Subject<'_>, output: &Output) -> Option<Diagnostic> {
    let facts = &subject.model.facts;
    let scored = output.tensor.call;
    if subject.says_something(facts.tensor(output.tensor).mask) {
        return None;
    }
    let before = before(subject, scored);
    let (end, mask) = before.iter().find_map(|&call| Some((call, ended(subject, call, output)?)))?;
    if !covers_inputs(subject, &before, output) {
        return None;
    }
    let message = format!(
        "the mask ends at {}, and the loss of {} counts padded steps",
        subject.named(end),
        output.name
    );
    let mut finding = subject.finding(end, Code::LossUnmasked, Severity::Warning, message);
    finding.output = Some(output.name.clone());
    let path = subject.path(end, mask);
    finding.labels = subject.path_labels(&path);
    if scored != end {
        finding.labels.push(subject.label(scored, "the loss counts each step of this output"));
    }
    finding.labels.push(subject.label(end, "the mask ends here"));
    finding.notes = vec![
        subject.birth(path[0], mask),
        "Keras gives no warning: the loss of a step counts if the mask attached to the output says so, and without a \
         mask each step counts"
            .to_owned(),
    ];
    finding.advice = vec![Suggestion::words(
        "pass the mask as weights, 1 for a valid step and 0 for a padded one: `model.fit(x, y, sample_weight=mask)`, \
         and the same for `evaluate`",
    )];
    Some(finding)
}

/// The calls that a call depends on, the nearest first, itself among them.
fn before(subject: &Subject<'_>, start: CallId) -> Vec<CallId> {
    let (mut found, mut seen, mut next) = (vec![start], HashSet::from([start]), 0);
    while let Some(&call) = found.get(next) {
        let arguments = subject.model.graph.call(call).arguments.iter();
        let calls = arguments.flat_map(|argument| argument.value.tensors()).map(|tensor| tensor.call);
        found.extend(calls.filter(|call| seen.insert(*call)));
        next += 1;
    }
    found
}

/// The mask of the output's steps that a call gets and does not pass on.
fn ended(subject: &Subject<'_>, call: CallId, output: &Output) -> Option<MaskId> {
    let fact = subject.model.facts.call(call);
    let passed = fact.outputs.iter().any(|output| subject.says_something(output.mask));
    let mut came = fact.mask_in.iter().copied().flatten();
    let masks = &subject.model.facts.masks;
    came.find(|&mask| !passed && !masks.is_unknown(mask) && covers(subject, mask, output))
}

/// Does a mask say of each step of an output whether it is valid?
fn covers(subject: &Subject<'_>, mask: MaskId, output: &Output) -> bool {
    let facts = &subject.model.facts;
    let steps = masks::type_of(&facts.masks, mask, &|tensor| facts.tensor(tensor).ty.clone()).shape;
    let shape = &facts.tensor(output.tensor).ty.shape;
    subject.says_something(Some(mask)) && (2..shape.len()).contains(&steps.len()) && shape.starts_with(&steps)
}

/// Are all inputs with the output's batch and steps among those that its masks are made of?
fn covers_inputs(subject: &Subject<'_>, calls: &[CallId], output: &Output) -> bool {
    let (graph, facts) = (&subject.model.graph, &subject.model.facts);
    let steps = &facts.tensor(output.tensor).ty.shape[..2];
    let mut marked = HashSet::new();
    for mask in
        calls.iter().flat_map(|&call| facts.call(call).outputs.iter().filter_map(|output| output.mask))
    {
        if covers(subject, mask, output) {
            let sources = masks::sources(&facts.masks, mask);
            marked.extend(sources.into_iter().flat_map(|source| before(subject, source.call)));
        }
    }
    let inputs = calls.iter().filter(|&&call| graph.call(call).arguments.is_empty());
    let mut stepped = inputs.filter(|&&input| {
        facts.call(input).outputs.first().is_some_and(|fact| fact.ty.shape.starts_with(steps))
    });
    stepped.all(|input| marked.contains(input))
}
