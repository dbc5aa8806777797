//! The command line of every executable that masque builds.
//!
//! Data goes to standard output, everything said to people to standard error, except what they asked for. The exit
//! status is 0, or 2 with one line `error: …` for bad input or usage.

mod about;

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use lexopt::prelude::{Long, Short, Value};
use masque_ir::plan::Plan;

use crate::Bundle;
use crate::io::{self as files, FileError, Place, Reading, Targets};
use crate::quote::one_line;
use crate::session::{Options, Session, State};

/// What to do.
#[derive(Debug, PartialEq, Eq)]
enum Task {
    Help,
    Info,
    Version,
    Run(Job),
}

/// A run.
#[derive(Debug, Default, PartialEq, Eq)]
struct Job {
    input: Place,
    output: Place,
    masks: Option<PathBuf>,
    threads: Option<usize>,
    force: bool,
    reading: Reading,
}

/// A failure, as one line for people; none if there is nothing to say.
type Failure = Option<String>;

fn tell(error: impl Display) -> Failure {
    Some(one_line(&error.to_string()))
}

/// Runs the model that the executable carries, as the arguments say; the first one is the program's name.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match parse(arguments).map_err(tell).and_then(perform) {
        Ok(()) => ExitCode::SUCCESS,
        Err(None) => ExitCode::SUCCESS,
        Err(Some(message)) => {
            // Nobody is left to be told if this fails.
            let _ = writeln!(io::stderr(), "error: {message}");
            ExitCode::from(2)
        }
    }
}

fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Task, lexopt::Error> {
    let mut parser = lexopt::Parser::from_iter(arguments);
    let (mut job, mut output, mut input) = (Job::default(), None, None);
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Task::Help),
            Short('V') | Long("version") => return Ok(Task::Version),
            Long("info") => return Ok(Task::Info),
            Short('o') | Long("output") => once("--output", &mut output, parser.value()?)?,
            Long("masks") => once("--masks", &mut job.masks, parser.value()?.into())?,
            Long("force") => job.force = true,
            Long("header") => once("--header", &mut job.reading.header, header(&parser.value()?)?)?,
            Long("threads") => once("--threads", &mut job.threads, threads(&parser.value()?)?)?,
            Short('i') | Long("input") => once("INPUT", &mut input, parser.value()?)?,
            Value(path) => once("INPUT", &mut input, path)?,
            other => return Err(other.unexpected()),
        }
    }
    let place = |path: Option<OsString>| path.map(PathBuf::from).map_or(Place::Standard, Place::from);
    (job.input, job.output) = (place(input), place(output));
    Ok(Task::Run(job))
}

/// Sets what is not set yet.
fn once<T>(option: &str, place: &mut Option<T>, value: T) -> Result<(), lexopt::Error> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(lexopt::Error::from(format!("{option} is given twice"))),
    }
}

fn header(value: &OsString) -> Result<bool, lexopt::Error> {
    match value.to_str() {
        Some("yes") => Ok(true),
        Some("no") => Ok(false),
        _ => {
            let found = value.to_string_lossy();
            Err(lexopt::Error::from(format!("--header expects yes or no, found {found}")))
        }
    }
}

fn threads(value: &OsString) -> Result<usize, lexopt::Error> {
    let number = value.to_str().and_then(|text| text.parse().ok()).filter(|&number| number > 0);
    number.ok_or_else(|| {
        lexopt::Error::from(format!(
            "--threads expects a number from 1 on, found {}",
            value.to_string_lossy()
        ))
    })
}

fn perform(task: Task) -> Result<(), Failure> {
    let bundle = Arc::new(Bundle::of_current_exe().map_err(tell)?);
    let plan = bundle.plan();
    match task {
        Task::Help => say(&about::help(plan)),
        Task::Info => say(&about::info(plan)),
        Task::Version => say(&about::version(plan)),
        Task::Run(job) => run(bundle.clone(), job),
    }
}

fn say(text: &str) -> Result<(), Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(tell),
    }
}

/// Says something to people. There is nobody to tell that nobody listens.
fn note(text: &str) {
    let _ = writeln!(io::stderr(), "note: {}", one_line(text));
}

fn run(bundle: Arc<Bundle>, job: Job) -> Result<(), Failure> {
    check_files(bundle.plan(), &job).map_err(tell)?;
    let session = Session::of(bundle.clone()).map_err(tell)?;
    if let Some(waits) = files::waits_for(&job.input) {
        note(waits);
    }
    let examples = files::read_examples(bundle.plan(), &job.input, job.reading).map_err(tell)?;
    if let Some(guess) = &examples.guess {
        note(guess);
    }
    let inputs = examples.tensors().map_err(tell)?;
    let all = std::thread::available_parallelism().map_or(1, usize::from);
    let options =
        Options { threads: job.threads.unwrap_or(all), masks: job.masks.is_some(), ..Options::default() };
    let results = session
        .run(&mut State::default(), &inputs, options)
        .map_err(|error| examples.locate(&inputs, &error).map_or_else(|| tell(&error), tell))?;
    if let Some(path) = &job.masks {
        files::write_masks(path, &results.masks).map_err(tell)?;
    }
    files::write_outputs(&job.output, &results.outputs)
        .map_err(|error| if files::is_broken_pipe(&error) { None } else { tell(error) })
}

/// Can everything be written, and is nothing lost by it? The program itself is read, too.
fn check_files(plan: &Plan, job: &Job) -> Result<(), FileError> {
    let mut targets = Targets::new(job.force);
    targets.read_inputs(&job.input).write_outputs(&job.output)?;
    if let Ok(program) = std::env::current_exe() {
        targets.read(program);
    }
    if let Some(path) = &job.masks {
        targets.write_masks(path)?;
    }
    targets.check()?;
    files::check_outputs(&job.output, plan)
}

#[cfg(test)]
mod tests;
