//! Calls as Keras 3 writes them: `{"args": […], "kwargs": {…}}`, tensors as objects anywhere inside.

use serde_json::Value as Json;

use super::super::config::{Node, Result};
use super::super::constants::is_array;
use super::super::{RawArgument, RawCall};

pub(super) fn call(node: &Node<'_>) -> Result<RawCall> {
    if node.value.is_array() {
        return node.fail("a call {args, kwargs} as Keras 3 writes it");
    }
    if let Some(key) = node.object()?.keys().find(|key| !matches!(key.as_str(), "args" | "kwargs")) {
        return node.fail_with("a call with args and kwargs alone", key.as_str());
    }
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

/// A nest with a tensor or an array in it is a list of tensors to us, in Keras' order.
fn nest(node: &Node<'_>, items: &[Node<'_>]) -> Result<RawArgument> {
    let items: Vec<RawArgument> = items.iter().map(argument).collect::<Result<_>>()?;
    let constant = |item: &RawArgument| matches!(item, RawArgument::Constant(value) if !is_array(value));
    let constant = items.iter().all(constant);
    Ok(if constant { RawArgument::Constant(node.value.clone()) } else { RawArgument::List(items) })
}
