//! `steps-unmasked`: each step has a mask of its own, and nothing says which steps are empty.

use masque_ir::layers::LayerGraph;
use masque_ir::program::Value;

use super::super::roots::{Mask, Origin};
use super::super::{Output, Padding, Verdict};
use super::unmarked::{layouts, runs_over};
use super::{Stage, depends, labels, warning};
use crate::diagnostics::{Code, Diagnostic, Suggestion};

/// The input of which a stage reads empty steps, if it reads no other padding.
pub(super) fn input(padding: &Padding, stage: &Stage) -> Option<Value> {
    let roots = &padding.facts.roots;
    let layouts = layouts(padding, stage.steps.0.value);
    let touched = |mask: &&Mask| layouts.iter().any(|layout| runs_over(layout, mask.place.0, &roots.bases));
    let of_steps = |mask: &Mask| match &mask.origin {
        Origin::Steps(inputs) => inputs.first().copied(),
        _ => None,
    };
    let read: Option<Vec<Value>> = roots.masks.iter().filter(touched).map(of_steps).collect();
    read?.first().copied()
}

/// A warning where empty steps come to be read.
pub(super) fn diagnostic(
    graph: &LayerGraph,
    padding: &Padding,
    output: &Output,
    (stages, leak): (&[Stage], usize),
    (input, verdict): (Value, Verdict),
) -> Diagnostic {
    let (name, input) = (graph.call_name(stages[leak].call), &padding.program.result(input).name);
    let message = format!(
        "nothing says which steps of `{input}` are empty, and `{}` {} on how many are: `{name}` ({}) counts them",
        output.name,
        depends(verdict),
        graph.layer_of(stages[leak].call).class
    );
    Diagnostic {
        labels: labels(graph, stages, leak, output),
        notes: vec![
            "a mask says what is padding inside of each step, and ends there: a step of nothing but padding still \
             counts as one"
                .to_owned(),
            "where callers never fill a batch up with empty steps, nothing is wrong".to_owned(),
        ],
        advice: vec![Suggestion::words(format!(
            "pass `{name}` a mask of the steps: mask=ops.any(ops.not_equal({input}, 0), axis=-1)"
        ))],
        ..warning(graph, stages[leak].call, Code::StepsUnmasked, output, message)
    }
}
