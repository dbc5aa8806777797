//! What a model really computes, as mathematics, masks included: `h_t = select(mask_t, z * h_{t-1} + …, h_{t-1})`.
//!
//! It is printed from the operations that a call was lowered to and, for composites, from their decompositions, which
//! are their meaning: there is no second list of formulas that could say something else. An operation says how it is
//! written ([`Notation`](masque_ir::ops::Notation)); what it has in common with a composite that was taken apart, such as an activation
//! function, is found again and written by its name.

mod equations;
mod known;
mod page;
mod term;

use std::collections::{HashMap, HashSet};

use masque_ir::layers::CallId;
use masque_ir::program::{Operand, Program, Value};

use crate::layer::KernelCondition;
use crate::lower::LowerError;
use crate::table::{self, Row};
use crate::{Inferred, lower};

use equations::Equations;
pub use page::{Form, text};
pub use term::{Equation, Term};

/// The mathematics of one call.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The call's line of the mask table.
    pub row: Row,
    /// What is computed, the call's outputs last; empty for what only stands for something else.
    pub equations: Vec<Equation>,
    /// Whether Keras would use its fast kernel on a GPU, and what speaks against it; none for layers without one.
    pub kernel: Option<Vec<KernelCondition>>,
    /// Is the mask that it uses padded at the end whatever the inputs are?
    pub right_padded: bool,
}

/// Explains every call of a model but those that only build masks.
///
/// # Errors
///
/// A layer built operations that do not fit: a mistake of ours.
pub fn explain(inferred: &Inferred) -> Result<Vec<Explanation>, LowerError> {
    let model = inferred.graph();
    let program = lower::lower(model, inferred.layers(), false)?;
    let named: HashMap<&str, Value> = program
        .nodes
        .iter()
        .enumerate()
        .flat_map(|(node, contents)| {
            contents.results.iter().enumerate().map(move |(result, info)| {
                (info.name.as_str(), Value { node: node as u32, result: result as u32 })
            })
        })
        .collect();
    let names = names(inferred, &program, &named);
    let mut shown = HashSet::new();
    let rows = table::rows(model).into_iter().enumerate().filter(|(_, row)| !row.plumbing);
    let statics = inferred.mask_statics();
    let explained = rows.map(|(place, row)| {
        let call = CallId(place as u32);
        let mut equations = Equations::new(&program, &names);
        for output in 0..model.graph.call(call).outputs {
            let name = model.graph.tensor_name(masque_ir::layers::TensorRef { call, output });
            if let Some(&value) = named.get(name.as_str()) {
                equations.define(Operand::Value(value));
                let mask = program.result(value).mask.filter(|mask| shown.insert(*mask));
                mask.into_iter().for_each(|mask| equations.define(Operand::Value(mask)));
            }
        }
        let layer = &inferred.layers()[model.graph.call(call).layer.0 as usize];
        let used = inferred.used_masks(call).into_iter().flatten().next();
        let right_padded = used.is_some_and(|mask| statics.get(mask).right_padded);
        Explanation { row, equations: equations.finish(), kernel: layer.gpu_kernel(), right_padded }
    });
    Ok(explained.collect())
}

/// The values that have names of their own: inputs and weights, the outputs of calls, masks that tensors carry.
fn names(inferred: &Inferred, program: &Program, named: &HashMap<&str, Value>) -> HashMap<Value, String> {
    let graph = &inferred.graph().graph;
    let leaves = program.inputs().chain(program.weights()).map(|(value, info)| (value, info.name.clone()));
    let outputs = graph.calls().flat_map(|call| {
        (0..graph.call(call).outputs)
            .map(move |output| graph.tensor_name(masque_ir::layers::TensorRef { call, output }))
    });
    let outputs = outputs.filter_map(|name| named.get(name.as_str()).map(|&value| (value, name)));
    let masks = program.nodes.iter().flat_map(|node| &node.results).filter_map(|result| result.mask);
    let masks = masks.map(|mask| (mask, program.result(mask).name.clone()));
    leaves.chain(masks).chain(outputs).collect()
}
