//! Inputs out of files: examples as they stand there, and the tensors that they make.

use std::io::{self, IsTerminal};

use masque_ir::plan::{Plan, PlanInput, PlanValue};

use super::formats::endings;
use super::{FileError, FileProblem, Format, Named, Place, Source};
use crate::error::{OpFailure, RunError};
use crate::examples::{self, Columns, InputSpec};
use crate::keep::Keep;
use crate::quote::quoted;
use crate::{Tensor, csv, json_lines, npy, npz};

/// What is said of a file of inputs beside its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Its format. If this is not said, the first bytes tell it, or else the name.
    pub format: Option<Format>,
    /// Is the first record of a table a header? Guessed if this is not said.
    pub header: Option<bool>,
    /// What separates the fields of a table; what is usual in its format if this is not said.
    pub delimiter: Option<u8>,
}

/// Inputs that are open.
pub(crate) struct Input {
    /// What they are read from, fit for a message.
    pub(crate) file: String,
    pub(crate) format: Format,
    pub(crate) source: Source,
    /// Of a table: how it is written.
    pub(crate) dialect: Option<csv::Dialect>,
}

impl Input {
    /// Opens inputs, waits for their first bytes, and finds out what they are.
    ///
    /// # Errors
    ///
    /// [`FileError`], naming the file.
    pub(crate) fn open(place: &Place, reading: Reading) -> Result<Input, FileError> {
        let file = super::name(place);
        let attempt = || {
            let mut source = Source::open(place)?;
            let format = match reading.format {
                Some(format) => format,
                None => source.format()?.map_or_else(|| named(place), Ok)?,
            };
            let separator = format.facts().separator;
            let dialect = separator.map(|usual| csv::Dialect {
                separator: reading.delimiter.unwrap_or(usual),
                header: reading.header,
            });
            match (dialect, reading) {
                (None, Reading { header: Some(_), .. }) => Err(FileProblem::NoTable("header")),
                (None, Reading { delimiter: Some(_), .. }) => Err(FileProblem::NoTable("delimiter")),
                _ => Ok((source, format.present()?, dialect)),
            }
        };
        let (source, format, dialect) = attempt().map_err(|problem| FileError::new(&file, problem))?;
        Ok(Input { file, format, source, dialect })
    }
}

/// The format that the name of a place says. What is no plain file, and has no ending, is read as standard input is.
fn named(place: &Place) -> Result<Format, FileProblem> {
    let Place::File(path) = place else { return Ok(Format::JsonLines) };
    let streams = || path.extension().is_none() && std::fs::metadata(path).is_ok_and(|data| !data.is_file());
    let format = Format::of_inputs(path).or_else(|| streams().then_some(Format::JsonLines));
    format.ok_or_else(|| FileProblem::Ending(endings(|_| true), "input"))
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

/// Reads examples for a plan, in any of the formats.
///
/// # Errors
///
/// [`FileError`], naming the file.
pub fn read_examples(plan: &Plan, place: &Place, reading: Reading) -> Result<Examples, FileError> {
    Input::open(place, reading)?.examples(plan)
}

impl Input {
    /// Reads all examples for a plan.
    ///
    /// # Errors
    ///
    /// [`FileError`], naming the file.
    pub(crate) fn examples(self, plan: &Plan) -> Result<Examples, FileError> {
        let Input { file, format, source, dialect } = self;
        let specs = input_specs(plan);
        let attempt = || -> Result<_, FileProblem> {
            let mut guess = None;
            let values = match format {
                Format::Npz => Values::Arrays(npz::read(&source.read_whole()?)?),
                Format::Npy => Values::Arrays(one_array(plan, npy::read(&source.read_whole()?)?)?),
                Format::JsonLines => {
                    Values::Lists(json_lines::read_lines(text(&source.read_whole()?)?, &specs)?)
                }
                Format::Json => Values::Lists(json_lines::read_whole(text(&source.read_whole()?)?, &specs)?),
                Format::Csv | Format::Tsv => {
                    let table = csv::read(text(&source.read_whole()?)?, &specs, dialect.unwrap_or_default())?;
                    guess = table.guess.map(|guess| format!("{file}: {guess}"));
                    Values::Lists(table.columns)
                }
                Format::Arrow | Format::ArrowStream | Format::Parquet => {
                    Values::Lists(of_rows(format, source, &specs)?)
                }
            };
            Ok((values, guess))
        };
        let (values, guess) = attempt().map_err(|problem| FileError::new(&file, problem))?;
        Ok(Examples { file, specs, values, guess })
    }
}

/// Reads all rows of a format by columns.
fn of_rows(format: Format, source: Source, specs: &[InputSpec]) -> Result<Columns, FileProblem> {
    let mut columns = Columns::of(specs.len());
    let keep = Keep::default();
    let (rows, mut number) = (format.reader().map(|read| read(source)).transpose()?, 0);
    for rows in rows.into_iter().flatten() {
        for fields in rows? {
            number += 1;
            let place = examples::Place::Example(number);
            columns.push(place, json_lines::of_fields(fields, place, specs, &keep)?);
        }
    }
    Ok(columns)
}

/// For people: what is waited for, if standard input is a terminal, where nothing shows that anything is.
pub fn waits_for(place: &Place) -> Option<&'static str> {
    let waits = *place == Place::Standard && io::stdin().is_terminal();
    waits.then_some("reading from the terminal: one example a line, as JSON; Ctrl-D ends them")
}

/// Reads a file of text.
pub(super) fn read_text(path: &std::path::Path) -> Result<String, FileProblem> {
    Ok(text(&std::fs::read(path)?)?.to_owned())
}

/// An array as the only input.
fn one_array(plan: &Plan, tensor: Tensor) -> Result<Named, FileProblem> {
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
