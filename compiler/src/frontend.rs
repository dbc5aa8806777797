//! From files to layer graphs. Every front end reads and checks, and nothing else: it hands over names, settings
//! and connections ([`RawModel`]); one function ([`assemble()`]) makes the layer graph of them.
//!
//! A model file is data. Nothing in it is run, no path or address in it is opened, nothing is unpacked.

pub mod archive;
mod assemble;
pub mod builder;
mod flatten;
pub mod hdf5;
mod json;
mod keras;
mod order;
mod weights;

pub use assemble::{AssembleError, Assembled, assemble};
pub use json::JsonError;
pub use keras::KerasConfigError;
pub(crate) use weights::group_name;
pub use weights::{WeightError, WeightSource};

use std::path::{Path, PathBuf};

use masque_ir::Semantics;
use serde_json::{Map, Value as Json};

/// A model as a front end read it: names, settings and connections, nothing understood yet.
#[derive(Clone, Debug, PartialEq)]
pub struct RawModel {
    /// The model's name.
    pub name: String,
    /// The rules it is read under.
    pub semantics: Semantics,
    /// The layers and operations, in the file's order.
    pub layers: Vec<RawLayer>,
    /// The inputs, in the model's order.
    pub inputs: Vec<RawTensor>,
    /// The outputs, in the model's order.
    pub outputs: Vec<RawTensor>,
    /// The calls (layer, which of its calls) in the order in which Keras runs them, where the connections alone do not
    /// tell: a model inside a model runs as one unit. Empty where they do.
    pub schedule: Vec<(String, u64)>,
}

/// A layer or operation as it stands in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct RawLayer {
    /// The name.
    pub name: String,
    /// The class: Keras' name of a layer, or `ops.` and Keras' name of an operation.
    pub class: String,
    /// The settings as they stand in the file.
    pub settings: Map<String, Json>,
    /// The calls, in the file's order. An `InputLayer` has one without arguments.
    pub calls: Vec<RawCall>,
    /// Where it stands in the file, as a JSON pointer.
    pub pointer: String,
    /// The model that it is, if it is one.
    pub nested: Option<Box<RawModel>>,
}

/// One call as it stands in a file: arguments with their keywords, positional ones first.
pub type RawCall = Vec<(Option<String>, RawArgument)>;

/// What is passed to a call.
#[derive(Clone, Debug, PartialEq)]
pub enum RawArgument {
    /// A tensor.
    Tensor(RawTensor),
    /// A list with a tensor in it.
    List(Vec<RawArgument>),
    /// Anything without tensors.
    Constant(Json),
}

impl RawArgument {
    /// Adds the tensors in it, in order.
    fn visit<'a>(&'a self, found: &mut Vec<&'a RawTensor>) {
        match self {
            RawArgument::Tensor(tensor) => found.push(tensor),
            RawArgument::List(items) => items.iter().for_each(|item| item.visit(found)),
            RawArgument::Constant(_) => {}
        }
    }
}

/// A tensor by the layer that makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawTensor {
    /// The layer's name.
    pub layer: String,
    /// Which of the layer's calls.
    pub call: u64,
    /// Which output of the call.
    pub output: u64,
}

/// A file that can't be read as a model. One line: file, place, what was expected.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", file.display())]
pub struct LoadError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a model file.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// It can't be read at all.
    #[error("cannot read the file: {0}")]
    Io(#[from] std::io::Error),
    /// Its ending names no format.
    #[error("unknown kind of file: expected a name that ends in .keras or .json")]
    UnknownFormat,
    /// The archive is damaged, or no archive.
    #[error("not a Keras archive: {0}")]
    Archive(#[from] masque_runtime::zip::ZipError),
    /// It was written by another Keras.
    #[error("metadata.json: expected keras_version 3.x, found `{found}`")]
    Version {
        /// What stands there.
        found: String,
    },
    /// A JSON text is damaged.
    #[error("{0}")]
    Json(#[from] JsonError),
    /// The config does not say what a Keras config says.
    #[error("{0}")]
    Config(#[from] KerasConfigError),
    /// The layers do not fit together.
    #[error("{0}")]
    Graph(#[from] AssembleError),
    /// The weights do not fit the layers.
    #[error("{0}")]
    Weights(#[from] WeightError),
}

/// A model file, read: its parts, and where its weights come from.
pub struct ModelFile {
    /// The model.
    pub raw: RawModel,
    /// The weights.
    pub weights: WeightSource,
    /// The hash of the whole file, in hexadecimal digits.
    pub hash: String,
}

/// Reads a model file; its ending names the format.
pub fn read(path: &Path) -> Result<ModelFile, LoadError> {
    let fail = |problem: Problem| LoadError { file: path.to_owned(), problem };
    let bytes = std::fs::read(path).map_err(|error| fail(error.into()))?;
    let hash = blake3::hash(&bytes).to_hex()[..32].to_owned();
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let (raw, weights) = match ending {
        "keras" => archive::read(&bytes),
        "json" => json::parse("the file", &bytes)
            .map_err(Problem::from)
            .and_then(|config| Ok((flatten::flatten(keras::read(&config)?), WeightSource::none()))),
        _ => Err(Problem::UnknownFormat),
    }
    .map_err(fail)?;
    Ok(ModelFile { raw, weights, hash })
}
