//! Answers while reading: records flow from a reader through a window to batches, a session and a writer.
//!
//! ```text
//! reader ─ pieces ─▶ window ─ records ─▶ batches ─▶ session ─▶ lines, in the order of the records
//! ```
//!
//! Records come as JSON lines or as the rows of a table, and go as JSON lines. A window holds what waits to be read, and
//! never more than its limit: a program that asks line by line has each answer at once, and a long file is read, computed
//! and written side by side, in memory that does not depend on its length. What comes or goes as arrays is one batch.

mod answers;
mod assemble;
mod batches;
mod job;
mod progress;
mod window;

use std::io::{self, Write};
use std::path::Path;

pub use crate::keep::Fields;
pub use job::{FLAGS, Flag, Job, OnError};

use crate::examples::ExampleError;
use crate::io::rows::{Row, Writing};
use crate::io::{self as files, FileError, FileProblem, Input, Place};
use crate::keep::Keep;
use crate::session::{Options, Session, State};
use crate::{RunError, csv};
use answers::{Answered, Answerer};
use batches::{Budget, Company};
use progress::Progress;
use window::{Form, Item, Window};

/// A run that ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A file cannot be read or written, or a record cannot be answered.
    #[error(transparent)]
    File(#[from] FileError),
    /// The model cannot be run on a whole batch.
    #[error(transparent)]
    Run(#[from] RunError),
    /// An option for records where there are none.
    #[error(
        "--{0} is for records: JSON lines, a table or columns in, JSON lines or columns out, without masks, and a model that takes any batch"
    )]
    NoRecords(&'static str),
    /// All fields are kept, and nothing says before which columns they need.
    #[error("--keep-all is for JSON lines: columns are to be named, --keep NAME,…")]
    KeepAll,
    /// The best classes of outputs that have none.
    #[error("--top is for scores of classes, floats along a last axis of known size from 2 on, found {0}")]
    NoClasses(String),
}

/// Who is told of a run.
pub struct Listener<'a> {
    /// Hears what people should know.
    pub note: &'a mut dyn FnMut(&str),
    /// Is the progress shown, if standard error is a terminal?
    pub progress: bool,
}

/// Runs a model on the inputs of a job and writes its answers; also all masks, if a file for them is named.
///
/// # Errors
///
/// [`ServeError`]. Answers before the first record that cannot be answered have been written, to standard output; a file
/// is there completely or not at all.
pub fn serve(
    session: &Session,
    job: &Job,
    masks: Option<&Path>,
    listener: &mut Listener<'_>,
) -> Result<(), ServeError> {
    let format = job.output_format()?;
    files::check_outputs(&job.output, format, session.plan())?;
    if let Some(waits) = files::waits_for(&job.input) {
        (listener.note)(waits);
    }
    let options = Options { threads: job.threads(), masks: masks.is_some(), ..Options::default() };
    let input = Input::open(&job.input, job.reading)?;
    if masks.is_none() && job.is_by_record(session.plan(), input.format) {
        return by_record(session, job, input, options, listener);
    }
    job.check_whole()?;
    let forms = job.forms(session.plan())?;
    let examples = input.examples(session.plan())?;
    if let Some(guess) = &examples.guess {
        (listener.note)(guess);
    }
    let inputs = examples.tensors()?;
    let mut results = session
        .run(&mut State::default(), &inputs, options)
        .map_err(|error| examples.locate(&inputs, &error).map_or(ServeError::Run(error), ServeError::File))?;
    if let Some(path) = masks {
        files::write_masks(path, &results.masks)?;
    }
    let names = job.output_names(session.plan());
    results.outputs.iter_mut().zip(names).for_each(|((name, _), known)| *name = known);
    Ok(files::write_formed(&job.output, format, &results.outputs, &forms)?)
}

fn by_record(
    session: &Session,
    job: &Job,
    input: Input,
    options: Options,
    listener: &mut Listener<'_>,
) -> Result<(), ServeError> {
    let mut run = Run::new(session, job, input, options, listener)?;
    match &job.output {
        Place::Standard => run.write(&mut io::stdout().lock()),
        Place::File(path) => files::replace(path, |file| run.write(file)),
    }
    .map_err(|stop| stop.told(job).into())
}

/// Why nothing more is written.
enum Stop {
    /// The input.
    Input(FileProblem),
    /// The output.
    Output(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Stop {
        Stop::Output(error)
    }
}

impl Stop {
    fn told(self, job: &Job) -> FileError {
        match self {
            Stop::Input(problem) => FileError::of_input(&job.input, problem),
            Stop::Output(error) => FileError::of_output(&job.output, error),
        }
    }
}

/// A run record by record.
struct Run<'a, 'l> {
    windows: std::sync::mpsc::Receiver<Window>,
    answerer: Answerer<'a>,
    /// What rows are written to; none where answers are lines.
    writing: Option<Writing>,
    job: &'a Job,
    listener: &'a mut Listener<'l>,
    progress: Progress,
    /// How many records were answered, and how many could not be.
    answered: u64,
    failed: u64,
}

impl<'a, 'l> Run<'a, 'l> {
    fn new(
        session: &'a Session,
        job: &'a Job,
        input: Input,
        options: Options,
        listener: &'a mut Listener<'l>,
    ) -> Result<Run<'a, 'l>, ServeError> {
        let plan = session.plan();
        let inputs = files::input_specs(plan);
        let company = if job.exact { Company::Alone } else { Company::of(plan) };
        if let Some(reason) = company.reason(plan).filter(|_| !job.exact) {
            (listener.note)(reason);
        }
        let (names, forms) = (job.output_names(plan), job.forms(plan)?);
        let format = job.output_format()?;
        let writing = match format.writer() {
            None => None,
            Some(_) => {
                let fail = |error: io::Error| FileError::of_output(&job.output, error);
                Some(Writing::begin(format, job.header(plan, &names)?).map_err(fail)?)
            }
        };
        let mut taken = names.clone();
        taken.extend((job.on_error == OnError::Mark).then(|| "error".to_owned()));
        let keep = Keep { fields: job.keep.clone(), taken };
        let table = input.dialect.map(|dialect| csv::Reader::new(&inputs, dialect, keep.clone()));
        let budget = Budget {
            records: job.batch_size.unwrap_or(Budget::USUAL.records),
            tokens: job.max_tokens.unwrap_or(Budget::USUAL.tokens),
        };
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let states = (0..options.threads.clamp(1, cores)).map(|_| State::default()).collect();
        let form = Form { inputs: inputs.clone(), keep, company, table };
        let progress = Progress::new(listener.progress, job.output == Place::Standard, size(&job.input));
        let windows = window::read(input.format, input.source, form, job.window.unwrap_or(window::USUAL));
        let as_rows = writing.is_some();
        let answerer = Answerer { session, inputs, names, forms, as_rows, budget, options, states };
        Ok(Run { windows, answerer, writing, job, listener, progress, answered: 0, failed: 0 })
    }

    /// Writes the answers of one window after the other.
    fn write(&mut self, out: &mut impl Write) -> Result<(), Stop> {
        loop {
            let gone = |_| io::Error::other("the thread that reads it has ended");
            let window = self.windows.recv().map_err(|error| Stop::Input(gone(error).into()))?;
            if let Some(guess) = &window.guess {
                (self.listener.note)(&format!("{}: {guess}", files::name(&self.job.input)));
            }
            let (bytes, stop) = self.bytes(window.items)?;
            out.write_all(&bytes)?;
            out.flush()?;
            self.progress.tell(self.answered + self.failed, window.read);
            if let Some(problem) = stop.or(window.broken) {
                return Err(Stop::Input(problem));
            }
            if window.last {
                break;
            }
        }
        if let Some(writing) = self.writing.as_mut().filter(|_| self.answered + self.failed > 0) {
            writing.table.finish()?;
            out.write_all(&writing.sheet.take())?;
            out.flush()?;
        }
        match (self.answered, self.failed) {
            (0, 0) => return Err(Stop::Input(ExampleError::Empty.into())),
            (_, 0) => {}
            (answered, failed) => {
                let what = if self.job.on_error == OnError::Mark { "marked" } else { "skipped" };
                let all = answered + failed;
                (self.listener.note)(&format!(
                    "{failed} of {all} records could not be answered and were {what}"
                ));
            }
        }
        Ok(())
    }

    /// What is written in the places of the items, up to the first problem that stops.
    fn bytes(&mut self, items: Vec<Item>) -> io::Result<(Vec<u8>, Option<FileProblem>)> {
        let mut answers = self.answerer.answer(&items).into_iter();
        let (mut lines, mut rows, mut stop) = (vec![], vec![], None);
        let names = self.writing.as_ref().map(|writing| &writing.header.kept[..]);
        for item in items {
            let (kept, answer) = match item {
                Item::Blank => {
                    lines.extend(names.is_none().then_some(b'\n'));
                    continue;
                }
                Item::Bad(kept, problem) => (kept, Some(Err(problem))),
                Item::Record(record) => (record.kept, answers.next()),
            };
            match answer {
                Some(Ok(Answered::Line(line))) => {
                    self.answered += 1;
                    lines.extend(line);
                }
                Some(Ok(Answered::Row(outputs))) => {
                    self.answered += 1;
                    let kept = answers::texts(&kept, names.unwrap_or_default());
                    rows.push(Row { kept, answer: Ok(outputs) });
                }
                Some(Err(problem)) if self.job.on_error == OnError::Stop => {
                    stop = Some(problem);
                    break;
                }
                Some(Err(problem)) => {
                    self.failed += 1;
                    let problem = problem.to_string();
                    match (self.job.on_error == OnError::Mark, names) {
                        (false, _) => {}
                        (true, None) => lines.extend(answers::marked(&kept, &problem)),
                        (true, Some(names)) => {
                            rows.push(Row { kept: answers::texts(&kept, names), answer: Err(problem) });
                        }
                    }
                }
                None => {}
            }
        }
        if let Some(writing) = &mut self.writing {
            writing.table.add(&rows)?;
            lines = writing.sheet.take();
        }
        Ok((lines, stop))
    }
}

/// The bytes of a plain file.
fn size(place: &Place) -> Option<u64> {
    let Place::File(path) = place else { return None };
    std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file).map(|data| data.len())
}

#[cfg(test)]
mod tests;
