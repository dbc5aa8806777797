//! `.h5`, the layout of Keras 1 and 2, which Keras 3 still writes: the model's layers in order, and each layer's
//! weights in order. Names do not matter, places do.
//!
//! A model inside the model is one layer there. Its weights are those of its layers one after another, but first all
//! that can be trained and then all that cannot.

use std::collections::HashMap;

use super::super::{RawLayer, RawModel, opaque};
use super::WeightError;
use super::files::Files;
use super::older;
use crate::layer::WeightSpec;

/// A layer of the outermost model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::frontend) struct Unit {
    /// Its name.
    name: String,
    /// The layers in it by their paths, itself if it is no model, and whether each is frozen.
    parts: Vec<(String, bool)>,
}

/// The layers of a model, in the file's order.
pub(in crate::frontend) fn units(raw: &RawModel) -> Vec<Unit> {
    let unit = |layer: &RawLayer| {
        let mut parts = vec![];
        gather(layer, "", false, &mut parts);
        Unit { name: layer.name.clone(), parts }
    };
    raw.layers.iter().map(unit).collect()
}

/// A layer in one that is frozen is frozen, too.
fn gather(layer: &RawLayer, path: &str, frozen: bool, parts: &mut Vec<(String, bool)>) {
    let name = format!("{path}{}", layer.name);
    let own = opaque::own(&layer.settings);
    let frozen = frozen || own.get("trainable").is_some_and(|value| value == false);
    match &layer.nested {
        Some(inner) => {
            inner.layers.iter().for_each(|layer| gather(layer, &format!("{name}/"), frozen, parts))
        }
        None => parts.push((name, frozen)),
    }
}

/// The datasets of a file, by layer and weight; several where each gate has its own.
pub(super) type Places = HashMap<(String, String), Vec<String>>;

/// Finds the dataset of every weight. `root` is the group with the layers.
pub(super) fn places(
    files: &Files,
    root: &str,
    units: &[Unit],
    specs: &HashMap<&str, &[WeightSpec]>,
) -> Result<Places, WeightError> {
    let file_error = |error| WeightError::File(Box::new(error));
    let listed = files.list(root, "layer_names").map_err(file_error)?.unwrap_or_default();
    let mut stored = vec![];
    for name in listed {
        let group = if root.is_empty() { name.clone() } else { format!("{root}/{name}") };
        let weights = files.list(&group, "weight_names").map_err(file_error)?.unwrap_or_default();
        let paths: Vec<String> = weights.iter().map(|weight| format!("{group}/{weight}")).collect();
        if !paths.is_empty() {
            stored.push((name, paths));
        }
    }
    let wanted: Vec<(&Unit, Vec<(&str, &WeightSpec)>)> = units
        .iter()
        .map(|unit| (unit, in_order(unit, specs)))
        .filter(|(_, weights)| !weights.is_empty())
        .collect();
    if stored.len() != wanted.len() {
        let names = |names: Vec<&str>| {
            let more = if names.len() > 8 { ", …" } else { "" };
            format!("{} ({}{more})", names.len(), names[..names.len().min(8)].join(", "))
        };
        return Err(WeightError::Layers {
            expected: names(wanted.iter().map(|(unit, _)| unit.name.as_str()).collect()),
            found: names(stored.iter().map(|(name, _)| name.as_str()).collect()),
        });
    }
    let mut places = Places::new();
    for ((unit, weights), (_, paths)) in wanted.into_iter().zip(stored) {
        let (expected, found) = (weights.len(), paths.len());
        let paths = match expected == found {
            true => paths.into_iter().map(|path| vec![path]).collect(),
            false => older::by_gate(&weights, &paths).ok_or_else(|| {
                let layer = unit.name.clone();
                WeightError::Number { layer, expected, found }
            })?,
        };
        for ((layer, spec), path) in weights.into_iter().zip(paths) {
            places.insert((layer.to_owned(), spec.name.clone()), path);
        }
    }
    Ok(places)
}

/// The weights of a unit in the order of the file: those that are trained, then the others.
fn in_order<'a>(unit: &'a Unit, specs: &HashMap<&str, &'a [WeightSpec]>) -> Vec<(&'a str, &'a WeightSpec)> {
    let (mut trained, mut fixed) = (vec![], vec![]);
    for (layer, frozen) in &unit.parts {
        for spec in specs.get(layer.as_str()).copied().unwrap_or_default() {
            if !spec.place.is_dataset() {
                continue;
            }
            let list = if spec.trained && !frozen { &mut trained } else { &mut fixed };
            list.push((layer.as_str(), spec));
        }
    }
    // A layer that is frozen itself keeps its own order: what is trained first.
    trained.append(&mut fixed);
    trained
}
