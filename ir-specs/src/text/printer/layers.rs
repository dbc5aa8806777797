//! The stages `layers` and `masks`: a line for every call.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Write as _;

use super::fold::{Fold, folded};
use super::masks::MaskPrinter;
use super::{Writer, json, part, quoted, settings, weight, word};
use crate::facts::{InferredGraph, MaskSource};
use crate::layers::{ArgumentValue, CallId, LayerGraph, LayerId, TensorRef};
use crate::text::Stage;

/// The text of stage `layers`, and the line of every call in it, from 1: what a diagnostic points at.
pub fn layer_lines(graph: &LayerGraph) -> (String, Vec<usize>) {
    let mut writer = Writer::with_header(Stage::Layers, graph.semantics, &graph.name);
    let lines = calls(&mut writer, graph, |_| String::new());
    (writer.text, lines)
}

/// A text and where its lines are, from 1.
pub(super) struct Lines {
    pub(super) text: String,
    /// The line of every call.
    pub(super) calls: Vec<usize>,
    /// By line: the name of a weight.
    pub(super) weights: BTreeMap<usize, String>,
}

/// The text of stage `masks`.
pub(crate) fn masks(inferred: &InferredGraph) -> String {
    mask_lines(inferred).text
}

/// The text of stage `layers`, folded.
pub(crate) fn folded_layers(graph: &LayerGraph, fold: &Fold) -> String {
    let (text, calls) = layer_lines(graph);
    folded(&Lines { text, calls, weights: BTreeMap::new() }, graph, fold)
}

/// The text of stage `masks`, folded.
pub(crate) fn folded_masks(inferred: &InferredGraph, fold: &Fold) -> String {
    folded(&mask_lines(inferred), &inferred.graph, fold)
}

/// The lines of stage `layers` that are of these calls.
pub(crate) fn part_of_layers(graph: &LayerGraph, kept: &BTreeSet<CallId>) -> String {
    let (text, calls) = layer_lines(graph);
    part::of_calls(&Lines { text, calls, weights: BTreeMap::new() }, graph, kept)
}

/// The lines of stage `masks` that are of these calls.
pub(crate) fn part_of_masks(inferred: &InferredGraph, kept: &BTreeSet<CallId>) -> String {
    part::of_calls(&mask_lines(inferred), &inferred.graph, kept)
}

fn mask_lines(inferred: &InferredGraph) -> Lines {
    let InferredGraph { graph, facts } = inferred;
    let facts = facts.compact();
    let mut writer = Writer::with_header(Stage::Masks, graph.semantics, &graph.name);
    if facts.source != MaskSource::default() {
        writer.line(&format!("masks {}", facts.source));
    }
    writer.blank();
    let mut weights = BTreeMap::new();
    for decl in &facts.weights {
        let line = writer.line(&weight(&decl.name, decl.hash.as_deref(), &decl.ty));
        weights.insert(line, decl.name.clone());
    }
    let printer = MaskPrinter::new(graph, &facts);
    for definition in printer.definitions() {
        writer.line(&definition);
    }
    let calls = calls(&mut writer, graph, |call| printer.facts_of(call));
    Lines { text: writer.text, calls, weights }
}

/// The layers that must be declared ahead, so that the rest come in the order of their first calls.
fn declared_ahead(graph: &LayerGraph) -> usize {
    let mut seen = HashSet::new();
    let called: Vec<LayerId> =
        graph.calls().map(|call| graph.call(call).layer).filter(|layer| seen.insert(*layer)).collect();
    let mut place = called.len();
    let mut behind = graph.layers().len();
    // From the end: as long as layers and first calls agree, nothing needs to be declared. A layer that is
    // declared ahead may be called anywhere between.
    while behind > 0 {
        let layer = LayerId(behind as u32 - 1);
        while place > 0 && called[place - 1] < layer {
            place -= 1;
        }
        if place == 0 || called[place - 1] != layer {
            break;
        }
        place -= 1;
        behind -= 1;
    }
    behind
}

fn calls(writer: &mut Writer, graph: &LayerGraph, fact: impl Fn(CallId) -> String) -> Vec<usize> {
    writer.blank();
    calls_and(writer, graph, Some(""), fact)
}

/// The calls of a graph, its outputs, and between them a line.
pub(super) fn calls_and(
    writer: &mut Writer,
    graph: &LayerGraph,
    between: Option<&str>,
    fact: impl Fn(CallId) -> String,
) -> Vec<usize> {
    let ahead = declared_ahead(graph);
    let mut known: HashSet<LayerId> = HashSet::new();
    for (place, layer) in graph.layers()[..ahead].iter().enumerate() {
        known.insert(LayerId(place as u32));
        let (name, class) = (layer_name(&layer.name), word(&layer.class));
        writer.line(&format!("layer {name} = {class}{}", settings(&layer.settings)));
    }
    let mut lines = vec![];
    for id in graph.calls() {
        let first = known.insert(graph.call(id).layer);
        let line = call(graph, id, first);
        lines.push(writer.line(&format!("{line}{}", fact(id))));
    }
    match between {
        Some("") => writer.blank(),
        Some(line) => drop(writer.line(line)),
        None => {}
    }
    let outputs: Vec<String> = graph
        .outputs()
        .iter()
        .map(|output| format!("{} = {}", word(&output.name), tensor(graph, output.tensor)))
        .collect();
    writer.line(format!("return {}", outputs.join(", ")).trim_end());
    lines
}

/// `%gru = GRU(%x, mask = %m) {units = 5}`
fn call(graph: &LayerGraph, id: CallId, first: bool) -> String {
    let call = graph.call(id);
    let layer = graph.layer(call.layer);
    let results: Vec<String> =
        (0..call.outputs).map(|output| tensor(graph, TensorRef { call: id, output })).collect();
    let arguments: Vec<String> = call
        .arguments
        .iter()
        .map(|passed| {
            let value = argument(graph, &passed.value);
            passed.keyword.as_ref().map_or(value.clone(), |keyword| format!("{} = {value}", word(keyword)))
        })
        .collect();
    let settings = if first { settings(&layer.settings) } else { String::new() };
    format!("{} = {}({}){settings}", results.join(", "), word(&layer.class), arguments.join(", "))
}

fn argument(graph: &LayerGraph, value: &ArgumentValue) -> String {
    match value {
        ArgumentValue::Tensor(reference) => tensor(graph, *reference),
        ArgumentValue::Constant(constant) => json(constant),
        ArgumentValue::List(items) => {
            let items: Vec<String> = items.iter().map(|item| argument(graph, item)).collect();
            format!("[{}]", items.join(", "))
        }
    }
}

/// A layer's name; quoted where `.` or `:` in it would read as an output or a call.
pub(super) fn layer_name(name: &str) -> String {
    let plain = !name.is_empty()
        && name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_/-".contains(letter));
    if plain { format!("%{name}") } else { format!("%{}", quoted(name)) }
}

/// `%gru`, `%dense:1`, `%lstm.2`, `%"my layer":1.2`
pub(crate) fn tensor(graph: &LayerGraph, tensor: TensorRef) -> String {
    let call = graph.call(tensor.call);
    let mut text = layer_name(&graph.layer(call.layer).name);
    if call.index > 0 {
        _ = write!(text, ":{}", call.index);
    }
    if tensor.output > 0 {
        _ = write!(text, ".{}", tensor.output);
    }
    text
}
