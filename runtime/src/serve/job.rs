//! What somebody asks for: the options of an executable and of `masque run`, which are the same.

use std::ffi::OsString;
use std::path::PathBuf;

use masque_ir::plan::{Plan, PlanOutput};

use super::ServeError;
use crate::classes::{self, Form, Labels};
use crate::io::rows::Header;
use crate::io::{self as files, Answers, FileError, FileProblem, Format, Place, Reading, Targets};
use crate::keep::Fields;

/// What becomes of a record that cannot be answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// Nothing behind it is answered.
    #[default]
    Stop,
    /// It has no answer.
    Skip,
    /// Its answer is `{"error": …}`.
    Mark,
}

/// A run: from where to where, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Job {
    /// The inputs.
    pub input: Place,
    /// The answers.
    pub output: Place,
    /// Their format; what their place says if absent.
    pub output_format: Option<Format>,
    /// What is said of the file of inputs.
    pub reading: Reading,
    /// Are files replaced though they are of another kind or read-only?
    pub force: bool,
    /// How many threads may work; all cores if absent.
    pub threads: Option<usize>,
    /// How many records are looked at ahead.
    pub window: Option<usize>,
    /// How many records are computed together at most.
    pub batch_size: Option<usize>,
    /// How many tokens are computed together at most, padding included, unless one record has more.
    pub max_tokens: Option<usize>,
    /// Is every record computed by itself?
    pub exact: bool,
    /// What becomes of a record that cannot be answered.
    pub on_error: OnError,
    /// The fields that go over to the answers.
    pub keep: Fields,
    /// Are outputs named by their numbers, whatever names they have in the model?
    pub numbered: bool,
    /// How many of an output's classes are written; all scores if absent.
    pub top: Option<usize>,
    /// Files of labels, each perhaps with its output: `FILE` or `OUTPUT=FILE`.
    pub labels: Vec<PathBuf>,
    /// The labels that came with the model; those of files go before them.
    pub known_labels: Labels,
}

/// An option, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The name behind `--`.
    pub name: &'static str,
    /// The letter behind `-`.
    pub short: Option<char>,
    /// What stands behind it, if anything does.
    pub value: Option<&'static str>,
    /// What it does.
    pub help: &'static str,
    /// Is it for records only, which come and go line by line?
    pub for_records: bool,
    /// May it be given several times?
    pub repeats: bool,
}

const fn flag(name: &'static str, value: Option<&'static str>, help: &'static str) -> Flag {
    Flag { name, short: None, value, help, for_records: false, repeats: false }
}

const fn for_records(name: &'static str, value: Option<&'static str>, help: &'static str) -> Flag {
    Flag { for_records: true, ..flag(name, value, help) }
}

/// The options of every run, in the order in which they are explained.
pub const FLAGS: &[Flag] = &[
    Flag {
        short: Some('i'),
        ..flag(
            "input",
            Some("FILE"),
            "JSON lines, JSON, tables, arrays or columns; standard input if absent or -; perhaps compressed, as .jsonl.gz is",
        )
    },
    Flag {
        short: Some('o'),
        ..flag(
            "output",
            Some("FILE"),
            ".jsonl, .npz, .npy, .arrow, .arrows or .parquet; JSON lines on standard output if absent or -",
        )
    },
    flag(
        "input-format",
        Some("FORMAT"),
        "jsonl, json, csv, tsv, npz, npy, arrow, arrows or parquet; seen by the first bytes or the name if absent, else jsonl; --info says which there are",
    ),
    flag(
        "output-format",
        Some("FORMAT"),
        "jsonl, npz, npy, arrow, arrows or parquet; what the name says if absent, else jsonl",
    ),
    flag(
        "delimiter",
        Some("CHARACTER"),
        "what separates the fields of a table: , in .csv and tab in .tsv if absent",
    ),
    flag("header", Some("yes|no"), "is the first record of a table a header? Guessed, and told, if absent"),
    flag("force", None, "replace a file that is there, though it is of another kind or read-only"),
    flag("threads", Some("N"), "how many threads may work (all cores); the answers do not depend on it"),
    flag(
        "numbered",
        None,
        "name the outputs output_0, output_1, … in JSON lines too, whatever names they have in the model",
    ),
    flag(
        "top",
        Some("K"),
        "of outputs that are scores of classes, the K best as [{\"label\": …, \"score\": …}, …]; by index where no labels are known",
    ),
    Flag {
        repeats: true,
        ..flag(
            "labels",
            Some("[OUTPUT=]FILE"),
            "for --top: the labels of the classes, a line for each; of which output, if several have classes",
        )
    },
    for_records(
        "on-error",
        Some("stop|skip|mark"),
        "at a record that cannot be answered: stop behind the answers before it (the default), leave it out, or write {\"error\": …} in its place",
    ),
    for_records("keep", Some("NAME,…"), "fields of a record that go over to its answer, such as id"),
    for_records("keep-all", None, "all fields that are no inputs go over"),
    for_records(
        "window",
        Some("N"),
        "how many records are looked at ahead (1024), to compute those of like length together",
    ),
    for_records("batch-size", Some("N"), "how many records are computed together at most (256)"),
    for_records(
        "max-tokens",
        Some("N"),
        "how many tokens are computed together at most, padding included (16384)",
    ),
    for_records("exact", None, "compute every record by itself"),
];

impl Job {
    /// Sets what an option says; `given` is what stands behind it.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in one line.
    pub fn set(&mut self, flag: &Flag, given: Option<OsString>) -> Result<(), String> {
        let given = given.unwrap_or_default();
        let text = given.to_string_lossy();
        let place = || Place::from(PathBuf::from(&given));
        let number = || {
            let number = text.parse().ok().filter(|&number: &usize| number > 0);
            number
                .map(Some)
                .ok_or_else(|| format!("--{} expects a number from 1 on, found {text}", flag.name))
        };
        let one_of = |words: &str| format!("--{} expects {words}, found {text}", flag.name);
        match flag.name {
            "input" => self.input = place(),
            "output" => self.output = place(),
            "input-format" => self.reading.format = Some(format(flag, &text, false)?),
            "output-format" => self.output_format = Some(format(flag, &text, true)?),
            "delimiter" => {
                let one = separator(&text).ok_or_else(|| one_of("one character of ASCII, or tab"))?;
                self.reading.delimiter = Some(one);
            }
            "header" => {
                self.reading.header = Some(match &*text {
                    "yes" => true,
                    "no" => false,
                    _ => return Err(one_of("yes or no")),
                });
            }
            "force" => self.force = true,
            "threads" => self.threads = number()?,
            "window" => self.window = number()?,
            "batch-size" => self.batch_size = number()?,
            "max-tokens" => self.max_tokens = number()?,
            "exact" => self.exact = true,
            "on-error" => {
                self.on_error = match &*text {
                    "stop" => OnError::Stop,
                    "skip" => OnError::Skip,
                    "mark" => OnError::Mark,
                    _ => return Err(one_of("stop, skip or mark")),
                };
            }
            "keep" => self.keep = Fields::Named(text.split(',').map(str::to_owned).collect()),
            "keep-all" => self.keep = Fields::All,
            "numbered" => self.numbered = true,
            "top" => self.top = number()?,
            "labels" => self.labels.push(PathBuf::from(&given)),
            other => return Err(format!("--{other} is unknown")),
        }
        Ok(())
    }

    /// The format of the answers.
    ///
    /// # Errors
    ///
    /// [`FileError`] if none is given, and the name of their file says none.
    pub fn output_format(&self) -> Result<Format, FileError> {
        files::output_format(&self.output, self.output_format)
    }

    /// Are the answers written like this?
    fn are(&self, answers: Answers) -> bool {
        self.output_format().is_ok_and(|format| format.facts().answers == Some(answers))
    }

    /// The columns of the answers.
    pub(super) fn header(&self, plan: &Plan, names: &[String]) -> Result<Header, ServeError> {
        let kept = match &self.keep {
            Fields::None => vec![],
            Fields::Named(names) => names.clone(),
            Fields::All => return Err(ServeError::KeepAll),
        };
        let output = |(name, output): (&String, &PlanOutput)| {
            (name.clone(), output.ty.dtype, output.ty.shape.len().saturating_sub(1))
        };
        let outputs = names.iter().zip(&plan.outputs).map(output).collect();
        Ok(Header { kept, outputs, errors: self.on_error == OnError::Mark })
    }

    /// How many threads may work.
    pub fn threads(&self) -> usize {
        self.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
    }

    /// The names of the outputs in the answers: numbered in files of arrays, where programs look for them.
    pub(super) fn output_names(&self, plan: &Plan) -> Vec<String> {
        match self.numbered || self.are(Answers::Arrays) {
            true => plan.outputs.iter().map(|output| output.name.clone()).collect(),
            false => plan.output_names().map(str::to_owned).collect(),
        }
    }

    /// Names the files that are read and written.
    ///
    /// # Errors
    ///
    /// [`FileError`] if the output's ending is none of a form of outputs, or none that can hold what is asked for.
    pub fn targets<'t>(&self, targets: &'t mut Targets) -> Result<&'t mut Targets, FileError> {
        for file in self.labels.iter().flat_map(|given| files::label_files(given)) {
            targets.read(file);
        }
        match (self.top, self.labels.first()) {
            (Some(_), _) if !self.are(Answers::Lines) => {
                return Err(FileError::of_output(&self.output, FileProblem::TopArrays));
            }
            (None, Some(labels)) => return Err(FileError::at(labels, FileProblem::LabelsAlone)),
            _ => {}
        }
        Ok(targets.read_inputs(&self.input).write_outputs(&self.output, self.output_format()?))
    }

    /// How each output is written in a line.
    ///
    /// # Errors
    ///
    /// [`ServeError`]: labels that are not those of the outputs, or the best classes of outputs that have none.
    pub(super) fn forms(&self, plan: &Plan) -> Result<Vec<Form>, ServeError> {
        let Some(most) = self.top else { return Ok(vec![]) };
        let labels = files::read_labels(plan, &self.labels)?.or(&self.known_labels);
        let form = |(place, output): (usize, &PlanOutput)| {
            let best = |_| Form::Best { most, labels: labels.of(place).cloned() };
            classes::classes(&output.ty).map_or(Form::Whole, best)
        };
        let forms: Vec<Form> = plan.outputs.iter().enumerate().map(form).collect();
        match forms.iter().all(|form| *form == Form::Whole) {
            true => Err(ServeError::NoClasses(classes::described(plan))),
            false => Ok(forms),
        }
    }

    /// Is this plan run record by record? Only if records come and go line by line, and the model takes any number of
    /// them and keeps nothing from one run to the next.
    pub(super) fn is_by_record(&self, plan: &Plan, input: Format) -> bool {
        let any_batch = |(_, input): (_, &masque_ir::plan::PlanValue)| {
            input.ty.shape.first().is_some_and(|size| size.as_symbol().is_some())
        };
        input.facts().by_record
            && !self.are(Answers::Arrays)
            && plan.states.is_empty()
            && !plan.inputs.is_empty()
            && plan.input_values().all(any_batch)
    }

    /// Refuses options for records where there are none.
    pub(super) fn check_whole(&self) -> Result<(), ServeError> {
        let given = [
            ("on-error", self.on_error != OnError::Stop),
            ("keep", self.keep != Fields::None),
            ("window", self.window.is_some()),
            ("batch-size", self.batch_size.is_some()),
            ("max-tokens", self.max_tokens.is_some()),
            ("exact", self.exact),
        ];
        match given.into_iter().find(|(_, given)| *given) {
            Some((name, _)) => Err(ServeError::NoRecords(name)),
            None => Ok(()),
        }
    }
}

fn format(flag: &Flag, name: &str, is_output: bool) -> Result<Format, String> {
    Format::named(name, is_output).map_err(|problem| format!("--{} {problem}", flag.name))
}

/// What may stand between the fields of a table.
fn separator(text: &str) -> Option<u8> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Some(b'\t'),
        &[one] if one.is_ascii() && !matches!(one, b'"' | b'\r' | b'\n') => Some(one),
        _ => None,
    }
}
