//! Groups of steps that write their results: what each reads and where it writes, and each on a thread of its own where
//! that is worth it.

use std::ops::Range;

use masque_ir::DType;
use masque_ir::dim::Bindings;
use masque_ir::plan::{Source, Step};
use rayon::prelude::*;

use super::placement::{Placement, WORD};
use super::run::{Run, at_step};
use super::{Model, Workspace};
use crate::data::{Elements, ElementsMut, Operand, Room};
use crate::error::{OpFailure, RunError};
use crate::exec::{Call, Prepared, Writes};
use crate::kernels::threads;
use crate::memory::parts;

impl Run<'_> {
    /// Takes steps that write their results, none of which reads what another one writes.
    pub(super) fn write(&mut self, group: &[u32]) -> Result<(), RunError> {
        let model = self.model;
        let fail = |place: u32, failure| at_step(model, &model.plan.steps[place as usize], failure);
        let first = group.first().copied().unwrap_or_default();
        let ready = self.ready(group).map_err(|failure| fail(first, failure))?;
        let shares = ready.len();
        let done: Vec<Result<(), OpFailure>> = match shares > 1 && ready.iter().all(Ready::is_worth_a_thread)
        {
            true => ready.into_par_iter().map(|step| threads::as_one_of(shares, || step.run())).collect(),
            false => ready.into_iter().map(Ready::run).collect(),
        };
        match group.iter().zip(done).find_map(|(&place, done)| Some((place, done.err()?))) {
            Some((place, failure)) => Err(fail(place, failure)),
            None => Ok(()),
        }
    }

    /// The steps with their parts of the memories.
    fn ready<'a>(&'a mut self, group: &[u32]) -> Result<Vec<Ready<'a>>, OpFailure> {
        let free = self.free();
        let (model, held, bindings) = (self.model, &self.held, &self.bindings);
        let Workspace { layout, numbers, flags, .. } = &mut *self.workspace;
        let (placement, shapes) = layout.current().ok_or(OpFailure::Given)?;
        let mut wanted = Wanted::default();
        let steps = || group.iter().map(|&place| (place as usize, &model.plan.steps[place as usize]));
        for (_, step) in steps() {
            wanted.by(model, step, placement, |root| held[root].is_none());
        }
        let overlap = || OpFailure::mismatch("values that lie apart", "values that overlap");
        let numbers =
            parts(numbers.as_mut_slice(), &wanted.reads[0], &wanted.writes[0]).ok_or_else(overlap)?;
        let flags = parts(flags.as_mut_slice(), &wanted.reads[1], &wanted.writes[1]).ok_or_else(overlap)?;
        let (mut number_reads, mut flag_reads) = (numbers.0.into_iter(), flags.0.into_iter());
        let (mut number_writes, mut flag_writes) = (numbers.1.into_iter(), flags.1.into_iter());
        let mut ready = Vec::with_capacity(group.len());
        for (place, step) in steps() {
            let Prepared::Writes(kernel) = &model.steps[place] else { return Err(OpFailure::Given) };
            let in_place = over(model, step);
            let mut operands = Vec::with_capacity(step.operands.len());
            for (at, source) in step.operands.iter().enumerate() {
                operands.push(match source {
                    Source::Value(value) if Some(*value) == in_place => None,
                    Source::Value(value) => {
                        let (ty, shape) = (&model.plan.value(*value).ty, &shapes[*value as usize]);
                        match &held[model.root(*value)] {
                            Some(tensor) => Operand::of(tensor).map(|operand| Operand { shape, ..operand }),
                            None if ty.dtype == DType::Bool => flag_reads
                                .next()
                                .map(|flags| Operand { shape, elements: Elements::Bool(flags) }),
                            None => number_reads.next().and_then(|words| read(ty.dtype, shape, words)),
                        }
                    }
                    source => model.fixed(place, at, source),
                });
            }
            let mut rooms = Vec::with_capacity(step.results.len());
            for &result in &step.results {
                let (ty, shape) = (&model.plan.value(result).ty, &shapes[result as usize]);
                let room = match ty.dtype {
                    DType::Bool => {
                        flag_writes.next().map(|flags| Room { shape, elements: ElementsMut::Bool(flags) })
                    }
                    dtype => number_writes.next().and_then(|words| room(dtype, shape, words)),
                };
                rooms.push(room.ok_or_else(overlap)?);
            }
            ready.push(Ready { kernel: &**kernel, step, operands, rooms, bindings, free });
        }
        Ok(ready)
    }
}

/// The value in whose place a step writes its first result.
fn over(model: &Model, step: &Step) -> Option<u32> {
    step.results.first().and_then(|&result| model.plan.value(result).over)
}

/// A step with what it reads and where it writes.
struct Ready<'a> {
    kernel: &'a dyn Writes,
    step: &'a Step,
    operands: Vec<Option<Operand<'a>>>,
    rooms: Vec<Room<'a>>,
    bindings: &'a Bindings,
    free: u64,
}

impl Ready<'_> {
    fn run(self) -> Result<(), OpFailure> {
        let Ready { kernel, step, operands, mut rooms, bindings, free } = self;
        kernel.write(&mut Call { op: &step.op, operands: &operands, results: &mut rooms, bindings, free })
    }

    fn is_worth_a_thread(&self) -> bool {
        let Ready { kernel, step, operands, bindings, free, .. } = self;
        let call = Call { op: &step.op, operands, results: &mut [], bindings, free: *free };
        threads::is_worth_another(kernel.flops(&call))
    }
}

/// Ranges of both memories: of numbers, and of truth values.
#[derive(Default)]
struct Wanted {
    reads: [Vec<Range<usize>>; 2],
    writes: [Vec<Range<usize>>; 2],
}

impl Wanted {
    /// Adds what a step reads, of values that are placed, and what it writes.
    fn by(&mut self, model: &Model, step: &Step, placement: &Placement, is_placed: impl Fn(usize) -> bool) {
        let in_place = over(model, step);
        let memory = |value: u32| usize::from(model.plan.value(value).ty.dtype == DType::Bool);
        let range = |value: u32| placement.range(model.root(value) as u32);
        for value in step.operands.iter().filter_map(|source| source.value()) {
            if Some(value) != in_place && is_placed(model.root(value)) {
                self.reads[memory(value)].push(range(value));
            }
        }
        step.results.iter().for_each(|&result| self.writes[memory(result)].push(range(result)));
    }
}

/// The words that so many elements of a type take, as these elements.
pub(super) fn read<'a>(dtype: DType, shape: &'a [usize], words: &'a [u64]) -> Option<Operand<'a>> {
    let count: usize = shape.iter().product();
    let elements = match dtype {
        DType::F32 => Elements::F32(bytemuck::cast_slice(words).get(..count)?),
        DType::F64 => Elements::F64(bytemuck::cast_slice(words).get(..count)?),
        DType::I32 => Elements::I32(bytemuck::cast_slice(words).get(..count)?),
        DType::I64 => Elements::I64(bytemuck::cast_slice(words).get(..count)?),
        DType::Bool | DType::Str => return None,
    };
    Some(Operand { shape, elements })
}

fn room<'a>(dtype: DType, shape: &'a [usize], words: &'a mut [u64]) -> Option<Room<'a>> {
    const { assert!(WORD == size_of::<u64>()) };
    let count: usize = shape.iter().product();
    let elements = match dtype {
        DType::F32 => ElementsMut::F32(bytemuck::cast_slice_mut(words).get_mut(..count)?),
        DType::F64 => ElementsMut::F64(bytemuck::cast_slice_mut(words).get_mut(..count)?),
        DType::I32 => ElementsMut::I32(bytemuck::cast_slice_mut(words).get_mut(..count)?),
        DType::I64 => ElementsMut::I64(bytemuck::cast_slice_mut(words).get_mut(..count)?),
        DType::Bool | DType::Str => return None,
    };
    Some(Room { shape, elements })
}
