//! What `model.summary()` prints in Keras, with the mask that each tensor carries and what each call costs.

use std::collections::{BTreeMap, HashMap, HashSet};

use masque_ir::dim::{Bindings, Dim};
use masque_ir::layers::{CallId, LayerGraph};
use masque_ir::ty::DType;
use serde::Serialize;

use crate::costs::{Cost, sum};
use crate::table::{self, Row};
use crate::{Error, Inferred};

/// A model, line by line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// One for each call that does not only build masks.
    pub lines: Vec<Line>,
    /// The elements of all weights that are known, those that several calls share counted once.
    pub parameters: u64,
    /// The multiply-adds of all calls.
    pub multiply_adds: String,
    /// The same without the padding that nobody sees.
    pub packed: String,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// Its line of the mask table.
    #[serde(flatten)]
    pub row: Row,
    /// The tensors that it reads.
    pub reads: Vec<String>,
    /// The elements of its weights; none where they were counted at an earlier call of the layer.
    pub parameters: Option<u64>,
    /// Is it a layer of an unknown class, whose weights are not counted?
    pub unknown: bool,
    /// Its multiply-adds: a number, or a formula in the sizes that only a run knows; `unknown` where these decide what is
    /// computed at all.
    pub multiply_adds: String,
    /// The same without the padding that nobody sees.
    pub packed: String,
}

/// Summarizes a model. Sizes that are bound make numbers of formulas.
///
/// # Errors
///
/// Those of [`Inferred::costs`].
pub fn of_model(inferred: &Inferred, sizes: &Bindings) -> Result<Summary, Error> {
    let model = inferred.graph();
    let costs = inferred.costs()?;
    let none = Some(Dim::constant(0));
    let written = |cost: &Cost| match cost.as_ref().map(|cost| (cost, cost.eval(sizes))) {
        Some((_, Some(number))) => grouped(number.unsigned_abs()),
        Some((formula, None)) => formula.to_string(),
        None => "unknown".to_owned(),
    };
    let (mut seen, parameters) = (HashSet::new(), parameters(inferred));
    let calls = model.graph.calls().zip(table::rows(model)).filter(|(_, row)| !row.plumbing);
    let opaque: HashSet<CallId> = inferred.opaque().into_iter().collect();
    let lines = calls.map(|(call, row)| Line {
        unknown: opaque.contains(&call),
        parameters: seen.insert(row.layer.clone()).then(|| parameters.get(&row.layer).copied().unwrap_or(0)),
        reads: reads(&model.graph, call),
        multiply_adds: written(costs.dense.get(&row.name()).unwrap_or(&none)),
        packed: written(costs.packed.get(&row.name()).unwrap_or(&none)),
        row,
    });
    let lines: Vec<Line> = lines.collect();
    let total = |costs: &BTreeMap<String, Cost>| written(&costs.values().fold(none.clone(), sum));
    Ok(Summary {
        parameters: lines.iter().filter_map(|line| line.parameters).sum(),
        multiply_adds: total(&costs.dense),
        packed: total(&costs.packed),
        lines,
    })
}

/// The elements of each layer's own weights, by the layer's name. Vocabularies are none.
fn parameters(inferred: &Inferred) -> HashMap<String, u64> {
    let model = inferred.graph();
    let mut parameters = HashMap::new();
    for weight in model.facts.weights.iter().filter(|weight| weight.ty.dtype != DType::Str) {
        // That of a layer in a model is in the model's name, too.
        let mut owner = weight.name.as_str();
        while let Some((path, _)) = owner.rsplit_once('/') {
            owner = path;
            if model.graph.layer_named(owner).is_some() {
                break;
            }
        }
        let elements = weight.ty.shape.iter().filter_map(Dim::known).map(i64::unsigned_abs).product::<u64>();
        *parameters.entry(owner.to_owned()).or_insert(0) += elements;
    }
    parameters
}

fn reads(graph: &LayerGraph, call: CallId) -> Vec<String> {
    let tensors = graph.call(call).arguments.iter().flat_map(|argument| argument.value.tensors());
    tensors.map(|tensor| graph.tensor_name(tensor)).collect()
}

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

impl Summary {
    /// The columns of the table.
    pub const HEADER: [&'static str; 6] =
        ["call (class)", "output", "parameters", "multiply-adds", "packed", "mask"];

    /// The table's lines as cells, the sums last.
    pub fn cells(&self) -> Vec<[String; 6]> {
        let zero = |text: &str| if text == "0" { "-".to_owned() } else { text.to_owned() };
        let line = |line: &Line| {
            let parameters = match line.parameters {
                _ if line.unknown => "unknown".to_owned(),
                None => "shared".to_owned(),
                Some(number) => zero(&grouped(number)),
            };
            let mask = match line.row.short.as_str() {
                "" => "-".to_owned(),
                short => format!("{} {short}", line.row.status),
            };
            [
                format!("{} ({})", line.row.name(), line.row.class),
                line.row.types.join(", "),
                parameters,
                zero(&line.multiply_adds),
                zero(&line.packed),
                mask,
            ]
        };
        let mut cells: Vec<[String; 6]> = self.lines.iter().map(line).collect();
        cells.push([
            "all".to_owned(),
            String::new(),
            match self.lines.iter().any(|line| line.unknown) {
                true => format!("{} and unknown", grouped(self.parameters)),
                false => grouped(self.parameters),
            },
            self.multiply_adds.clone(),
            self.packed.clone(),
            String::new(),
        ]);
        cells
    }
}
