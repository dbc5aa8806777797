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
mod typeset;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use masque_ir::activation::Activation;
use masque_ir::layers::{CallId, TensorRef};
use masque_ir::ops::Op;
use masque_ir::program::{Node, Operand, Program, Value};

use crate::decompose::{decompose, has_meaning};
use crate::layer::{KernelCondition, Kind};
use crate::lower::LowerError;
use crate::table::{self, Row};
use crate::{Inferred, lower};

use equations::Equations;
pub use formula::{Equation, Fold, Formula, Var};
pub use page::text;
pub use print::Form;
pub use typeset::mathml;

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
    /// Is the layer's class known?
    pub known: bool,
}

/// Explains every call of a model but those that only build masks.
///
/// # Errors
///
/// A layer built operations that do not fit: a mistake of ours.
pub fn explain(inferred: &Inferred) -> Result<Vec<Explanation>, LowerError> {
    let model = inferred.graph();
    let program = lower::lower(model, inferred.layers(), false, &[])?;
    let functions = functions(&program);
    let whole = |source| LowerError { layer: program.name.clone(), class: "Model".to_owned(), source };
    let program = decompose(&program, can_be_told).map_err(whole)?;
    let named = named(&program);
    let names = names(inferred, &program, &named);
    let mut shown = HashSet::new();
    let (told, mut hidden) = (given(inferred, &named, false), given(inferred, &named, true));
    hidden.extend(program.nodes.iter().flat_map(|node| &node.results).filter_map(|result| result.mask));
    let rows = table::rows(model).into_iter().enumerate().filter(|(_, row)| !row.plumbing);
    let statics = inferred.mask_statics();
    let taken: HashSet<&str> = names.values().map(String::as_str).collect();
    let explained = rows.map(|(place, row)| {
        let call = CallId(place as u32);
        let outputs = (0..model.graph.call(call).outputs).filter_map(|output| {
            let name = model.graph.tensor_name(TensorRef { call, output });
            named.get(name.as_str()).copied()
        });
        let outputs: Vec<Value> = outputs.collect();
        let behind = behind(&program, &outputs, &told);
        let own: HashMap<Value, String> = behind
            .iter()
            .filter_map(|value| Some((*value, short(names.get(value)?, &row.layer, &taken).to_owned())))
            .collect();
        let full: HashMap<String, String> =
            own.iter().map(|(value, own)| (own.clone(), names[value].clone())).collect();
        let mut equations = Equations::new(&program, own, &functions, &taken);
        for value in outputs {
            equations.define(value);
            let mask = program.result(value).mask.filter(|mask| shown.insert(*mask));
            mask.into_iter().for_each(|mask| equations.define(mask));
        }
        let untold = behind.into_iter().filter(|value| hidden.contains(value) && !told.contains(value));
        define_hidden(&mut equations, &untold.collect(), &mut shown);
        let layer = &inferred.layers()[model.graph.call(call).layer.0 as usize];
        let used = inferred.used_masks(call).into_iter().flatten().next();
        let right_padded = used.is_some_and(|mask| statics.get(mask).right_padded);
        let (equations, notes) = equations.finish();
        let names = read(&equations, &full);
        let known = layer.kind() != Kind::Opaque;
        Explanation { row, equations, notes, names, kernel: layer.masking().gpu_kernel, right_padded, known }
    });
    Ok(explained.collect())
}

/// What calls give: those that only build masks, which are not told on their own, or all others.
fn given(inferred: &Inferred, named: &HashMap<&str, Value>, plumbing: bool) -> HashSet<Value> {
    let graph = inferred.graph();
    let calls = table::rows(graph).into_iter().enumerate().filter(|(_, row)| row.plumbing == plumbing);
    let outputs = calls.flat_map(|(place, _)| {
        let call = CallId(place as u32);
        let outputs = 0..graph.graph.call(call).outputs;
        outputs.map(move |output| graph.graph.tensor_name(TensorRef { call, output }))
    });
    outputs.filter_map(|name| named.get(name.as_str()).copied()).collect()
}

/// What equations about a call can read: the values that decide what it gives, as far as those that other calls give.
fn behind(program: &Program, outputs: &[Value], told: &HashSet<Value>) -> BTreeSet<Value> {
    let masks = outputs.iter().filter_map(|&output| program.result(output).mask);
    let mut open: Vec<Value> = outputs.iter().copied().chain(masks).collect();
    let mut found: BTreeSet<Value> = open.iter().copied().collect();
    while let Some(value) = open.pop() {
        if told.contains(&value) && !outputs.contains(&value) {
            continue;
        }
        let read = program.nodes[value.node as usize].operands.iter().filter_map(Operand::value);
        open.extend(read.filter(|&value| found.insert(value)));
    }
    found
}

/// Defines those of the masks that no call tells of that equations read.
fn define_hidden(equations: &mut Equations<'_>, untold: &BTreeSet<Value>, shown: &mut HashSet<Value>) {
    loop {
        let read = equations.read();
        let new: Vec<Value> =
            untold.iter().copied().filter(|value| read.contains(value) && !shown.contains(value)).collect();
        if new.is_empty() {
            return;
        }
        for value in new {
            shown.insert(value);
            equations.define(value);
        }
    }
}

/// Is it a composite that its decomposition says more of? Activation functions have names, and what is known only at the
/// sizes of a run has no other form.
fn can_be_told(program: &Program, node: &Node) -> bool {
    !matches!(node.op, Op::Activate(_)) && has_meaning(program, node)
}

/// The names that equations read, and those of the program's values that they are.
fn read(equations: &[Equation], full: &HashMap<String, String>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for formula in equations.iter().flat_map(|equation| [&equation.left, &equation.right]) {
        formula.visit(&mut |part| {
            if let Formula::Element(name, _) = part
                && let Some(full) = full.get(name)
            {
                found.insert(name.clone(), full.clone());
            }
        });
    }
    found
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

/// A name without that of the layer which it belongs to, unless something else is called so.
fn short<'a>(name: &'a str, layer: &str, taken: &HashSet<&str>) -> &'a str {
    let rest = name.strip_prefix(layer).and_then(|rest| rest.strip_prefix('/'));
    rest.filter(|rest| !rest.is_empty() && !taken.contains(rest)).unwrap_or(name)
}

/// The values that have names of their own: inputs and weights, the outputs of calls, masks that tensors carry.
fn names(inferred: &Inferred, program: &Program, named: &HashMap<&str, Value>) -> HashMap<Value, String> {
    let graph = &inferred.graph().graph;
    let leaves = program
        .inputs()
        .chain(program.weights())
        .chain(program.states())
        .map(|(value, info)| (value, info.name.clone()));
    let outputs = graph.calls().flat_map(|call| {
        (0..graph.call(call).outputs).map(move |output| graph.tensor_name(TensorRef { call, output }))
    });
    let outputs = outputs.filter_map(|name| named.get(name.as_str()).map(|&value| (value, name)));
    let masks = program.nodes.iter().flat_map(|node| &node.results).filter_map(|result| result.mask);
    let masks = masks.map(|mask| (mask, program.result(mask).name.clone()));
    leaves.chain(masks).chain(outputs).collect()
}
