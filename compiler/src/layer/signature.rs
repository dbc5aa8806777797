//! The parameters of a call and what they take.
//!
//! Whatever a file passes to a call is held against this before the layer sees it, so that an argument that nobody
//! asks for can never be a silent difference from Keras: it is refused by name.

use masque_ir::layers::{ArgumentValue, Call, TensorRef};
use serde_json::Value as Json;

use super::arguments::{named, takes_masks};
use super::config::brief;
use super::{Arguments, Kind, Layer, ShapeError};

/// The parameters of Keras' `call`.
///
/// ```
/// use masque::layer::{Signature, Takes};
///
/// let signature = Signature::of(&["inputs", "gate", "mask"]).taking(&[("gate", Takes::Tensors)]);
/// assert_eq!(signature.parameters[0], "inputs");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Signature {
    /// Their names, in order; the first takes the data.
    pub parameters: &'static [&'static str],
    /// Those that take other things than usual; see [`Takes::of`].
    pub takes: &'static [(&'static str, Takes)],
    /// The one whose tensors come from outside, where that is not the first one.
    pub received: Option<&'static str>,
}

impl Signature {
    /// Parameters that take what is usual.
    pub const fn of(parameters: &'static [&'static str]) -> Signature {
        Signature { parameters, takes: &[], received: None }
    }

    /// The same, but some take other things.
    pub const fn taking(mut self, takes: &'static [(&'static str, Takes)]) -> Signature {
        self.takes = takes;
        self
    }

    /// The same, but the tensors that come from outside are passed for that parameter.
    pub const fn receiving(mut self, parameter: &'static str) -> Signature {
        self.received = Some(parameter);
        self
    }
}

/// What a parameter takes. Nothing (JSON's null) may be passed for any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// One tensor.
    Tensor,
    /// A tensor, or a list of tensors.
    Tensors,
    /// A mask, or a list of masks, with nothing in the place of one that is not there.
    Masks,
    /// One tensor, or numbers without tensors.
    Operand,
    /// True or false.
    Flag,
    /// Something without tensors, which the layer reads and refuses itself.
    Setting,
}

impl Takes {
    /// What a parameter of a layer takes: what the layer says; else masks, where the name says so, and one tensor.
    pub fn of(layer: &dyn Layer, parameter: &str) -> Takes {
        match layer.signature().takes.iter().find(|(name, _)| *name == parameter) {
            Some((_, takes)) => *takes,
            None if layer.kind() == Kind::Operation => Takes::Operand,
            None if parameter == "training" => Takes::Flag,
            None if takes_masks(parameter) => Takes::Masks,
            None => Takes::Tensor,
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Takes::Tensor => "a tensor",
            Takes::Tensors => "a tensor or a list of tensors",
            Takes::Masks => "a tensor, or nothing,",
            Takes::Operand => "a tensor or numbers",
            Takes::Flag => "true or false",
            Takes::Setting => "something without tensors",
        }
    }

    /// What it does not take of what was passed; none if it takes all of it.
    fn refuses(self, passed: &ArgumentValue) -> Option<String> {
        let constant = |value: &Json| match (self, value) {
            (_, Json::Null) | (Takes::Setting, _) | (Takes::Flag, Json::Bool(_)) => None,
            (Takes::Operand, value) if super::literals::array(value).is_some() => None,
            (_, value) => Some(brief(value)),
        };
        match (self, passed) {
            (_, ArgumentValue::Constant(value)) => constant(value),
            (Takes::Flag | Takes::Setting, _) => Some("a tensor".to_owned()),
            (_, ArgumentValue::Tensor(_)) => None,
            (Takes::Tensors | Takes::Masks, ArgumentValue::List(items)) => {
                items.iter().find_map(|item| match item {
                    ArgumentValue::Constant(Json::Null) if self == Takes::Masks => None,
                    ArgumentValue::Constant(value) => Some(format!("{} in a list", brief(value))),
                    item => self.refuses(item),
                })
            }
            (_, ArgumentValue::List(_)) => Some("a list".to_owned()),
        }
    }
}

/// A call's arguments, each of which its parameter takes.
///
/// # Errors
///
/// The first argument that no parameter takes, by name.
pub fn check(layer: &dyn Layer, call: &Call) -> Result<Arguments<TensorRef>, ShapeError> {
    let parameters = layer.signature().parameters;
    let wrong = |found| ShapeError::new(format!("arguments of `call({})`", parameters.join(", ")), found);
    for (name, value) in named(call, parameters).map_err(wrong)? {
        let takes = Takes::of(layer, &name);
        if let Some(found) = takes.refuses(value).filter(|_| layer.kind() != Kind::Opaque) {
            return Err(ShapeError::new(format!("{} for `{name}`", takes.expected()), found));
        }
    }
    Arguments::bind(call, parameters).map_err(wrong)
}
