//! One program, node by node: the whole model, or from inside what a composite means or a loop does.

use std::collections::BTreeSet;

use masque_ir::Type;
use masque_ir::flow::{Flow, Known};
use masque_ir::ops::Op;
use masque_ir::program::{Builder, Node, Operand, Program, Value};

use super::layout::{Bases, Layout};
use super::view::{Fact, Holds, Reads, View};
use super::{arrange, cycle, joint};

/// What is known of all values of a program, by node and result.
pub(super) type Views = Vec<Vec<View>>;

/// Facts of the results of an operation; each says which cases of which operands decide it.
pub(super) fn transfer(op: &Op, types: &[Type], operands: &[Option<View>], given: &Given<'_>) -> Vec<View> {
    let bases = given.bases;
    let seen: Vec<Option<&View>> = operands.iter().map(Option::as_ref).collect();
    let typed: Vec<Option<&Type>> = given.types.iter().map(Option::as_ref).collect();
    let found = match op.flow(&typed) {
        Flow::Given { number, .. } => Some(vec![leaf(&types[0], number, bases)]),
        Flow::Joint(joint) => joint::transfer(op, &joint, &types[0], &seen, bases).map(|view| vec![view]),
        Flow::Arranged(arrangement) => {
            arrange::transfer(&arrangement, &types[0], &seen, bases).map(|view| vec![view])
        }
        Flow::Positions(axis) => positions(axis as usize, &seen, bases).map(|view| vec![view]),
        Flow::Sizes(axes) => sizes(axes, &seen, bases).map(|view| vec![view]),
        Flow::Loop { carried, sequences, body } => {
            cycle::transfer(&cycle::Cycle { carried, sequences, body }, types, &seen, bases)
        }
        Flow::Meaning => meaning(op, given, operands),
        Flow::Anything => None,
    };
    found.unwrap_or_else(|| anything(types, &seen, bases))
}

/// What an operation is applied to.
pub(super) struct Given<'a> {
    /// The axes of padded sequences.
    pub bases: &'a Bases,
    /// The types of the operands.
    pub types: Vec<Option<Type>>,
}

/// A leaf: each element its own, unless all are one number.
fn leaf(ty: &Type, number: Option<f64>, bases: &Bases) -> View {
    let fact = number.map_or_else(Fact::anything, Fact::number);
    View::everywhere(Layout::fresh(&ty.shape, bases), fact, bases)
}

fn positions(axis: usize, operands: &[Option<&View>], bases: &Bases) -> Option<View> {
    let layout = Layout(vec![operands.first().copied().flatten()?.layout.0.get(axis)?.clone()]);
    let base = match layout.0[0].as_slice() {
        [factor] => factor.whole(),
        _ => None,
    };
    let facts = (0..layout.cases(bases)).map(|case| {
        let padded = layout.is_padded(case, bases);
        let known = match base {
            // With several masks a position may be padding for one and not for another.
            Some(base) if bases.all[base].masks == 1 => Known::Position { axis: base as u32, padded },
            _ => Known::Anything,
        };
        Fact { known, ..Fact::anything() }
    });
    let facts = facts.collect();
    Some(View { layout, facts })
}

fn sizes(axes: &[u32], operands: &[Option<&View>], bases: &Bases) -> Option<View> {
    let layout = &operands.first().copied().flatten()?.layout;
    let grows = axes.iter().any(|&axis| {
        layout.0.get(axis as usize).is_some_and(|axis| axis.iter().any(|factor| bases.grows(&factor.size)))
    });
    let own = Reads { content: false, length: grows };
    let fact = Fact { holds: Holds::Same, ..Fact::anything() }.and_own(own);
    Some(View { layout: Layout::default(), facts: vec![fact] })
}

/// Every result may depend on all there is, and on how much there is.
pub(super) fn anything(types: &[Type], operands: &[Option<&View>], bases: &Bases) -> Vec<View> {
    let grows = operands.iter().flatten().any(|view| view.layout.grows(bases));
    let all = operands.iter().flatten().map(|view| view.all()).reduce(|all, fact| Fact {
        reads: all.reads | fact.reads,
        from: all.from.union(&fact.from).copied().collect(),
        ..Fact::anything()
    });
    let all = all.unwrap_or_default();
    let fact = Fact { reads: all.reads, from: all.from, ..Fact::anything() };
    let fact = fact.and_own(Reads { content: false, length: grows });
    let view = |ty: &Type| View::everywhere(Layout::plain(&ty.shape), fact.clone(), bases);
    types.iter().map(view).collect()
}

/// A composite as its decomposition says.
fn meaning(op: &Op, given: &Given<'_>, operands: &[Option<View>]) -> Option<Vec<View>> {
    let mut builder = Builder::new(op.info().mnemonic, masque_ir::Semantics::Keras3_15);
    let inputs: Vec<Operand> = given
        .types
        .iter()
        .enumerate()
        .map(|(place, ty)| {
            ty.as_ref().map_or(Operand::Absent, |ty| builder.input(&format!("operand_{place}"), ty.clone()))
        })
        .collect();
    let results = op.decompose(&mut builder, &inputs)?.ok()?;
    for (place, result) in results.into_iter().enumerate() {
        builder.output(format!("result_{place}"), result);
    }
    let inputs: Vec<View> = operands.iter().flatten().cloned().collect();
    Some(inside(&builder.finish(), &inputs, given.bases))
}

/// What is known of the outputs of a program, given what is known of its inputs. The facts say which parts of
/// whatever the inputs' facts speak of decide them.
pub(super) fn inside(program: &Program, inputs: &[View], bases: &Bases) -> Vec<View> {
    let places: Vec<u32> = program.inputs().map(|(value, _)| value.node).collect();
    let mut views: Views = vec![];
    for (place, node) in program.nodes.iter().enumerate() {
        let input = places.iter().position(|&input| input as usize == place);
        let given = input.and_then(|input| inputs.get(input)).cloned();
        views.push(given.map_or_else(|| composed(program, &views, node, bases), |view| vec![view]));
    }
    let output = |operand: &Operand| view_of(operand, &views).unwrap_or_default();
    program.outputs.iter().map(|given| output(&given.operand)).collect()
}

/// The facts of a node's results, in the terms of what the facts of its operands speak of.
fn composed(program: &Program, views: &Views, node: &Node, bases: &Bases) -> Vec<View> {
    let operands: Vec<Option<View>> = node.operands.iter().map(|operand| view_of(operand, views)).collect();
    let mut results = apply(program, node, &operands, bases);
    for fact in results.iter_mut().flat_map(|view| &mut view.facts) {
        let mut from = BTreeSet::new();
        for &(place, case) in &fact.from {
            if let Some(read) = operands[place].as_ref().and_then(|view| view.facts.get(case)) {
                from.extend(read.from.iter().copied());
                fact.own = fact.own | read.own;
            }
        }
        fact.from = from;
    }
    results
}

/// The facts of a node's results, in terms of its operands.
pub(super) fn apply(program: &Program, node: &Node, operands: &[Option<View>], bases: &Bases) -> Vec<View> {
    let operands: Vec<Option<View>> = operands
        .iter()
        .enumerate()
        .map(|(place, view)| view.as_ref().map(|view| view.as_operand(place)))
        .collect();
    let types: Vec<Type> = node.results.iter().map(|result| result.ty.clone()).collect();
    let given =
        Given { bases, types: node.operands.iter().map(|operand| program.operand_type(operand)).collect() };
    transfer(&node.op, &types, &operands, &given)
}

/// What is known of an operand.
pub(super) fn view_of(operand: &Operand, views: &Views) -> Option<View> {
    match operand {
        Operand::Absent => None,
        Operand::Literal(literal) => Some(View::number(literal.number.0)),
        Operand::Value(Value { node, result }) => Some(views[*node as usize][*result as usize].clone()),
    }
}
