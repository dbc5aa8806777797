//! Composite operations that no kernel takes, as their decompositions.

use std::borrow::Cow;

use masque_ir::by_value::ByValue;
use masque_ir::kernel::Kernel;
use masque_ir::ops::OpError;
use masque_ir::program::{Builder, Node, Operand, Program, ProgramOutput, Value};
use masque_ir::{Type, ops::Op};

/// The program in which a kernel takes every operation. Values that are still there keep their names.
pub(super) fn decompose(program: &Program) -> Result<Cow<'_, Program>, OpError> {
    let mut program = Cow::Borrowed(program);
    // A decomposition may have composites of its own.
    while program.nodes.iter().any(|node| is_without_kernel(&program, node)) {
        program = Cow::Owned(one_level(&program)?);
    }
    Ok(program)
}

fn is_without_kernel(program: &Program, node: &Node) -> bool {
    node.op.is_composite() && kernel(program, node).is_none()
}

/// The kernel that computes a node.
pub(super) fn kernel(program: &Program, node: &Node) -> Option<Kernel> {
    let types: Vec<Option<Type>> =
        node.operands.iter().map(|operand| program.operand_type(operand)).collect();
    Kernel::choose(&node.op, &types.iter().map(Option::as_ref).collect::<Vec<_>>())
}

fn one_level(program: &Program) -> Result<Program, OpError> {
    let mut builder = Builder::new(&program.name, program.semantics);
    let mut moved: ByValue<Operand> = ByValue::new(program);
    for (place, node) in program.nodes.iter().enumerate() {
        let operands: Vec<Operand> = node.operands.iter().map(|operand| now(&moved, operand)).collect();
        let results = match is_without_kernel(program, node) {
            true => meaning(&mut builder, node, &operands)?,
            false => builder.copy(node, operands),
        };
        for (result, operand) in results.into_iter().enumerate() {
            moved.insert(Value { node: place as u32, result: result as u32 }, operand);
        }
    }
    let outputs = program.outputs.iter();
    let outputs = outputs
        .map(|output| ProgramOutput { name: output.name.clone(), operand: now(&moved, &output.operand) });
    Ok(Program { outputs: outputs.collect(), ..builder.finish() })
}

fn now(moved: &ByValue<Operand>, operand: &Operand) -> Operand {
    operand.value().and_then(|value| moved.get(value).cloned()).unwrap_or_else(|| operand.clone())
}

/// Builds the decomposition of a node under its name.
fn meaning(builder: &mut Builder, node: &Node, operands: &[Operand]) -> Result<Vec<Operand>, OpError> {
    let name = node.results.first().map_or("", |result| &result.name);
    builder.set_scope(name);
    let results = node.op.decompose(builder, operands).unwrap_or_else(|| Err(undefined(&node.op)))?;
    builder.set_scope("");
    for (result, info) in results.iter().zip(&node.results) {
        // A result may be an operand handed through, which keeps its own name.
        if !operands.contains(result) {
            builder.rename(result, &info.name);
        }
    }
    Ok(results)
}

fn undefined(op: &Op) -> OpError {
    OpError { op: op.info().mnemonic, expected: "a decomposition".into(), found: "none".into() }
}
