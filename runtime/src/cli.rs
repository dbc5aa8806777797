//! The command line of every executable that masque builds.
//!
//! Data goes to standard output, everything said to people to standard error, except what they asked for. The exit
//! status is 0, or 2 with one line `error: …` for bad input or usage; of a self-test that finds other answers, 1.

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
use crate::bundle::{program, runner};
use crate::example::Example;
use crate::io::{self as files, FileError, Targets};
use crate::quote::one_line;
use crate::serve::{FLAGS, Flag, Job, Listener, ServeError, serve};
use crate::session::Session;

/// What to do.
#[derive(Debug, PartialEq, Eq)]
enum Task {
    Help,
    Info { json: bool },
    SelfTest { threads: usize },
    Version,
    Run(Box<Job>, Masks),
}

/// Where the masks are written, if anywhere.
type Masks = Option<PathBuf>;

/// A failure.
enum Failure {
    /// There is nothing to say.
    Silent,
    /// Lines for people, and the exit status.
    Told(Vec<String>, u8),
}

fn tell(error: impl Display) -> Failure {
    Failure::Told(vec![one_line(&error.to_string())], 2)
}

/// Runs the model that the executable carries, as the arguments say; the first one is the program's name.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    runner::mark();
    match parse(arguments).map_err(tell).and_then(perform) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Silent) => ExitCode::SUCCESS,
        Err(Failure::Told(messages, status)) => {
            for message in messages {
                // Nobody is left to be told if this fails.
                let _ = writeln!(io::stderr(), "error: {message}");
            }
            ExitCode::from(status)
        }
    }
}

fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Task, lexopt::Error> {
    let mut parser = lexopt::Parser::from_iter(arguments);
    let (mut job, mut masks, mut format) = (Job::default(), None, None);
    let (mut info, mut self_test) = (false, false);
    let mut given: Vec<&str> = vec![];
    while let Some(argument) = parser.next()? {
        let flag = match &argument {
            Long(name) => FLAGS.iter().find(|flag| flag.name == *name),
            Short(letter) => FLAGS.iter().find(|flag| flag.short == Some(*letter)),
            Value(_) => FLAGS.iter().find(|flag| flag.name == "input"),
        };
        match (flag, argument) {
            (Some(flag), argument) => {
                if !flag.repeats {
                    once(&mut given, flag.name)?;
                }
                let value = match argument {
                    Value(path) => Some(path),
                    _ => flag.value.map(|_| parser.value()).transpose()?,
                };
                set(&mut job, flag, value)?;
            }
            (_, Short('h') | Long("help")) => return Ok(Task::Help),
            (_, Short('V') | Long("version")) => return Ok(Task::Version),
            (_, Long("info")) => info = true,
            (_, Long("self-test")) => self_test = true,
            (_, Long("format")) => {
                once(&mut given, "format")?;
                format = Some(is_json(&parser.value()?)?);
            }
            (_, Long("masks")) => {
                once(&mut given, "masks")?;
                masks = Some(parser.value()?.into());
            }
            (_, other) => return Err(other.unexpected()),
        }
    }
    if info && self_test {
        return Err("--info and --self-test are two things to do; expected one of them".into());
    }
    match (info, format) {
        (true, json) => Ok(Task::Info { json: json == Some(true) }),
        (false, Some(_)) => Err("--format is for --info".into()),
        (false, None) if self_test => Ok(Task::SelfTest { threads: job.threads() }),
        (false, None) => Ok(Task::Run(Box::new(job), masks)),
    }
}

fn set(job: &mut Job, flag: &Flag, value: Option<OsString>) -> Result<(), lexopt::Error> {
    job.set(flag, value).map_err(lexopt::Error::from)
}

fn once<'n>(given: &mut Vec<&'n str>, name: &'n str) -> Result<(), lexopt::Error> {
    if given.contains(&name) {
        return Err(format!("--{name} is given twice").into());
    }
    given.push(name);
    Ok(())
}

fn is_json(value: &OsString) -> Result<bool, lexopt::Error> {
    match value.to_str() {
        Some("json") => Ok(true),
        Some("text") => Ok(false),
        _ => Err(format!("--format expects text or json, found {}", value.to_string_lossy()).into()),
    }
}

fn perform(task: Task) -> Result<(), Failure> {
    let bundle = Arc::new(Bundle::of_current_exe().map_err(tell)?);
    let plan = bundle.plan();
    match task {
        Task::Help => say(&about::help(plan)),
        Task::Info { json: false } => say(&about::info(plan, bundle.attached())),
        Task::Info { json: true } => say(&about::info_json(plan, bundle.attached())),
        Task::SelfTest { threads } => self_test(&bundle, threads),
        Task::Version => say(&about::version(plan)),
        Task::Run(job, masks) => {
            let known_labels = bundle.attached().labels.clone();
            run(bundle.clone(), &Job { known_labels, ..*job }, &masks)
        }
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

fn run(bundle: Arc<Bundle>, job: &Job, masks: &Masks) -> Result<(), Failure> {
    check_files(bundle.plan(), job, masks).map_err(tell)?;
    let session = Session::of(bundle.clone()).map_err(tell)?;
    let mut listener = Listener { note: &mut note, progress: true };
    serve(&session, job, masks.as_deref(), &mut listener).map_err(|error| match &error {
        ServeError::File(file) if files::is_broken_pipe(file) => Failure::Silent,
        error => tell(error),
    })
}

/// Are the answers to the example that is carried those of the build, bit for bit?
fn self_test(bundle: &Arc<Bundle>, threads: usize) -> Result<(), Failure> {
    let example = &bundle.attached().example;
    if example.is_empty() {
        return Err(tell("this program carries no example to test itself with: none fitted its inputs"));
    }
    let example = Example::decode(example).map_err(tell)?;
    let session = Session::of(bundle.clone()).map_err(tell)?;
    let differences = example.differences(&session, threads).map_err(tell)?;
    if differences.is_empty() {
        let elements = example.elements();
        return say(&format!(
            "the answers to the example are those of the build, bit for bit: {elements} of {elements}\n"
        ));
    }
    Err(Failure::Told(differences.iter().map(|difference| one_line(difference)).collect(), 1))
}

/// Can everything be written, and is nothing lost by it? The program itself is read, too.
fn check_files(plan: &Plan, job: &Job, masks: &Masks) -> Result<(), FileError> {
    let mut targets = Targets::new(job.force);
    job.targets(&mut targets)?;
    if let Ok(program) = program() {
        targets.read(program);
    }
    if let Some(path) = masks {
        targets.write_masks(path)?;
    }
    targets.check()?;
    files::check_outputs(&job.output, job.output_format()?, plan)
}

#[cfg(test)]
mod tests;
