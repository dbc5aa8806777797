//! Inputs of different lengths that meet: the failure of a step, told in the words of whoever passed them.

use std::sync::Arc;

use masque_ir::dim::Bindings;
use masque_ir::plan::{Plan, Source, Step};

use crate::error::{OpFailure, RunError};
use crate::quote::quoted;

/// The same failure, unless what failed is a step that joins inputs of different lengths: then those inputs, and the
/// layer of the model that joins them.
pub(super) fn told(plan: &Plan, bindings: &Bindings, error: RunError) -> RunError {
    let RunError::Step { step: name, failure, .. } = &error else { return error };
    if !matches!(failure, OpFailure::ShapeMismatch { .. } | OpFailure::Operands(_)) {
        return error;
    }
    let Some(at) = plan.steps.iter().position(|step| results(plan, step).any(|result| result == name)) else {
        return error;
    };
    let symbols = symbols(plan, &plan.steps[at]);
    let inputs: Vec<String> = plan
        .input_values()
        .filter_map(|(_, input)| {
            let lengths = input.ty.shape.iter().skip(1).filter_map(|dim| dim.as_symbol());
            let length =
                lengths.filter(|symbol| symbols.contains(symbol)).find_map(|symbol| bindings.get(symbol));
            length.map(|length| format!("{} has {length}", quoted(&input.name)))
        })
        .collect();
    let mut sizes = symbols.iter().filter_map(|symbol| bindings.get(symbol));
    let first = sizes.next();
    if inputs.len() < 2 || sizes.all(|size| Some(size) == first) {
        return error;
    }
    RunError::Lengths { inputs: inputs.join(", "), layer: layer(plan, at, &symbols) }
}

/// The layer that joins: the first step from here on that has a line in the table of masks, where only those stand that
/// somebody wrote, and that reads both lengths.
fn layer(plan: &Plan, at: usize, joined: &[Arc<str>]) -> String {
    let table = &plan.provenance.mask_table;
    let written: Vec<&str> = table.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let joins = |step: &&Step| {
        let read = symbols(plan, step);
        joined.iter().all(|symbol| read.contains(symbol))
    };
    let steps = plan.steps[at..].iter().filter(joins);
    let mut names = steps.flat_map(|step| results(plan, step));
    let found = names.find(|name| written.contains(name));
    found.or_else(|| results(plan, &plan.steps[at]).next()).unwrap_or_default().to_owned()
}

fn results<'a>(plan: &'a Plan, step: &'a Step) -> impl Iterator<Item = &'a str> {
    step.results.iter().map(|&result| plan.value(result).name.as_str())
}

/// The sizes that stand alone in the types of a step's operands, but for the batch's.
fn symbols(plan: &Plan, step: &Step) -> Vec<Arc<str>> {
    let values = step.operands.iter().filter_map(|source| match source {
        Source::Value(value) => Some(plan.value(*value)),
        _ => None,
    });
    let mut symbols: Vec<Arc<str>> = values
        .flat_map(|value| value.ty.shape.iter().skip(1).filter_map(|dim| dim.as_symbol().cloned()))
        .collect();
    symbols.sort();
    symbols.dedup();
    symbols
}
