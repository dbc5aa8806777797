//! Weights that lie beside a config: `model.weights.h5`, or its shards with `model.weights.json` as their index.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value as Json;

use super::hdf5::{Hdf5Weights, Weights};
use super::weights::{WeightError, WeightSource, units};
use super::{LoadError, Problem, RawModel, json, read_file, whole};

/// What a file holds, shared.
type Bytes = Arc<[u8]>;

/// The files that can hold the weights of `model.json`, by its name; Keras' own `config.json` lies beside
/// `model.weights.h5`.
pub(super) fn names(config: &Path) -> Vec<PathBuf> {
    let Some(stem) = config.file_stem().and_then(|stem| stem.to_str()) else { return vec![] };
    let keras = (stem == "config").then_some("model");
    let stems = std::iter::once(stem).chain(keras);
    let names = stems.flat_map(|stem| ["h5", "json"].map(|ending| format!("{stem}.weights.{ending}")));
    names.map(|name| config.with_file_name(name)).filter(|path| path != config).collect()
}

/// The weights that belong to `model.json`, if they are there.
pub(super) fn find(config: &Path) -> Option<PathBuf> {
    names(config).into_iter().find(|path| path.is_file())
}

/// The weights in a file, for a model as it was read; errors name the file.
pub(super) fn read(path: &Path, model: &RawModel) -> Result<(WeightSource, Vec<Bytes>), LoadError> {
    let fail = |file: &Path, problem: Problem| LoadError { file: file.to_owned(), problem };
    let load = |path: &Path| read_file(path).map(Arc::<[u8]>::from).map_err(|error| fail(path, error.into()));
    let bytes = load(path)?;
    if whole::is_hdf5(&bytes) {
        let source = of_file(Arc::clone(&bytes), model).map_err(|problem| fail(path, problem))?;
        return Ok((source, vec![bytes]));
    }
    if path.extension().is_none_or(|ending| ending != "json") {
        // Whatever it is, the reader of HDF5 says best what it is not.
        Hdf5Weights::open(Arc::clone(&bytes))
            .map_err(|error| fail(path, WeightError::File(Box::new(error)).into()))?;
    }
    let index = json::parse("the index of shards", &bytes).map_err(|error| fail(path, error.into()))?;
    let names = shards(&index).map_err(|problem| fail(path, problem))?;
    let files: Vec<_> =
        names.iter().map(|name| load(&path.with_file_name(name))).collect::<Result<_, _>>()?;
    Ok((WeightSource::by_group(files.clone(), model), files))
}

/// The weights of one file, whose attributes say how it is laid out.
fn of_file(bytes: Arc<[u8]>, model: &RawModel) -> Result<WeightSource, Problem> {
    let unreadable = |error| WeightError::File(Box::new(error));
    let file = Hdf5Weights::open(Arc::clone(&bytes)).map_err(unreadable)?;
    for root in ["", whole::WEIGHTS] {
        let is_there = root.is_empty() || file.groups().binary_search(&root).is_ok();
        if is_there && file.string_list_attribute(root, "layer_names").map_err(unreadable)?.is_some() {
            return Ok(WeightSource::by_position(bytes, root, units(model)));
        }
    }
    Ok(WeightSource::by_group(vec![bytes], model))
}

/// The files that an index names, each once. They lie beside it.
fn shards(index: &Json) -> Result<Vec<String>, Problem> {
    let map = index.get("weight_map").and_then(Json::as_object);
    let map = map.ok_or_else(|| Problem::Shards { found: "no weight_map".to_owned() })?;
    let named = map.values().flat_map(|files| match files {
        Json::Array(files) => files.as_slice(),
        file => std::slice::from_ref(file),
    });
    let mut names: Vec<String> = vec![];
    for name in named {
        let plain = name.as_str().filter(|name| {
            !name.is_empty() && *name != ".." && *name != "." && !name.contains(['/', '\\', '\0'])
        });
        let name = plain.ok_or_else(|| Problem::Shards { found: crate::layer::config::brief(name) })?;
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}
