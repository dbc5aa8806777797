//! `no-mask`: an output depends on what callers pad an input with, and nothing marks what is padding there.

use masque_ir::layers::{CallId, LayerGraph};
use masque_ir::program::Value;

use super::super::layout::{Bases, Layout};
use super::super::roots::{Mask, Origin};
use super::super::{Output, Padding, Verdict};
use super::{Stage, depends, warning};
use crate::diagnostics::{Code, Diagnostic, Label, enumerated};
use crate::origins::Origins;

/// The inputs without a mask whose padding an output reads; none if it is padding that the model knows of.
pub(super) fn inputs<'a>(padding: &'a Padding, output: &Output) -> Option<&'a [Value]> {
    let (first, roots) = (output.path.first()?, &padding.facts.roots);
    let layouts = layouts(padding, first.value);
    let touched = |base: usize| layouts.iter().any(|layout| runs_over(layout, base, &roots.bases));
    let mut masks = roots.masks.iter().filter(|mask| touched(mask.place.0));
    let (first, rest) = (masks.next()?, masks);
    // Of steps, a mask inside of them says something.
    let marked = |mask: &Mask| mask.assumed().is_empty() || matches!(mask.origin, Origin::Steps(_));
    let known = std::iter::once(first).chain(rest).any(marked);
    (!known).then(|| first.assumed())
}

/// The axes of a value, and of what it is computed from.
pub(super) fn layouts(padding: &Padding, value: Value) -> Vec<Layout> {
    let node = &padding.program.nodes[value.node as usize];
    let operands = node.operands.iter().filter_map(|operand| padding.facts.operand(operand));
    let own = padding.facts.view(value).layout.clone();
    operands.map(|view| view.layout).chain([own]).collect()
}

/// Does an axis of these run over that axis of padded sequences?
pub(super) fn runs_over(layout: &Layout, base: usize, bases: &Bases) -> bool {
    let symbols = bases.all[base].size.symbols();
    layout.factors().any(|factor| {
        factor.segments.iter().any(|segment| segment.base == Some(base))
            || factor.size.symbols().iter().any(|symbol| symbols.contains(symbol))
    })
}

/// A warning at the first of the inputs.
pub(super) fn diagnostic(
    graph: &LayerGraph,
    padding: &Padding,
    output: &Output,
    stages: &[Stage],
    (inputs, verdict): (&[Value], Verdict),
) -> Option<Diagnostic> {
    let origins = Origins::of(graph);
    let named = |&input: &Value| origins.call(&padding.program.result(input).name);
    let calls: Vec<CallId> = inputs.iter().filter_map(named).collect();
    // Of several inputs, the one that the padding comes from.
    let from = stages.iter().map(|stage| stage.call).find(|call| calls.contains(call));
    let at = from.or_else(|| calls.first().copied())?;
    let names: Vec<String> = match from {
        Some(_) => vec![format!("`{}`", graph.call_name(at))],
        None => calls.iter().map(|&call| format!("`{}`", graph.call_name(call))).collect(),
    };
    let what = match (output.reads.content, output.reads.length) {
        (true, true) => "on what a caller pads with, and on how much",
        (true, false) => "on what a caller pads with",
        _ => "on how much a caller pads",
    };
    let marks = format!("nothing says which positions of {} are padding", enumerated(&names));
    let message = format!("{marks}, and `{}` {} {what}", output.name, depends(verdict));
    Some(Diagnostic {
        labels: labels(graph, stages, at, output),
        notes: vec![
            "no mask is made of it, so that padding is data like any other: a sequence alone may get another answer \
             than in a batch"
                .to_owned(),
            "where nobody ever pads, nothing is wrong".to_owned(),
        ],
        ..warning(graph, at, Code::NoMask, output, message)
    })
}

/// The way from the input to the output, the input last: it is the place of the finding.
fn labels(graph: &LayerGraph, stages: &[Stage], input: CallId, output: &Output) -> Vec<Label> {
    let label = |call: CallId, text: String| Label { call, name: graph.call_name(call), text };
    let on_the_way = stages.iter().enumerate().filter(|(_, stage)| stage.call != input);
    let mut labels: Vec<Label> = on_the_way
        .map(|(place, stage)| {
            let does = if stage.leaks { "reads every position" } else { "carried on" };
            let seen = place + 1 == stages.len();
            let text = if seen { format!("{does}, seen in `{}`", output.name) } else { does.to_owned() };
            label(stage.call, text)
        })
        .collect();
    labels.push(label(input, "which of these are padding?".to_owned()));
    labels
}
