//! Layers of classes that nobody knows: what a file, and whoever opens it, say of them.
//!
//! Keras 3 writes the type of each tensor beside the call that reads it, and most files say what shapes layers were built
//! for. That is as good as the layer's own word for what it gives.

use std::collections::HashMap;
use std::str::FromStr;

use masque_ir::Type;
use masque_ir::text::parse_type;
use serde_json::{Map, Value as Json, json};

use super::config::Node;
use super::{RawArgument, RawCall, RawLayer, RawModel, RawTensor};
use crate::layer::Registry;
use crate::layers::{self, OpaqueRule};

/// What is stated of a layer of an unknown class: `NAME=keep`, `NAME=f32[B, T, 8]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpaqueLayer {
    /// The layer's name, or its class, with or without the package.
    pub name: String,
    /// What is stated.
    pub states: Statement,
}

/// One thing that is stated of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Statement {
    /// What it does with masks.
    Rule(OpaqueRule),
    /// The type of its next output.
    Gives(Type),
}

/// It says neither a rule nor a type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected NAME=keep, NAME=ends, NAME=lost or NAME=TYPE, such as block=f32[B, T, 8]")]
pub struct NoStatement;

impl FromStr for OpaqueLayer {
    type Err = NoStatement;
    fn from_str(text: &str) -> Result<OpaqueLayer, NoStatement> {
        let (name, said) = text.split_once('=').ok_or(NoStatement)?;
        let states = match OpaqueRule::named(said.trim()) {
            Some(rule) => Statement::Rule(rule),
            None => Statement::Gives(parse_type(said).map_err(|_| NoStatement)?),
        };
        Ok(OpaqueLayer { name: name.trim().to_owned(), states })
    }
}

/// Something is stated of a layer that is not there, or is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--opaque {name}: expected a layer of an unknown class, or such a class; {}", found(.there))]
pub struct NotOpaque {
    /// What was named.
    pub name: String,
    /// The layers of unknown classes.
    pub there: Vec<String>,
}

fn found(there: &[String]) -> String {
    match there {
        [] => "all layers are known".to_owned(),
        there => format!("there are {}", there.join(", ")),
    }
}

/// Is the class in no list of ours? An unknown operation is none of somebody's own.
fn is_unknown(layer: &RawLayer) -> bool {
    layer.nested.is_none() && !layer.class.starts_with("ops.") && layers::find(&layer.class).is_none()
}

/// Adds what is stated to the layers of a model.
pub(super) fn state(
    raw: &mut RawModel,
    stated: &[OpaqueLayer],
    registry: &Registry,
) -> Result<(), NotOpaque> {
    let is_unknown = |layer: &RawLayer| is_unknown(layer) && registry.find(&layer.class).is_none();
    let mut before: HashMap<&str, usize> = HashMap::new();
    for OpaqueLayer { name, states } in stated {
        let place = *before.entry(name).or_insert(0);
        if matches!(states, Statement::Gives(_)) {
            before.insert(name, place + 1);
        }
        let named = |layer: &&mut RawLayer| {
            let class = layer.class.rsplit_once('>').map_or(layer.class.as_str(), |(_, class)| class);
            is_unknown(layer) && [&layer.name, &layer.class, class].contains(&name.as_str())
        };
        let mut found = false;
        for layer in raw.layers.iter_mut().filter(named) {
            found = true;
            wrap(&mut layer.settings);
            match states {
                Statement::Rule(rule) => {
                    layer.settings.insert("masks".into(), rule.name().into());
                }
                Statement::Gives(ty) => match layer.settings.get_mut("gives") {
                    Some(Json::Array(gives)) if place > 0 => gives.push(layers::type_setting(ty)),
                    _ => {
                        layer.settings.insert("gives".into(), json!([layers::type_setting(ty)]));
                    }
                },
            }
        }
        if !found {
            let there = raw.layers.iter().filter(|layer| is_unknown(layer)).take(8);
            let there = there.map(|layer| format!("`{}` ({})", layer.name, layer.class)).collect();
            return Err(NotOpaque { name: name.clone(), there });
        }
    }
    Ok(())
}

/// A layer's own settings become one of the three that an opaque layer has.
fn wrap(settings: &mut Map<String, Json>) {
    if settings.keys().all(|key| ["config", "gives", "masks"].contains(&key.as_str())) {
        return;
    }
    let own = std::mem::take(settings);
    settings.insert("config".into(), Json::Object(own));
}

/// The settings that the file has.
pub(super) fn own(settings: &Map<String, Json>) -> Map<String, Json> {
    let only = settings.keys().all(|key| ["config", "gives", "masks"].contains(&key.as_str()));
    match settings.get("config") {
        Some(Json::Object(own)) if only => own.clone(),
        None if layers::is_opaque(settings) => Map::new(),
        _ => settings.clone(),
    }
}

/// What a file says of the types of tensors.
#[derive(Default)]
pub(super) struct Types(HashMap<(String, u64, u64), Json>);

impl Types {
    /// Takes note of the tensors that a layer reads, and of the shape that it was built for.
    pub(super) fn learn(&mut self, entry: &Node<'_>, calls: &[RawCall]) {
        self.tensors(entry.get("inbound_nodes").value);
        let mut read = vec![];
        calls.iter().flatten().for_each(|(_, argument)| argument.visit(&mut read));
        let shape = entry.get("build_config").get("input_shape").value;
        let sizes = |shape: &&Json| {
            shape.as_array().is_some_and(|shape| shape.iter().all(|size| size.is_null() || size.is_u64()))
        };
        if let ([tensor], Some(shape)) = (read.as_slice(), Some(shape).filter(sizes)) {
            let ty = json!({ "dtype": "float32", "shape": shape });
            self.0.entry((tensor.layer.clone(), tensor.call, tensor.output)).or_insert(ty);
        }
    }

    fn tensors(&mut self, value: &Json) {
        match value {
            Json::Object(map) if map.get("class_name").is_some_and(|class| class == "__keras_tensor__") => {
                let config = map.get("config").map_or(Node::root(&Json::Null), Node::root);
                let (shape, dtype) = (config.get("shape").value, config.get("dtype").value);
                if let (Ok(tensor), true) = (config.get("keras_history").tensor(), shape.is_array()) {
                    let ty = json!({ "dtype": dtype, "shape": shape });
                    self.0.insert((tensor.layer, tensor.call, tensor.output), ty);
                }
            }
            Json::Object(map) => map.values().for_each(|value| self.tensors(value)),
            Json::Array(items) => items.iter().for_each(|item| self.tensors(item)),
            _ => {}
        }
    }

    /// Writes what layers of unknown classes give into their settings, as far as the file says it.
    pub(super) fn write(&self, layers: &mut [RawLayer], outputs: &[RawTensor]) {
        if !layers.iter().any(is_unknown) {
            return;
        }
        let mut counts: HashMap<String, u64> = HashMap::new();
        let mut read: Vec<&RawTensor> = outputs.iter().collect();
        let arguments = layers.iter().flat_map(|layer| layer.calls.iter().flatten());
        arguments.for_each(|(_, argument)| RawArgument::visit(argument, &mut read));
        for tensor in read {
            let count = counts.entry(tensor.layer.clone()).or_insert(0);
            *count = tensor.output.saturating_add(1).min(MOST_OUTPUTS).max(*count);
        }
        for layer in layers.iter_mut().filter(|layer| is_unknown(layer)) {
            let count = counts.get(&layer.name).copied().unwrap_or(1);
            let gives: Option<Vec<Json>> = (0..count).map(|output| self.of(layer, output)).collect();
            wrap(&mut layer.settings);
            if let Some(gives) = gives {
                layer.settings.insert("gives".into(), gives.into());
            }
        }
    }

    /// The type of one output, where the calls of which it is known agree. The batch, and sizes that they do not agree on,
    /// are left open if they are those of the first input in each.
    fn of(&self, layer: &RawLayer, output: u64) -> Option<Json> {
        let known = |call: usize| self.0.get(&(layer.name.clone(), call as u64, output));
        let calls = (0..layer.calls.len()).filter_map(|call| Some((call, known(call)?)));
        let calls: Vec<(usize, &Json)> = calls.collect();
        [1, usize::MAX].into_iter().find_map(|axes| {
            let mut types = calls.iter().map(|(call, ty)| self.as_input(layer, *call, ty, axes));
            let first = types.next().flatten()?;
            types.all(|ty| ty.as_ref() == Some(&first)).then_some(first)
        })
    }

    /// The same type, sizes that are those of the call's first input left open, along the first so many axes.
    fn as_input(&self, layer: &RawLayer, call: usize, ty: &Json, axes: usize) -> Option<Json> {
        let mut read = vec![];
        layer.calls[call].iter().for_each(|(_, argument)| argument.visit(&mut read));
        let input = read.first().and_then(|x| self.0.get(&(x.layer.clone(), x.call, x.output)));
        let sizes = ty.get("shape")?.as_array()?.iter().enumerate();
        let sizes = sizes.map(|(axis, size)| {
            let of_input = input.and_then(|input| input.pointer(&format!("/shape/{axis}")));
            if axis < axes && of_input == Some(size) { Json::Null } else { size.clone() }
        });
        Some(json!({ "dtype": ty.get("dtype")?, "shape": sizes.collect::<Vec<_>>() }))
    }
}

/// More outputs are not counted for one layer.
const MOST_OUTPUTS: u64 = 1 << 10;
