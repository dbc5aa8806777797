//! `mask-late`: a mask looks for padding where it is no longer what callers pad with.

use masque_ir::facts::{InferredGraph, MaskStatus};
use masque_ir::layers::CallId;
use masque_ir::program::Value;

use super::super::roots::{Mask, Origin};
use super::super::{Output, Padding, Verdict};
use super::{depends, warning};
use crate::diagnostics::{Code, Diagnostic, Label, Suggestion};
use crate::masks;
use crate::origins::Origins;

/// The mask that comes too late for the padding of these inputs.
pub(super) fn mask<'a>(padding: &'a Padding, inputs: &[Value]) -> Option<&'a Mask> {
    let late = |mask: &&Mask| matches!(&mask.origin, Origin::Late(of) if of == inputs);
    padding.facts.roots.masks.iter().find(late)
}

/// A warning where the mask is made.
pub(super) fn diagnostic(
    model: &InferredGraph,
    padding: &Padding,
    output: &Output,
    mask: &Mask,
    verdict: Verdict,
) -> Option<Diagnostic> {
    let (graph, (input, number)) = (&model.graph, mask.source?);
    let origins = Origins::of(graph);
    let origin = |value: Value| origins.call(&padding.program.result(value).name);
    let changed = changed(padding, input, number).and_then(origin)?;
    let from = origin(input)?;
    let born = |&call: &CallId| {
        let fact = model.facts.call(call);
        let made = fact.outputs.iter().filter_map(|output| output.mask);
        let mut sources = made.flat_map(|mask| masks::sources(&model.facts.masks, mask));
        fact.status == MaskStatus::Born && call > changed && sources.any(|source| source.call >= changed)
    };
    let at = graph.calls().find(born).unwrap_or(changed);
    let name = |call: CallId| format!("`{}` ({})", graph.call_name(call), graph.layer_of(call).class);
    let label = |call: CallId, text: String| Label { call, name: graph.call_name(call), text };
    let message = format!(
        "{} looks for padding after {}, where it is no longer {number}, and `{}` {} on how much a caller pads",
        name(at),
        name(changed),
        output.name,
        depends(verdict)
    );
    Some(Diagnostic {
        labels: vec![
            label(from, format!("padded with {number} here")),
            label(changed, "something else from here on".to_owned()),
            label(at, "and looked for here".to_owned()),
        ],
        notes: vec![
            "a bias, a normalization or the like makes other numbers of padding, so that the mask holds everywhere"
                .to_owned(),
        ],
        advice: vec![Suggestion::words(format!(
            "put `{}` before `{}`, on `{}` itself, or compute the mask from that and pass it to what uses it: mask=…",
            graph.call_name(at),
            graph.call_name(changed),
            graph.call_name(from)
        ))],
        ..warning(graph, at, Code::MaskLate, output, message)
    })
}

/// The first value computed from an input that is no longer that number at padded positions.
fn changed(padding: &Padding, input: Value, number: f64) -> Option<Value> {
    let (program, facts) = (&padding.program, &padding.facts);
    let mut padded = std::collections::HashSet::from([input]);
    for (place, node) in program.nodes.iter().enumerate() {
        let value = Value { node: place as u32, result: 0 };
        let reads = node.operands.iter().filter_map(masque_ir::program::Operand::value);
        if reads.into_iter().all(|read| !padded.contains(&read)) {
            continue;
        }
        if !facts.pads_with(value, number) {
            return Some(value);
        }
        padded.insert(value);
    }
    None
}
