//! Composite operations as their decompositions.

use std::borrow::Cow;

use masque_ir::by_value::ByValue;
use masque_ir::ops::{Op, OpError};
use masque_ir::program::{Builder, Node, Operand, Program, ProgramOutput, Value};

/// The program without the composites that are unwanted, nor those of their decompositions. Values that are still there
/// keep their names and their masks.
///
/// # Errors
///
/// [`OpError`] of a decomposition.
pub(crate) fn decompose(
    program: &Program,
    unwanted: impl Fn(&Program, &Node) -> bool,
) -> Result<Cow<'_, Program>, OpError> {
    let unwanted = |program: &Program, node: &Node| node.op.is_composite() && unwanted(program, node);
    let mut program = Cow::Borrowed(program);
    while program.nodes.iter().any(|node| unwanted(&program, node)) {
        program = Cow::Owned(one_level(&program, &unwanted)?);
    }
    Ok(program)
}

fn one_level(program: &Program, unwanted: &impl Fn(&Program, &Node) -> bool) -> Result<Program, OpError> {
    let mut builder = Builder::new(&program.name, program.semantics);
    let mut moved: ByValue<Operand> = ByValue::new(program);
    for (place, node) in program.nodes.iter().enumerate() {
        let operands: Vec<Operand> = node.operands.iter().map(|operand| now(&moved, operand)).collect();
        let results = match unwanted(program, node) {
            true => meaning(&mut builder, node, &operands)?,
            false => builder.copy(node, operands),
        };
        for (result, (info, operand)) in node.results.iter().zip(results).enumerate() {
            if let Some(mask) = info.mask {
                builder.set_mask(&operand, now(&moved, &Operand::Value(mask)).value());
            }
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
