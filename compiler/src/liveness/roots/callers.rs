//! Padding that no mask of the program marks: what operations fill rows up with, and what callers may pad.

use std::collections::{BTreeSet, HashSet};

use masque_ir::flow::{Element, Flow, Known, Role};
use masque_ir::ops::{Op, Shape};
use masque_ir::program::{Node, Operand, Program, Value};
use masque_ir::{DType, Dim, Type};

use super::{Mask, Origin, Search};

impl Search<'_> {
    /// Adds what operations fill rows up with, where no mask is made from it.
    pub(super) fn filled(&mut self) {
        for (place, node) in self.program.nodes.iter().enumerate() {
            let value = Value { node: place as u32, result: 0 };
            let ty = &self.program.result(value).ty;
            if let Some(number) = node.op.fills().filter(|_| ty.rank() == 2 && !ty.shape[1].is_one()) {
                self.push(Origin::Filled, vec![], (value, number), true);
            }
        }
    }

    /// Adds ids of which 0 is treated apart from all others, where no mask says what is padding: a mask by hand.
    pub(super) fn compared_by_hand(&mut self) {
        let marked = self.roots.bases.clone();
        for (place, node) in self.program.nodes.iter().enumerate() {
            let mask = Value { node: place as u32, result: 0 };
            let [Operand::Value(source), Operand::Literal(literal)] = node.operands.as_slice() else {
                continue;
            };
            let ty = &self.program.result(*source).ty;
            let ids = ty.rank() == 2 && ty.dtype.is_int() && !ty.shape[1].is_one();
            if !ids || literal.number.0 != 0.0 || marked.of(&ty.shape[1]).is_some() {
                continue;
            }
            if !self.behind(*source).ends {
                continue;
            }
            let truth = |known: Known| match node.op.element(&[known, Known::Number(0.0)]) {
                Element::Is(known) => known.number(),
                Element::Of(_) => None,
            };
            match (truth(Known::Number(0.0)), truth(Known::Not(0.0))) {
                (Some(0.0), Some(1.0)) => self.push(Origin::Mask, vec![mask], (*source, 0.0), true),
                (Some(1.0), Some(0.0)) => self.push(Origin::Mask, vec![], (*source, 0.0), true),
                _ => {}
            }
        }
    }

    /// Adds padding that is a number of a value; `exact` says that this number is nowhere else.
    pub(super) fn push(&mut self, origin: Origin, values: Vec<Value>, source: (Value, f64), exact: bool) {
        if let Some(&known) = self.named.get(&(source.0, source.1.to_bits())) {
            self.roots.masks[known].values.extend(values);
            return;
        }
        let inputs = self.inputs(source.0);
        let size = self.program.result(source.0).ty.shape[1].clone();
        let Some(place) = self.place(&size, &inputs) else {
            self.roots.anywhere.push(source.0);
            return;
        };
        self.named.insert((source.0, source.1.to_bits()), self.roots.masks.len());
        let mask = Mask { origin, values, inputs, place, source: Some(source), exact };
        self.roots.masks.push(mask);
    }

    /// Adds the inputs that callers may pad along an axis over which nothing says what is padding.
    pub(super) fn assumed(&mut self) {
        let mut inputs: Vec<(Dim, Vec<Value>)> = vec![];
        for (value, info) in self.program.inputs() {
            if let Some(number) = self.empty_steps(value, &info.ty) {
                self.push_steps(value, number);
                continue;
            }
            if !self.may_be_padded(value, &info.ty) {
                continue;
            }
            let size = &info.ty.shape[1];
            match inputs.iter_mut().find(|(known, _)| known == size) {
                Some((_, inputs)) => inputs.push(value),
                None => inputs.push((size.clone(), vec![value])),
            }
        }
        for (size, inputs) in inputs {
            let names = inputs.iter().map(|&input| self.program.result(input).name.clone()).collect();
            if let Some(place) = self.roots.bases.add(&size) {
                self.roots.masks.push(Mask {
                    origin: Origin::Assumed(inputs),
                    values: vec![],
                    inputs: names,
                    place,
                    source: None,
                    exact: false,
                });
            }
        }
    }

    /// The number that empty steps of an input are filled with: that by which a mask knows padding inside of each step,
    /// where nothing says which steps there are.
    fn empty_steps(&self, input: Value, ty: &Type) -> Option<f64> {
        let [_, steps, inside @ ..] = ty.shape.as_slice() else { return None };
        let bases = &self.roots.bases;
        let marked =
            steps.is_one() || bases.of(steps).is_some() || bases.grows(steps) || self.is_masked(steps);
        let found = self.roots.masks.iter().filter(|mask| mask.origin == Origin::Mask && !marked);
        let mut numbers = found.filter_map(|mask| {
            let (source, number) = mask.source?;
            let shape = &self.program.result(source).ty.shape;
            let by_step = shape.len() + 1 == ty.rank() && shape[1..] == *inside;
            (by_step && self.reshaped_from(source) == input).then_some(number)
        });
        numbers.next()
    }

    /// The value that a value has the elements of, under another shape.
    fn reshaped_from(&self, mut value: Value) -> Value {
        loop {
            let node = &self.program.nodes[value.node as usize];
            match (&node.op, node.operands.as_slice()) {
                (Op::Shape(Shape::Reshape { .. }), [Operand::Value(x)]) => value = *x,
                _ => return value,
            }
        }
    }

    fn push_steps(&mut self, input: Value, number: f64) {
        let info = self.program.result(input);
        let inputs = BTreeSet::from([info.name.clone()]);
        if let Some(place) = self.roots.bases.add(&info.ty.shape[1].clone()) {
            self.roots.masks.push(Mask {
                origin: Origin::Steps(vec![input]),
                values: vec![],
                inputs,
                place,
                source: Some((input, number)),
                exact: false,
            });
        }
    }

    /// Is it an input of sequences? Those of any length are, and those of numbers that rows are picked by; images are
    /// not.
    fn may_be_padded(&self, input: Value, ty: &Type) -> bool {
        let [_, size, rest @ ..] = ty.shape.as_slice() else { return false };
        let bases = &self.roots.bases;
        let marked = bases.of(size).is_some() || bases.grows(size) || self.is_masked(size);
        let open = size.known().is_none() && rest.iter().all(|size| size.known().is_some());
        let sequence = open || self.picks(input);
        !size.is_one() && ty.dtype != DType::Bool && !marked && sequence
    }

    /// Does an operation apply a known mask along an axis of that size, which has another name in the mask?
    fn is_masked(&self, size: &Dim) -> bool {
        let along = |operand: &Operand| self.program.operand_type(operand)?.shape.get(1).cloned();
        self.program.nodes.iter().any(|node| {
            let rows = node.op.info().operands.iter().zip(&node.operands);
            let masks = rows.filter(|(row, _)| row.name.ends_with("mask") && node.op.is_composite());
            let mut known = masks.filter_map(|(_, mask)| self.roots.bases.of(&along(mask)?));
            node.operands.first().and_then(along).as_ref() == Some(size) && known.next().is_some()
        })
    }

    /// Are rows picked by what is computed from an input, element by element?
    fn picks(&self, input: Value) -> bool {
        let shape = &self.program.result(input).ty.shape;
        let (mut seen, mut open) = (HashSet::from([input]), vec![input]);
        while let Some(value) = open.pop() {
            for &place in self.readers.get(&value).into_iter().flatten() {
                let node = &self.program.nodes[place as usize];
                if node.operands.last() == Some(&Operand::Value(value)) && picks(self.program, node) {
                    return true;
                }
                let result = Value { node: place, result: 0 };
                let alike = self.program.result(result).ty.shape == *shape
                    || matches!(node.op, Op::Shape(Shape::Reshape { .. }));
                if alike && seen.insert(result) {
                    open.push(result);
                }
            }
        }
        false
    }
}

/// Does an operation pick rows by its last operand?
fn picks(program: &Program, node: &Node) -> bool {
    let types = program.operand_types(node);
    let types: Vec<Option<&Type>> = types.iter().map(Option::as_ref).collect();
    match node.op.flow(&types) {
        Flow::Joint(joint) => joint.operands.iter().flatten().any(|role| *role == Role::Picked),
        _ => false,
    }
}
