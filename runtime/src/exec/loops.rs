//! A loop over time, the operations of its body by kernels.
//!
//! Every value of the body has a tensor, which is made when the loop begins and used in every step. What reads nothing that
//! changes from step to step is computed before the first one.

use std::sync::Arc;

use masque_ir::by_value::ByValue;
use masque_ir::dim::Bindings;
use masque_ir::kernel::Kernel;
use masque_ir::ops::{Leaf, Op, OpError, Scan};
use masque_ir::program::{self, Node, Program, Value};
use masque_ir::{Dim, Type};

use super::moves::moved;
use super::{Call, Prepared, Writes, elements, prepare as prepare_kernel};
use crate::data::{Elements, ElementsMut, Operand, Room, in_order};
use crate::error::{OpFailure, RunError};
use crate::kernels::copy::{Axis, copy};
use crate::{Tensor, reference};

/// A loop made ready.
#[derive(Debug)]
struct Loop {
    carried: usize,
    sequences: usize,
    body: Arc<Program>,
    /// The types of the values that the body's kernels make.
    values: Vec<Type>,
    /// The types under which something is read beside its own.
    reshaped: Vec<Type>,
    /// What of the body is the same in every run: numbers and constants.
    fixed: Vec<Tensor>,
    /// Those of before the first step, then those of every step.
    steps: [Vec<Step>; 2],
    /// What is carried to the next step, then what is collected.
    outputs: Vec<Source>,
}

/// An operation of the body.
#[derive(Debug)]
struct Step {
    /// The node, by place.
    node: usize,
    kernel: Prepared,
    operands: Vec<Option<Source>>,
    /// Its results, by place among the values.
    results: Vec<usize>,
}

/// Something that an operation of the body reads.
#[derive(Clone, Copy, Debug)]
struct Source {
    /// Where its elements are.
    at: At,
    /// The shape under which they are read, where that is another one than there.
    reshaped: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
enum At {
    Input(usize),
    Value(usize),
    Fixed(usize),
}

/// Makes a loop ready, given those of its operands that are weights.
pub(super) fn prepare(op: &Op, weights: &[Option<Operand<'_>>]) -> Option<Box<dyn Writes>> {
    let Op::Scan(Scan::Scan { carried, sequences, body }) = op else { return None };
    let mut made = Loop {
        carried: *carried as usize,
        sequences: *sequences as usize,
        body: body.clone(),
        values: vec![],
        reshaped: vec![],
        fixed: vec![],
        steps: [vec![], vec![]],
        outputs: vec![],
    };
    let mut preparation =
        Preparation { made: &mut made, weights, sources: ByValue::new(body), changes: ByValue::new(body) };
    let mut inputs = 0;
    for place in 0..body.nodes.len() {
        preparation.node(place, &mut inputs)?;
    }
    let outputs = body.outputs.iter().map(|output| preparation.source(&output.operand));
    let outputs = outputs.collect::<Option<Vec<_>>>()?;
    made.outputs = outputs;
    Some(Box::new(made))
}

struct Preparation<'a> {
    made: &'a mut Loop,
    weights: &'a [Option<Operand<'a>>],
    sources: ByValue<Source>,
    /// Does it depend on the step?
    changes: ByValue<bool>,
}

impl Preparation<'_> {
    fn node(&mut self, place: usize, inputs: &mut usize) -> Option<()> {
        let body = self.made.body.clone();
        let node = &body.nodes[place];
        let value = Value { node: place as u32, result: 0 };
        match &node.op {
            Op::Leaf(Leaf::Input { .. }) => {
                let changes = *inputs < self.made.carried + self.made.sequences;
                self.sources.insert(value, Source { at: At::Input(*inputs), reshaped: None });
                self.changes.insert(value, changes);
                *inputs += 1;
            }
            Op::Leaf(_) => {
                let constant = reference::evaluate(&node.op, &[], &Bindings::new()).ok()?.pop()?;
                self.made.fixed.push(in_order(constant));
                let at = At::Fixed(self.made.fixed.len() - 1);
                self.sources.insert(value, Source { at, reshaped: None });
            }
            _ => self.step(&body, place, node)?,
        }
        Some(())
    }

    fn step(&mut self, body: &Program, place: usize, node: &Node) -> Option<()> {
        let types: Vec<Option<Type>> =
            node.operands.iter().map(|operand| body.operand_type(operand)).collect();
        let types: Vec<Option<&Type>> = types.iter().map(Option::as_ref).collect();
        let kernel = Kernel::choose(&node.op, &types)?;
        let values = node.operands.iter().filter_map(program::Operand::value);
        let changes = values.clone().any(|value| self.changes.get(value) == Some(&true));
        let sources: Vec<Option<Source>> = node.operands.iter().map(|operand| self.source(operand)).collect();
        let first = Value { node: place as u32, result: 0 };
        if let (Kernel::Alias, [Some(of)]) = (kernel, sources.as_slice()) {
            self.sources.insert(first, Source { at: of.at, reshaped: Some(self.made.reshaped.len()) });
            self.made.reshaped.push(node.results[0].ty.clone());
            self.changes.insert(first, changes);
            return Some(());
        }
        let mut results = vec![];
        for (result, info) in node.results.iter().enumerate() {
            let value = Value { result: result as u32, ..first };
            results.push(self.made.values.len());
            self.sources.insert(value, Source { at: At::Value(self.made.values.len()), reshaped: None });
            self.changes.insert(value, changes);
            self.made.values.push(info.ty.clone());
        }
        let weights: Vec<Option<Operand<'_>>> = sources.iter().map(|source| self.known(source)).collect();
        let kernel = prepare_kernel(kernel, &node.op, &weights, &types);
        self.made.steps[usize::from(changes)].push(Step { node: place, kernel, operands: sources, results });
        Some(())
    }

    /// An operand that is the same in every run.
    fn known<'s>(&'s self, source: &Option<Source>) -> Option<Operand<'s>> {
        match source {
            Some(Source { at: At::Input(place), reshaped: None }) => self.weights.get(*place).copied()?,
            Some(Source { at: At::Fixed(place), reshaped: None }) => Operand::of(&self.made.fixed[*place]),
            _ => None,
        }
    }

    fn source(&mut self, operand: &program::Operand) -> Option<Source> {
        match operand {
            program::Operand::Absent => None,
            program::Operand::Value(value) => self.sources.get(*value).copied(),
            program::Operand::Literal(literal) => {
                self.made.fixed.push(crate::data::literal(literal));
                Some(Source { at: At::Fixed(self.made.fixed.len() - 1), reshaped: None })
            }
        }
    }
}

impl Writes for Loop {
    fn write(&self, call: &mut Call<'_>) -> Result<(), OpFailure> {
        let steps = self.count(call)?;
        let mut frame = Frame::new(self, call)?;
        self.steps[0].iter().try_for_each(|step| frame.step(self, step))?;
        for place in 0..steps {
            frame.advance(self, place, steps)?;
            self.steps[1].iter().try_for_each(|step| frame.step(self, step))?;
            for (output, room) in self.outputs.iter().zip(call.results.iter_mut()).skip(self.carried) {
                let operand = frame.operand(output)?;
                put(&operand, place, steps, &mut room.elements)?;
            }
            frame.carry(self)?;
        }
        for (tensor, room) in frame.carried.iter().zip(call.results.iter_mut()) {
            fill(&Operand::of(tensor).ok_or(OpFailure::Given)?, &mut room.elements)?;
        }
        Ok(())
    }
}

impl Loop {
    /// How many positions the sequences have, all the same number.
    fn count(&self, call: &Call<'_>) -> Result<usize, OpFailure> {
        let sequences = (self.carried..self.carried + self.sequences).map(|place| call.operand(place));
        let sizes = sequences
            .map(|operand| Ok(operand?.shape.get(1).copied()))
            .collect::<Result<Vec<_>, OpFailure>>()?;
        match sizes.first() {
            Some(&Some(steps)) if sizes.iter().all(|size| *size == Some(steps)) => Ok(steps),
            _ => Err(OpFailure::mismatch("sequences with one number of steps", format!("{sizes:?}"))),
        }
    }
}

/// What is there while a loop runs.
struct Frame<'c> {
    bindings: &'c Bindings,
    operands: &'c [Option<Operand<'c>>],
    /// Bytes that operations of the body may still take.
    free: u64,
    carried: Vec<Tensor>,
    next: Vec<Tensor>,
    /// The position of each sequence.
    positions: Vec<Tensor>,
    /// By value.
    values: Vec<Option<Tensor>>,
    shapes: Vec<Vec<usize>>,
    /// The shapes under which something is read beside its own.
    reshaped: Vec<Vec<usize>>,
    fixed: &'c [Tensor],
}

impl<'c> Frame<'c> {
    fn new<'a: 'c>(made: &'c Loop, call: &Call<'a>) -> Result<Frame<'c>, OpFailure> {
        let bindings = call.bindings;
        let mut free = call.free;
        let types: Vec<&Type> = made.body.input_types();
        let mut room = |ty: &Type| zeros(ty, bindings, &mut free);
        let (carried, sequences) = (&types[..made.carried], &types[made.carried..][..made.sequences]);
        let positions = sequences.iter().map(|ty| room(ty)).collect::<Result<_, _>>()?;
        let next = carried.iter().map(|ty| room(ty)).collect::<Result<_, _>>()?;
        let mut start: Vec<Tensor> = carried.iter().map(|ty| room(ty)).collect::<Result<_, _>>()?;
        for (place, tensor) in start.iter_mut().enumerate() {
            fill(&call.operand(place)?, &mut mutable(tensor)?)?;
        }
        let values = made.values.iter().map(|ty| room(ty).map(Some)).collect::<Result<Vec<_>, _>>()?;
        let shapes = values.iter().flatten().map(|tensor| tensor.shape().to_vec()).collect();
        let reshaped = made.reshaped.iter().map(|ty| shape(ty, bindings)).collect::<Result<_, _>>()?;
        let (operands, fixed) = (call.operands, made.fixed.as_slice());
        Ok(Frame {
            bindings,
            operands,
            free,
            carried: start,
            next,
            positions,
            values,
            shapes,
            reshaped,
            fixed,
        })
    }

    /// Fetches a position of every sequence.
    fn advance(&mut self, made: &Loop, place: usize, steps: usize) -> Result<(), OpFailure> {
        for (at, position) in self.positions.iter_mut().enumerate() {
            let sequence = self.operands[made.carried + at].ok_or(OpFailure::Given)?;
            let (batch, width) = rows(position.shape());
            let axes = [
                Axis { size: batch, from: (steps * width) as isize, to: width as isize },
                Axis { size: width, from: 1, to: 1 },
            ];
            let mut out = mutable(position)?;
            moved!(sequence.elements, &mut out; (x, out) => copy(x, place * width, out, 0, &axes));
        }
        Ok(())
    }

    /// Takes a step of the body.
    fn step(&mut self, made: &Loop, step: &Step) -> Result<(), OpFailure> {
        let node = &made.body.nodes[step.node];
        self.compute(&node.op, step).map_err(|failure| {
            let name = node.results.first().map(|result| result.name.clone()).unwrap_or_default();
            OpFailure::Within(Box::new(RunError::Step { step: name, op: node.op.info().mnemonic, failure }))
        })
    }

    fn compute(&mut self, op: &Op, step: &Step) -> Result<(), OpFailure> {
        let taken = step.results.iter().map(|&value| self.values[value].take().ok_or(OpFailure::Given));
        let mut made = taken.collect::<Result<Vec<Tensor>, _>>()?;
        let operands = step.operands.iter().map(|source| source.as_ref().map(|source| self.operand(source)));
        let operands: Vec<Option<Operand<'_>>> = operands.map(Option::transpose).collect::<Result<_, _>>()?;
        let (bindings, free) = (self.bindings, self.free);
        match &step.kernel {
            Prepared::Alias => {}
            Prepared::Writes(kernel) => {
                let mut rooms = Vec::with_capacity(made.len());
                for (tensor, &value) in made.iter_mut().zip(&step.results) {
                    rooms.push(Room { shape: &self.shapes[value], elements: mutable(tensor)? });
                }
                kernel.write(&mut Call { op, operands: &operands, results: &mut rooms, bindings, free })?;
            }
            Prepared::Gives(kernel) => {
                let call = Call { op, operands: &operands, results: &mut [], bindings, free };
                made = kernel.give(&call)?.into_iter().map(in_order).collect();
                for (tensor, &value) in made.iter().zip(&step.results) {
                    if tensor.shape() != self.shapes[value] {
                        let found = format!("{:?}", tensor.shape());
                        return Err(OpFailure::mismatch(format!("{:?}", self.shapes[value]), found));
                    }
                }
            }
        }
        made.into_iter().zip(&step.results).for_each(|(tensor, &value)| self.values[value] = Some(tensor));
        Ok(())
    }

    fn operand(&self, source: &Source) -> Result<Operand<'_>, OpFailure> {
        let (carried, sequences) = (self.carried.len(), self.positions.len());
        let operand = match source.at {
            At::Input(place) if place < carried => Operand::of(&self.carried[place]),
            At::Input(place) if place < carried + sequences => Operand::of(&self.positions[place - carried]),
            At::Input(place) => self.operands[place],
            At::Value(place) => self.values[place].as_ref().and_then(Operand::of),
            At::Fixed(place) => Operand::of(&self.fixed[place]),
        };
        let operand = operand.ok_or(OpFailure::Given)?;
        let Some(reshaped) = source.reshaped else { return Ok(operand) };
        let shape = self.reshaped[reshaped].as_slice();
        if elements(shape) == elements(operand.shape) {
            return Ok(Operand { shape, ..operand });
        }
        Err(OpFailure::mismatch(format!("{shape:?}"), format!("{:?}", operand.shape)))
    }

    /// What a step gives becomes what the next one is given.
    fn carry(&mut self, made: &Loop) -> Result<(), OpFailure> {
        let mut next = std::mem::take(&mut self.next);
        for (source, tensor) in made.outputs.iter().zip(&mut next) {
            fill(&self.operand(source)?, &mut mutable(tensor)?)?;
        }
        self.next = std::mem::replace(&mut self.carried, next);
        Ok(())
    }
}

/// The number of rows of a value of one step, and the elements of each.
fn rows(shape: &[usize]) -> (usize, usize) {
    let [batch, row @ ..] = shape else { return (1, 1) };
    (*batch, elements(row))
}

/// Puts the rows of a step between those of the others.
fn put(of: &Operand<'_>, place: usize, steps: usize, out: &mut ElementsMut<'_>) -> Result<(), OpFailure> {
    let (batch, width) = rows(of.shape);
    let axes = [
        Axis { size: batch, from: width as isize, to: (steps * width) as isize },
        Axis { size: width, from: 1, to: 1 },
    ];
    moved!(of.elements, out; (x, out) => copy(x, 0, out, place * width, &axes));
    Ok(())
}

/// Copies all elements.
fn fill(of: &Operand<'_>, out: &mut ElementsMut<'_>) -> Result<(), OpFailure> {
    moved!(of.elements, out; (x, out) => {
        if x.len() != out.len() {
            let (expected, found) = (format!("{} elements", out.len()), x.len());
            return Err(OpError { op: "scan", expected, found: found.to_string() }.into());
        }
        out.copy_from_slice(x);
    });
    Ok(())
}

/// The sizes of a type in this run.
fn shape(ty: &Type, bindings: &Bindings) -> Result<Vec<usize>, OpFailure> {
    ty.eval(bindings).ok_or_else(|| OpFailure::UnboundSize { size: ty.to_string() })
}

/// Room for a value of one step.
fn zeros(ty: &Type, bindings: &Bindings, free: &mut u64) -> Result<Tensor, OpFailure> {
    let shape = shape(ty, bindings)?;
    let size = ty.dtype.size().unwrap_or(1) as u64;
    let bytes = (elements(&shape) as u64).saturating_mul(size);
    let limit = *free;
    *free = free.checked_sub(bytes).ok_or(OpFailure::TooLarge { bytes, limit })?;
    let sizes: Vec<Dim> = shape.iter().map(|&size| Dim::constant(size as i64)).collect();
    reference::zeros(&Type::new(ty.dtype, sizes))
}

/// The elements of a tensor, to be written.
fn mutable(tensor: &mut Tensor) -> Result<ElementsMut<'_>, OpFailure> {
    let elements = match tensor {
        Tensor::F32(array) => array.as_slice_mut().map(ElementsMut::F32),
        Tensor::F64(array) => array.as_slice_mut().map(ElementsMut::F64),
        Tensor::I32(array) => array.as_slice_mut().map(ElementsMut::I32),
        Tensor::I64(array) => array.as_slice_mut().map(ElementsMut::I64),
        Tensor::Bool(array) => array.as_slice_mut().map(ElementsMut::Bool),
        Tensor::Str(_) => None,
    };
    elements.ok_or(OpFailure::Given)
}
