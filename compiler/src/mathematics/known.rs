//! The functions that an operation speaks of, its settings, and finding a function again in what it was taken apart into.
//!
//! A decomposition is made of primitives alone: `sigmoid(z)` is `1 / (1 + exp(-z))` there. Which functions can be in it
//! is said by the operation's own attributes; each is decomposed on a bare `x`, and where a value is that pattern, it is
//! written by the function's name.

use std::collections::HashMap;

use masque_ir::activation::Activation;
use masque_ir::ops::Op;
use masque_ir::program::{Builder, Operand, Program, Value};
use serde_json::Value as Json;

use crate::layer::config::brief;

/// The activation functions that an operation's attributes speak of.
pub(super) fn functions_of(attributes: &Json) -> Vec<Activation> {
    if let Ok(activation) = serde_json::from_value::<Activation>(attributes.clone()) {
        return if activation == Activation::Linear { vec![] } else { vec![activation] };
    }
    match attributes {
        Json::Object(map) => map.values().flat_map(functions_of).collect(),
        Json::Array(items) => items.iter().flat_map(functions_of).collect(),
        _ => vec![],
    }
}

/// The word of a function, and its parameters.
pub(super) fn word(activation: Activation) -> (String, Vec<(String, String)>) {
    match serde_json::to_value(activation) {
        Ok(Json::String(word)) => (word, vec![]),
        Ok(Json::Object(map)) => match map.into_iter().next() {
            Some((word, Json::Object(parameters))) => {
                let said = parameters.into_iter().filter(|(name, value)| {
                    name != "axis" && !matches!(value.as_f64(), Some(0.0)) && !value.is_null()
                });
                (word, said.map(|(name, value)| (name, brief(&value))).collect())
            }
            Some((word, _)) => (word, vec![]),
            None => (String::new(), vec![]),
        },
        _ => (String::new(), vec![]),
    }
}

/// The settings of an operation that say something, by name; its axes are said by indices.
pub(super) fn settings(op: &Op) -> Vec<(String, String)> {
    let mut found = vec![];
    flatten("", &op.attributes(), &mut found);
    found.retain(|(name, _)| name != "axis" && name != "to");
    found
}

fn flatten(name: &str, value: &Json, found: &mut Vec<(String, String)>) {
    match value {
        Json::Null => {}
        Json::Object(map) => map.iter().for_each(|(name, value)| flatten(name, value, found)),
        Json::String(text) => {
            found.push((name.to_owned(), brief(&Json::String(text.clone())).replace('"', "")))
        }
        value => found.push((name.to_owned(), brief(value))),
    }
}

/// If a value is one of these functions of something: which, and of what.
pub(super) fn find(
    program: &Program,
    value: Value,
    functions: &[Activation],
) -> Option<(Activation, Operand)> {
    functions.iter().find_map(|&function| {
        // An elementwise function gives the type that it takes.
        let mut builder = Builder::new("pattern", program.semantics);
        let x = builder.input("x", program.result(value).ty.clone());
        let end = function.decompose(&mut builder, x.clone()).ok()?;
        let mut pattern = Pattern {
            program,
            pattern: builder.program(),
            hole: x.value()?,
            bound: None,
            same: HashMap::new(),
        };
        let fits = end != x && pattern.fits(&end, &Operand::Value(value));
        pattern.bound.filter(|_| fits).map(|operand| (function, operand))
    })
}

struct Pattern<'a> {
    program: &'a Program,
    pattern: &'a Program,
    hole: Value,
    /// What stands for `x`.
    bound: Option<Operand>,
    /// What each value of the pattern stands for.
    same: HashMap<Value, Operand>,
}

impl Pattern<'_> {
    fn fits(&mut self, expected: &Operand, found: &Operand) -> bool {
        let Operand::Value(value) = expected else { return expected == found };
        if *value == self.hole {
            return self.bound.get_or_insert_with(|| found.clone()) == found;
        }
        if let Some(known) = self.same.get(value) {
            return known == found;
        }
        let Operand::Value(other) = found else { return false };
        let (wanted, there) =
            (&self.pattern.nodes[value.node as usize], &self.program.nodes[other.node as usize]);
        let fits = value.result == other.result
            && wanted.op == there.op
            && wanted.operands.len() == there.operands.len()
            && wanted.operands.iter().zip(&there.operands).all(|(wanted, there)| self.fits(wanted, there));
        if fits {
            self.same.insert(*value, found.clone());
        }
        fits
    }
}
