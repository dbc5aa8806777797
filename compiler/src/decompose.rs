//! Composite operations as their decompositions.

use std::borrow::Cow;

use masque_ir::ops::{Op, OpError};
use masque_ir::program::{Builder, Node, Operand, Program};

use crate::rebuild::Rebuild;

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

/// Does a composite have a decomposition at the sizes that it has here? Some are known only at the sizes of a run.
pub(crate) fn has_meaning(program: &Program, node: &Node) -> bool {
    let mut builder = Builder::new("meaning", program.semantics);
    let operands = node.operands.iter().map(|operand| match operand {
        Operand::Value(value) => builder.input("x", program.result(*value).ty.clone()),
        other => other.clone(),
    });
    let operands: Vec<Operand> = operands.collect();
    matches!(node.op.decompose(&mut builder, &operands), Some(Ok(_)))
}

fn one_level(program: &Program, unwanted: &impl Fn(&Program, &Node) -> bool) -> Result<Program, OpError> {
    let mut rebuild = Rebuild::of(program);
    for (place, node) in program.nodes.iter().enumerate() {
        if unwanted(program, node) {
            let operands = rebuild.operands(node);
            let results = meaning(&mut rebuild.builder, node, &operands)?;
            rebuild.replace(place, results);
        } else {
            rebuild.keep(place);
        }
    }
    Ok(rebuild.finish())
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
