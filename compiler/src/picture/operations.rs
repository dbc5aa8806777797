//! The picture of a tensor graph.

use std::collections::HashMap;

use masque_ir::facts::MaskStatus;
use masque_ir::layers::{CallId, LayerGraph};
use masque_ir::ops::{Leaf, Op};
use masque_ir::program::{Program, Value};

use super::paths::Paths;
use super::{Edge, EdgeRole, Node, Picture, Role};
use crate::origins::Origins;

/// Draws the operations of a program. Those of one call of a layer of `graph` stand together in a group.
pub fn of_program(program: &Program, graph: &LayerGraph) -> Picture {
    let mut picture = Picture { title: program.name.clone(), ..Picture::default() };
    let paths = Paths::of(graph);
    let origins = Origins::of(graph);
    let mut masks: HashMap<Value, usize> = HashMap::new();
    for node in &program.nodes {
        for mask in node.results.iter().filter_map(|result| result.mask) {
            masks.entry(mask).or_insert_with(|| {
                picture.masks.push(program.result(mask).name.clone());
                picture.masks.len() - 1
            });
        }
    }
    for (place, node) in program.nodes.iter().enumerate() {
        let name = node.results[0].name.clone();
        let call = origins.call(&name);
        let role = match &node.op {
            Op::Leaf(Leaf::Input { .. } | Leaf::State { .. }) => Role::Input,
            Op::Leaf(Leaf::Weight { .. }) => Role::Weight,
            _ => Role::Call,
        };
        // What is made of an input belongs to nobody.
        let inside = |call: CallId| graph.layer_of(call).class != "InputLayer";
        let group = call.filter(|&call| role != Role::Input && inside(call)).map(|call| {
            let mut around = paths.around(call);
            around.push(graph.call_name(call));
            around
        });
        let value = Value { node: place as u32, result: 0 };
        let mask = node.results[0].mask.and_then(|mask| masks.get(&mask).copied());
        let makes = masks.get(&value).copied();
        let group = picture.group_of(&group.unwrap_or_default());
        picture.nodes.push(Node {
            name,
            does: node.op.info().mnemonic.to_owned(),
            types: node.results.iter().map(|result| result.ty.to_string()).collect(),
            role: if makes.is_some() { Role::Mask } else { role },
            group,
            mask: mask.or(makes),
            status: MaskStatus::None,
            finding: None,
            call: call.map(|call| graph.call_name(call)),
            change: None,
        });
        for operand in node.operands.iter().filter_map(|operand| operand.value()) {
            let (from, made) = (operand.node as usize, masks.get(&operand).copied());
            let carried = program.result(operand).mask.and_then(|mask| masks.get(&mask).copied());
            let role = match &program.nodes[from].op {
                Op::Leaf(Leaf::Weight { .. }) => EdgeRole::Weight,
                Op::Leaf(Leaf::State { .. }) => EdgeRole::State,
                _ if made.is_some() => EdgeRole::Mask,
                _ => EdgeRole::Data,
            };
            picture.edges.push(Edge { from, to: place, role, mask: made.or(carried), leaks: false });
        }
    }
    outputs(program, &masks, &mut picture);
    picture
}

fn outputs(program: &Program, masks: &HashMap<Value, usize>, picture: &mut Picture) {
    for output in &program.outputs {
        let Some(value) = output.operand.value() else { continue };
        let info = program.result(value);
        let mask = info.mask.and_then(|mask| masks.get(&mask).copied());
        let edge = Edge { from: value.node as usize, to: 0, role: EdgeRole::Data, mask, leaks: false };
        picture.output(&output.name, info.ty.to_string(), edge);
    }
}
