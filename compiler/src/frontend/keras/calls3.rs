//! Calls as Keras 3 writes them: `{"args": […], "kwargs": {…}}`, tensors as objects anywhere inside.

use serde_json::{Map, Value as Json};

use super::super::config::{Node, Result};
use super::super::{RawArgument, RawCall, RawLayer, RawTensor};

pub(super) fn call(node: &Node<'_>) -> Result<RawCall> {
    if node.value.is_array() {
        return node.fail("a call {args, kwargs} as Keras 3 writes it");
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
        Json::Object(map) => match map.get("class_name").and_then(Json::as_str) {
            Some("__keras_tensor__") => {
                node.get("config").get("keras_history").tensor().map(RawArgument::Tensor)
            }
            Some("DTypePolicy") => Ok(RawArgument::Constant(node.get("config").get("name").value.clone())),
            Some(_) => Ok(RawArgument::Constant(node.value.clone())),
            None => nest(node, &node.sorted()?),
        },
        Json::Array(_) => nest(node, &node.list()?),
        value => Ok(RawArgument::Constant(value.clone())),
    }
}

/// An array, or a number, with its element type beside it.
fn is_array(value: &Json) -> bool {
    matches!(value.get("class_name").and_then(Json::as_str), Some("__numpy__" | "__tensor__"))
}

/// Operations read arrays among their arguments themselves. What a layer gets is a tensor, whoever makes it: an array
/// becomes the result of a call of its own. Gives the layers that make them.
pub(super) fn lift_arrays(layer: &mut RawLayer) -> Vec<RawLayer> {
    let is_operation = layer.class.starts_with("ops.");
    let mut made: Vec<RawLayer> = vec![];
    for (keyword, argument) in layer.calls.iter_mut().flatten() {
        arrays_mut(argument, &mut |array| {
            if is_operation {
                return RawArgument::Constant(array.pointer("/config/value").cloned().unwrap_or_default());
            }
            let number = if made.is_empty() { String::new() } else { format!(".{}", made.len() + 1) };
            let name = format!("{}/{}{number}", layer.name, keyword.as_deref().unwrap_or("array"));
            made.push(RawLayer {
                name: name.clone(),
                class: "ops.Constant".to_owned(),
                settings: Map::from_iter([("array".to_owned(), array)]),
                calls: vec![vec![]],
                pointer: layer.pointer.clone(),
                nested: None,
            });
            RawArgument::Tensor(RawTensor { layer: name, call: 0, output: 0 })
        });
    }
    made
}

/// Puts something else in the place of every array in an argument.
fn arrays_mut(argument: &mut RawArgument, instead: &mut impl FnMut(Json) -> RawArgument) {
    match argument {
        RawArgument::List(items) => items.iter_mut().for_each(|item| arrays_mut(item, instead)),
        RawArgument::Constant(array) if is_array(array) => *argument = instead(array.take()),
        RawArgument::Constant(_) | RawArgument::Tensor(_) => {}
    }
}

/// A nest with a tensor in it is a list of tensors to us, in Keras' order.
fn nest(node: &Node<'_>, items: &[Node<'_>]) -> Result<RawArgument> {
    let items: Vec<RawArgument> = items.iter().map(argument).collect::<Result<_>>()?;
    let constant = items.iter().all(|item| matches!(item, RawArgument::Constant(_)));
    Ok(if constant { RawArgument::Constant(node.value.clone()) } else { RawArgument::List(items) })
}
