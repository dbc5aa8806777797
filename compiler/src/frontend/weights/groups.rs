//! `.weights.h5`, the layout of Keras 3 and of the last Keras 2: a group for each layer, by class and number.

use std::collections::HashMap;

use masque_ir::described::{SUPER, WEIGHT};

use super::super::keras::TIME_DISTRIBUTED;
use super::super::{RawLayer, RawModel};
use super::WeightError;
use super::files::Files;
use super::quantized;
use crate::layer::WeightSpec;
use crate::layer::classes::group_name;

/// The group of each layer in a Keras weights file, by the layer's path: `layers/`, the class in snake case, and a
/// number from the second of a class on; inside nested models the same below the model's group. Names play no part.
pub(in crate::frontend) fn groups(raw: &RawModel) -> Vec<(String, String)> {
    let mut found = vec![];
    add_groups(raw, "", "", &mut found);
    found
}

fn add_groups(raw: &RawModel, path: &str, group: &str, found: &mut Vec<(String, String)>) {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for layer in raw.layers.iter().filter(|layer| !layer.class.starts_with("ops.")) {
        let class = layer.origin.class.as_ref().unwrap_or(&layer.class);
        let count = counts.entry(group_name(class, 0)).or_insert(0);
        let own = group_name(class, *count);
        *count += 1;
        let path = format!("{path}{}", layer.name);
        // The layers in a custom one are where its attributes are.
        let group = match &raw.described {
            Some(_) if layer.name == SUPER => group.trim_end_matches('/').to_owned(),
            Some(_) => format!("{group}{}", layer.name),
            None => format!("{group}layers/{own}"),
        };
        add_own(layer, &path, &group, found);
        if let Some(nested) = &layer.nested {
            // A wrapper has what it wraps in a group of its own.
            let wrapped = nested.layers.iter().find_map(|inner| Some((inner, inner.nested.as_ref()?)));
            match wrapped.filter(|_| layer.class == TIME_DISTRIBUTED) {
                Some((inner, model)) => {
                    add_groups(model, &format!("{path}/{}/", inner.name), &format!("{group}/layer/"), found);
                }
                None => add_groups(nested, &format!("{path}/"), &format!("{group}/"), found),
            }
        }
        found.push((path, group));
    }
}

/// Adds the weights that a described layer has of its own: they are numbered, those that training changes first.
fn add_own(layer: &RawLayer, path: &str, group: &str, found: &mut Vec<(String, String)>) {
    let Some(body) = layer.nested.as_ref().filter(|inner| inner.described.is_some()) else { return };
    let fixed = |weight: &&RawLayer| weight.settings.get("trainable").is_some_and(|trained| trained == false);
    let mut weights: Vec<&RawLayer> = body.layers.iter().filter(|inner| inner.class == WEIGHT).collect();
    weights.sort_by_key(fixed);
    let places = weights.iter().enumerate();
    found.extend(
        places.map(|(number, weight)| (format!("{path}/{}", weight.name), format!("{group}/vars/{number}"))),
    );
}

/// Where the weights of layers are in a file that has a group for each.
pub(super) struct Groups {
    /// The group of each layer.
    pub(super) by_layer: HashMap<String, String>,
    /// The custom layers that are described.
    bodies: Vec<String>,
}

impl Groups {
    /// Those of a model as it was read.
    pub(super) fn of(raw: &RawModel) -> Groups {
        let mut bodies = vec![];
        add_bodies(raw, "", &mut bodies);
        Groups { by_layer: groups(raw).into_iter().collect(), bodies }
    }

    /// Every dataset below the group of a described layer is read by a layer of its body. The seeds of dropout are of
    /// training alone.
    pub(super) fn check_bodies(&self, files: &Files) -> Result<(), WeightError> {
        for layer in &self.bodies {
            let Some(group) = self.by_layer.get(layer) else { continue };
            let (group, inside) = (format!("{group}/"), format!("{layer}/"));
            let read: Vec<&String> = self
                .by_layer
                .iter()
                .filter(|(path, _)| path.starts_with(&inside))
                .map(|(_, group)| group)
                .collect();
            let known = |dataset: &str| {
                let below = |group: &&&String| {
                    dataset
                        .strip_prefix(group.as_str())
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
                };
                dataset.contains("/seed_generator/") || read.iter().any(|group| below(&group))
            };
            if let Some(dataset) = files.datasets_below(&group).find(|dataset| !known(dataset)) {
                return Err(WeightError::Surplus { layer: layer.clone(), dataset: dataset.to_owned() });
            }
        }
        Ok(())
    }
}

fn add_bodies(raw: &RawModel, path: &str, found: &mut Vec<String>) {
    for layer in &raw.layers {
        let Some(nested) = &layer.nested else { continue };
        let name = format!("{path}{}", layer.name);
        if nested.described.is_some() {
            found.push(name.clone());
        }
        add_bodies(nested, &format!("{name}/"), found);
    }
}

/// Every dataset below a layer's group is one of its weights.
pub(super) fn check_surplus(
    files: &Files,
    layer: &str,
    specs: &[WeightSpec],
    group: &str,
) -> Result<(), WeightError> {
    let known = |dataset: &str| {
        specs
            .iter()
            .any(|spec| !spec.place.is_dataset() || spec.place.datasets().any(|known| known == dataset))
    };
    let prefix = format!("{group}/");
    let scaled = specs.iter().filter_map(|spec| Some((spec, spec.scales.as_ref()?)));
    let beside: Vec<String> = scaled
        .flat_map(|(spec, scales)| spec.place.datasets().map(move |dataset| (dataset, scales)))
        .flat_map(|(dataset, scales)| quantized::beside(files, &format!("{prefix}{dataset}"), scales))
        .collect();
    let known = |path: &str| known(&path[prefix.len()..]) || beside.iter().any(|known| known == path);
    let surplus = files.datasets_below(&prefix).find(|path| !known(path));
    match surplus {
        Some(dataset) => Err(WeightError::Surplus { layer: layer.to_owned(), dataset: dataset.to_owned() }),
        None => Ok(()),
    }
}
