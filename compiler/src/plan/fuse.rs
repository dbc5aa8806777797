//! Element-wise operations of one shape, fused: a chain of them costs one pass over memory in place of one for each.
//!
//! A group of operations becomes one at the place of its last member. So a member can join only if nothing between reads
//! what the group makes: whoever reads a member's value is a member itself, or comes later.

use masque_ir::by_value::ByValue;
use masque_ir::ops::{Map, Op, Shape, is_elementwise};
use masque_ir::program::{Builder, Node, Operand, Program, Value};
use masque_ir::{DType, Sizes, Type};

use crate::rebuild::Rebuild;

/// The most operations that become one.
const MOST: usize = 96;

/// The program with element-wise operations fused. Values that are still there keep their names.
pub(super) fn fuse(program: &Program) -> Program {
    let readers = super::readers(program);
    let groups = Groups::of(program, &readers);
    let mut rebuild = Rebuild::of(program);
    for place in 0..program.nodes.len() {
        let members = match groups.of_node[place] {
            Some(group) if groups.members[group].len() > 1 => &groups.members[group],
            _ => {
                rebuild.keep(place);
                continue;
            }
        };
        if members.last() == Some(&place) {
            let (fused, operands, results) = fused(program, members, &readers);
            let operands = operands.iter().map(|operand| rebuild.now(operand)).collect();
            let made = rebuild.builder.copy(&fused, operands);
            results.into_iter().zip(made).for_each(|(value, operand)| rebuild.replace_value(value, operand));
        }
    }
    rebuild.finish()
}

struct Groups {
    /// By node.
    of_node: Vec<Option<usize>>,
    /// The nodes of each group, in order.
    members: Vec<Vec<usize>>,
}

impl Groups {
    fn of(program: &Program, readers: &[Vec<usize>]) -> Groups {
        let mut groups = Groups { of_node: vec![None; program.nodes.len()], members: vec![] };
        for (place, node) in program.nodes.iter().enumerate() {
            if shape(program, node).is_some() {
                groups.join(program, readers, place);
            }
        }
        groups
    }

    /// Puts a node into the groups of its operands, as far as they can become one, or into a group of its own.
    fn join(&mut self, program: &Program, readers: &[Vec<usize>], place: usize) {
        let mut all = vec![place];
        let mut joined: Vec<usize> = vec![];
        for value in program.nodes[place].operands.iter().filter_map(Operand::value) {
            let Some(group) = self.of_node[value.node as usize] else { continue };
            let other = &program.nodes[value.node as usize];
            if joined.contains(&group) || shape(program, other) != shape(program, &program.nodes[place]) {
                continue;
            }
            let mut with = [self.members[group].as_slice(), &all].concat();
            with.sort_unstable();
            let inside = |reader: &usize| *reader > place || with.binary_search(reader).is_ok();
            if with.len() <= MOST && with.iter().all(|member| readers[*member].iter().all(inside)) {
                joined.push(group);
                all = with;
            }
        }
        let own = joined.first().copied().unwrap_or(self.members.len());
        joined.iter().for_each(|&group| self.members[group].clear());
        all.iter().for_each(|&member| self.of_node[member] = Some(own));
        match self.members.get_mut(own) {
            Some(members) => *members = all,
            None => self.members.push(all),
        }
    }
}

/// The shape of the result of a node that can be fused.
fn shape<'a>(program: &'a Program, node: &'a Node) -> Option<&'a Sizes> {
    let numbers = |operand: &Operand| program.operand_type(operand).is_some_and(|ty| ty.dtype != DType::Str);
    let [result] = node.results.as_slice() else { return None };
    (is_elementwise(&node.op) && node.operands.iter().all(numbers)).then_some(&result.ty.shape)
}

/// One node for all members, what it reads, and which values its results are.
fn fused(program: &Program, members: &[usize], readers: &[Vec<usize>]) -> (Node, Vec<Operand>, Vec<Value>) {
    let last = &program.nodes[members[members.len() - 1]];
    let name = &last.results[0].name;
    let mut body = Body {
        builder: Builder::new(name, program.semantics),
        inside: ByValue::new(program),
        operands: vec![],
    };
    let (mut results, mut infos) = (vec![], vec![]);
    for &member in members {
        let node = &program.nodes[member];
        let operands = node.operands.iter().map(|operand| body.operand(program, operand)).collect();
        let scalar = Type::scalar(node.results[0].ty.dtype);
        let info = masque_ir::program::ResultInfo { ty: scalar, ..node.results[0].clone() };
        let inner = Node { results: vec![info], ..node.clone() };
        let value = Value { node: member as u32, result: 0 };
        let made = body.builder.copy(&inner, operands).swap_remove(0);
        body.inside.insert(value, made.clone());
        if readers[member].iter().any(|reader| members.binary_search(reader).is_err()) {
            body.builder.output(&node.results[0].name, made);
            results.push(value);
            infos.push(node.results[0].clone());
        }
    }
    let Body { builder, operands, .. } = body;
    let op: Op = Map::Map { body: builder.finish().into() }.into();
    let spread = operands.iter().map(|value| unspread(program, *value)).collect::<Vec<_>>();
    let types: Vec<Option<Type>> = spread.iter().map(|operand| program.operand_type(operand)).collect();
    let given = op.infer(&types.iter().map(Option::as_ref).collect::<Vec<_>>());
    let same = given.is_ok_and(|types| types.iter().zip(&infos).all(|(ty, info)| *ty == info.ty));
    let operands = if same { spread } else { operands.into_iter().map(Operand::Value).collect() };
    (Node { op, operands: vec![], results: infos }, operands, results)
}

/// The body of a fused operation while it is built.
struct Body {
    builder: Builder,
    inside: ByValue<Operand>,
    operands: Vec<Value>,
}

impl Body {
    /// An operand of a member inside of the body: a member's result, a number, or an operand of the whole.
    fn operand(&mut self, program: &Program, operand: &Operand) -> Operand {
        let Operand::Value(value) = operand else { return operand.clone() };
        if let Some(inside) = self.inside.get(*value) {
            return inside.clone();
        }
        let info = program.result(*value);
        let input = self.builder.input(&info.name, Type::scalar(info.ty.dtype));
        self.inside.insert(*value, input.clone());
        self.operands.push(*value);
        input
    }
}

/// A value, or what it is copied from along axes that broadcasting copies along by itself.
fn unspread(program: &Program, value: Value) -> Operand {
    let node = &program.nodes[value.node as usize];
    match (&node.op, node.operands.first()) {
        (Op::Shape(Shape::Broadcast { .. }), Some(of)) => of.clone(),
        _ => Operand::Value(value),
    }
}
