//! Weights in the shape in which they are read: what only moves the elements of weights is done while planning.

use std::collections::BTreeMap;

use masque_ir::dim::Bindings;
use masque_ir::ops::{Leaf, Op, Shape};
use masque_ir::program::{Builder, Node, Operand, Program};
use masque_runtime::{Tensor, TensorView, reference};

use crate::rebuild::Rebuild;

/// The program without moves of weights, and what they made.
pub(super) fn fold(
    program: &Program,
    weights: &BTreeMap<String, Tensor>,
) -> (Program, BTreeMap<String, Tensor>) {
    let mut rebuild = Rebuild::of(program);
    let mut made: BTreeMap<String, Tensor> = BTreeMap::new();
    for (place, node) in program.nodes.iter().enumerate() {
        let moved = is_move(&node.op).then(|| {
            let operands = rebuild.operands(node);
            let content = |operand| content(&rebuild.builder, operand, [weights, &made]);
            evaluate(node, &operands.iter().map(content).collect::<Option<Vec<_>>>()?)
        });
        let Some(tensor) = moved.flatten() else {
            rebuild.keep(place);
            continue;
        };
        let (info, hash) = (&node.results[0], crate::bind::hash(&tensor));
        let weight = rebuild.builder.weight(&info.name, info.ty.clone(), Some(hash));
        if let Some(value) = weight.value() {
            made.insert(rebuild.builder.program().result(value).name.clone(), tensor);
        }
        rebuild.replace(place, vec![weight]);
    }
    (rebuild.finish(), made)
}

/// Does it give the elements that it is given, no more of them, in another order?
fn is_move(op: &Op) -> bool {
    matches!(
        op,
        Op::Shape(
            Shape::Reshape { .. } | Shape::Transpose { .. } | Shape::Reverse { .. } | Shape::Slice { .. }
        )
    )
}

/// The tensor of a weight.
fn content<'a>(
    builder: &Builder,
    operand: &Operand,
    contents: [&'a BTreeMap<String, Tensor>; 2],
) -> Option<TensorView<'a>> {
    let value = operand.value()?;
    let node = &builder.program().nodes[value.node as usize];
    let Op::Leaf(Leaf::Weight { .. }) = node.op else { return None };
    let name = &builder.program().result(value).name;
    contents.into_iter().find_map(|contents| contents.get(name)).map(Tensor::view)
}

fn evaluate(node: &Node, operands: &[TensorView<'_>]) -> Option<Tensor> {
    let operands: Vec<Option<TensorView<'_>>> = operands.iter().cloned().map(Some).collect();
    let mut results = reference::evaluate(&node.op, &operands, &Bindings::default()).ok()?;
    Some(results.swap_remove(0))
}
