//! `padding-apart`: an output depends on positions that are padding in one input and not in another.

use std::collections::BTreeSet;

use masque_ir::layers::LayerGraph;

use super::super::{Output, Padding};
use super::{Stage, labels, warning};
use crate::diagnostics::{Code, Diagnostic, Suggestion, enumerated};

/// A warning where such positions come to be read.
pub(super) fn diagnostic(
    graph: &LayerGraph,
    padding: &Padding,
    output: &Output,
    stages: &[Stage],
    leak: usize,
) -> Diagnostic {
    let names = inputs(padding);
    let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    let quoted = enumerated(&quoted);
    let message = format!(
        "`{}` may depend on padding if callers pad {quoted} differently: `{}` ({}) reads positions that are \
             padding in one input and not in the other",
        output.name,
        graph.call_name(stages[leak].call),
        graph.layer_of(stages[leak].call).class
    );
    Diagnostic {
        labels: labels(graph, stages, leak, output),
        notes: vec![format!(
            "where {quoted} are padded at the same positions, nothing of the padding is read"
        )],
        advice: vec![Suggestion::words(format!(
            "if they always are, say so: --padded-together {}",
            names.iter().cloned().collect::<Vec<_>>().join(",")
        ))],
        ..warning(graph, stages[leak].call, Code::PaddingApart, output, message)
    }
}

/// The inputs that have masks of their own over an axis that several masks lie over.
fn inputs(padding: &Padding) -> BTreeSet<String> {
    let roots = &padding.facts.roots;
    let several = |base: usize| roots.bases.all[base].masks > 1;
    let masks = roots.masks.iter().filter(|mask| several(mask.place.0));
    masks.flat_map(|mask| mask.inputs.iter().cloned()).collect()
}
