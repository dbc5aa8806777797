//! The mask table: one call a line, in execution order, made to be committed and compared.

use masque_ir::facts::{InferredGraph, MaskStatus};
use masque_ir::layers::TensorRef;
use masque_ir::mask::MaskId;
use masque_ir::text::print_mask;
use serde::Serialize;

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The layer.
    pub layer: String,
    /// Which call of the layer.
    pub call: u32,
    /// The layer's class.
    pub class: String,
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
}

impl Row {
    /// `gru`, or `dense:1` for a later call.
    pub fn name(&self) -> String {
        if self.call == 0 { self.layer.clone() } else { format!("{}:{}", self.layer, self.call) }
    }
}

/// The table of a model.
pub fn rows(model: &InferredGraph) -> Vec<Row> {
    let (graph, facts) = (&model.graph, &model.facts);
    let expression = |mask: Option<MaskId>| mask.map(|mask| print_mask(graph, facts, mask));
    let row = |id| {
        let (call, fact) = (graph.call(id), facts.call(id));
        let tensors = (0..call.outputs).map(|output| facts.tensor(TensorRef { call: id, output }));
        let masks: Vec<Option<MaskId>> = tensors.clone().map(|tensor| tensor.mask).collect();
        Row {
            layer: graph.layer(call.layer).name.clone(),
            call: call.index,
            class: graph.layer(call.layer).class.clone(),
            mask_in: fact.mask_in.iter().map(Option::is_some).collect(),
            mask_out: masks.iter().map(Option::is_some).collect(),
            status: fact.status,
            types: tensors.map(|tensor| tensor.ty.to_string()).collect(),
            masks_in: fact.mask_in.iter().map(|mask| expression(*mask)).collect(),
            masks_out: masks.into_iter().map(expression).collect(),
        }
    };
    graph.calls().map(row).collect()
}

/// The columns of the table.
pub const HEADER: [&str; 5] = ["call", "class", "output", "status", "mask"];

/// One line as cells. A mask that was used or lost is shown in brackets: it is no mask of the output.
pub fn cells(row: &Row) -> [String; 5] {
    let outgoing = row.masks_out.iter().flatten().next();
    let incoming = row.masks_in.iter().flatten().next();
    let mask = match (outgoing, incoming) {
        (Some(mask), _) => mask.clone(),
        (None, Some(mask)) => format!("({mask})"),
        (None, None) => "-".to_owned(),
    };
    [row.name(), row.class.clone(), row.types.join(", "), row.status.to_string(), mask]
}

/// The table as aligned text.
pub fn text(rows: &[Row]) -> String {
    align(&HEADER, &rows.iter().map(cells).collect::<Vec<_>>())
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
