//! A model ready to run: a plan, its weights as they lie in the file, and what kernels want prepared.
//!
//! A run checks its inputs, binds the symbols of their declared types to the sizes that were passed, and takes the
//! steps in order. A step that nothing asked for depends on is passed over: without masks among the outputs, what
//! only computes them costs nothing. Every result is held against its declared type as soon as it is there.
//!
//! What a model keeps from run to run, the session keeps: zeros at first, and again after [`Session::reset_states`]. A
//! run that fails leaves it as it was.

mod inputs;
mod live;

use masque_ir::Type;
use masque_ir::dim::Bindings;
use masque_ir::plan::{Kernel, Plan, PlanOutput, PlanResult, PlanState, Source, Step};
use masque_ir::program::Literal;
use ndarray::arr0;
use rayon::ThreadPool;

use crate::check::{self, CheckError};
use crate::elements::type_of;
use crate::error::{OpFailure, RunError};
use crate::exec::{self, Argument, Call, Prepared};
use crate::reference::zeros;
use crate::weights::{Stored, WeightError};
use crate::{Bundle, Tensor};

/// How a model is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many threads may work at a time; the numbers do not depend on it.
    pub threads: usize,
    /// Are the masks among the results?
    pub masks: bool,
    /// The bytes that all values together may take at any time.
    pub memory: u64,
}

impl Default for Options {
    /// One thread, no masks, 16 GiB.
    fn default() -> Options {
        Options { threads: 1, masks: false, memory: 16 << 30 }
    }
}

/// What a model gives.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outputs {
    /// The outputs by name, in the model's order.
    pub outputs: Vec<(String, Tensor)>,
    /// The masks by name, if they were asked for.
    pub masks: Vec<(String, Tensor)>,
}

/// A model cannot be made ready.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// The plan is not sound.
    #[error("the plan is not sound: {0}")]
    Plan(#[from] CheckError),
    /// The weights are not those of the plan.
    #[error(transparent)]
    Weight(#[from] WeightError),
}

/// A model ready to run; see the module's documentation.
#[derive(Debug)]
pub struct Session<'a> {
    plan: &'a Plan,
    weights: Vec<Stored<'a>>,
    /// For every step, what was made of its weights, by place.
    prepared: Vec<Vec<Option<Prepared>>>,
    /// For every step: is it needed for the outputs alone, and with the masks?
    needed: live::Needed,
    /// In the order of the plan; none before the first run.
    states: Option<Vec<Tensor>>,
    pool: Option<ThreadPool>,
}

impl<'a> Session<'a> {
    /// Makes ready what a container holds.
    ///
    /// # Errors
    ///
    /// [`SessionError::Weight`] if a weight's bytes are not of its type.
    pub fn of(bundle: &'a Bundle) -> Result<Session<'a>, SessionError> {
        Session::prepare(bundle.plan(), bundle.weights())
    }

    /// Makes a plan ready, with its weights section.
    ///
    /// # Errors
    ///
    /// [`SessionError`] if the plan is not sound or the weights are not those of the plan.
    pub fn new(plan: &'a Plan, weights: &'a [u8]) -> Result<Session<'a>, SessionError> {
        check::check(plan, weights.len() as u64)?;
        Session::prepare(plan, weights)
    }

    fn prepare(plan: &'a Plan, section: &'a [u8]) -> Result<Session<'a>, SessionError> {
        let read = |weight| Stored::read(weight, section);
        let weights = plan.weights.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let prepare = |step: &Step| {
            let one = |(place, source): (usize, &Source)| match source {
                Source::Weight(weight) if step.kernel == Kernel::Native => {
                    exec::prepare(&step.op, place, &weights[*weight as usize])
                }
                _ => None,
            };
            step.sources.iter().enumerate().map(one).collect()
        };
        let prepared = plan.steps.iter().map(prepare).collect();
        Ok(Session { plan, prepared, needed: live::needed(plan), weights, states: None, pool: None })
    }

    /// The plan.
    pub fn plan(&self) -> &'a Plan {
        self.plan
    }

    /// Runs the model. Inputs come by name, in any order; numbers of another type than declared are converted
    /// where nothing is lost but the digits of a float.
    ///
    /// # Errors
    ///
    /// [`RunError`]: inputs that are missing, unknown or of another type, an operation that failed on these numbers,
    /// or more memory than [`Options::memory`].
    pub fn run<N: AsRef<str> + Sync>(
        &mut self,
        inputs: &[(N, Tensor)],
        options: Options,
    ) -> Result<Outputs, RunError> {
        self.make_pool(options.threads);
        let (outputs, states) = match &self.pool {
            Some(pool) => pool.install(|| self.execute(inputs, options)),
            None => self.execute(inputs, options),
        }?;
        self.states = Some(states);
        Ok(outputs)
    }

    /// Forgets what earlier runs have left: the next run is like the first.
    pub fn reset_states(&mut self) {
        self.states = None;
    }

    /// Outside of a pool, kernels use one thread.
    fn make_pool(&mut self, threads: usize) {
        let machine = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = threads.min(machine);
        if self.pool.as_ref().map_or(1, ThreadPool::current_num_threads) != threads {
            let builder = rayon::ThreadPoolBuilder::new().num_threads(threads);
            self.pool = if threads > 1 { builder.build().ok() } else { None };
        }
    }

    fn execute<N: AsRef<str> + Sync>(
        &self,
        inputs: &[(N, Tensor)],
        options: Options,
    ) -> Result<(Outputs, Vec<Tensor>), RunError> {
        let mut run = Run {
            session: self,
            slots: vec![None; self.plan.slots as usize],
            bindings: Bindings::new(),
            used: 0,
            limit: options.memory,
        };
        for (slot, tensor) in inputs::bind(self.plan, inputs, &mut run.bindings)? {
            run.put(slot, tensor);
        }
        run.put_states()?;
        for (place, step) in self.plan.steps.iter().enumerate() {
            run.step(place, step, self.needed.is(place, options.masks))?;
        }
        let outputs = run.outputs(&self.plan.outputs)?;
        let masks = if options.masks { run.outputs(&self.plan.masks)? } else { vec![] };
        let kept = self.plan.states.iter().map(|state| run.value(&state.kept, &state.name));
        Ok((Outputs { outputs, masks }, kept.collect::<Result<_, _>>()?))
    }
}

/// One run under way.
struct Run<'s, 'a> {
    session: &'s Session<'a>,
    slots: Vec<Option<Tensor>>,
    bindings: Bindings,
    used: u64,
    limit: u64,
}

impl Run<'_, '_> {
    fn step(&mut self, place: usize, step: &Step, needed: bool) -> Result<(), RunError> {
        let results = match needed {
            true => self.compute(place, step).map_err(|failure| at(step, failure))?,
            false => vec![],
        };
        for (result, tensor) in step.results.iter().zip(results) {
            self.put(result.slot, tensor);
        }
        for &slot in &step.release {
            self.take(slot);
        }
        Ok(())
    }

    fn compute(&mut self, place: usize, step: &Step) -> Result<Vec<Tensor>, OpFailure> {
        let numbers: Vec<Option<Tensor>> = step.sources.iter().map(literal).collect();
        let operands: Vec<Option<Argument<'_>>> = step
            .sources
            .iter()
            .zip(&numbers)
            .enumerate()
            .map(|(operand, (source, number))| self.argument(place, operand, source, number))
            .collect();
        let budget = self.limit.saturating_sub(self.used);
        let call = Call { op: &step.op, operands: &operands, bindings: &self.bindings, budget };
        let results = match step.kernel {
            Kernel::Native => call.by_kernel()?,
            Kernel::Reference => call.by_reference()?,
        };
        for (declared, tensor) in step.results.iter().zip(&results) {
            self.agree(declared, tensor)?;
        }
        let bytes = results.iter().map(inputs::bytes).fold(0, u64::saturating_add);
        if bytes > budget {
            return Err(OpFailure::TooLarge { bytes, limit: budget });
        }
        Ok(results)
    }

    fn argument<'r>(
        &'r self,
        step: usize,
        operand: usize,
        source: &Source,
        number: &'r Option<Tensor>,
    ) -> Option<Argument<'r>> {
        match *source {
            Source::Absent => None,
            Source::Literal(_) => number.as_ref().map(|number| Argument::Tensor(number.view())),
            Source::Slot(slot) => {
                let held = self.slots.get(slot as usize)?.as_ref()?;
                Some(Argument::Tensor(held.view()))
            }
            Source::Weight(weight) => {
                let prepared = self.session.prepared[step].get(operand).and_then(Option::as_ref);
                let weight = self.session.weights.get(weight as usize)?;
                Some(Argument::Weight(weight.view(), prepared))
            }
        }
    }

    fn agree(&mut self, declared: &PlanResult, tensor: &Tensor) -> Result<(), OpFailure> {
        let fits = inputs::fits(&declared.ty, &tensor.view(), &mut self.bindings);
        let shape = declared.ty.eval(&self.bindings);
        if fits && shape.as_deref() == Some(tensor.shape()) {
            return Ok(());
        }
        Err(OpFailure::mismatch(here(&declared.ty, &self.bindings), type_of(&tensor.view())))
    }

    fn take(&mut self, slot: u32) -> Option<Tensor> {
        let tensor = self.slots.get_mut(slot as usize)?.take()?;
        self.used = self.used.saturating_sub(inputs::bytes(&tensor));
        Some(tensor)
    }

    fn put(&mut self, slot: u32, tensor: Tensor) {
        self.take(slot);
        self.used = self.used.saturating_add(inputs::bytes(&tensor));
        if let Some(holder) = self.slots.get_mut(slot as usize) {
            *holder = Some(tensor);
        }
    }

    fn outputs(&self, outputs: &[PlanOutput]) -> Result<Vec<(String, Tensor)>, RunError> {
        let one = |output: &PlanOutput| Ok((output.name.clone(), self.value(&output.source, &output.name)?));
        outputs.iter().map(one).collect()
    }

    /// What is there at the end.
    fn value(&self, source: &Source, name: &str) -> Result<Tensor, RunError> {
        let tensor = match source {
            Source::Slot(slot) => self.slots.get(*slot as usize).cloned().flatten(),
            Source::Weight(weight) => self.session.weights.get(*weight as usize).map(Stored::to_tensor),
            Source::Literal(_) | Source::Absent => literal(source),
        };
        tensor.ok_or_else(|| RunError::MissingInput { name: name.to_owned() })
    }

    /// What the run before has left, or zeros.
    fn put_states(&mut self) -> Result<(), RunError> {
        for (place, state) in self.session.plan.states.iter().enumerate() {
            let known = self.session.states.as_ref().and_then(|states| states.get(place));
            let tensor = match known {
                Some(tensor) => tensor.clone(),
                None => self.zeros(state)?,
            };
            self.put(state.slot, tensor);
        }
        Ok(())
    }

    fn zeros(&self, state: &PlanState) -> Result<Tensor, RunError> {
        let elements = state.ty.known_elements().and_then(|elements| u64::try_from(elements).ok());
        let bytes = elements.unwrap_or(u64::MAX).saturating_mul(state.ty.dtype.size().unwrap_or(1) as u64);
        let limit = self.limit.saturating_sub(self.used);
        let fail = |failure| RunError::Step { step: state.name.clone(), op: "state", failure };
        if bytes > limit {
            return Err(fail(OpFailure::TooLarge { bytes, limit }));
        }
        zeros(&state.ty).map_err(fail)
    }
}

fn at(step: &Step, failure: OpFailure) -> RunError {
    let name = step.results.first().map(|result| result.name.clone()).unwrap_or_default();
    RunError::Step { step: name, op: step.op.info().mnemonic, failure }
}

/// A number as a tensor without axes.
fn literal(source: &Source) -> Option<Tensor> {
    use masque_ir::DType::{Bool, F32, F64, I32, I64, Str};
    let Source::Literal(Literal { dtype, number }) = source else { return None };
    let number = number.0;
    Some(match dtype {
        F32 => Tensor::F32(arr0(number as f32).into_dyn()),
        F64 => Tensor::F64(arr0(number).into_dyn()),
        I32 => Tensor::I32(arr0(number as i32).into_dyn()),
        I64 => Tensor::I64(arr0(number as i64).into_dyn()),
        Bool => Tensor::Bool(arr0(number != 0.0).into_dyn()),
        Str => return None,
    })
}

/// A type, and what it comes to: `f32[B, 4] (here [2, 4])`.
fn here(ty: &Type, bindings: &Bindings) -> String {
    match ty.eval(bindings) {
        Some(shape) if ty.elements().known().is_none() => format!("{ty} (here {shape:?})"),
        _ => ty.to_string(),
    }
}

#[cfg(test)]
mod tests;
