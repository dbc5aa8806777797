//! Layers that do what operations do, and carry masks.

use masque_ir::layers::{ArgumentValue, CallId, TensorRef};
use serde_json::json;

use super::expr::{Expr, attached, new};
use super::place::Place;

/// Operations on tensors that are merging layers as well.
const MERGES: [&str; 5] = ["Add", "Maximum", "Minimum", "Multiply", "Subtract"];

/// Functions of one tensor that the layer `Activation` has under another name.
const RENAMED: [(&str, &str); 2] = [("Exp", "exponential"), ("Identity", "linear")];

impl Place<'_> {
    /// The layer for an operation, called on the same tensors; `None` where there is none.
    pub(super) fn layer_for(&self, call: CallId, mask: &Expr) -> Option<Expr> {
        let graph = &self.subject.model.graph;
        let layer = graph.layer_of(call);
        let class = layer.class.strip_prefix("ops.")?;
        let operands: Vec<&ArgumentValue> = graph.call(call).positional().collect();
        match operands.as_slice() {
            [ArgumentValue::Tensor(a), ArgumentValue::Tensor(b)] if MERGES.contains(&class) => {
                let of = [a, b].map(|tensor| self.carrying(*tensor, mask));
                Some(new(class, json!({}), Expr::List(of.to_vec())))
            }
            [ArgumentValue::List(items)] if class == "Concatenate" => {
                let carrying = |item: &ArgumentValue| match item {
                    ArgumentValue::Tensor(tensor) => Some(self.carrying(*tensor, mask)),
                    _ => None,
                };
                let items: Option<Vec<Expr>> = items.iter().map(carrying).collect();
                Some(new(class, json!(layer.settings), Expr::List(items?)))
            }
            [a, b] => rescaled(class, a, b),
            [ArgumentValue::Tensor(x)] if layer.settings.is_empty() => {
                let renamed = RENAMED.iter().find(|(operation, _)| *operation == class);
                let name = renamed.map_or_else(|| snake(class), |(_, name)| (*name).to_owned());
                match class {
                    "Negative" => Some(new("Rescaling", json!({ "scale": -1.0 }), Expr::Tensor(*x))),
                    _ => Some(new("Activation", json!({ "activation": name }), Expr::Tensor(*x))),
                }
            }
            _ => None,
        }
    }

    /// The tensor; with the mask attached where it has none, and has the axes of one.
    fn carrying(&self, tensor: TensorRef, mask: &Expr) -> Expr {
        let fact = self.subject.model.facts.tensor(tensor);
        let axes = &self.ty(self.x).shape[..self.rank];
        let fits = fact.ty.rank() > self.rank && fact.ty.shape.starts_with(axes);
        let comes_from_mask = self.subject.after(self.call, false, |ty| ty.shape.starts_with(axes));
        match fact.mask.is_none() && fits && !comes_from_mask.tensors.contains(&tensor) {
            true => attached(Expr::Tensor(tensor), mask.clone()),
            false => Expr::Tensor(tensor),
        }
    }
}

/// `Rescaling` for arithmetic of a tensor and a number.
fn rescaled(class: &str, a: &ArgumentValue, b: &ArgumentValue) -> Option<Expr> {
    let (x, number, first) = match (a, b) {
        (ArgumentValue::Tensor(x), ArgumentValue::Constant(number)) => (x, number.as_f64()?, true),
        (ArgumentValue::Constant(number), ArgumentValue::Tensor(x)) => (x, number.as_f64()?, false),
        _ => return None,
    };
    let settings = match (class, first) {
        ("Multiply", _) => json!({ "scale": number }),
        ("Add", _) => json!({ "scale": 1.0, "offset": number }),
        ("Subtract", true) => json!({ "scale": 1.0, "offset": -number }),
        ("Subtract", false) => json!({ "scale": -1.0, "offset": number }),
        ("TrueDivide" | "Divide", true) if number != 0.0 => json!({ "scale": 1.0 / number }),
        _ => return None,
    };
    Some(new("Rescaling", settings, Expr::Tensor(*x)))
}

/// `leaky_relu` for `LeakyRelu`.
fn snake(class: &str) -> String {
    let mut name = String::new();
    for letter in class.chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(letter.to_lowercase());
    }
    name
}
