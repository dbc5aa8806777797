//! Layer graphs and what was inferred about them.

use std::collections::HashSet;

use super::{Check, Findings, Violations, is_static, require};
use crate::facts::{CallFact, Facts, InferredGraph, MaskStatus};
use crate::layers::{ArgumentValue, Call, LayerGraph, TensorRef};
use crate::mask::{MaskExpr, MaskId};
use crate::ty::DType;

/// Checks the properties `LAYERS-1` to `LAYERS-4`; the error holds all that are violated.
pub fn layers(graph: &LayerGraph) -> Result<(), Violations> {
    let mut findings = Findings::default();
    graph_of_calls(graph, &mut findings);
    findings.finish()
}

/// Checks the properties `LAYERS-1` to `LAYERS-4` and `FACTS-1` to `FACTS-6`; the error holds all that are
/// violated.
pub fn inferred(inferred: &InferredGraph) -> Result<(), Violations> {
    let InferredGraph { graph, facts } = inferred;
    let mut findings = Findings::default();
    graph_of_calls(graph, &mut findings);
    let count = (facts.calls.len(), graph.calls().len());
    findings.add(
        &graph.name,
        require("FACTS-1", count.0 == count.1, || {
            format!("there are facts for {} calls, and {} calls", count.0, count.1)
        }),
    );
    for (id, fact) in graph.calls().zip(&facts.calls) {
        let outputs = graph.call(id).outputs as usize;
        findings.add(graph.call_name(id), complete(fact, outputs));
    }
    if findings.0.is_empty() {
        let mut masks = Masks { graph, facts, count: facts.masks.iter().count(), seen: HashSet::new() };
        for (id, fact) in graph.calls().zip(&facts.calls) {
            findings.add(graph.call_name(id), masks.call(fact));
        }
    }
    findings.unique("FACTS-6", facts.weights.iter().map(|weight| weight.name.as_str()));
    for weight in &facts.weights {
        let sound = require("FACTS-6", is_static(&weight.ty), || format!("{} is not fixed", weight.ty));
        findings.add(weight.name.as_str(), sound);
    }
    findings.finish()
}

fn graph_of_calls(graph: &LayerGraph, findings: &mut Findings) {
    let mut seen = HashSet::new();
    for id in graph.calls() {
        let call = graph.call(id);
        let sound = require("LAYERS-1", call.outputs > 0, || "the call gives nothing".into())
            .and_then(|()| {
                let new = seen.insert((call.layer, call.index));
                require("LAYERS-2", new, || format!("call {} of the layer is there twice", call.index))
            })
            .and_then(|()| arguments(call));
        findings.add(graph.call_name(id), sound);
    }
}

fn arguments(call: &Call) -> Check {
    let ordered = call.arguments.is_sorted_by_key(|argument| argument.keyword.is_some());
    require("LAYERS-3", ordered, || "a positional argument stands behind a keyword".into())?;
    let mut seen = HashSet::new();
    let mut keywords = call.arguments.iter().filter_map(|argument| argument.keyword.as_ref());
    let twice = keywords.find(|keyword| !seen.insert(*keyword));
    require("LAYERS-3", twice.is_none(), || format!("`{}` stands twice", twice.map_or("", |k| k.as_str())))?;
    let lists = call.arguments.iter().all(|argument| holds_tensors(&argument.value));
    require("LAYERS-4", lists, || "a list holds no tensor".into())
}

fn holds_tensors(value: &ArgumentValue) -> bool {
    match value {
        ArgumentValue::List(items) => !value.tensors().is_empty() && items.iter().all(holds_tensors),
        _ => true,
    }
}

fn complete(fact: &CallFact, outputs: usize) -> Check {
    let found = fact.outputs.len();
    require("FACTS-1", found == outputs, || format!("there are facts for {found} of {outputs} outputs"))
}

/// The masks of a graph; what was seen once is sound.
struct Masks<'a> {
    graph: &'a LayerGraph,
    facts: &'a Facts,
    count: usize,
    seen: HashSet<MaskId>,
}

impl Masks<'_> {
    fn call(&mut self, fact: &CallFact) -> Check {
        let named = fact.outputs.iter().map(|output| output.mask).chain(fact.mask_in.iter().copied());
        for mask in named.flatten() {
            let known = (mask.0 as usize) < self.count;
            require("FACTS-2", known, || format!("mask {} is not in the pool", mask.0))?;
            self.reads(mask)?;
        }
        for output in &fact.outputs {
            let Some(mask) = output.mask else { continue };
            let (rank, axes) = (self.facts.masks.rank(mask) as usize, output.ty.rank());
            let fits = (1..=axes).contains(&rank);
            require("FACTS-3", fits, || format!("a mask of {rank} axes over {}", output.ty))?;
        }
        status(fact)
    }

    /// What the mask and its parts read.
    fn reads(&mut self, mask: MaskId) -> Check {
        let mut waiting = vec![mask];
        while let Some(mask) = waiting.pop() {
            if !self.seen.insert(mask) {
                continue;
            }
            let expr = self.facts.masks.get(mask);
            waiting.extend(expr.parts());
            for tensor in expr.tensors() {
                require("FACTS-2", exists(self.graph, tensor), || {
                    format!(
                        "a mask reads output {} of call {}, which does not exist",
                        tensor.output, tensor.call.0
                    )
                })?;
                let ty = &self.facts.tensor(tensor).ty;
                let is_flags = !matches!(expr, MaskExpr::Tensor(_)) || ty.dtype == DType::Bool;
                require("FACTS-4", is_flags, || format!("{ty} is taken as a mask"))?;
            }
        }
        Ok(())
    }
}

fn exists(graph: &LayerGraph, tensor: TensorRef) -> bool {
    let known = (tensor.call.0 as usize) < graph.calls().len();
    known && tensor.output < graph.call(tensor.call).outputs
}

fn status(fact: &CallFact) -> Check {
    use MaskStatus::{Born, Carried, Changed, Consumed, Dropped, Unknown};
    let came_in = fact.mask_in.iter().any(Option::is_some);
    let goes_out = fact.outputs.iter().any(|output| output.mask.is_some());
    let fits = match fact.status {
        MaskStatus::None => !came_in && !goes_out,
        Born | Unknown => goes_out,
        Carried | Changed => came_in && goes_out,
        Consumed | Dropped => came_in,
    };
    require("FACTS-5", fits, || {
        let there = |there: bool| if there { "a mask" } else { "none" };
        format!("`{}`, but {} came in and {} goes out", fact.status, there(came_in), there(goes_out))
    })
}
