//! Inputs of different lengths that meet, told in the words of whoever passed them.

use std::sync::Arc;

use masque_ir::dim::Bindings;
use masque_ir::plan::{Plan, Source, Step};

use crate::error::{OpFailure, RunError};
use crate::quote::quoted;

/// The input at `place` has this shape, where its type says that it is as long as an input before it: the error that
/// names both. `None` if the lengths agree.
pub(super) fn apart(plan: &Plan, place: usize, shape: &[usize], bindings: &Bindings) -> Option<RunError> {
    let value = plan.inputs.get(place)?.value;
    let mut sizes = plan.value(value).ty.shape.iter().zip(shape).skip(1);
    let (symbol, here, there) = sizes.find_map(|(dim, &size)| {
        let (symbol, size) = (dim.as_symbol()?, i64::try_from(size).ok()?);
        let bound = *bindings.get(symbol)?;
        (bound != size).then_some((symbol, size, bound))
    })?;
    let mut before = plan.inputs[..place].iter().map(|input| input.value);
    let other = before.find(|&other| lengths(plan, other).any(|length| length == symbol))?;
    let name = |value: u32| quoted(&plan.value(value).name);
    let inputs = format!("{} has {there}, {} has {here}", name(other), name(value));
    Some(RunError::Lengths { inputs, layer: joining(plan, [other, value]) })
}

/// The same failure, unless what failed is a step that joins inputs of different lengths: then those inputs, and the
/// layer of the model that joins them.
pub(super) fn told(plan: &Plan, bindings: &Bindings, error: RunError) -> RunError {
    let RunError::Step { step: name, failure, .. } = &error else { return error };
    if !matches!(failure, OpFailure::ShapeMismatch { .. } | OpFailure::Operands(_)) {
        return error;
    }
    let Some(step) = plan.steps.iter().find(|step| results(plan, step).any(|result| result == name)) else {
        return error;
    };
    let read: Vec<&Arc<str>> = values(step).flat_map(|value| lengths(plan, value)).collect();
    let met: Vec<(u32, i64)> = plan
        .inputs
        .iter()
        .filter_map(|input| {
            let length = lengths(plan, input.value).find(|symbol| read.contains(symbol))?;
            Some((input.value, *bindings.get(length)?))
        })
        .collect();
    let [(one, first), rest @ ..] = met.as_slice() else { return error };
    let Some((other, _)) = rest.iter().find(|(_, length)| length != first) else { return error };
    let inputs =
        met.iter().map(|(input, length)| format!("{} has {length}", quoted(&plan.value(*input).name)));
    let inputs = inputs.collect::<Vec<_>>().join(", ");
    RunError::Lengths { inputs, layer: joining(plan, [*one, *other]) }
}

/// The layer in which two inputs meet: the first step computed from both that has a line in the table of masks, where
/// only those stand that somebody wrote.
fn joining(plan: &Plan, inputs: [u32; 2]) -> String {
    let mut from = vec![[false; 2]; plan.values.len()];
    for (input, place) in inputs.into_iter().zip(0..) {
        from[input as usize][place] = true;
    }
    let table = &plan.provenance.mask_table;
    let written: Vec<&str> = table.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let mut first = None;
    for step in &plan.steps {
        let read = [0, 1].map(|place| values(step).any(|value| from[value as usize][place]));
        step.results.iter().for_each(|&result| from[result as usize] = read);
        if read == [true; 2] {
            if let Some(found) = results(plan, step).find(|name| written.contains(name)) {
                return found.to_owned();
            }
            first = first.or_else(|| results(plan, step).next());
        }
    }
    first.unwrap_or_default().to_owned()
}

fn results<'a>(plan: &'a Plan, step: &'a Step) -> impl Iterator<Item = &'a str> {
    step.results.iter().map(|&result| plan.value(result).name.as_str())
}

/// The values among the operands of a step.
fn values(step: &Step) -> impl Iterator<Item = u32> {
    step.operands.iter().filter_map(|source| match source {
        Source::Value(value) => Some(*value),
        _ => None,
    })
}

/// The sizes that stand alone in the type of a value, but for the batch's.
fn lengths(plan: &Plan, value: u32) -> impl Iterator<Item = &Arc<str>> {
    plan.value(value).ty.shape.iter().skip(1).filter_map(|dim| dim.as_symbol())
}
