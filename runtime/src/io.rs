//! Files in, files out: what a model is fed with and what becomes of its answers. The executables that masque
//! builds and the `masque run` command use the same functions, so they take and give the same files.

#[cfg(feature = "arrow")]
mod arrow;
mod atomic;
#[cfg(feature = "arrow")]
mod columns;
mod formats;
#[cfg(feature = "arrow")]
mod guarded;
mod labels;
#[cfg(feature = "parquet")]
mod parquet;
mod reading;
pub(crate) mod rows;
mod source;
pub mod targets;
mod unfinished;
#[cfg(feature = "zstd")]
mod zstd;

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use masque_ir::plan::Plan;

use crate::classes::{Form, LabelError};
use crate::examples::ExampleError;
use crate::npy::NpyError;
use crate::npz::NpzError;
use crate::quote::one_line;
use crate::{Tensor, json_lines, npy, npz};

pub use atomic::replace;
pub(crate) use formats::present;
pub use formats::{Answers, FORMATS, Facts, Format};
pub use labels::{label_files, read_labels};
pub use reading::{Examples, Reading, input_specs, read_examples, read_inputs, waits_for};
pub(crate) use reading::{Input, out_of_range};
pub(crate) use source::Source;
pub use targets::{Kind, Targets};

/// Named tensors.
pub type Named = Vec<(String, Tensor)>;

/// A file cannot be read as inputs, or outputs cannot be written. One line, which names the file.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct FileError {
    /// The file's path, fit for a message; `standard input`, `standard output`.
    pub file: String,
    /// What is wrong.
    #[source]
    pub problem: FileProblem,
}

/// What is wrong with a file of inputs or outputs.
#[derive(Debug, thiserror::Error)]
pub enum FileProblem {
    /// The file cannot be read or written.
    #[error("{}", one_line(&.0.to_string()))]
    Io(#[from] io::Error),
    /// An archive that ends too early.
    #[error("the {0} archive is cut short: it ends before its data does")]
    ArchiveCut(&'static str),
    /// An archive that is none.
    #[error("the {archive} archive is damaged: {}", one_line(.problem))]
    Archive {
        /// What kind of archive.
        archive: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// An archive that is too large to be read whole.
    #[error(
        "the {0} archive holds more than {1} bytes; record by record, with JSON lines out, it can be read"
    )]
    ArchiveTooLong(&'static str, u64),
    /// The examples are not those of the model's inputs.
    #[error(transparent)]
    Examples(#[from] ExampleError),
    /// The archive is none, or holds something else than arrays.
    #[error(transparent)]
    Npz(#[from] NpzError),
    /// The array is none.
    #[error(transparent)]
    Npy(#[from] NpyError),
    /// The file's bytes are no text.
    #[error("line {line}: not UTF-8 text{}", if *.wide { " but perhaps UTF-16" } else { "" })]
    NotText {
        /// The first line that is none, counted from 1.
        line: usize,
        /// Does it begin as UTF-16 does?
        wide: bool,
    },
    /// What is said of tables, where there is none.
    #[error("--{0} is for tables, .csv and .tsv")]
    NoTable(&'static str),
    /// A number of an input that an operation cannot take.
    #[error("{place}: input {input}: {found} is outside of the table of {step}, which has {rows} rows")]
    OutOfRange {
        /// Where it is.
        place: crate::examples::Place,
        /// The input.
        input: String,
        /// The number.
        found: i64,
        /// What looks it up.
        step: String,
        /// How many rows there are.
        rows: usize,
    },
    /// A record that the model cannot be run on.
    #[error("{place}: {source}")]
    Run {
        /// The record.
        place: crate::examples::Place,
        /// Why.
        source: Box<crate::RunError>,
    },
    /// Columns that cannot be read.
    #[error("not {format} that can be read: {}", one_line(.problem))]
    Columns {
        /// Their format.
        format: &'static str,
        /// What is wrong with them.
        problem: String,
    },
    /// A format that was left out of the build.
    #[error(
        "this program does not have {what}: it was built without the feature {feature}; a masque built with --features \
         {feature} has it, and so have the programs that it builds"
    )]
    NoFeature {
        /// The format.
        what: &'static str,
        /// What it is called in builds.
        feature: &'static str,
    },
    /// Nothing says what is in the file.
    #[error("its name should end in {0}, or --{1}-format say what it holds")]
    Ending(String, &'static str),
    /// Masks in another form than arrays.
    #[error("its name should end in .npz")]
    Masks,
    /// What would be written is read in the same run.
    #[error("the input {0} is the same file and would be lost; write to another one")]
    IsInput(String),
    /// Two results go to one file.
    #[error("two outputs would be written to this file")]
    TwoOutputs,
    /// What is there is something else than what would be written.
    #[error("the file that is there is not {0}; --force replaces it all the same")]
    OtherKind(&'static str),
    /// What is there is not to be written.
    #[error("the file that is there is read-only; --force replaces it all the same")]
    ReadOnly,
    /// What is there cannot be replaced by a file.
    #[error("it is {0}; expected the name of a file")]
    NotAFile(&'static str),
    /// A symbolic link that leads nowhere.
    #[error("it is a symbolic link to a file that is not there")]
    DeadLink,
    /// The best classes are asked for in a file of arrays.
    #[error("--top writes JSON lines; the file's name should end in .jsonl")]
    TopArrays,
    /// Labels of which nothing is written.
    #[error("--labels is for --top, which writes the labels of the best classes")]
    LabelsAlone,
    /// Labels are not those of an output's classes.
    #[error(transparent)]
    Labels(#[from] LabelError),
    /// A single array cannot be the inputs, or the outputs.
    #[error("one array cannot hold the {0} of this model; use .npz")]
    OneArray(String),
}

impl FileError {
    fn new(file: &str, problem: impl Into<FileProblem>) -> FileError {
        FileError { file: one_line(file), problem: problem.into() }
    }

    /// An input cannot be read.
    pub(crate) fn of_input(place: &Place, problem: impl Into<FileProblem>) -> FileError {
        FileError::new(&name(place), problem)
    }

    /// An output cannot be written.
    pub(crate) fn of_output(place: &Place, problem: impl Into<FileProblem>) -> FileError {
        match place {
            Place::File(path) => FileError::at(path, problem),
            Place::Standard => FileError::new("standard output", problem),
        }
    }

    pub(crate) fn at(path: &Path, problem: impl Into<FileProblem>) -> FileError {
        FileError::new(&path.to_string_lossy(), problem)
    }
}

/// Where data comes from or goes to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// A file.
    File(PathBuf),
    /// Standard input or output.
    #[default]
    Standard,
}

impl From<PathBuf> for Place {
    /// `-` is standard input or output.
    fn from(path: PathBuf) -> Place {
        if path.as_os_str() == "-" { Place::Standard } else { Place::File(path) }
    }
}

/// The name of a place that is read.
pub(crate) fn name(place: &Place) -> String {
    match place {
        Place::File(path) => one_line(&path.to_string_lossy()),
        Place::Standard => "standard input".to_owned(),
    }
}

/// The format of outputs: the one that is given, or else what their place says.
///
/// # Errors
///
/// [`FileError`] if a file's name says none, or one that was left out of the build.
pub fn output_format(place: &Place, given: Option<Format>) -> Result<Format, FileError> {
    let named = match (given, place) {
        (Some(format), _) => Ok(format),
        (None, Place::File(path)) => Format::of_outputs(path),
        (None, Place::Standard) => Ok(Format::JsonLines),
    };
    named.and_then(Format::present).map_err(|problem| FileError::of_output(place, problem))
}

/// Can this format hold the outputs of the plan? To be asked before a long run, as [`Targets`] are.
///
/// # Errors
///
/// [`FileError`] if it is a single array, and the outputs are several.
pub fn check_outputs(place: &Place, format: Format, plan: &Plan) -> Result<(), FileError> {
    one_array(format, plan.outputs.len()).map_err(|problem| FileError::of_output(place, problem))
}

fn one_array(format: Format, outputs: usize) -> Result<(), FileProblem> {
    if format == Format::Npy && outputs != 1 {
        return Err(FileProblem::OneArray(format!("{outputs} outputs")));
    }
    Ok(())
}

/// Writes outputs in the format that the place says. A file is there completely or not at all. Whether one that is there
/// may be replaced is for [`Targets`] to say, before.
///
/// # Errors
///
/// [`FileError`], naming the file.
pub fn write_outputs(place: &Place, outputs: &[(String, Tensor)]) -> Result<(), FileError> {
    write_formed(place, output_format(place, None)?, outputs, &[])
}

/// The same in this format, with each output in its form in JSON lines; whole, if there is none for it.
pub(crate) fn write_formed(
    place: &Place,
    format: Format,
    outputs: &[(String, Tensor)],
    forms: &[Form],
) -> Result<(), FileError> {
    let fail = |problem| FileError::of_output(place, problem);
    one_array(format, outputs.len()).map_err(fail)?;
    let write = |out: &mut dyn Write| {
        let mut out = BufWriter::new(out);
        match (format, outputs) {
            _ if format.writer().is_some() => rows::write(format, &mut out, outputs)?,
            (Format::Npz, _) => npz::write(&mut out, outputs).map(|_| ())?,
            (Format::Npy, [(_, tensor)]) => out.write_all(&npy::write(tensor))?,
            _ => json_lines::write_formed(&mut out, outputs, forms)?,
        }
        out.flush()
    };
    let written = match place {
        Place::File(path) => replace(path, |file| write(file)),
        Place::Standard => write(&mut io::stdout().lock()),
    };
    written.map_err(|error| fail(error.into()))
}

/// Writes masks: `.npz` only, because their batches and names are not those of examples.
///
/// # Errors
///
/// [`FileError`], naming the file.
pub fn write_masks(path: &Path, masks: &[(String, Tensor)]) -> Result<(), FileError> {
    Kind::of_masks(path).map_err(|problem| FileError::at(path, problem))?;
    write_formed(&Place::File(path.to_owned()), Format::Npz, masks, &[])
}

/// Is this failure only that nobody reads what is written? Then there is nothing to say.
pub fn is_broken_pipe(error: &FileError) -> bool {
    matches!(&error.problem, FileProblem::Io(error) if error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests;
