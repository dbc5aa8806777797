//! A layer among the settings of another one that is also a layer of the model: one layer, whose calls are those of both.
//!
//! Keras writes such a layer in both places, with one number, and its weights where it comes first.

use std::collections::HashMap;

use super::super::{RawModel, RawTensor};

/// Gives the calls of layers that are held to the layers that they are.
pub(super) fn unite(model: &mut RawModel) {
    if !model.layers.iter().any(|layer| layer.origin.held) {
        return;
    }
    let mut known: HashMap<(u64, String), usize> = HashMap::new();
    // By the name of a layer: what it is called, and how many calls come before its own.
    let mut moved: HashMap<String, (String, u64)> = HashMap::new();
    let mut kept = vec![];
    for mut layer in std::mem::take(&mut model.layers) {
        let object = layer.origin.shared.map(|number| (number, layer.class.clone()));
        match object.as_ref().and_then(|object| known.get(object)).filter(|_| layer.origin.held) {
            Some(&place) => {
                let same: &mut super::RawLayer = &mut kept[place];
                moved.insert(layer.name, (same.name.clone(), same.calls.len() as u64));
                same.calls.append(&mut layer.calls);
            }
            None => {
                if let Some(object) = object {
                    known.entry(object).or_insert(kept.len());
                }
                kept.push(layer);
            }
        }
    }
    model.layers = kept;
    let rename = |tensor: &mut RawTensor| {
        if let Some((name, before)) = moved.get(&tensor.layer) {
            tensor.call += before;
            tensor.layer.clone_from(name);
        }
    };
    let arguments = model.layers.iter_mut().flat_map(|layer| layer.calls.iter_mut().flatten());
    arguments.for_each(|(_, argument)| argument.tensors_mut(&rename));
    model.inputs.iter_mut().chain(&mut model.outputs).for_each(rename);
    for (name, call) in &mut model.schedule {
        if let Some((same, before)) = moved.get(name) {
            *call += before;
            name.clone_from(same);
        }
    }
}
