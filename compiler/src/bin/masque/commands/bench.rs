//! `masque bench MODEL --input IN`

use std::process::ExitCode;
use std::time::{Duration, Instant};

use masque::session::{CompiledModel, RunOptions, Session, SessionError, State, Tensor};
use masque_ir::plan::Plan;
use masque_runtime::io::{self, Place};
use masque_runtime::serve::Job;
use serde::Serialize;

use crate::args::{self, Bench, Common, TextOrJson};
use crate::commands;
use crate::report::{Failure, Terminal};

/// How long runs took; times are seconds.
#[derive(Debug, Serialize)]
struct Report {
    /// Of a run, on the wall.
    median_s: f64,
    min_s: f64,
    max_s: f64,
    /// How many runs were timed.
    n: usize,
    /// Processor time of a run on average, of all threads; none where the system does not tell it.
    cpu_s: Option<f64>,
    examples: usize,
    examples_per_s: f64,
    /// From the model file to the plan.
    compile_s: f64,
    /// From the plan to a session.
    load_s: f64,
    /// The memory of the values of a run, besides inputs, outputs and weights.
    peak_bytes: u64,
    weight_bytes: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<StepTime>,
}

/// What a step of the plan took.
#[derive(Debug, Serialize)]
struct StepTime {
    step: String,
    op: &'static str,
    kernel: String,
    /// Of a run, on average.
    mean_s: f64,
    /// Of all steps.
    share: f64,
}

pub(crate) fn run(arguments: &Bench, common: &Common, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let model = arguments.model();
    let input = Place::from(arguments.input.clone());
    let output = arguments.output.clone().map(Place::from);
    let mut targets = commands::targets(model, common, arguments.force);
    targets.read_inputs(&input);
    if let Some(output) = &output {
        targets.write_outputs(output, io::output_format(output, None)?);
    }
    targets.check()?;
    let start = Instant::now();
    let inferred = commands::infer(model, common, terminal)?;
    let Some(()) = commands::accept(model, &inferred, common, terminal)? else {
        return Ok(ExitCode::from(1));
    };
    let planned = commands::plan(inferred, common, arguments.compiling.options(), terminal)?;
    let compile_s = start.elapsed().as_secs_f64();
    if let Some(output) = &output {
        io::check_outputs(output, io::output_format(output, None)?, &planned.plan)?;
    }
    let weight_bytes = planned.plan.weights.iter().map(|weight| weight.bytes).sum();
    let compiled = CompiledModel::new(model.display().to_string(), planned);
    let start = Instant::now();
    let session = compiled.session()?;
    let load_s = start.elapsed().as_secs_f64();
    let examples = commands::read(&compiled, (&input, args::reading(arguments.header)), terminal)?;
    let inputs = examples.tensors()?;
    let job = Job { threads: common.threads(), ..Job::default() };
    let options = RunOptions { threads: job.threads(), ..Default::default() };
    let timed = Timed::of(&session, &inputs, options, arguments).map_err(|source| {
        let error = SessionError::Run { file: model.display().to_string(), source };
        commands::unrun(error, &examples, &inputs)
    })?;
    let report = timed.report(&session, &inputs, [compile_s, load_s], weight_bytes);
    if let Some(output) = &output {
        io::write_outputs(output, &timed.outputs)?;
    }
    match arguments.format {
        TextOrJson::Json => {
            let text = serde_json::to_string(&report).map_err(|error| Failure::Other(error.to_string()))?;
            commands::print(&format!("{text}\n"))?;
        }
        TextOrJson::Text => commands::print(&report.text())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs of a model.
struct Timed {
    /// Sorted.
    walls: Vec<Duration>,
    cpu: Option<Duration>,
    outputs: Vec<(String, Tensor)>,
    /// By step, of a run on average.
    steps: Vec<f64>,
    peak_bytes: u64,
}

impl Timed {
    fn of(
        session: &Session,
        inputs: &[(String, Tensor)],
        options: RunOptions,
        arguments: &Bench,
    ) -> Result<Timed, masque_runtime::RunError> {
        let mut state = State::default();
        for _ in 0..2 {
            state.reset();
            session.run(&mut state, inputs, options)?;
        }
        let least = Duration::from_secs_f64(arguments.min_time);
        let (start, cpu) = (Instant::now(), processor_time());
        let (mut walls, mut outputs) = (vec![], vec![]);
        while walls.len() < arguments.repeat as usize || start.elapsed() < least {
            state.reset();
            let begun = Instant::now();
            outputs = session.run(&mut state, inputs, options)?.outputs;
            walls.push(begun.elapsed());
        }
        let cpu = processor_time().zip(cpu).map(|(after, before)| after.saturating_sub(before));
        let cpu = cpu.map(|cpu| cpu / walls.len() as u32);
        let mut steps = vec![];
        if arguments.profile {
            state.measure();
            for _ in 0..walls.len() {
                state.reset();
                session.run(&mut state, inputs, options)?;
            }
            steps = state.times().iter().map(|time| time.as_secs_f64() / walls.len() as f64).collect();
        }
        walls.sort_unstable();
        Ok(Timed { walls, cpu, outputs, steps, peak_bytes: state.peak_bytes() })
    }

    fn report(
        &self,
        session: &Session,
        inputs: &[(String, Tensor)],
        [compile_s, load_s]: [f64; 2],
        weight_bytes: u64,
    ) -> Report {
        let second = |place: usize| self.walls.get(place).map_or(0.0, Duration::as_secs_f64);
        let (n, median_s) = (self.walls.len(), second(self.walls.len() / 2));
        let examples = inputs.first().and_then(|(_, tensor)| tensor.shape().first().copied()).unwrap_or(1);
        Report {
            median_s,
            min_s: second(0),
            max_s: second(n - 1),
            n,
            cpu_s: self.cpu.as_ref().map(Duration::as_secs_f64),
            examples,
            examples_per_s: examples as f64 / median_s.max(1e-9),
            compile_s,
            load_s,
            peak_bytes: self.peak_bytes,
            weight_bytes,
            steps: self.steps(session.plan()),
        }
    }

    /// The steps, the slowest first.
    fn steps(&self, plan: &Plan) -> Vec<StepTime> {
        let all: f64 = self.steps.iter().sum::<f64>().max(1e-12);
        let named = |(step, &mean_s): (&masque_ir::plan::Step, &f64)| {
            let first = step.results.first().map(|&result| plan.value(result).name.clone());
            let kernel = step.kernel.info().name.to_owned();
            let op = step.op.info().mnemonic;
            StepTime { step: first.unwrap_or_default(), op, kernel, mean_s, share: mean_s / all }
        };
        let mut steps: Vec<StepTime> = plan.steps.iter().zip(&self.steps).map(named).collect();
        steps.sort_by(|a, b| b.mean_s.total_cmp(&a.mean_s));
        steps
    }
}

impl Report {
    fn text(&self) -> String {
        let milli = |seconds: f64| format!("{:.3} ms", seconds * 1e3);
        let mib = |bytes: f64| format!("{:.1} MiB", bytes / f64::from(1 << 20));
        let mut lines = vec![
            ("run", format!("{} (median of {})", milli(self.median_s), self.n)),
            ("least and most", format!("{}, {}", milli(self.min_s), milli(self.max_s))),
        ];
        lines.extend(self.cpu_s.map(|cpu| ("processor time", milli(cpu))));
        lines.extend([
            ("examples", format!("{}, {:.1} a second", self.examples, self.examples_per_s)),
            ("compiling", milli(self.compile_s)),
            ("loading", milli(self.load_s)),
            ("memory of values", mib(self.peak_bytes as f64)),
            ("weights", mib(self.weight_bytes as f64)),
        ]);
        let mut text: String = lines.iter().map(|(name, value)| format!("{name:<18}{value}\n")).collect();
        if !self.steps.is_empty() {
            text += &format!("\n{:>12}  {:>6}  {:<14}  step\n", "time", "share", "kernel");
        }
        for StepTime { step, kernel, mean_s, share, .. } in &self.steps {
            text += &format!("{:>12}  {:>5.1}%  {kernel:<14}  {step}\n", milli(*mean_s), share * 100.0);
        }
        text
    }
}

/// The processor time of this process so far.
fn processor_time() -> Option<Duration> {
    #[cfg(unix)]
    {
        use rustix::time::{ClockId, clock_gettime};
        let time = clock_gettime(ClockId::ProcessCPUTime);
        Some(Duration::new(time.tv_sec.try_into().ok()?, time.tv_nsec.try_into().ok()?))
    }
    #[cfg(not(unix))]
    None
}
