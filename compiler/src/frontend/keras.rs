//! Keras 3 configs: the object that `config.json` holds and `to_json()` gives.

use masque_ir::Semantics;
use serde_json::{Map, Value as Json};

use super::{RawArgument, RawCall, RawLayer, RawModel, RawTensor};
use crate::layer::config::brief;

/// The config does not say what a Keras config says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("config, at `{pointer}`: expected {expected}, found {found}")]
pub struct KerasConfigError {
    /// The place, as a JSON pointer.
    pub pointer: String,
    /// What should stand there.
    pub expected: String,
    /// What stands there.
    pub found: String,
}

type Result<T> = std::result::Result<T, KerasConfigError>;

/// A JSON value and where it stands.
#[derive(Clone)]
struct Node<'a> {
    value: &'a Json,
    pointer: String,
}

impl<'a> Node<'a> {
    fn fail<T>(&self, expected: &str) -> Result<T> {
        let pointer = if self.pointer.is_empty() { "/".to_owned() } else { self.pointer.clone() };
        Err(KerasConfigError { pointer, expected: expected.to_owned(), found: brief(self.value) })
    }

    /// A member of an object; null if there is none.
    fn get(&self, key: &str) -> Node<'a> {
        Node { value: self.value.get(key).unwrap_or(&Json::Null), pointer: format!("{}/{key}", self.pointer) }
    }

    fn object(&self) -> Result<&'a Map<String, Json>> {
        self.value.as_object().map_or_else(|| self.fail("an object"), Ok)
    }

    fn text(&self) -> Result<&'a str> {
        self.value.as_str().map_or_else(|| self.fail("a text"), Ok)
    }

    fn list(&self) -> Result<Vec<Node<'a>>> {
        let Some(items) = self.value.as_array() else { return self.fail("a list") };
        let node = |(place, value)| Node { value, pointer: format!("{}/{place}", self.pointer) };
        Ok(items.iter().enumerate().map(node).collect())
    }
}

/// Reads a whole model.
pub(super) fn read(config: &Json) -> Result<RawModel> {
    let root = Node { value: config, pointer: String::new() };
    let class = root.get("class_name");
    let body = root.get("config");
    root.object()?;
    match class.text()? {
        "Sequential" => sequential(&body),
        "Functional" => functional(&body),
        _ => class.fail("a model of class Sequential or Functional, which is described by its layers alone"),
    }
}

fn model(
    body: &Node<'_>,
    layers: Vec<RawLayer>,
    inputs: Vec<RawTensor>,
    outputs: Vec<RawTensor>,
) -> RawModel {
    let name = body.value.get("name").and_then(Json::as_str).unwrap_or("model").to_owned();
    RawModel { name, semantics: Semantics::Keras3_15, layers, inputs, outputs, schedule: vec![] }
}

/// A chain: every layer reads the one before it.
fn sequential(body: &Node<'_>) -> Result<RawModel> {
    let entries = body.get("layers").list()?;
    let mut layers: Vec<RawLayer> = vec![];
    for entry in &entries {
        let mut layer = layer(entry)?;
        let before = layers.last().map(|before| RawTensor { layer: before.name.clone(), call: 0, output: 0 });
        layer.calls = vec![before.map(|tensor| (None, RawArgument::Tensor(tensor))).into_iter().collect()];
        if layers.is_empty() && layer.class != "InputLayer" {
            return entry
                .fail("an InputLayer first: the model was saved before its input was known; build it first");
        }
        layers.push(layer);
    }
    let tensor = |layer: &RawLayer| RawTensor { layer: layer.name.clone(), call: 0, output: 0 };
    match (layers.first().map(tensor), layers.last().map(tensor)) {
        (Some(input), Some(output)) => Ok(model(body, layers, vec![input], vec![output])),
        _ => body.get("layers").fail("at least one layer"),
    }
}

fn functional(body: &Node<'_>) -> Result<RawModel> {
    let mut layers = vec![];
    for entry in body.get("layers").list()? {
        let mut raw = layer(&entry)?;
        let calls = entry.get("inbound_nodes").list()?;
        raw.calls = match raw.class.as_str() {
            "InputLayer" => vec![vec![]],
            _ => calls.iter().map(call).collect::<Result<_>>()?,
        };
        layers.push(raw);
    }
    let (mut inputs, mut outputs) = (vec![], vec![]);
    tensors(&body.get("input_layers"), &mut inputs)?;
    tensors(&body.get("output_layers"), &mut outputs)?;
    // Among a model's own outputs, the calls of a functional model inside it are counted from 1.
    for output in &mut outputs {
        let functional = |layer: &&RawLayer| layer.name == output.layer && layer.class == "Functional";
        if layers.iter().find(functional).is_some_and(|layer| layer.nested.is_some()) {
            output.call = output.call.saturating_sub(1);
        }
    }
    Ok(model(body, layers, inputs, outputs))
}

/// Class, name and settings of one entry.
fn layer(entry: &Node<'_>) -> Result<RawLayer> {
    let (class, config) = (entry.get("class_name").text()?, entry.get("config"));
    let module = entry.value.get("module").and_then(Json::as_str);
    let registered = entry.value.get("registered_name").and_then(Json::as_str);
    let class = match module {
        Some(module) if is_inside(module, "keras.src.ops") || is_inside(module, "keras.ops") => {
            format!("ops.{class}")
        }
        Some(module) if is_inside(module, "keras") => class.to_owned(),
        // A class of somebody's own must never be taken for Keras' class of the same name.
        _ => {
            registered.filter(|name| name.contains('>')).map_or_else(|| custom(module, class), str::to_owned)
        }
    };
    let name = entry.value.get("name").or(config.value.get("name")).and_then(Json::as_str);
    let Some(name) = name else { return entry.fail("a `name`") };
    if name.is_empty() || name.chars().any(char::is_control) {
        return entry.get("name").fail("a name without control characters");
    }
    let nested = match class.as_str() {
        "Functional" => Some(Box::new(functional(&config)?)),
        "Sequential" => Some(Box::new(sequential(&config)?)),
        _ => None,
    };
    let settings = if nested.is_some() { Map::new() } else { config.object()?.clone() };
    let (name, pointer) = (name.to_owned(), entry.pointer.clone());
    Ok(RawLayer { name, class, settings, calls: vec![], pointer, nested })
}

fn custom(module: Option<&str>, class: &str) -> String {
    module.map_or_else(|| class.to_owned(), |module| format!("{module}.{class}"))
}

fn is_inside(module: &str, package: &str) -> bool {
    module.strip_prefix(package).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// `{"args": […], "kwargs": {…}}`
fn call(node: &Node<'_>) -> Result<RawCall> {
    if node.value.is_array() {
        return node
            .fail("a call {args, kwargs} as Keras 3 writes it (lists are from Keras 2, not supported yet)");
    }
    node.object()?;
    let mut arguments = vec![];
    for value in node.get("args").list()? {
        arguments.push((None, argument(&value)?));
    }
    let keywords = node.get("kwargs");
    for key in keywords.object()?.keys() {
        arguments.push((Some(key.clone()), argument(&keywords.get(key))?));
    }
    Ok(arguments)
}

fn argument(node: &Node<'_>) -> Result<RawArgument> {
    match node.value {
        Json::Object(map) if map.get("class_name").is_some_and(|class| class == "__keras_tensor__") => {
            tensor(&node.get("config").get("keras_history")).map(RawArgument::Tensor)
        }
        Json::Array(_) => {
            let items: Vec<RawArgument> = node.list()?.iter().map(argument).collect::<Result<_>>()?;
            let constant = items.iter().all(|item| matches!(item, RawArgument::Constant(_)));
            Ok(if constant { RawArgument::Constant(node.value.clone()) } else { RawArgument::List(items) })
        }
        value => Ok(RawArgument::Constant(value.clone())),
    }
}

/// `[name, call, output]`
fn tensor(node: &Node<'_>) -> Result<RawTensor> {
    let expected = "a tensor: [layer name, call, output]";
    let items = node.list().or_else(|_| node.fail(expected))?;
    let parts = match items.as_slice() {
        [layer, call, output] => layer.value.as_str().zip(call.value.as_u64()).zip(output.value.as_u64()),
        _ => None,
    };
    match parts {
        Some(((layer, call), output)) => Ok(RawTensor { layer: layer.to_owned(), call, output }),
        None => node.fail(expected),
    }
}

/// The tensors of a nest of lists and objects, objects by sorted keys.
fn tensors(node: &Node<'_>, found: &mut Vec<RawTensor>) -> Result<()> {
    match node.value {
        Json::Array(items) if items.first().is_some_and(Json::is_string) => found.push(tensor(node)?),
        Json::Array(_) => {
            for item in node.list()? {
                tensors(&item, found)?;
            }
        }
        Json::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            for key in keys {
                tensors(&node.get(key), found)?;
            }
        }
        _ => return node.fail("tensors: [layer name, call, output], in lists or by name"),
    }
    Ok(())
}
