//! Weights in the shape in which they are read: what only moves the elements of weights is done while planning.

use std::collections::BTreeMap;

use masque_ir::by_value::ByValue;
use masque_ir::dim::Bindings;
use masque_ir::ops::{Leaf, Op, Shape};
use masque_ir::program::{Builder, Node, Operand, Program, ProgramOutput, Value};
use masque_runtime::{Tensor, TensorView, reference};

/// The program without moves of weights, and what they made.
pub(super) fn fold(
    program: &Program,
    weights: &BTreeMap<String, Tensor>,
) -> (Program, BTreeMap<String, Tensor>) {
    let mut builder = Builder::new(&program.name, program.semantics);
    let mut moved: ByValue<Operand> = ByValue::new(program);
    let mut made: BTreeMap<String, Tensor> = BTreeMap::new();
    for (place, node) in program.nodes.iter().enumerate() {
        let operands: Vec<Operand> = node.operands.iter().map(|operand| now(&moved, operand)).collect();
        let tensor = is_move(&node.op).then(|| {
            let content = |operand: &Operand| content(&builder, operand, [weights, &made]);
            evaluate(node, &operands.iter().map(content).collect::<Option<Vec<_>>>()?)
        });
        let results = match tensor.flatten() {
            Some(tensor) => {
                let hash = crate::bind::hash(&tensor);
                let weight = builder.weight(&node.results[0].name, node.results[0].ty.clone(), Some(hash));
                if let Some(value) = weight.value() {
                    made.insert(builder.program().result(value).name.clone(), tensor);
                }
                vec![weight]
            }
            None => builder.copy(node, operands),
        };
        for (result, operand) in results.into_iter().enumerate() {
            moved.insert(Value { node: place as u32, result: result as u32 }, operand);
        }
    }
    let outputs = program.outputs.iter();
    let outputs = outputs
        .map(|output| ProgramOutput { name: output.name.clone(), operand: now(&moved, &output.operand) });
    (Program { outputs: outputs.collect(), ..builder.finish() }, made)
}

fn now(moved: &ByValue<Operand>, operand: &Operand) -> Operand {
    operand.value().and_then(|value| moved.get(value).cloned()).unwrap_or_else(|| operand.clone())
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
