//! A mask of a sequence that is cut at a place counted from its end: what is cut off depends on the padding.

use std::collections::BTreeSet;

use masque_ir::layers::LayerGraph;
use masque_ir::program::{Operand, Value};

use super::super::{Output, Padding, Verdict};
use super::{Stage, depends, labels, warning};
use crate::diagnostics::{Code, Diagnostic, Label};
use crate::origins::Origins;

/// The value that is cut, if the number of padded positions that an output reads comes from there.
pub(super) fn value(padding: &Padding, output: &Output) -> Option<Value> {
    let cut = &padding.facts.roots.cut;
    if output.reads.content || cut.is_empty() {
        return None;
    }
    let place = padding.outputs.iter().position(|known| known.name == output.name)?;
    let operand = padding.program.outputs[place].operand.value()?;
    let behind: BTreeSet<Value> =
        padding.facts.behind(&padding.program, operand).into_iter().map(|(value, _)| value).collect();
    cut.iter().copied().find(|value| behind.contains(value))
}

/// A warning where the sequence is cut.
pub(super) fn diagnostic(
    graph: &LayerGraph,
    padding: &Padding,
    output: &Output,
    (stages, leak): (&[Stage], usize),
    (cut, verdict): (Value, Verdict),
) -> Option<Diagnostic> {
    let origins = Origins::of(graph);
    let at = origins.call(&padding.program.result(cut).name)?;
    let whole = padding.program.nodes[cut.node as usize].operands.iter().find_map(Operand::value);
    let whole = whole.map(|whole| origins.call(&padding.program.result(whole).name));
    let of =
        whole.flatten().filter(|&whole| whole != at).map(|whole| format!(" of `{}`", graph.call_name(whole)));
    let labels = labels(graph, stages, leak, output);
    let own = Label { call: at, name: graph.call_name(at), text: "it is cut here".to_owned() };
    let own = Some(own).filter(|_| labels.iter().all(|label| label.call != at));
    let message = format!(
        "`{}` {} on how many padded positions there are: `{}` ({}) counts from the end{}, padding included",
        output.name,
        depends(verdict),
        graph.call_name(at),
        graph.layer_of(at).class,
        of.unwrap_or_default(),
    );
    Some(Diagnostic {
        labels: own.into_iter().chain(labels).collect(),
        notes: vec![
            "of a sequence without padding its last positions are cut off or moved, of a padded one padding is; cut \
             sequences before they are padded"
                .to_owned(),
        ],
        ..warning(graph, at, Code::PaddingLeak, output, message)
    })
}
