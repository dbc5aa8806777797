//! Folded texts: of blocks that are repeated, the first is shown.

use std::collections::{BTreeMap, HashSet};

use super::layers::{Lines, layer_name};
use super::tensor;
use crate::layers::{CallId, LayerGraph, LayerId, TensorRef};

/// What a folded text of a layer graph leaves out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fold {
    /// By call: a line of comment before it.
    pub titles: BTreeMap<CallId, String>,
    /// By call that is shown: the calls that it stands for, which are left out.
    pub others: BTreeMap<CallId, Vec<CallId>>,
}

/// The text without the lines of calls that others stand for, nor those of their layers and weights. Its header says
/// `folded`, so that nothing takes it for the whole model.
pub(super) fn folded(lines: &Lines, graph: &LayerGraph, fold: &Fold) -> String {
    let hidden: HashSet<CallId> = fold.others.values().flatten().copied().collect();
    let calls: BTreeMap<usize, CallId> = lines.calls.iter().copied().zip(graph.calls()).collect();
    let seen: HashSet<LayerId> =
        graph.calls().filter(|id| !hidden.contains(id)).map(|id| graph.call(id).layer).collect();
    let gone = hidden.iter().map(|id| graph.call(*id).layer).filter(|layer| !seen.contains(layer));
    let gone: HashSet<&str> = gone.map(|layer| graph.layer(layer).name.as_str()).collect();
    let of_gone = |weight: &str| weight.match_indices('/').any(|(end, _)| gone.contains(&weight[..end]));
    let declarations: HashSet<String> =
        gone.iter().map(|layer| format!("layer {} =", layer_name(layer))).collect();
    let is_declared = |line: &str| {
        line.starts_with("layer ") && declarations.iter().any(|declared| line.starts_with(declared))
    };
    let mut text = String::new();
    for (place, line) in lines.text.lines().enumerate() {
        let number = place + 1;
        if lines.weights.get(&number).is_some_and(|weight| of_gone(weight)) {
            continue;
        }
        match calls.get(&number) {
            Some(id) if hidden.contains(id) => continue,
            Some(id) => {
                text.extend(fold.titles.get(id).map(|title| format!("; {title}\n")));
                text.push_str(line);
                text.extend(fold.others.get(id).map(|others| format!(" ; and {}", names(graph, others))));
            }
            None if is_declared(line) => continue,
            None => text.push_str(line),
        }
        text.push_str(if number == 1 { " folded\n" } else { "\n" });
    }
    text
}

fn names(graph: &LayerGraph, calls: &[CallId]) -> String {
    let names: Vec<String> = calls.iter().map(|&call| tensor(graph, TensorRef { call, output: 0 })).collect();
    names.join(", ")
}
