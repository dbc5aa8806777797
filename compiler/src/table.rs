//! The mask table: one call a line, in execution order, made to be committed and compared.
//!
//! A line of the text depends on its own call and the call before it, and on nothing else, so that a change of the
//! model shows as the lines of what changed: columns begin at fixed stops and are never as wide as the widest cell of
//! the model, long masks are named by the call that first carried them, and what goes on as in the line above is a
//! ditto mark. Calls that only build masks, which Keras writes into its files, are rows but no lines.

mod distinct;
mod notation;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write;

use masque_ir::facts::{InferredGraph, MaskStatus};
use masque_ir::layers::{CallId, LayerGraph, TensorRef};
use masque_ir::mask::MaskId;
use masque_ir::text::print_mask;
use serde::Serialize;

use crate::layer::arguments::takes_masks;
pub use distinct::{DistinctMask, distinct};
use notation::Notation;

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The layer.
    pub layer: String,
    /// Which call of the layer.
    pub call: u32,
    /// The layer's class.
    pub class: String,
    /// Does the call do nothing but compute a mask for others?
    pub plumbing: bool,
    /// Did a mask come with each tensor that the call reads?
    pub mask_in: Vec<bool>,
    /// Does each output carry a mask?
    pub mask_out: Vec<bool>,
    /// What happened to the masks.
    pub status: MaskStatus,
    /// The type of each output.
    pub types: Vec<String>,
    /// The mask that came with each tensor, as an expression.
    pub masks_in: Vec<Option<String>>,
    /// The mask of each output, as an expression.
    pub masks_out: Vec<Option<String>>,
    /// The tensors that are passed to the call as masks; they stand in for those that the data carries.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub passed: Vec<String>,
    /// What these are computed from: tensors that are no masks.
    #[serde(skip)]
    pub passed_from: Vec<String>,
    /// The masks that go out, or else those that came in, as people write them; empty if there are none.
    #[serde(skip)]
    pub short: String,
}

impl Row {
    /// `gru`, or `dense:1` for a later call; on one line, whatever the file calls it.
    pub fn name(&self) -> String {
        name(&self.layer, self.call)
    }
}

fn name(layer: &str, call: u32) -> String {
    let mut name = String::with_capacity(layer.len());
    for letter in layer.chars() {
        // What would end the line or speak to the terminal.
        match letter.is_control() {
            true => name.extend(letter.escape_default()),
            false => name.push(letter),
        }
    }
    if call == 0 { name } else { format!("{name}:{call}") }
}

/// The table of a model.
pub fn rows(model: &InferredGraph) -> Vec<Row> {
    let (graph, facts) = (&model.graph, &model.facts);
    let mut written: HashMap<MaskId, String> = HashMap::new();
    let mut expression = |mask: Option<MaskId>| {
        mask.map(|mask| written.entry(mask).or_insert_with(|| print_mask(graph, facts, mask)).clone())
    };
    let plumbing = plumbing(graph);
    let notation = Notation::new(model);
    let row = |id: CallId| {
        let (call, fact) = (graph.call(id), facts.call(id));
        let tensors = (0..call.outputs).map(|output| facts.tensor(TensorRef { call: id, output }));
        let masks: Vec<Option<MaskId>> = tensors.clone().map(|tensor| tensor.mask).collect();
        Row {
            layer: graph.layer(call.layer).name.clone(),
            call: call.index,
            class: graph.layer(call.layer).class.clone(),
            plumbing: plumbing[id.0 as usize],
            mask_in: fact.mask_in.iter().map(Option::is_some).collect(),
            mask_out: masks.iter().map(Option::is_some).collect(),
            status: fact.status,
            types: tensors.map(|tensor| tensor.ty.to_string()).collect(),
            masks_in: fact.mask_in.iter().map(|mask| expression(*mask)).collect(),
            passed: passed(graph, id).map(|tensor| graph.tensor_name(tensor)).collect(),
            passed_from: sources(graph, &plumbing, passed(graph, id)),
            short: notation.of_call(id),
            masks_out: masks.into_iter().map(&mut expression).collect(),
        }
    };
    graph.calls().map(row).collect()
}

/// The tensors that a call is passed as masks.
fn passed(graph: &LayerGraph, id: CallId) -> impl Iterator<Item = TensorRef> {
    let arguments = graph.call(id).arguments.iter();
    let masks = arguments.filter(|argument| argument.keyword.as_deref().is_some_and(takes_masks));
    masks.flat_map(|argument| argument.value.tensors())
}

/// The tensors that masks are computed from, in the order of the calls: beyond those calls that do nothing else.
fn sources(graph: &LayerGraph, plumbing: &[bool], masks: impl Iterator<Item = TensorRef>) -> Vec<String> {
    let mut open: Vec<TensorRef> = masks.filter(|mask| plumbing[mask.call.0 as usize]).collect();
    let mut seen: BTreeSet<(CallId, u32)> = BTreeSet::new();
    while let Some(mask) = open.pop() {
        let read = graph.call(mask.call).arguments.iter().flat_map(|argument| argument.value.tensors());
        for tensor in read.filter(|tensor| seen.insert((tensor.call, tensor.output))) {
            if plumbing[tensor.call.0 as usize] {
                open.push(tensor);
            }
        }
    }
    let sources = seen.into_iter().filter(|(call, _)| !plumbing[call.0 as usize]);
    sources.map(|(call, output)| graph.tensor_name(TensorRef { call, output })).collect()
}

/// Every mask of a model, as people write it, by its number.
pub(crate) fn masks(model: &InferredGraph) -> Vec<String> {
    Notation::new(model).written()
}

/// Which calls do nothing but compute masks: operations that are read as `mask` arguments, or by others of this kind,
/// and by nobody else. Keras writes them into the files it saves.
pub fn plumbing(graph: &LayerGraph) -> Vec<bool> {
    let calls = graph.calls().len();
    let (mut plumbing, mut read, mut read_as_data) =
        (vec![false; calls], vec![false; calls], vec![false; calls]);
    graph.outputs().iter().for_each(|output| read_as_data[output.tensor.call.0 as usize] = true);
    // Those who read a call stand behind it.
    for id in graph.calls().rev() {
        let place = id.0 as usize;
        plumbing[place] = graph.layer_of(id).class.starts_with("ops.") && read[place] && !read_as_data[place];
        for argument in &graph.call(id).arguments {
            let as_mask = argument.keyword.as_deref().is_some_and(takes_masks);
            for tensor in argument.value.tensors() {
                read[tensor.call.0 as usize] = true;
                read_as_data[tensor.call.0 as usize] |= !(as_mask || plumbing[place]);
            }
        }
    }
    plumbing
}

/// The columns of the table.
pub const HEADER: [&str; 5] = ["call", "class", "output", "status", "mask"];

/// Where the columns of the text end, if their cells are not longer; the last one may be of any length. What is usual
/// fits: `GlobalAveragePooling1D`, `f32[B, 128, 512]`.
const WIDTHS: [usize; 5] = [22, 22, 16, 8, 0];

/// What stands for the status and the mask of the line above.
const DITTO: &str = "\"";

/// The sign of what a call does with masks.
pub const fn sign(status: MaskStatus) -> &'static str {
    match status {
        MaskStatus::None => " ",
        MaskStatus::Born => "●",
        MaskStatus::Carried => "│",
        MaskStatus::Changed => "◆",
        MaskStatus::Consumed => "■",
        MaskStatus::Dropped => "✕",
        MaskStatus::Unknown => "?",
    }
}

/// One line as cells for people: with signs, and where a mask that is passed comes from.
pub fn signed_cells(row: &Row) -> [String; 5] {
    let [name, class, types, status, mask] = cells(row);
    let named =
        |tensors: &[String]| tensors.iter().map(|tensor| format!("%{tensor}")).collect::<Vec<_>>().join(", ");
    let from = match row.passed_from.as_slice() {
        [] => String::new(),
        from => format!(" (from {})", named(from)),
    };
    let mask = match (row.passed.as_slice(), row.short.as_str()) {
        ([], _) => mask,
        (passed, "") => format!("passed by {}{from}", named(passed)),
        (passed, short) => format!("{short}, passed by {}{from}", named(passed)),
    };
    [name, class, types, format!("{} {status}", sign(row.status)), mask]
}

/// One line as cells.
pub fn cells(row: &Row) -> [String; 5] {
    let mask = if row.short.is_empty() { "-".to_owned() } else { row.short.clone() };
    [row.name(), row.class.clone(), row.types.join(", "), row.status.to_string(), mask]
}

/// The table of a model as text to be committed.
pub fn text(model: &InferredGraph) -> String {
    let (graph, facts) = (&model.graph, &model.facts);
    let (plumbing, notation) = (plumbing(graph), Notation::new(model));
    let mut text = String::new();
    write_line(&mut text, HEADER);
    let mut above = None;
    for id in graph.calls().filter(|id| !plumbing[id.0 as usize]) {
        let (call, layer, fact) = (graph.call(id), graph.layer_of(id), facts.call(id));
        let mut output = String::new();
        for (place, tensor) in fact.outputs.iter().enumerate() {
            let comma = if place == 0 { "" } else { ", " };
            let _ = write!(output, "{comma}{}", tensor.ty);
        }
        let now = (fact.status, notation.of_call(id));
        let (status, mask) = match above.as_ref() == Some(&now) {
            true => (DITTO, ""),
            false => (now.0.name(), now.1.as_str()),
        };
        write_line(&mut text, [&name(&layer.name, call.index), &layer.class, &output, status, mask]);
        above = Some(now);
    }
    text
}

/// Cells at their stops. One that is too long moves those behind it, on its own line alone, until a stop is reached
/// again.
fn write_line(text: &mut String, cells: [&str; 5]) {
    let (start, mut length, mut stop) = (text.len(), 0, 0);
    for (cell, width) in cells.into_iter().zip(WIDTHS) {
        let blanks = if length == 0 { 0 } else { stop.max(length + 2) - length };
        text.extend(std::iter::repeat_n(' ', blanks));
        text.push_str(cell);
        length += blanks + cell.chars().count();
        stop += width + 2;
    }
    text.truncate(start + text[start..].trim_end().len());
    text.push('\n');
}

/// Columns as wide as their widest cell, two blanks between them, none at a line's end.
pub fn align<const N: usize>(header: &[&str; N], rows: &[[String; N]]) -> String {
    let lines: Vec<[&str; N]> =
        std::iter::once(*header).chain(rows.iter().map(|row| row.each_ref().map(String::as_str))).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let padded = line.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
        text.push_str(padded.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}
