//! A model ready to run: a plan, its weights as they lie in the file, and what kernels want prepared.
//!
//! A run checks its inputs, binds the symbols of their declared types to the sizes that were passed, places all values in
//! one memory and takes the steps in order. A step that nothing asked for depends on is passed over: without masks
//! among the outputs, what only computes them costs nothing.
//!
//! A session is shared by whoever runs it, also at the same time. What a run needs beside it belongs to the caller, in a
//! [`State`]: the memory, which the next run uses again, and what a model keeps from run to run: zeros at first, and
//! again after [`State::reset`]. A run that fails leaves it as it was.

mod demand;
mod inputs;
mod lengths;
mod placement;
mod run;
mod schedule;
mod writing;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use masque_ir::Type;
use masque_ir::dim::Bindings;
use masque_ir::plan::{Plan, Source, Step};
use rayon::ThreadPool;

use crate::check::{self, CheckError};
use crate::data::{Elements, Operand, literal};
use crate::error::RunError;
use crate::exec::{self, Prepared};
use crate::kernels::environment::{Environment, under};
use crate::kernels::threads::alone;
use crate::memory::Aligned;
use crate::weights::{Section, WeightError, Weights};
use crate::{Bundle, Tensor};
pub use demand::demand;
use run::{Layout, Run};
use schedule::Schedule;

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
#[derive(Clone, Debug)]
pub struct Session {
    model: Arc<Model>,
}

/// What belongs to a caller: memory that is used again, and what the model keeps from run to run.
#[derive(Debug, Default)]
pub struct State {
    /// In the order of the plan; `None` before the first run.
    kept: Option<Vec<Tensor>>,
    workspace: Workspace,
}

impl State {
    /// Forgets what earlier runs have kept: the next run is like the first.
    pub fn reset(&mut self) {
        self.kept = None;
    }

    /// From the next run on, takes one step after the other and measures how long each takes.
    pub fn measure(&mut self) {
        self.workspace.times = Some(vec![]);
    }

    /// How long each step of the plan took in all runs since [`State::measure`], in the plan's order; empty before the
    /// first run.
    pub fn times(&self) -> &[Duration] {
        self.workspace.times.as_deref().unwrap_or_default()
    }

    /// The bytes of memory that runs in this state have needed at most, besides what the caller passed and got.
    pub fn peak_bytes(&self) -> u64 {
        let Workspace { numbers, flags, .. } = &self.workspace;
        (size_of_val(numbers.as_slice()) + size_of_val(flags.as_slice())) as u64
    }
}

/// The memory of a run.
#[derive(Debug, Default)]
struct Workspace {
    layout: Layout,
    numbers: Aligned<u64>,
    flags: Aligned<bool>,
    /// By step, if they are measured.
    times: Option<Vec<Duration>>,
}

/// What all runs share.
#[derive(Debug)]
struct Model {
    plan: Arc<Plan>,
    weights: Weights,
    steps: Vec<Prepared>,
    /// By step: its operands that are numbers, as tensors without axes.
    numbers: Vec<Vec<Option<Tensor>>>,
    /// By value: the one whose memory it takes.
    roots: Vec<u32>,
    /// Without masks among the results, and with them.
    schedules: [Schedule; 2],
    pool: Mutex<Option<Arc<ThreadPool>>>,
}

impl Session {
    /// Makes ready what a container holds.
    ///
    /// # Errors
    ///
    /// [`SessionError::Weight`] if a weight's bytes are not of its type.
    pub fn of(bundle: Arc<Bundle>) -> Result<Session, SessionError> {
        Session::prepare(bundle.shared_plan(), bundle.into())
    }

    /// Makes a plan ready, with its weights section.
    ///
    /// # Errors
    ///
    /// [`SessionError`] if the plan is not sound or the weights are not those of the plan.
    pub fn new(plan: impl Into<Arc<Plan>>, weights: Section) -> Result<Session, SessionError> {
        let plan = plan.into();
        check::check(&plan, weights.bytes().len() as u64)?;
        Session::prepare(plan, weights)
    }

    fn prepare(plan: Arc<Plan>, section: Section) -> Result<Session, SessionError> {
        let weights = Weights::read(&plan.weights, section)?;
        let numbers = plan.steps.iter().map(|step| step.operands.iter().map(number).collect()).collect();
        let roots = (0..plan.values.len() as u32).map(|value| plan.root(value)).collect();
        let schedules = [false, true].map(|masks| Schedule::of(&plan, masks));
        let mut model =
            Model { plan, weights, steps: vec![], numbers, roots, schedules, pool: Mutex::default() };
        let prepared = |(place, step)| model.prepared(place, step);
        model.steps = model.plan.steps.iter().enumerate().map(prepared).collect::<Vec<_>>();
        Ok(Session { model: Arc::new(model) })
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.model.plan
    }

    /// The texts among the weights: words that the model knows.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        let weights =
            (0..self.model.plan.weights.len()).filter_map(|place| self.model.weights.operand(place as u32));
        let texts = weights.filter_map(|weight| match weight.elements {
            Elements::Str(texts) => Some(texts),
            _ => None,
        });
        texts.flatten().map(String::as_str)
    }

    /// Runs the model. Inputs come by name, in any order; numbers of another type than declared are converted
    /// where nothing is lost but the digits of a float.
    ///
    /// # Errors
    ///
    /// [`RunError`]: inputs that are missing, unknown or of another type, an operation that failed on these numbers,
    /// or more memory than [`Options::memory`].
    pub fn run<N: AsRef<str> + Sync>(
        &self,
        state: &mut State,
        inputs: &[(N, Tensor)],
        options: Options,
    ) -> Result<Outputs, RunError> {
        // The caller's thread may flush subnormals, and may be one of a pool; threads of a pool made here are like this one.
        let (outputs, kept) = under(Environment::USUAL, || match self.model.pool(options.threads) {
            Some(pool) => pool.install(|| self.execute(state, inputs, options)),
            None => alone(|| self.execute(state, inputs, options)),
        })?;
        state.kept = Some(kept);
        Ok(outputs)
    }

    fn execute<N: AsRef<str> + Sync>(
        &self,
        state: &mut State,
        inputs: &[(N, Tensor)],
        options: Options,
    ) -> Result<(Outputs, Vec<Tensor>), RunError> {
        let mut bindings = Bindings::new();
        let mut given = inputs::bind(&self.model.plan, inputs, &mut bindings)?;
        given.extend(run::states(&self.model, state.kept.as_ref(), options.memory)?);
        let run = Run::new(&self.model, &mut state.workspace, options, given, bindings.clone());
        run.finish().map_err(|error| lengths::told(&self.model.plan, &bindings, error))
    }
}

impl Model {
    fn root(&self, value: u32) -> usize {
        self.roots[value as usize] as usize
    }

    fn prepared(&self, place: usize, step: &Step) -> Prepared {
        let fixed = step.operands.iter().enumerate().map(|(at, source)| self.fixed(place, at, source));
        let fixed: Vec<Option<Operand<'_>>> = fixed.collect();
        let types: Vec<Option<Type>> = step.operands.iter().map(|source| self.ty(source)).collect();
        let types: Vec<Option<&Type>> = types.iter().map(Option::as_ref).collect();
        exec::prepare(step.kernel, &step.op, &fixed, &types)
    }

    fn ty(&self, source: &Source) -> Option<Type> {
        match source {
            Source::Absent => None,
            Source::Value(value) => Some(self.plan.value(*value).ty.clone()),
            Source::Literal(literal) => Some(Type::scalar(literal.dtype)),
            Source::Weight(weight) => {
                let weight = &self.plan.weights[*weight as usize];
                let sizes = weight.shape.iter().map(|&size| i64::try_from(size).unwrap_or(i64::MAX).into());
                Some(Type::new(weight.dtype, sizes.collect::<Vec<_>>()))
            }
        }
    }

    /// An operand that is the same in every run.
    fn fixed(&self, step: usize, operand: usize, source: &Source) -> Option<Operand<'_>> {
        match source {
            Source::Weight(weight) => self.weights.operand(*weight),
            Source::Literal(_) => self.numbers[step][operand].as_ref().and_then(Operand::of),
            Source::Value(_) | Source::Absent => None,
        }
    }

    /// The pool of so many threads; `None` for one thread. Outside of a pool, kernels use one thread.
    fn pool(&self, threads: usize) -> Option<Arc<ThreadPool>> {
        let machine = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = threads.min(machine);
        if threads < 2 {
            return None;
        }
        let mut pool = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if pool.as_ref().is_none_or(|pool| pool.current_num_threads() != threads) {
            *pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().ok().map(Arc::new);
        }
        pool.clone()
    }
}

fn number(source: &Source) -> Option<Tensor> {
    match source {
        Source::Literal(number) => Some(literal(number)),
        _ => None,
    }
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
