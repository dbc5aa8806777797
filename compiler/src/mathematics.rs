//! What a model really computes, as mathematics, masks included:
//! `h[b,t,i] = update[b,t,i] · h[b,t-1,i] + … where mask[b,t]; h[b,t-1,i] otherwise`.
//!
//! It is printed from the operations that a call was lowered to and, for composites, from their decompositions, which
//! are their meaning: there is no second list of formulas that could say something else. Operations become formulas
//! with explicit indices (`operations.rs`); what several of them do together, such as an activation function that was
//! taken apart or the softmax of masked scores, is found again (`known.rs`, `recognize.rs`) and written by its name.

mod affine;
mod equations;
mod formula;
mod indices;
mod known;
mod operations;
mod page;
mod print;
mod recognize;
mod recurrence;

use std::collections::{BTreeMap, HashMap, HashSet};

use masque_ir::activation::Activation;
use masque_ir::layers::CallId;
use masque_ir::ops::Op;
use masque_ir::program::{Program, Value};

use crate::decompose::decompose;
use crate::layer::KernelCondition;
use crate::lower::LowerError;
use crate::table::{self, Row};
use crate::{Inferred, lower};

use equations::Equations;
pub use formula::{Equation, Fold, Formula, Var};
pub use page::text;
pub use print::Form;

/// The mathematics of one call.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The call's line of the mask table.
    pub row: Row,
    /// What is computed, the call's outputs last; empty for what only stands for something else.
    pub equations: Vec<Equation>,
    /// What the equations leave to be said, in sentences.
    pub notes: Vec<String>,
    /// The names in the equations that are values of the program, and their names there.
    pub names: BTreeMap<String, String>,
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
    let functions = functions(&program);
    let whole = |source| LowerError { layer: program.name.clone(), class: "Model".to_owned(), source };
    let program = decompose(&program, |_, node| !matches!(node.op, Op::Activate(_))).map_err(whole)?;
    let named = named(&program);
    let names = names(inferred, &program, &named);
    let mut shown = HashSet::new();
    let rows = table::rows(model).into_iter().enumerate().filter(|(_, row)| !row.plumbing);
    let statics = inferred.mask_statics();
    let explained = rows.map(|(place, row)| {
        let call = CallId(place as u32);
        let own: HashMap<Value, String> =
            names.iter().map(|(value, name)| (*value, short(name, &row.layer).to_owned())).collect();
        let full = own.iter().map(|(value, own)| (own.clone(), names[value].clone())).collect();
        let mut equations = Equations::new(&program, own, &functions);
        for output in 0..model.graph.call(call).outputs {
            let name = model.graph.tensor_name(masque_ir::layers::TensorRef { call, output });
            if let Some(&value) = named.get(name.as_str()) {
                equations.define(value);
                let mask = program.result(value).mask.filter(|mask| shown.insert(*mask));
                mask.into_iter().for_each(|mask| equations.define(mask));
            }
        }
        let layer = &inferred.layers()[model.graph.call(call).layer.0 as usize];
        let used = inferred.used_masks(call).into_iter().flatten().next();
        let right_padded = used.is_some_and(|mask| statics.get(mask).right_padded);
        let (equations, notes) = equations.finish();
        Explanation { row, equations, notes, names: full, kernel: layer.gpu_kernel(), right_padded }
    });
    Ok(explained.collect())
}

/// The activation functions that composites hold.
fn functions(program: &Program) -> Vec<Activation> {
    let mut found: Vec<Activation> = vec![];
    for node in program.nodes.iter().filter(|node| node.op.is_composite()) {
        for function in known::functions_of(&node.op.attributes()) {
            if !found.contains(&function) {
                found.push(function);
            }
        }
    }
    found
}

/// The values of a program by name.
fn named(program: &Program) -> HashMap<&str, Value> {
    let nodes = program.nodes.iter().enumerate();
    nodes
        .flat_map(|(node, contents)| {
            contents.results.iter().enumerate().map(move |(result, info)| {
                (info.name.as_str(), Value { node: node as u32, result: result as u32 })
            })
        })
        .collect()
}

/// A name without that of the layer which it belongs to.
fn short<'a>(name: &'a str, layer: &str) -> &'a str {
    name.strip_prefix(layer).and_then(|rest| rest.strip_prefix('/')).filter(|rest| !rest.is_empty()).unwrap_or(name)
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
