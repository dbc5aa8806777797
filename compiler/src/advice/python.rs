//! Changes of a model as Python, in the words of Keras.

use masque_ir::Semantics;
use masque_ir::layers::{LayerGraph, Settings, TensorRef};
use serde_json::Value as Json;

use super::change::Line;
use super::expr::Expr;

/// What functions of `keras.ops` are called in TensorFlow, which a model of Keras 2 is written with.
const IN_TENSORFLOW: &[(&str, &str)] = &[
    ("any", "tf.reduce_any"),
    ("concatenate", "tf.concat"),
    ("flip", "tf.reverse"),
    ("mean", "tf.reduce_mean"),
    ("softmax", "tf.nn.softmax"),
    ("sum", "tf.reduce_sum"),
];

/// Functions of `keras.ops` whose classes have other names.
const FUNCTIONS: &[(&str, &str)] = &[
    ("AllClose", "allclose"),
    ("BatchNorm", "batch_normalization"),
    ("IsIn", "isin"),
    ("LayerNorm", "layer_normalization"),
    ("RMSNorm", "rms_normalization"),
    ("SearchSorted", "searchsorted"),
];

/// Writes the changes of one model.
pub(super) struct Python<'a> {
    pub(super) graph: &'a LayerGraph,
}

/// A name as Python can have it.
pub(super) fn identifier(name: &str) -> String {
    let kept: String = name.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
    match kept.starts_with(|c: char| c.is_numeric()) || kept.is_empty() {
        true => format!("_{kept}"),
        false => kept,
    }
}

impl Python<'_> {
    pub(super) fn line(&self, line: &Line) -> String {
        match line {
            Line::Let { name, value } => format!("{name} = {}", self.expr(value)),
            Line::Tensor { tensor, value } => format!("{} = {}", self.tensor(*tensor), self.expr(value)),
            Line::Call { call, arguments } => {
                let id = self.graph.call(*call).layer;
                let layer = self.graph.layer(id);
                if let Some(operation) = layer.class.strip_prefix("ops.") {
                    let value = self.operation(operation, &layer.settings, arguments);
                    return format!("{} = {value}", identifier(&self.graph.call_name(*call)));
                }
                let name = identifier(&layer.name);
                let called = format!("{name}({})", self.arguments(arguments));
                // Of a layer that is called more than once, which call it is.
                let once = self.graph.calls().filter(|call| self.graph.call(*call).layer == id).count() == 1;
                match once {
                    true => called,
                    false => format!("{} = {called}", identifier(&self.graph.call_name(*call))),
                }
            }
            Line::Setting { layer, settings } => {
                let layer = self.graph.layer(*layer);
                let settings = settings.iter().map(|(key, value)| format!(", {key}={}", literal(value)));
                let settings: String = settings.collect();
                format!("{} = {}(...{settings})", identifier(&layer.name), layer.class)
            }
        }
    }

    /// A tensor as people call it: the name of its call.
    pub(super) fn tensor(&self, tensor: TensorRef) -> String {
        let call = identifier(&self.graph.call_name(tensor.call));
        let outputs = self.graph.call(tensor.call).outputs;
        if outputs > 1 { format!("{call}[{}]", tensor.output) } else { call }
    }

    pub(super) fn expr(&self, expr: &Expr) -> String {
        match expr {
            Expr::Tensor(tensor) => self.tensor(*tensor),
            Expr::Local(name) => name.clone(),
            Expr::Constant(json) => literal(json),
            Expr::List(items) => {
                let items: Vec<String> = items.iter().map(|item| self.expr(item)).collect();
                format!("[{}]", items.join(", "))
            }
            Expr::Op { name, operands, settings } => {
                let mut parts: Vec<String> = operands.iter().map(|operand| self.expr(operand)).collect();
                parts.extend(settings.iter().map(|(key, value)| format!("{key}={}", literal(value))));
                format!("{}({})", self.function(name), parts.join(", "))
            }
            Expr::Slice { of, axes } => {
                let axes: Vec<String> = axes.iter().map(slice).collect();
                format!("{}[{}]", self.expr(of), axes.join(", "))
            }
            Expr::New { class, settings, arguments } => {
                format!("{}({})", made(class, settings), self.arguments(arguments))
            }
            Expr::Again { layer, arguments } => {
                format!("{}({})", identifier(&self.graph.layer(*layer).name), self.arguments(arguments))
            }
        }
    }

    /// The call of a function that the class of an operation stands for.
    fn operation(&self, class: &str, settings: &Settings, arguments: &[(Option<String>, Expr)]) -> String {
        if let ("GetItem", [(_, of), (_, Expr::Constant(key))]) = (class, arguments) {
            return format!("{}[{}]", self.expr(of), subscript(key));
        }
        let known = FUNCTIONS.iter().find(|(known, _)| *known == class);
        let name = known.map_or_else(|| snake(class), |(_, name)| (*name).to_owned());
        let passed = Some(self.arguments(arguments)).filter(|passed| !passed.is_empty());
        let settings = settings.iter().map(|(key, value)| format!("{key}={}", literal(value)));
        format!(
            "{}({})",
            self.function(&name),
            passed.into_iter().chain(settings).collect::<Vec<_>>().join(", ")
        )
    }

    fn function(&self, name: &str) -> String {
        if self.graph.semantics != Semantics::Keras2 {
            return format!("ops.{name}");
        }
        let renamed = IN_TENSORFLOW.iter().find(|(keras, _)| *keras == name);
        renamed.map_or_else(|| format!("tf.{name}"), |(_, tensorflow)| (*tensorflow).to_owned())
    }

    fn arguments(&self, arguments: &[(Option<String>, Expr)]) -> String {
        let parts = arguments.iter().map(|(keyword, value)| match keyword {
            Some(keyword) => format!("{keyword}={}", self.expr(value)),
            None => self.expr(value),
        });
        parts.collect::<Vec<_>>().join(", ")
    }
}

/// `GRU(units=3)`
fn made(class: &str, settings: &Settings) -> String {
    let parts: Vec<String> = settings.iter().map(|(key, value)| argument(key, value)).collect();
    format!("{class}({})", parts.join(", "))
}

/// A setting as an argument; a wrapped layer, and a number that is the class's first parameter, need no name.
fn argument(key: &str, value: &Json) -> String {
    match key {
        "layer" | "units" | "target_shape" | "dims" => literal(value),
        _ => format!("{key}={}", literal(value)),
    }
}

/// `log_softmax` for `LogSoftmax`.
fn snake(class: &str) -> String {
    let mut name = String::new();
    let mut small = false;
    for letter in class.chars() {
        if letter.is_uppercase() && small {
            name.push('_');
        }
        small = !letter.is_uppercase();
        name.extend(letter.to_lowercase());
    }
    name
}

/// What is in the brackets, as a file of Keras has it: `:, -1`.
fn subscript(key: &Json) -> String {
    let one = |key: &Json| match key.pointer("/config") {
        Some(config) if key["class_name"] == "__slice__" => {
            let part = |name: &str| config.get(name).and_then(Json::as_i64);
            slice(&[part("start"), part("stop"), part("step")])
        }
        _ => literal(key),
    };
    match key {
        Json::Array(axes) => axes.iter().map(one).collect::<Vec<_>>().join(", "),
        key => one(key),
    }
}

fn slice([start, stop, step]: &[Option<i64>; 3]) -> String {
    let number = |number: &Option<i64>| number.map_or_else(String::new, |number| number.to_string());
    match step {
        None => format!("{}:{}", number(start), number(stop)),
        Some(step) => format!("{}:{}:{step}", number(start), number(stop)),
    }
}

/// A value in Python.
fn literal(json: &Json) -> String {
    match json {
        Json::Null => "None".to_owned(),
        Json::Bool(true) => "True".to_owned(),
        Json::Bool(false) => "False".to_owned(),
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(literal).collect();
            let comma = if items.len() == 1 { "," } else { "" };
            format!("({}{comma})", items.join(", "))
        }
        Json::Object(map) => match (map.get("class_name").and_then(Json::as_str), map.get("config")) {
            (Some(class), Some(Json::Object(config))) => {
                made(class, &config.clone().into_iter().collect::<Settings>())
            }
            _ => json.to_string(),
        },
        Json::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.abs() >= 1e6 => format!("{float:e}"),
            _ => number.to_string(),
        },
        other => other.to_string(),
    }
}
