//! What can be told of a description without a layer.

use std::collections::HashSet;

use masque_ir::described::{ARGUMENT, Body, COALESCE, Description, Meaning, OwnMasks, WHEN};
use masque_ir::layers::{Call, Layer};

use super::DescriptionError;
use super::arguments::Kind;
use super::settings::Setting;
use crate::layer::config::brief;
use crate::layers;

/// What is wrong: what was expected, and what was found.
type Wrong = (String, String);

/// Checks a description.
pub(super) fn check(description: &Description) -> Result<(), DescriptionError> {
    let class = &description.class;
    let found = match &description.meaning {
        _ if is_of_keras(class) => wrong("a class of somebody's own", "one of Keras"),
        Meaning::Same(other) if layers::find(other).is_none() || other.starts_with("ops.") => {
            wrong("a layer of Keras that it is the same as", other)
        }
        Meaning::Same(_) => Ok(()),
        Meaning::Body(body) => check_body(body),
    };
    found.map_err(|(expected, found)| DescriptionError::Meaning { class: class.clone(), expected, found })
}

fn is_of_keras(class: &str) -> bool {
    layers::find(class).is_some() || class.starts_with("ops.")
}

fn wrong<T>(expected: &str, found: impl Into<String>) -> Result<T, Wrong> {
    Err((expected.to_owned(), found.into()))
}

fn check_body(body: &Body) -> Result<(), Wrong> {
    for (name, setting) in &body.settings {
        if Setting::of(setting).is_none() {
            let expected =
                "int, float, bool, str, layer or any, or {type = …, default = …}, as the type of a setting";
            return wrong(expected, format!("`{name} = {}`", brief(setting)));
        }
    }
    let graph = &body.graph;
    let mut called = HashSet::new();
    for id in graph.calls() {
        let (call, layer) = (graph.call(id), graph.layer_of(id));
        let argument = layer.class == ARGUMENT;
        if argument && (!call.arguments.is_empty() || !called.insert(&layer.name)) {
            return wrong("one call of an argument, on nothing", format!("`{}`", graph.call_name(id)));
        }
        if matches!(layer.class.as_str(), "InputLayer" | "Functional" | "Sequential") {
            return wrong("layers and operations in the body", &layer.class);
        }
        check_call(call, layer)?;
    }
    match (&body.masks, graph.outputs().len()) {
        (_, 0) => wrong("at least one output", "none"),
        (OwnMasks::Given(given), outputs) if given.len() > outputs => {
            wrong(&format!("at most {outputs} masks"), given.len().to_string())
        }
        _ => Ok(()),
    }
}

/// Checks what only bodies have.
fn check_call(call: &Call, layer: &Layer) -> Result<(), Wrong> {
    let settings = || brief(&layer.settings.clone().into_iter().collect());
    match layer.class.as_str() {
        ARGUMENT if Kind::of(layer).is_none() => {
            let expected =
                "{optional = true}, or a type and a default, for an argument that is not always a tensor";
            wrong(expected, format!("`{}` {}", layer.name, settings()))
        }
        ARGUMENT if call.outputs > 1 && !layer.settings.is_empty() => {
            wrong("one tensor or value for an argument that may be missing", format!("`{}`", layer.name))
        }
        WHEN if call.arguments.len() != 1
            || call.outputs != 1
            || !layer.settings.keys().eq(["condition"]) =>
        {
            wrong("one argument and a `condition` for ops.When", format!("`{}` {}", layer.name, settings()))
        }
        COALESCE if call.arguments.is_empty() || call.outputs != 1 || !layer.settings.is_empty() => {
            wrong("arguments, and no settings, for ops.Coalesce", format!("`{}` {}", layer.name, settings()))
        }
        _ => Ok(()),
    }
}
