//! A picture in the language of Graphviz.

use std::fmt::Write;

use masque_ir::facts::MaskStatus;

use super::style::{self, COLOURS};
use super::{Change, EdgeRole, Picture, Role};
use crate::diagnostics::Severity;

/// The colour of the ways of padding to outputs.
const LEAK: &str = "#e02424";

/// Writes a picture as a `digraph`: groups are clusters; masks, states, weights and the ways of padding have their own
/// colours and strokes.
pub fn write(picture: &Picture) -> String {
    let mut dot = format!("digraph {} {{\n", quoted(&picture.title));
    dot.push_str("  graph [rankdir=TB, fontname=\"monospace\", fontsize=10];\n");
    dot.push_str("  node [shape=box, style=\"rounded,filled\", fillcolor=\"#f6f8fb\", fontname=\"monospace\", fontsize=10];\n");
    dot.push_str("  edge [color=\"#75808f\", arrowsize=0.6];\n");
    level(picture, None, 1, &mut dot);
    for edge in &picture.edges {
        let colour = edge.mask.map(|mask| COLOURS[mask % COLOURS.len()].0);
        // Two colours are two lines side by side.
        let colours: Vec<&str> = colour.into_iter().chain(edge.leaks.then_some(LEAK)).collect();
        let mut attributes = vec![];
        if !colours.is_empty() {
            attributes.push(format!("color=\"{}\", penwidth=2.5", colours.join(":")));
        }
        match edge.role {
            EdgeRole::Mask => attributes.push("style=dashed".to_owned()),
            EdgeRole::State => attributes.push("style=dotted".to_owned()),
            EdgeRole::Weight => attributes.push("color=\"#b6bfcb\", arrowhead=none".to_owned()),
            EdgeRole::Data => {}
        }
        let attributes =
            if attributes.is_empty() { String::new() } else { format!(" [{}]", attributes.join(", ")) };
        let _ = writeln!(dot, "  n{} -> n{}{attributes};", edge.from, edge.to);
    }
    dot.push_str("}\n");
    dot
}

/// What stands in a group, and the groups in it.
fn level(picture: &Picture, group: Option<usize>, depth: usize, dot: &mut String) {
    let indent = "  ".repeat(depth);
    for (place, node) in picture.nodes.iter().enumerate().filter(|(_, node)| node.group == group) {
        let mut label = vec![picture.short_name(&node.name, node.group).to_owned(), node.does.clone()];
        label.extend(node.types.iter().cloned());
        let mask = node.mask.map(|mask| style::shortened(&picture.masks[mask]));
        if let (Some(mask), true) = (mask, node.status != MaskStatus::None) {
            label.push(format!("{} {mask}", node.status));
        }
        let change = match &node.change {
            Some(Change::Added) => Some(("added", "#15803d")),
            Some(Change::Removed) => Some(("removed", "#c53030")),
            Some(Change::Changed(what)) => Some((what.as_str(), "#b7791f")),
            None => None,
        };
        label.extend(change.map(|(what, _)| what.to_owned()));
        let change = change.map_or(String::new(), |(_, colour)| {
            format!(", color=\"{colour}\", penwidth=2, fontcolor=\"{colour}\"")
        });
        let label: Vec<String> = label.iter().map(|line| escaped(line)).collect();
        let look = match (node.finding, node.role) {
            (Some(Severity::Error), _) => ", color=\"#c53030\", penwidth=2",
            (Some(Severity::Warning), _) => ", color=\"#b7791f\", penwidth=2",
            (None, Role::Input | Role::Output) => ", fillcolor=\"#e8eefb\"",
            (None, Role::Weight | Role::Mask) => ", fillcolor=\"#ffffff\", style=\"rounded,filled,dashed\"",
            (None, Role::Call | Role::Group | Role::Outside) => "",
        };
        let _ = writeln!(dot, "{indent}n{place} [label=\"{}\"{look}{change}];", label.join("\\n"));
    }
    for (place, inner) in picture.groups.iter().enumerate().filter(|(_, inner)| inner.parent == group) {
        let _ = writeln!(dot, "{indent}subgraph cluster_{place} {{");
        let _ = writeln!(
            dot,
            "{indent}  label={}; style=\"rounded,dashed\"; color=\"#a9b4c4\";",
            quoted(&inner.name)
        );
        level(picture, Some(place), depth + 1, dot);
        let _ = writeln!(dot, "{indent}}}");
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", escaped(text))
}

/// Text between quotation marks; on one line.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '"' | '\\' => escaped.extend(['\\', letter]),
            letter if letter.is_control() => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}
