//! From files to layer graphs. Every front end reads and checks, and nothing else: it hands over names, settings
//! and connections ([`RawModel`]); one function ([`assemble()`]) makes the layer graph of them.
//!
//! A model file is data. Nothing in it is run, no path or address in it is opened, nothing is unpacked.

mod archive;
mod assemble;
mod beside;
pub mod builder;
mod config;
mod constants;
mod described;
mod expression;
mod flatten;
pub mod hdf5;
mod json;
mod keras;
pub(crate) mod opaque;
mod order;
mod sizes;
pub mod text;
mod version;
mod weights;
mod whole;

pub use assemble::{AssembleError, Assembled, assemble};
pub use config::KerasConfigError;
use described::Described;
pub use described::{DescriptionError, Descriptions, LIBRARIES, Library, NotAsDescribed};
use json::ConfigText;
pub use json::JsonError;
pub use opaque::{NoStatement, NotOpaque, OpaqueLayer, Statement};
pub(crate) use sizes::InputBatch;
pub use weights::{WeightError, WeightSource};

use std::path::{Path, PathBuf};
use std::sync::Arc;

use masque_ir::Semantics;
use serde_json::{Map, Value as Json};

use crate::layer::Registry;

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
    /// The names of the outputs that are given as a dict, in the model's order; empty if they are not.
    pub output_names: Vec<String>,
    /// What it was compiled with for training (`compile_config`), as it stands in the file; null if it was not.
    pub compiled: Json,
    /// The calls (layer, which of its calls) in the order in which Keras runs them, where the connections alone do not
    /// tell: a model inside a model runs as one unit. Empty where they do.
    pub schedule: Vec<(String, u64)>,
    /// What it is, if it is no model but the body of a custom layer that is described.
    pub described: Option<Described>,
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
    /// What the file says of it beside.
    pub origin: Origin,
}

/// What a file says of a layer beside its settings and calls.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Origin {
    /// Its class in the file, where it is read as a layer of another class.
    pub class: Option<String>,
    /// The shapes that it was built for: a shape, or shapes by name; null where they are not in the file.
    pub built: Json,
    /// The number of the Python object, where the file has it in several places.
    pub shared: Option<u64>,
    /// Is it one among the settings of another layer?
    pub held: bool,
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
    /// Changes every tensor in it.
    pub(crate) fn tensors_mut(&mut self, change: &impl Fn(&mut RawTensor)) {
        match self {
            RawArgument::Tensor(tensor) => change(tensor),
            RawArgument::List(items) => items.iter_mut().for_each(|item| item.tensors_mut(change)),
            RawArgument::Constant(_) => {}
        }
    }

    /// Adds the tensors in it, in order.
    pub(crate) fn visit<'a>(&'a self, found: &mut Vec<&'a RawTensor>) {
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
    #[error(
        "unknown kind of file: expected a name that ends in .keras, .h5, .hdf5, .json or .mq, or a folder"
    )]
    UnknownFormat,
    /// The archive is damaged, or no archive.
    #[error("not a Keras archive: {0}")]
    Archive(#[from] masque_runtime::zip::ZipError),
    /// A file of the folder can't be read.
    #[error("{name}: {source}")]
    Member {
        /// The file.
        name: String,
        /// Why not.
        source: std::io::Error,
    },
    /// A folder that TensorFlow serves: graphs, and no config of layers.
    #[error(
        "a SavedModel folder, which holds TensorFlow's graphs and no layers: expected a whole Keras model, as \
         model.save(\"NAME.keras\") writes it"
    )]
    SavedModel,
    /// An HDF5 file that is no model.
    #[error("no attribute model_config: expected a whole model, as model.save writes it")]
    NoConfig,
    /// An HDF5 file of weights.
    #[error(
        "weights alone, without a model: expected a whole model, or its config, which model.to_json() gives, with these \
         weights: masque … CONFIG.json --weights FILE"
    )]
    WeightsAlone,
    /// An index of shards that is none.
    #[error("the index of shards: expected names of files beside it in weight_map, found {found}")]
    Shards {
        /// What stands there.
        found: String,
    },
    /// Weights that were given for a file that has its own.
    #[error("weights beside the model: expected a .json config, which has none of its own")]
    OwnWeights,
    /// It was written by another Keras.
    #[error("keras_version: expected 1.x, 2.x or 3.x, found {}", masque_runtime::quote::quoted(found))]
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
    /// The text form says something else than it should.
    #[error("{0}")]
    Text(#[from] text::ModelTextError),
    /// Descriptions of layers say something else than they should.
    #[error("{0}")]
    Descriptions(#[from] DescriptionError),
    /// A layer is not as it is described.
    #[error("{0}")]
    NotAsDescribed(#[from] NotAsDescribed),
    /// Something is stated of a layer that is known, or not there.
    #[error("{0}")]
    Opaque(#[from] NotOpaque),
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

/// What is said of a model file beside its name.
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    /// Where the weights of a config are; beside it, if this is not said.
    pub weights: Option<PathBuf>,
    /// The rules it is read under; those of the Keras that wrote it, if this is not said.
    pub semantics: Option<Semantics>,
    /// What is stated of layers of unknown classes.
    pub opaque: Vec<OpaqueLayer>,
    /// Files of descriptions of custom layers.
    pub layers: Vec<PathBuf>,
    /// Custom layers of the program itself. They go before descriptions of the same classes.
    pub registry: Registry,
}

/// The files that a model is read from: its own, or those in its folder, and that of its weights, named or beside it.
pub fn files(path: &Path, weights: Option<&Path>) -> Vec<PathBuf> {
    let beside = || beside::find(path).filter(|_| path.extension().is_some_and(|ending| ending == "json"));
    let weights = weights.map(Path::to_owned).or_else(beside);
    let inside = std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    [Some(path.to_owned()), weights].into_iter().flatten().chain(inside).collect()
}

/// Reads a model file; its ending names the format.
pub fn read(path: &Path, options: &OpenOptions) -> Result<ModelFile, LoadError> {
    let fail = |problem: Problem| LoadError { file: path.to_owned(), problem };
    let mut hash = blake3::Hasher::new();
    let mut known = Descriptions::beside(options.registry.clone());
    for file in &options.layers {
        hash.update(&known.read(file)?);
    }
    let known = &known;
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let (mut raw, weights) = if ending == "json" {
        read_config(path, (options, known), &mut hash)?
    } else if options.weights.is_some() {
        return Err(fail(Problem::OwnWeights));
    } else if path.is_dir() {
        let folder = archive::Members::Folder(path);
        hash.update(folder.everything().map_err(fail)?.as_bytes());
        archive::read(&folder, known).map_err(fail)?
    } else {
        let bytes: Arc<[u8]> = read_file(path).map_err(|error| fail(error.into()))?.into();
        hash.update(&bytes);
        read_whole(ending, bytes, known).map_err(fail)?
    };
    raw.semantics = options.semantics.unwrap_or(raw.semantics);
    opaque::state(&mut raw, &options.opaque, &options.registry).map_err(|error| fail(error.into()))?;
    Ok(ModelFile { raw, weights, hash: hash.finalize().to_hex()[..32].to_owned() })
}

/// Reads what a model file holds, and no other file; the ending of its path names the format.
pub fn read_bytes(path: &Path, bytes: &[u8], known: &Descriptions) -> Result<ModelFile, LoadError> {
    let fail = |problem: Problem| LoadError { file: path.to_owned(), problem };
    let hash = blake3::hash(bytes).to_hex()[..32].to_owned();
    let (raw, weights) = match path.extension().and_then(|ending| ending.to_str()).unwrap_or_default() {
        "json" => parse_config(bytes, known).and_then(|nested| {
            let (raw, mut weights) = (flatten::flatten(nested)?, WeightSource::none());
            weights.learn_from_settings(&raw)?;
            Ok((raw, weights))
        }),
        ending => read_whole(ending, bytes.into(), known),
    }
    .map_err(fail)?;
    Ok(ModelFile { raw, weights, hash })
}

/// A file with everything in it.
fn read_whole(
    ending: &str,
    bytes: Arc<[u8]>,
    known: &Descriptions,
) -> Result<(RawModel, WeightSource), Problem> {
    match ending {
        "h5" | "hdf5" => whole::read(bytes, known),
        "keras" if whole::is_hdf5(&bytes) => whole::read(bytes, known),
        "keras" => archive::Members::of_zip(&bytes).and_then(|members| archive::read(&members, known)),
        "mq" => {
            let mut nested = text::read(&bytes)?;
            known.expand(&mut nested)?;
            Ok((flatten::flatten(nested)?, WeightSource::none()))
        }
        _ => Err(Problem::UnknownFormat),
    }
}

/// A config, models inside models as they stand there.
fn parse_config(bytes: &[u8], known: &Descriptions) -> Result<RawModel, Problem> {
    let config = ConfigText::parse("the file", bytes)?;
    let mut nested = keras::read(&config, version::dialect_of(&config.around)?)?;
    known.expand(&mut nested)?;
    Ok(nested)
}

/// A config, with the weights that were named or lie beside it.
fn read_config(
    path: &Path,
    (options, known): (&OpenOptions, &Descriptions),
    hash: &mut blake3::Hasher,
) -> Result<(RawModel, WeightSource), LoadError> {
    let fail = |problem: Problem| LoadError { file: path.to_owned(), problem };
    let bytes = read_file(path).map_err(|error| fail(error.into()))?;
    hash.update(&bytes);
    let nested = parse_config(&bytes, known).map_err(fail)?;
    let mut weights = WeightSource::missing(beside::names(path));
    if let Some(file) = options.weights.clone().or_else(|| beside::find(path)) {
        let (source, files) = beside::read(&file, &nested)?;
        files.iter().for_each(|bytes| {
            hash.update(bytes);
        });
        weights = source;
    }
    let raw = flatten::flatten(nested).map_err(|error| fail(error.into()))?;
    weights.learn_from_settings(&raw).map_err(|error| fail(error.into()))?;
    Ok((raw, weights))
}

/// The largest file that is read.
const LARGEST_FILE: u64 = 1 << 36;

/// A file as bytes. What is no plain file, a device for example, might never end.
fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() || metadata.len() > LARGEST_FILE {
        return Err(std::io::Error::other("expected a file, not too large"));
    }
    std::fs::read(path)
}

#[cfg(test)]
mod tests;
