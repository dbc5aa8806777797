//! One trial: a sequence that is padded, the same with something else under the padding, the same padded further.

use std::collections::BTreeMap;

use masque_ir::flow::{Flow, Known, Role};
use masque_ir::program::{Node, Operand, Program, Value};
use masque_ir::{DType, Dim, Type};
use masque_runtime::{Tensor, reference};
use ndarray::{ArrayD, Dimension, IxDyn};

use super::random::Random;
use crate::liveness::Padding;
use crate::liveness::roots::Origin;

/// Tensors by name.
pub(super) type Named = BTreeMap<String, Tensor>;

/// How long things are in a trial.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lengths {
    /// Positions that are no padding.
    pub(super) valid: usize,
    /// Positions in all.
    pub(super) all: usize,
    /// How much the positions that are no padding differ from one mask to the next.
    pub(super) shift: usize,
}

impl Lengths {
    /// How many positions are no padding by this mask.
    fn by(&self, mask: usize) -> usize {
        1 + (self.valid - 1 + mask * self.shift) % self.all.max(1)
    }
}

/// Makes inputs for a program.
pub(super) struct Maker<'a> {
    padding: &'a Padding,
    /// How many rows the smallest table has that an input picks from.
    rows: BTreeMap<Value, usize>,
    words: Vec<String>,
}

impl<'a> Maker<'a> {
    pub(super) fn new(padding: &'a Padding, weights: &Named) -> Maker<'a> {
        let words = weights.values().filter_map(Tensor::as_str).flat_map(|words| words.iter().cloned());
        let words: Vec<String> = words.filter(|word| !word.is_empty()).take(64).collect();
        Maker { padding, rows: rows(&padding.program), words }
    }

    /// The size of an axis of a fixed length that masks lie over, or of every one that is open.
    pub(super) fn fixed(&self) -> Option<usize> {
        let bases = &self.padding.facts.bases().all;
        bases.iter().filter_map(|base| base.size.known()).map(|size| size as usize).min()
    }

    /// How many positions are no padding by every mask, and by any.
    pub(super) fn valid(&self, lengths: Lengths) -> [usize; 2] {
        let masks = &self.padding.facts.roots.masks;
        let each = (0..masks.len()).map(|mask| lengths.by(self.number(mask)));
        let (least, most) = (each.clone().min(), each.max());
        [least.unwrap_or(lengths.valid), most.unwrap_or(lengths.valid)]
    }

    /// The number of a mask: that of the first one in its place.
    fn number(&self, mask: usize) -> usize {
        let masks = &self.padding.facts.roots.masks;
        masks.iter().position(|other| other.place == masks[mask].place).unwrap_or(mask)
    }

    /// Inputs for a batch of two: the sequence that is looked at, and another one without padding.
    pub(super) fn inputs(&self, random: &mut Random, lengths: Lengths) -> Named {
        let program = &self.padding.program;
        let inputs: Vec<(Value, String, Type)> =
            program.inputs().map(|(value, info)| (value, info.name.clone(), info.ty.clone())).collect();
        inputs.into_iter().map(|(value, name, ty)| (name, self.input(random, value, &ty, lengths))).collect()
    }

    fn shape(&self, ty: &Type, lengths: Lengths) -> Vec<usize> {
        let size = |(axis, size): (usize, &Dim)| match size.known() {
            Some(size) => size as usize,
            None if axis == 0 => 2,
            None if self.padding.facts.bases().grows(size) => lengths.all,
            None => 5,
        };
        ty.shape.iter().enumerate().map(size).collect()
    }

    fn input(&self, random: &mut Random, value: Value, ty: &Type, lengths: Lengths) -> Tensor {
        let shape = self.shape(ty, lengths);
        let mask = self.padding.facts.roots.masks.iter().find(|mask| mask.values.contains(&value));
        let made = self
            .padding
            .facts
            .roots
            .masks
            .iter()
            .find_map(|mask| mask.source.filter(|(source, _)| *source == value));
        let rows = self.rows.get(&value).copied().unwrap_or(6);
        let masks = &self.padding.facts.roots.masks;
        let own = masks.iter().position(|mask| {
            mask.values.contains(&value) || mask.source.is_some_and(|(source, _)| source == value)
        });
        let valid = own.map_or(self.valid(lengths)[1], |mask| lengths.by(self.number(mask)));
        let inside = own.is_some_and(|mask| matches!(masks[mask].origin, Origin::Steps(_)));
        let is_padding = |at: &[usize]| {
            let behind = |axis: usize| at.get(axis).is_some_and(|&step| step >= valid);
            at[0] == 0 && (behind(1) || inside && behind(2))
        };
        let number = |random: &mut Random, at: &[usize]| match made {
            Some((_, number)) if is_padding(at) => number,
            _ if ty.dtype.is_int() => (1 + random.below(rows.saturating_sub(1))) as f64,
            _ => random.between(-2.0, 2.0),
        };
        match ty.dtype {
            DType::Bool => {
                let truth = |random: &mut Random, at: &[usize]| match mask {
                    Some(_) => !is_padding(at),
                    None => random.below(2) == 0,
                };
                Tensor::Bool(filled(&shape, |at| truth(random, at)))
            }
            DType::Str => {
                let words = |row: usize| if row == 0 { lengths.valid } else { lengths.all };
                Tensor::Str(filled(&shape, |at| self.text(random, words(at[0]))))
            }
            DType::F64 => Tensor::F64(filled(&shape, |at| number(random, at))),
            DType::I32 => Tensor::I32(filled(&shape, |at| number(random, at) as i32)),
            DType::I64 => Tensor::I64(filled(&shape, |at| number(random, at) as i64)),
            DType::F32 => Tensor::F32(filled(&shape, |at| number(random, at) as f32)),
        }
    }

    fn text(&self, random: &mut Random, words: usize) -> String {
        let word = |random: &mut Random| match self.words.len() {
            0 => "word".to_owned(),
            known => self.words[random.below(known)].clone(),
        };
        (0..words).map(|_| word(random)).collect::<Vec<_>>().join(" ")
    }

    /// Other numbers wherever only padding is: at padded positions of inputs, in the rows of tables that only padding
    /// picks. What was changed, in words.
    pub(super) fn changed(
        &self,
        random: &mut Random,
        inputs: &mut Named,
        weights: &mut Named,
        lengths: Lengths,
    ) -> Vec<String> {
        let mut changed = vec![];
        let program = &self.padding.program;
        for (place, node) in program.nodes.iter().enumerate() {
            let value = Value { node: place as u32, result: 0 };
            let view = self.padding.facts.view(value);
            if !view.facts.iter().any(|fact| fact.own.content) {
                continue;
            }
            let info = program.result(value);
            if let Some(tensor) = inputs.get_mut(&info.name) {
                let other = self.input(random, value, &info.ty, lengths);
                under_padding(tensor, &other, self.valid(lengths)[1]);
                changed.push(format!("what stands at padded positions of input `{}`", info.name));
                continue;
            }
            let Some((table, row)) = self.picked(node.operands.first(), node.operands.last()) else {
                continue;
            };
            if let Some(Tensor::F32(array)) = weights.get_mut(&table)
                && let Some(mut row) = array.outer_iter_mut().nth(row)
            {
                row.map_inplace(|number| *number += random.between(0.5, 2.0) as f32);
                changed.push(format!(
                    "row {} of weight `{table}`, which only padding picks",
                    self.row(node.operands.last())
                ));
            }
        }
        changed.sort();
        changed.dedup();
        changed
    }

    fn row(&self, indices: Option<&Operand>) -> usize {
        let view = indices.and_then(|operand| self.padding.facts.operand(operand));
        let facts = view.map(|view| view.facts).unwrap_or_default();
        let padding = facts.iter().skip(1).find_map(|fact| match fact.known {
            Known::Number(number) if number >= 0.0 => Some(number as usize),
            _ => None,
        });
        padding.unwrap_or(0)
    }

    /// The weight that a table is, and the row of it that padding picks.
    fn picked(&self, table: Option<&Operand>, indices: Option<&Operand>) -> Option<(String, usize)> {
        let mut value = table?.value()?;
        loop {
            let info = self.padding.program.result(value);
            let node = &self.padding.program.nodes[value.node as usize];
            let values: Vec<Value> = node.operands.iter().filter_map(Operand::value).collect();
            match values.as_slice() {
                [] => return Some((info.name.clone(), self.row(indices))),
                [only] => value = *only,
                _ => return None,
            }
        }
    }
}

/// For every input, how many rows the smallest table has that is picked from by it.
fn rows(program: &Program) -> BTreeMap<Value, usize> {
    let mut rows: BTreeMap<Value, usize> = BTreeMap::new();
    for node in &program.nodes {
        let types = program.operand_types(node);
        let types: Vec<Option<&Type>> = types.iter().map(Option::as_ref).collect();
        let Flow::Joint(joint) = node.op.flow(&types) else { continue };
        let axis =
            joint.operands.first().and_then(|roles| roles.iter().position(|role| *role == Role::Picked));
        let size = axis.and_then(|axis| types[0]?.shape[axis].known());
        let (Some(size), Some(indices)) = (size, node.operands.last().and_then(Operand::value)) else {
            continue;
        };
        let mut open = vec![indices];
        while let Some(value) = open.pop() {
            let known = rows.entry(value).or_insert(usize::MAX);
            *known = (*known).min(size as usize);
            open.extend(program.nodes[value.node as usize].operands.iter().filter_map(Operand::value));
        }
    }
    rows
}

/// The table that rows are picked from, of an operation that does that.
pub(super) fn table(program: &Program, node: &Node) -> Option<Value> {
    let types = program.operand_types(node);
    let types: Vec<Option<&Type>> = types.iter().map(Option::as_ref).collect();
    let Flow::Joint(joint) = node.op.flow(&types) else { return None };
    let picked = joint.operands.first()?.contains(&Role::Picked);
    node.operands.first().filter(|_| picked).and_then(Operand::value)
}

fn filled<T>(shape: &[usize], mut element: impl FnMut(&[usize]) -> T) -> ArrayD<T> {
    ArrayD::from_shape_fn(IxDyn(shape), |at| element(at.slice()))
}

/// Puts the elements of another tensor at the padded positions of the first sequence.
fn under_padding(tensor: &mut Tensor, other: &Tensor, valid: usize) {
    fn put<T: Clone>(array: &mut ArrayD<T>, other: &ArrayD<T>, valid: usize) {
        for (at, element) in array.indexed_iter_mut() {
            if at[0] == 0 && at.ndim() > 1 && at[1] >= valid {
                *element = other[at].clone();
            }
        }
    }
    match (tensor, other) {
        (Tensor::F32(array), Tensor::F32(other)) => put(array, other, valid),
        (Tensor::F64(array), Tensor::F64(other)) => put(array, other, valid),
        (Tensor::I32(array), Tensor::I32(other)) => put(array, other, valid),
        (Tensor::I64(array), Tensor::I64(other)) => put(array, other, valid),
        (Tensor::Bool(array), Tensor::Bool(other)) => put(array, other, valid),
        _ => {}
    }
}

/// The same inputs with the first sequence's padding going on; the other sequence is repeated from its end.
pub(super) fn padded_further(inputs: &Named, maker: &Maker<'_>, random: &mut Random, to: Lengths) -> Named {
    let fresh = maker.inputs(random, to);
    let again = |name: &String, longer: Tensor| match (&inputs[name], longer) {
        (Tensor::F32(old), Tensor::F32(new)) => Tensor::F32(over(old, new)),
        (Tensor::F64(old), Tensor::F64(new)) => Tensor::F64(over(old, new)),
        (Tensor::I32(old), Tensor::I32(new)) => Tensor::I32(over(old, new)),
        (Tensor::I64(old), Tensor::I64(new)) => Tensor::I64(over(old, new)),
        (Tensor::Bool(old), Tensor::Bool(new)) => Tensor::Bool(over(old, new)),
        (Tensor::Str(old), Tensor::Str(new)) if old.shape() == new.shape() => {
            Tensor::Str(first_row(old, new))
        }
        (Tensor::Str(old), Tensor::Str(new)) => Tensor::Str(over(old, new)),
        (_, new) => new,
    };
    fresh.into_iter().map(|(name, longer)| (name.clone(), again(&name, longer))).collect()
}

/// The elements of the old array where it has any.
fn over<T: Clone>(old: &ArrayD<T>, mut new: ArrayD<T>) -> ArrayD<T> {
    for (at, element) in new.indexed_iter_mut() {
        if let Some(known) = old.get(at) {
            *element = known.clone();
        }
    }
    new
}

/// The first text as it was; the other one is longer.
fn first_row(old: &ArrayD<String>, mut new: ArrayD<String>) -> ArrayD<String> {
    for (at, element) in new.indexed_iter_mut() {
        if at[0] == 0 {
            *element = old[at].clone();
        }
    }
    new
}

/// Runs a program by its meaning. `None` if it can't be run on these numbers.
pub(super) fn run(program: &Program, inputs: &Named, weights: &Named) -> Option<Vec<Tensor>> {
    let input = |name: &str| inputs.get(name).map(Tensor::view);
    let weight = |name: &str| weights.get(name).map(Tensor::view);
    let outputs = reference::run(program, &input, &weight).ok()?;
    Some(outputs.into_iter().map(|(_, tensor)| tensor).collect())
}
