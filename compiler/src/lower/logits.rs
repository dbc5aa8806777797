//! What the last softmax or sigmoid of an output was applied to.
//!
//! Keras computes a crossentropy from these numbers instead of the probabilities, which are rounded to 0 and 1 where
//! the model is sure: it keeps them beside a tensor that an activation made, for as long as layers hand on that very
//! tensor.

use masque_ir::activation::Activation;
use masque_ir::layers::{LayerGraph, TensorRef};
use masque_ir::ops::{Activate, Dense, Op, OpError};
use masque_ir::program::{Builder, Operand, Program, ProgramOutput};

/// Layers that give their very input at inference.
const PASSING: &[&str] = &[
    "ActivityRegularization",
    "AlphaDropout",
    "Dropout",
    "Functional",
    "GaussianDropout",
    "GaussianNoise",
    "Identity",
    "Sequential",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
];

/// The name under which the logits of an output are given.
pub fn name(output: usize) -> String {
    format!("logits_{output}")
}

/// Adds the logits of every output that has some behind the model's outputs. Gives how many were added.
///
/// # Errors
///
/// None, unless the program is not what was lowered from this graph.
pub fn give(program: Program, graph: &LayerGraph) -> Result<(Program, usize), OpError> {
    let outputs = graph.outputs().len();
    let mut builder = Builder::extend(program);
    let mut added = vec![];
    for (place, output) in graph.outputs().iter().enumerate() {
        let made = made_by(graph, output.tensor);
        let given = builder.program().outputs[place].operand.clone();
        if graph.layer_of(made.call).class == "TimeDistributed" {
            continue;
        }
        if let Some(operand) = behind(&mut builder, &given, &graph.tensor_name(made))? {
            added.push(ProgramOutput { name: name(place), operand });
        }
    }
    let (mut program, count) = (builder.finish(), added.len());
    program.outputs.splice(outputs..outputs, added);
    Ok((program, count))
}

/// The tensor that a tensor is, past all layers that hand it on.
fn made_by(graph: &LayerGraph, mut tensor: TensorRef) -> TensorRef {
    while PASSING.contains(&graph.layer_of(tensor.call).class.as_str()) {
        let data = graph.call(tensor.call).arguments.first().map(|argument| argument.value.tensors());
        match data.unwrap_or_default().get(tensor.output as usize) {
            Some(&passed) => tensor = passed,
            None => break,
        }
    }
    tensor
}

/// What the activation that made a value was applied to, if one did, as the last step of the layer of that name.
fn behind(builder: &mut Builder, value: &Operand, made: &str) -> Result<Option<Operand>, OpError> {
    let Some(place) = value.value() else { return Ok(None) };
    if builder.program().result(place).name != made {
        return Ok(None);
    }
    let node = builder.program().nodes[place.node as usize].clone();
    let shares = |f: &Activation| matches!(f, Activation::Softmax { .. } | Activation::Sigmoid);
    match &node.op {
        Op::Activate(Activate::Activate { f }) if shares(f) => Ok(Some(node.operands[0].clone())),
        Op::Dense(Dense::Dense { activation }) if shares(activation) => {
            builder.set_scope(made);
            builder.emit(Dense::Dense { activation: Activation::Linear }, &node.operands).map(Some)
        }
        _ => Ok(None),
    }
}
