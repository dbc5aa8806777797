//! One run: inputs bound, values placed stage by stage, steps taken in order.

use std::time::{Duration, Instant};

use masque_ir::dim::Bindings;
use masque_ir::ops::{Index, Op};
use masque_ir::plan::{PlanOutput, PlanState, PlanValue, Source, Step};
use masque_ir::{DType, Type};

use super::inputs::{self, bytes};
use super::placement::Placement;
use super::schedule::{Schedule, Stage};
use super::writing::read;
use super::{Model, Options, Outputs, Workspace, here};
use crate::Tensor;
use crate::data::{Elements, Operand, in_order, literal};
use crate::elements::type_of;
use crate::error::{OpFailure, RunError};
use crate::exec::{Call, Prepared};
use crate::reference::zeros;

/// Sizes and places that a run found, so that the next one with the same sizes need not look for them.
#[derive(Debug, Default)]
pub(super) struct Layout {
    masks: bool,
    /// By stage: the sizes of the symbols at its beginning, and where its values lie.
    stages: Vec<(Bindings, Placement)>,
    /// By value; empty where it is not known yet.
    shapes: Vec<Vec<usize>>,
}

impl Layout {
    /// Where the values of the last stage lie, and the shapes of all values.
    pub(super) fn current(&self) -> Option<(&Placement, &[Vec<usize>])> {
        self.stages.last().map(|(_, placement)| (placement, self.shapes.as_slice()))
    }
}

/// One run under way.
pub(super) struct Run<'r> {
    pub(super) model: &'r Model,
    schedule: &'r Schedule,
    pub(super) workspace: &'r mut Workspace,
    options: Options,
    /// By value: inputs, states and what kernels made themselves.
    pub(super) held: Vec<Option<Tensor>>,
    pub(super) bindings: Bindings,
    /// The bytes of all that is held.
    used: u64,
}

impl<'r> Run<'r> {
    /// A run on these inputs and states, which are those of the plan in order.
    pub(super) fn new(
        model: &'r Model,
        workspace: &'r mut Workspace,
        options: Options,
        given: Vec<Tensor>,
        bindings: Bindings,
    ) -> Run<'r> {
        let used = given.iter().map(bytes).fold(0, u64::saturating_add);
        let mut held: Vec<Option<Tensor>> = given.into_iter().map(Some).collect();
        held.resize(model.plan.values.len(), None);
        let layout = &mut workspace.layout;
        if layout.masks != options.masks || layout.shapes.len() != held.len() {
            *layout = Layout { masks: options.masks, shapes: vec![vec![]; held.len()], stages: vec![] };
        }
        for (shape, tensor) in layout.shapes.iter_mut().zip(&held) {
            if let Some(tensor) = tensor {
                tensor.shape().clone_into(shape);
            }
        }
        let schedule = &model.schedules[usize::from(options.masks)];
        Run { model, schedule, workspace, options, held, bindings, used }
    }

    pub(super) fn finish(mut self) -> Result<(Outputs, Vec<Tensor>), RunError> {
        for (place, stage) in self.schedule.stages.iter().enumerate() {
            self.enter(place, stage)?;
            for group in &stage.groups {
                match &self.schedule.steps[group.clone()] {
                    steps if steps.len() > 1 && self.workspace.times.is_none() => self.write(steps)?,
                    steps => steps.iter().try_for_each(|&step| self.measured(step as usize))?,
                }
            }
        }
        let plan = &self.model.plan;
        let outputs = self.outputs(&plan.outputs)?;
        let masks = if self.options.masks { self.outputs(&plan.masks)? } else { vec![] };
        let kept = |state: &PlanState| self.tensor(&state.kept, &plan.value(state.value).name);
        let kept = plan.states.iter().map(kept).collect::<Result<_, _>>()?;
        Ok((Outputs { outputs, masks }, kept))
    }

    /// Finds the sizes of the values of a stage and places them.
    fn enter(&mut self, place: usize, stage: &Stage) -> Result<(), RunError> {
        let layout = &mut self.workspace.layout;
        if layout.stages.get(place).is_none_or(|(bindings, _)| *bindings != self.bindings) {
            layout.stages.truncate(place);
            let mut placement = match layout.stages.last() {
                Some((_, before)) => before.clone(),
                None => Placement::new(layout.shapes.len()),
            };
            let plan = &self.model.plan;
            for at in stage.steps.clone() {
                let step = &plan.steps[self.schedule.steps[at] as usize];
                for &value in step.results.iter().filter(|_| !step.kernel.gives()) {
                    let PlanValue { ty, .. } = plan.value(value);
                    layout.shapes[value as usize] =
                        ty.eval(&self.bindings).ok_or_else(|| at_step(self.model, step, unbound(ty)))?;
                }
            }
            let demand = |value: u32| {
                let shape = &layout.shapes[value as usize];
                let count = shape.iter().try_fold(1usize, |all, &size| all.checked_mul(size));
                (plan.value(value).ty.dtype, count.unwrap_or(usize::MAX))
            };
            let lives = stage.values.iter().map(|&life| {
                let (dtype, count) = demand(life.value);
                (life, dtype, count)
            });
            let placed = placement.place(&lives.collect::<Vec<_>>());
            placed.ok_or(RunError::Memory { bytes: u64::MAX, limit: self.options.memory })?;
            layout.stages.push((self.bindings.clone(), placement));
        }
        let placement = &layout.stages[place].1;
        let (bytes, limit) = (self.used.saturating_add(placement.bytes()), self.options.memory);
        let too_large = || RunError::Memory { bytes, limit };
        if bytes > limit {
            return Err(too_large());
        }
        let [words, flags] = placement.sizes();
        self.workspace.numbers.grow(words).map_err(|_| too_large())?;
        self.workspace.flags.grow(flags).map_err(|_| too_large())
    }

    /// Takes a step, and adds its time to those before if somebody wants to know.
    fn measured(&mut self, place: usize) -> Result<(), RunError> {
        if self.workspace.times.is_none() {
            return self.step(place);
        }
        let start = Instant::now();
        self.step(place)?;
        if let Some(times) = &mut self.workspace.times {
            times.resize(self.model.steps.len(), Duration::ZERO);
            times[place] += start.elapsed();
        }
        Ok(())
    }

    fn step(&mut self, place: usize) -> Result<(), RunError> {
        let step = &self.model.plan.steps[place];
        match &self.model.steps[place] {
            Prepared::Alias => self.alias(step),
            Prepared::Writes(_) => return self.write(&[place as u32]),
            Prepared::Gives(_) => self.give(place, step),
        }
        .map_err(|failure| at_step(self.model, step, failure))
    }

    /// The result is another shape of its operand, whose sizes the operation has been held against.
    fn alias(&self, step: &Step) -> Result<(), OpFailure> {
        let elements = |value: u32| self.workspace.layout.shapes[value as usize].iter().product::<usize>();
        let (Some(&result), Some(Source::Value(of))) = (step.results.first(), step.operands.first()) else {
            return Ok(());
        };
        if elements(result) == elements(*of) {
            return Ok(());
        }
        let declared = here(&self.model.plan.value(result).ty, &self.bindings);
        Err(OpFailure::mismatch(declared, format!("{:?}", self.workspace.layout.shapes[*of as usize])))
    }

    fn give(&mut self, place: usize, step: &Step) -> Result<(), OpFailure> {
        let Prepared::Gives(kernel) = &self.model.steps[place] else { return Ok(()) };
        let operands: Vec<Option<Operand<'_>>> = (step.operands.iter().enumerate())
            .map(|(at, source)| match source {
                Source::Value(value) => self.value(*value),
                source => self.model.fixed(place, at, source),
            })
            .collect();
        let (bindings, free) = (&self.bindings, self.free());
        let call = Call { op: &step.op, operands: &operands, results: &mut [], bindings, free };
        let results = kernel.give(&call)?;
        for (&result, tensor) in step.results.iter().zip(results) {
            self.agree(&self.model.plan.value(result).ty.clone(), &tensor)?;
            self.used = self.used.saturating_add(bytes(&tensor));
            tensor.shape().clone_into(&mut self.workspace.layout.shapes[result as usize]);
            self.held[result as usize] = Some(in_order(tensor));
        }
        let (bytes, limit) = (self.taken(), self.options.memory);
        if bytes > limit { Err(OpFailure::TooLarge { bytes, limit }) } else { Ok(()) }
    }

    /// The bytes of all that is there.
    fn taken(&self) -> u64 {
        let placed = self.workspace.layout.stages.last().map_or(0, |(_, placement)| placement.bytes());
        self.used.saturating_add(placed)
    }

    /// The bytes that are left.
    pub(super) fn free(&self) -> u64 {
        self.options.memory.saturating_sub(self.taken())
    }

    /// Holds a result against its declared type; symbols that nothing bound yet are bound to what was found.
    fn agree(&mut self, declared: &Type, tensor: &Tensor) -> Result<(), OpFailure> {
        let fits = inputs::fits(declared, &tensor.view(), &mut self.bindings);
        let shape = declared.eval(&self.bindings);
        if fits && shape.as_deref() == Some(tensor.shape()) {
            return Ok(());
        }
        Err(OpFailure::mismatch(here(declared, &self.bindings), type_of(&tensor.view())))
    }

    /// A value that was written.
    fn value(&self, place: u32) -> Option<Operand<'_>> {
        let root = self.model.root(place);
        let shape = &self.workspace.layout.shapes[place as usize];
        if let Some(tensor) = &self.held[root] {
            return Operand::of(tensor).map(|operand| Operand { shape, ..operand });
        }
        let range = self.workspace.layout.stages.last()?.1.range(root as u32);
        match self.model.plan.value(place).ty.dtype {
            DType::Bool => {
                let flags = self.workspace.flags.as_slice().get(range)?;
                Some(Operand { shape, elements: Elements::Bool(flags) })
            }
            dtype => read(dtype, shape, self.workspace.numbers.as_slice().get(range)?),
        }
    }

    fn outputs(&self, outputs: &[PlanOutput]) -> Result<Vec<(String, Tensor)>, RunError> {
        let one = |output: &PlanOutput| Ok((output.name.clone(), self.tensor(&output.source, &output.name)?));
        outputs.iter().map(one).collect()
    }

    /// What is there at the end.
    fn tensor(&self, source: &Source, name: &str) -> Result<Tensor, RunError> {
        let view = match source {
            Source::Value(value) => self.value(*value).and_then(|operand| operand.view()),
            Source::Weight(weight) => self.model.weights.operand(*weight).and_then(|operand| operand.view()),
            Source::Literal(number) => return Ok(literal(number)),
            Source::Absent => None,
        };
        view.map(|view| view.to_owned()).ok_or_else(|| RunError::MissingInput { name: name.to_owned() })
    }
}

/// The values of the states at the start of a run: what the run before has kept, or zeros.
pub(super) fn states(model: &Model, kept: Option<&Vec<Tensor>>, limit: u64) -> Result<Vec<Tensor>, RunError> {
    let start = |(place, state): (usize, &PlanState)| match kept.and_then(|kept| kept.get(place)) {
        Some(tensor) => Ok(tensor.clone()),
        None => start(model.plan.value(state.value), limit),
    };
    model.plan.states.iter().enumerate().map(start).collect()
}

fn start(state: &PlanValue, limit: u64) -> Result<Tensor, RunError> {
    let elements = state.ty.known_elements().and_then(|elements| u64::try_from(elements).ok());
    let bytes = elements.unwrap_or(u64::MAX).saturating_mul(state.ty.dtype.size().unwrap_or(1) as u64);
    let fail = |failure| RunError::Step { step: state.name.clone(), op: "state", failure };
    if bytes > limit {
        return Err(fail(OpFailure::TooLarge { bytes, limit }));
    }
    zeros(&state.ty).map_err(fail)
}

fn unbound(ty: &Type) -> OpFailure {
    OpFailure::UnboundSize { size: ty.to_string() }
}

pub(super) fn at_step(model: &Model, step: &Step, failure: OpFailure) -> RunError {
    // A recurrent layer reads the table of the embedding before it, where the number is wrong.
    if let (Op::Recurrent(_), OpFailure::IndexOutOfRange { .. }, Some(&Source::Weight(table))) =
        (&step.op, &failure, step.operands.first())
    {
        let name = &model.plan.weights[table as usize].name;
        let layer = name.rsplit_once('/').map_or(name.as_str(), |(layer, _)| layer);
        return RunError::Step {
            step: layer.to_owned(),
            op: Op::from(Index::Gather).info().mnemonic,
            failure,
        };
    }
    let first = step.results.first().map(|&result| model.plan.value(result).name.clone());
    RunError::Step { step: first.unwrap_or_default(), op: step.op.info().mnemonic, failure }
}
