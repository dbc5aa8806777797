//! Is every answer of a model made of its own example alone? Then examples can be computed in any company.
//!
//! The batch is followed through the program: the axis of every value along which the examples stand. It may be moved,
//! and be one with others behind it, as long as the examples stay in order; an operation that looks along it, counts it
//! or folds it away ends the proof.

use masque_ir::flow::{Arrangement, Flow, Joint, Role};
use masque_ir::ops::{Leaf, Op};
use masque_ir::program::{Builder, Node, Operand, Program};
use masque_ir::{Dim, Type};

/// The axis along which the examples of a value stand; none of a value that is the same for all of them.
type Batch = Option<usize>;

/// Is every one of the first so many outputs made of its own example alone, with the examples along its first axis?
pub(crate) fn is_apart(program: &Program, outputs: usize) -> bool {
    let batched = |ty: &Type| ty.shape.first() == Some(&Dim::batch());
    let faces = program.input_types().into_iter().all(batched)
        && program.output_types().iter().take(outputs).all(batched)
        && program.states().next().is_none();
    let inputs = vec![Some(0); program.inputs().count()];
    let found = faces.then(|| follow(program, &inputs)).flatten();
    found.is_some_and(|found| found.iter().take(outputs).all(|batch| *batch == Some(0)))
}

/// Where the examples stand in the outputs of a program, given where they stand in its inputs; `None` if they meet.
fn follow(program: &Program, inputs: &[Batch]) -> Option<Vec<Batch>> {
    let mut inputs = inputs.iter().copied();
    let mut known: Vec<Vec<Batch>> = vec![];
    let of = |known: &[Vec<Batch>], operand: &Operand| {
        operand.value().and_then(|value| known[value.node as usize][value.result as usize])
    };
    for (node, live) in program.nodes.iter().zip(program.live(false)) {
        if !live && !matches!(node.op, Op::Leaf(_)) {
            known.push(vec![None; node.results.len()]);
            continue;
        }
        let operands: Vec<Batch> = node.operands.iter().map(|operand| of(&known, operand)).collect();
        known.push(match &node.op {
            Op::Leaf(Leaf::Input { .. }) => vec![inputs.next()?],
            _ if operands.iter().all(Option::is_none) => vec![None; node.results.len()],
            _ => through(program, node, &operands)?,
        });
    }
    Some(program.outputs.iter().map(|output| of(&known, &output.operand)).collect())
}

/// Where the examples stand in the results of an operation.
fn through(program: &Program, node: &Node, operands: &[Batch]) -> Option<Vec<Batch>> {
    let types = program.operand_types(node);
    let typed: Vec<Option<&Type>> = types.iter().map(Option::as_ref).collect();
    let all = |batch: Batch| vec![batch; node.results.len()];
    match node.op.flow(&typed) {
        Flow::Joint(joint) => Some(all(Some(joined(&joint, operands)?))),
        Flow::Arranged(arrangement) => arranged(&arrangement, &typed, operands).map(|axis| all(Some(axis))),
        Flow::Positions(axis) => (operands.first()? != &Some(axis as usize)).then(|| all(None)),
        Flow::Sizes(axes) => {
            let counts = |&axis: &u32| operands.first() == Some(&Some(axis as usize));
            (!axes.iter().any(counts)).then(|| all(None))
        }
        Flow::Loop { carried, body, .. } => looped(carried, body, operands),
        Flow::Meaning => follow(&meaning(&node.op, &types)?, &present(&types, operands)),
        Flow::Given { .. } | Flow::Anything => None,
    }
}

/// The axis of the result that the examples' axes run along.
fn joined(joint: &Joint, operands: &[Batch]) -> Option<usize> {
    let letter = |(roles, axis): (&Vec<Role>, usize)| match roles.get(axis)? {
        Role::At(letter) => Some(*letter as usize).filter(|&letter| letter < joint.rank),
        _ => None,
    };
    let batches = joint.operands.iter().zip(operands).filter_map(|(roles, batch)| Some((roles, (*batch)?)));
    one(batches.map(letter))
}

fn arranged(arrangement: &Arrangement<'_>, types: &[Option<&Type>], operands: &[Batch]) -> Option<usize> {
    let axis = one(operands.iter().flatten().map(|&axis| Some(axis)))?;
    let untouched = match arrangement {
        // Examples that stand first are blocks of elements, one behind the other; so they are after it.
        Arrangement::Reshaped(shape) => {
            let blocks = |size: &Dim| size.exact_div(&Dim::batch()).is_some();
            let sizes = [shape.first(), types.first().copied().flatten()?.shape.first()];
            axis == 0 && sizes.into_iter().all(|size| size.is_some_and(blocks))
        }
        Arrangement::Joined(along) | Arrangement::Reversed(along) => *along as usize != axis,
        Arrangement::Sliced { axis: along, .. } => *along as usize != axis,
        Arrangement::Padded { low, high, spread } => {
            low.get(axis) == Some(&0) && high.get(axis) == Some(&0) && spread.get(axis) == Some(&0)
        }
    };
    untouched.then_some(axis)
}

/// What is carried must end as it began, unless it began the same for all examples; sequences run along axis 1, and a
/// step has the axes but that one.
fn looped(carried: usize, body: &Program, operands: &[Batch]) -> Option<Vec<Batch>> {
    if operands.iter().skip(carried).flatten().any(|&axis| axis != 0) {
        return None;
    }
    let mut before = operands.to_vec();
    loop {
        let after = follow(body, &before)?;
        let carries = |place: usize| before[place] == after[place];
        if (0..carried).all(carries) {
            let collected = after.iter().skip(carried).all(|batch| matches!(batch, None | Some(0)));
            return collected.then_some(after);
        }
        let begins = |place: usize| carries(place) || before[place].is_none();
        if !(0..carried).all(begins) {
            return None;
        }
        before[..carried].copy_from_slice(&after[..carried]);
    }
}

/// What a composite computes, as a program of the operands that it has.
fn meaning(op: &Op, types: &[Option<Type>]) -> Option<Program> {
    let mut builder = Builder::new(op.info().mnemonic, masque_ir::Semantics::Keras3_15);
    let mut input = |(place, ty): (usize, &Option<Type>)| {
        ty.as_ref().map_or(Operand::Absent, |ty| builder.input(&format!("operand_{place}"), ty.clone()))
    };
    let inputs: Vec<Operand> = types.iter().enumerate().map(&mut input).collect();
    for (place, result) in op.decompose(&mut builder, &inputs)?.ok()?.into_iter().enumerate() {
        builder.output(format!("result_{place}"), result);
    }
    Some(builder.finish())
}

fn present(types: &[Option<Type>], operands: &[Batch]) -> Vec<Batch> {
    types.iter().zip(operands).filter(|(ty, _)| ty.is_some()).map(|(_, batch)| *batch).collect()
}

/// What all of them are; `None` if they are several things, or one of them is none.
fn one(mut all: impl Iterator<Item = Option<usize>>) -> Option<usize> {
    let first = all.next()??;
    all.all(|other| other == Some(first)).then_some(first)
}

#[cfg(test)]
mod tests;
