//! Inputs out of files: examples as they stand there, and the tensors that they make.

use std::io::{self, IsTerminal, Read};

use masque_ir::plan::{Plan, PlanInput, PlanValue};

use super::{FileError, FileProblem, Named, Place, Source, input_ending};
use crate::error::{OpFailure, RunError};
use crate::examples::{self, Columns, InputSpec};
use crate::quote::quoted;
use crate::{Tensor, csv, json_lines, npy, npz};

/// What is said of a file of inputs beside its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Is the first record of a `.csv` file a header? Guessed if this is not said.
    pub header: Option<bool>,
}

/// Examples as they were read.
#[derive(Clone, Debug)]
pub struct Examples {
    /// What they were read from, fit for a message.
    file: String,
    specs: Vec<InputSpec>,
    values: Values,
    /// For people: what had to be guessed.
    pub guess: Option<String>,
}

#[derive(Clone, Debug)]
enum Values {
    /// Arrays, which are batches already.
    Arrays(Named),
    /// An example each, perhaps ragged.
    Lists(Columns),
}

impl Examples {
    /// The tensors of one batch; ragged examples are padded. Names and types are checked when the model runs.
    ///
    /// # Errors
    ///
    /// [`FileError`], naming the file.
    pub fn tensors(&self) -> Result<Named, FileError> {
        match &self.values {
            Values::Arrays(arrays) => Ok(arrays.clone()),
            Values::Lists(columns) => {
                let tensors =
                    columns.tensors(&self.specs).map_err(|error| FileError::new(&self.file, error))?;
                Ok(self.specs.iter().map(|spec| spec.name.clone()).zip(tensors).collect())
            }
        }
    }

    /// The place in the file of what kept the model from running, if it is a number of an input.
    pub fn locate(&self, tensors: &[(String, Tensor)], error: &RunError) -> Option<FileError> {
        let place = |name: &str, example: usize| {
            let spec = self.specs.iter().position(|spec| spec.name == name)?;
            match &self.values {
                Values::Arrays(_) => Some(examples::Place::Example(example + 1)),
                Values::Lists(columns) => columns.place(spec, example),
            }
        };
        Some(FileError::new(&self.file, out_of_range(tensors, error, place)?))
    }
}

/// What kept a model from running, if it is a number of an input; `place` says where an example of an input stands.
pub(crate) fn out_of_range<N: AsRef<str>>(
    inputs: &[(N, Tensor)],
    error: &RunError,
    place: impl Fn(&str, usize) -> Option<examples::Place>,
) -> Option<FileProblem> {
    let RunError::Step { step, failure, .. } = error else { return None };
    let OpFailure::IndexOutOfRange { index, rows, position } = failure else { return None };
    let (name, _) = inputs.iter().find(|(_, tensor)| number(tensor, position) == Some(*index))?;
    let name = name.as_ref();
    Some(FileProblem::OutOfRange {
        place: place(name, *position.first()?)?,
        input: quoted(name),
        found: *index,
        step: quoted(step),
        rows: *rows,
    })
}

/// The whole number at a position.
fn number(tensor: &Tensor, position: &[usize]) -> Option<i64> {
    match tensor {
        Tensor::I32(array) => array.get(position).copied().map(i64::from),
        Tensor::I64(array) => array.get(position).copied(),
        _ => None,
    }
}

/// What the readers of examples want to know of the inputs.
pub fn input_specs(plan: &Plan) -> Vec<InputSpec> {
    let size = |dim: &masque_ir::Dim| dim.known().and_then(|size| usize::try_from(size).ok());
    let spec = |(input, value): (&PlanInput, &PlanValue)| InputSpec {
        name: value.name.clone(),
        dtype: value.ty.dtype,
        shape: value.ty.shape.iter().skip(1).map(size).collect(),
        pad: input.pad.0,
    };
    plan.input_values().map(spec).collect()
}

/// Reads the inputs of a plan as one batch, with nothing said of their file; see [`read_examples`].
///
/// # Errors
///
/// [`FileError`], naming the file.
pub fn read_inputs(plan: &Plan, place: &Place) -> Result<Named, FileError> {
    read_examples(plan, place, Reading::default())?.tensors()
}

/// Reads examples for a plan: `.npz`, `.npy` (for a single input), `.jsonl`, `.json`, `.csv`, or JSON lines from
/// standard input; JSON lines and tables also compressed by gzip.
///
/// # Errors
///
/// [`FileError`], naming the file.
pub fn read_examples(plan: &Plan, place: &Place, reading: Reading) -> Result<Examples, FileError> {
    let file = super::name(place);
    let form = match place {
        Place::File(path) => input_ending(path),
        Place::Standard => "jsonl".to_owned(),
    };
    let attempt = || {
        if reading.header.is_some() && form != "csv" {
            return Err(FileProblem::NoHeader);
        }
        let specs = input_specs(plan);
        let (values, guess) = match form.as_str() {
            "npz" | "npy" => (Values::Arrays(arrays(plan, &form, &bytes(place)?)?), None),
            "jsonl" | "ndjson" => {
                (Values::Lists(json_lines::read_lines(text(&records(place)?)?, &specs)?), None)
            }
            "json" => (Values::Lists(json_lines::read_columns(text(&bytes(place)?)?, &specs)?), None),
            "csv" => {
                let table = csv::read(text(&records(place)?)?, &specs, reading.header)?;
                (Values::Lists(table.columns), table.guess.map(|guess| format!("{file}: {guess}")))
            }
            _ => return Err(FileProblem::Ending(".npz, .npy, .json, .jsonl, .csv, .jsonl.gz or .csv.gz")),
        };
        Ok(Examples { file: file.clone(), specs, values, guess })
    };
    attempt().map_err(|problem| FileError::new(&file, problem))
}

/// For people: what is waited for, if standard input is a terminal, where nothing shows that anything is.
pub fn waits_for(place: &Place) -> Option<&'static str> {
    let waits = *place == Place::Standard && io::stdin().is_terminal();
    waits.then_some("reading from the terminal: one example a line, as JSON; Ctrl-D ends them")
}

/// Reads a file of text.
pub(crate) fn read_text(path: &std::path::Path) -> Result<String, FileProblem> {
    Ok(text(&std::fs::read(path)?)?.to_owned())
}

fn records(place: &Place) -> Result<Vec<u8>, FileProblem> {
    Source::open(place)?.read_whole()
}

fn bytes(place: &Place) -> io::Result<Vec<u8>> {
    match place {
        Place::File(path) => std::fs::read(path),
        Place::Standard => {
            let mut bytes = Vec::new();
            io::stdin().lock().read_to_end(&mut bytes)?;
            Ok(bytes)
        }
    }
}

fn arrays(plan: &Plan, form: &str, bytes: &[u8]) -> Result<Named, FileProblem> {
    if form == "npz" {
        return Ok(npz::read(bytes)?);
    }
    let tensor = npy::read(bytes)?;
    match plan.inputs.as_slice() {
        [input] => Ok(vec![(plan.value(input.value).name.clone(), tensor)]),
        inputs => Err(FileProblem::OneArray(format!("{} inputs", inputs.len()))),
    }
}

/// Bytes as text; a mark of UTF-8 at their start is none of it.
fn text(bytes: &[u8]) -> Result<&str, FileProblem> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        FileProblem::NotText {
            line: 1 + before.iter().filter(|&&byte| byte == b'\n').count(),
            wide: bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff"),
        }
    })?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}
