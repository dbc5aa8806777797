//! Programs.

use super::{Check, Findings, Violations, is_mask_of, is_static, require};
use crate::ops::{Leaf, MAX_LOOPS, Op};
use crate::program::{Literal, Node, Operand, Program, ResultInfo, Value};
use crate::semantics::Semantics;
use crate::ty::Type;

/// Checks the properties `PROGRAM-1` to `PROGRAM-9`; the error holds all that are violated.
pub fn program(program: &Program) -> Result<(), Violations> {
    let mut findings = Findings::default();
    check(program, 0, &mut findings);
    findings.finish()
}

fn check(program: &Program, loops: u32, findings: &mut Findings) {
    let results = program.nodes.iter().flat_map(|node| &node.results);
    findings.unique("PROGRAM-3", results.map(|result| result.name.as_str()));
    for (place, node) in program.nodes.iter().enumerate() {
        let name = node.results.first().map_or(node.op.info().mnemonic, |result| result.name.as_str());
        let sound = operands(program, place)
            .and_then(|()| applied(&node.op, program.semantics, loops))
            .and_then(|()| types(program, node))
            .and_then(|()| masks(program, place));
        findings.add(name, sound);
    }
    findings.unique("PROGRAM-5", program.outputs.iter().map(|output| output.name.as_str()));
    for output in &program.outputs {
        findings.add(output.name.as_str(), given(program, &output.operand));
    }
    for (_, state) in program.states() {
        findings.add(state.name.as_str(), kept(program, state));
    }
}

fn exists(program: &Program, value: Value) -> bool {
    let node = program.nodes.get(value.node as usize);
    node.is_some_and(|node| (value.result as usize) < node.results.len())
}

fn operands(program: &Program, place: usize) -> Check {
    for operand in &program.nodes[place].operands {
        match operand {
            Operand::Absent => {}
            Operand::Value(value) => {
                let before = (value.node as usize) < place && exists(program, *value);
                require("PROGRAM-1", before, || {
                    format!("reads result {} of node {}, which is not before it", value.result, value.node)
                })?;
            }
            Operand::Literal(literal) => number("PROGRAM-6", *literal)?,
        }
    }
    Ok(())
}

/// Also for plans.
pub(super) fn number(label: &'static str, literal: Literal) -> Check {
    require(label, literal.is_exact(), || format!("{} is not a number of {}", literal.number, literal.dtype))
}

/// What an operation holds, whatever it is applied to: sizes, elements, a body.
pub(super) fn applied(op: &Op, semantics: Semantics, loops: u32) -> Check {
    match op {
        Op::Leaf(Leaf::Weight { ty, .. } | Leaf::State { ty }) => fixed(ty),
        Op::Leaf(Leaf::Constant { ty, values }) => {
            fixed(ty)?;
            let mut elements = values.iter().map(|&number| Literal { dtype: ty.dtype, number });
            let wrong = elements.find(|element| !element.is_exact());
            require("PROGRAM-7", wrong.is_none(), || format!("an element is not a number of {}", ty.dtype))
        }
        op => op.body().map_or(Ok(()), |body| self::body(body, semantics, loops + 1)),
    }
}

fn fixed(ty: &Type) -> Check {
    require("PROGRAM-7", is_static(ty), || format!("the sizes of {ty} are not all known"))
}

fn body(body: &Program, semantics: Semantics, loops: u32) -> Check {
    require("PROGRAM-8", loops <= MAX_LOOPS, || format!("more than {MAX_LOOPS} loops within one another"))?;
    let outside = |node: &Node| matches!(node.op, Op::Leaf(Leaf::Weight { .. } | Leaf::State { .. }));
    let outside = body.nodes.iter().any(outside);
    require("PROGRAM-8", !outside, || "the body has weights or states".into())?;
    require("PROGRAM-8", body.semantics == semantics, || format!("the body follows {}", body.semantics))?;
    let mut findings = Findings::default();
    check(body, loops, &mut findings);
    match findings.0.first() {
        None => Ok(()),
        Some(first) => Err(("PROGRAM-8", format!("in the body, {first}"))),
    }
}

fn types(program: &Program, node: &Node) -> Check {
    let operands = program.operand_types(node);
    let results: Vec<&Type> = node.results.iter().map(|result| &result.ty).collect();
    inferred("PROGRAM-2", &node.op, &operands, &results)
}

/// Also for plans.
pub(super) fn inferred(label: &'static str, op: &Op, operands: &[Option<Type>], results: &[&Type]) -> Check {
    let operands: Vec<Option<&Type>> = operands.iter().map(Option::as_ref).collect();
    let expected = op.infer(&operands).map_err(|error| (label, error.to_string()))?;
    require(label, expected.iter().eq(results.iter().copied()), || {
        format!("gives {}, but its results are {}", list(&expected), list(results))
    })
}

fn list(types: &[impl std::fmt::Display]) -> String {
    types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn masks(program: &Program, place: usize) -> Check {
    for result in &program.nodes[place].results {
        let Some(mask) = result.mask else { continue };
        let made = mask.node as usize <= place && exists(program, mask);
        require("PROGRAM-4", made, || format!("the mask of `{}` is not made before it", result.name))?;
        let ty = &program.result(mask).ty;
        require("PROGRAM-4", is_mask_of(ty, &result.ty), || format!("{ty} is no mask of {}", result.ty))?;
    }
    Ok(())
}

/// What is kept of a state.
fn kept(program: &Program, state: &ResultInfo) -> Check {
    let output = program.outputs.iter().find(|output| output.name == state.name);
    let exists = |operand: &&Operand| operand.value().is_none_or(|value| exists(program, value));
    let ty =
        output.map(|output| &output.operand).filter(exists).and_then(|operand| program.operand_type(operand));
    require("PROGRAM-9", ty.as_ref() == Some(&state.ty), || {
        let found = ty.map_or("nothing".into(), |ty| ty.to_string());
        format!("a state {} of which {found} is kept", state.ty)
    })
}

fn given(program: &Program, operand: &Operand) -> Check {
    match operand {
        Operand::Absent => Err(("PROGRAM-5", "nothing is given".into())),
        Operand::Value(value) => require("PROGRAM-5", exists(program, *value), || {
            format!("gives result {} of node {}, which does not exist", value.result, value.node)
        }),
        Operand::Literal(literal) => number("PROGRAM-6", *literal),
    }
}
