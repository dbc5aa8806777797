//! Parts of texts: the lines of some calls or operations, and how many are left out between them.

use std::collections::{BTreeSet, HashSet};

use super::layers::{Lines, layer_name};
use crate::layers::{CallId, LayerGraph};

/// The text without the lines for which `is_kept` is false; it is `None` for those that are of no call or operation. The
/// header says `part`, so that nothing takes it for the whole model.
pub(super) fn part(text: &str, is_kept: impl Fn(usize, &str) -> Option<bool>) -> String {
    let mut part = String::new();
    let mut left_out = 0;
    for (place, line) in text.lines().enumerate() {
        let kept = is_kept(place + 1, line);
        if kept == Some(false) {
            left_out += 1;
            continue;
        }
        if left_out > 0 {
            let lines = if left_out == 1 { "line" } else { "lines" };
            part.push_str(&format!("; {left_out} {lines} left out\n"));
            left_out = 0;
        }
        part.push_str(line);
        part.push_str(if place == 0 { " part\n" } else { "\n" });
    }
    part
}

/// The part of a layer graph's text that is of these calls, their layers and weights.
pub(super) fn of_calls(lines: &Lines, graph: &LayerGraph, kept: &BTreeSet<CallId>) -> String {
    let layers: HashSet<&str> = kept.iter().map(|&call| graph.layer_of(call).name.as_str()).collect();
    let declarations: HashSet<String> =
        layers.iter().map(|layer| format!("layer {} =", layer_name(layer))).collect();
    part(&lines.text, |number, line| {
        if let Ok(call) = lines.calls.binary_search(&number) {
            return Some(kept.contains(&CallId(call as u32)));
        }
        if let Some(weight) = lines.weights.get(&number) {
            return Some(weight.match_indices('/').any(|(end, _)| layers.contains(&weight[..end])));
        }
        line.starts_with("layer ").then(|| declarations.iter().any(|declared| line.starts_with(declared)))
    })
}
