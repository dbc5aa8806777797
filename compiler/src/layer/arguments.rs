//! The arguments of one call, bound to the parameters of Keras' `call`.

use masque_ir::layers::{ArgumentValue, Call, TensorRef};
use serde_json::Value as Json;

/// Stands for parameters of any name in a list of them: those of a layer that is not known.
pub(crate) const ANY: &str = "*";

/// What was passed for one parameter. `T` is what is known of a tensor: its reference, type or operand.
#[derive(Clone, Debug, PartialEq)]
pub enum Passed<T> {
    /// One tensor.
    Tensor(T),
    /// A list of tensors, nested lists flattened.
    List(Vec<T>),
    /// Something without tensors.
    Constant(Json),
}

impl<T> Passed<T> {
    /// The tensors in it.
    pub fn tensors(&self) -> &[T] {
        match self {
            Passed::Tensor(tensor) => std::slice::from_ref(tensor),
            Passed::List(tensors) => tensors,
            Passed::Constant(_) => &[],
        }
    }
}

/// Does a parameter of that name take masks? (`use_causal_mask` takes true or false.)
pub fn takes_masks(parameter: &str) -> bool {
    parameter == "mask" || parameter.ends_with("_mask") && !parameter.starts_with("use_")
}

/// The arguments of one call by parameter name.
#[derive(Clone, Debug, PartialEq)]
pub struct Arguments<T> {
    passed: Vec<(String, Passed<T>)>,
    /// Where in a list passed as `mask` nothing stands.
    unmasked: Vec<usize>,
    /// The masks that the layer computes with, one for each tensor that it reads as data, in order; behind the last
    /// one that it knows of there may be fewer.
    pub masks: Vec<Option<T>>,
}

impl Arguments<TensorRef> {
    /// Binds a call's arguments.
    ///
    /// # Errors
    ///
    /// The first argument for which there is no parameter, by name.
    pub fn bind(call: &Call, parameters: &[&'static str]) -> Result<Arguments<TensorRef>, String> {
        let (mut passed, mut unmasked) = (vec![], vec![]);
        for (name, value) in named(call, parameters)? {
            if let (true, ArgumentValue::List(items)) = (name == "mask", value) {
                let empty = items.iter().enumerate().filter(|(_, item)| item.tensors().is_empty());
                unmasked = empty.map(|(place, _)| place).collect();
            }
            passed.push((name, pass(value)));
        }
        // The first argument is the first parameter's, in whatever order keywords stand.
        let place = |name: &String| parameters.iter().position(|parameter| parameter == name);
        passed.sort_by_key(|(name, _)| place(name).unwrap_or(usize::MAX));
        Ok(Arguments { passed, unmasked, masks: vec![] })
    }
}

/// A call's arguments by parameter, in the call's order.
///
/// # Errors
///
/// As of [`Arguments::bind`].
pub(super) fn named<'a>(
    call: &'a Call,
    parameters: &[&'static str],
) -> Result<Vec<(String, &'a ArgumentValue)>, String> {
    let mut passed: Vec<(String, &ArgumentValue)> = vec![];
    let any = parameters.contains(&ANY);
    let mut positional = parameters.iter().filter(|name| **name != ANY);
    for (place, argument) in call.arguments.iter().enumerate() {
        let name = match &argument.keyword {
            Some(keyword) => keyword.clone(),
            None => positional
                .next()
                .map(ToString::to_string)
                .or_else(|| any.then(|| place.to_string()))
                .ok_or_else(|| "too many positional arguments".to_owned())?,
        };
        if !any && !parameters.contains(&name.as_str()) && !IGNORED.contains(&name.as_str()) {
            return Err(format!("no parameter `{name}`"));
        }
        if passed.iter().any(|(other, _)| *other == name) {
            return Err(format!("`{name}` is passed twice"));
        }
        passed.push((name, &argument.value));
    }
    Ok(passed)
}

/// Parameters that say nothing about what is computed at inference.
const IGNORED: &[&str] = &["training"];

fn pass(value: &ArgumentValue) -> Passed<TensorRef> {
    match value {
        ArgumentValue::Tensor(tensor) => Passed::Tensor(*tensor),
        ArgumentValue::List(_) => Passed::List(value.tensors()),
        ArgumentValue::Constant(json) => Passed::Constant(json.clone()),
    }
}

impl<T> Arguments<T> {
    /// Only tensors for the data argument, without masks.
    pub fn of(data: &str, tensors: Vec<T>) -> Arguments<T> {
        let passed = match <[T; 1]>::try_from(tensors) {
            Ok([tensor]) => Passed::Tensor(tensor),
            Err(tensors) => Passed::List(tensors),
        };
        Arguments { passed: vec![(data.to_owned(), passed)], unmasked: vec![], masks: vec![] }
    }

    /// The same arguments and a list of tensors for one more parameter; an empty list is nothing.
    pub fn with(mut self, parameter: &str, tensors: Vec<T>) -> Arguments<T> {
        if !tensors.is_empty() {
            self.passed.push((parameter.to_owned(), Passed::List(tensors)));
        }
        self
    }

    /// What was passed for a parameter; JSON's null counts as nothing.
    pub fn get(&self, parameter: &str) -> Option<&Passed<T>> {
        let found = self.passed.iter().find(|(name, _)| name == parameter).map(|(_, passed)| passed);
        found.filter(|passed| !matches!(passed, Passed::Constant(Json::Null)))
    }

    /// The tensors passed for a parameter.
    pub fn tensors(&self, parameter: &str) -> &[T] {
        self.get(parameter).map_or(&[], Passed::tensors)
    }

    /// Everything passed, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Passed<T>)> {
        self.passed.iter().map(|(name, passed)| (name.as_str(), passed))
    }

    /// The names of the parameters that were given data: tensors that are not masks.
    pub fn data_parameters(&self) -> Vec<&str> {
        let data = self.iter().filter(|(name, passed)| !takes_masks(name) && !passed.tensors().is_empty());
        data.map(|(name, _)| name).collect()
    }

    /// The tensors passed as data, in order.
    pub fn all_data(&self) -> impl Iterator<Item = &T> {
        self.data_parameters().into_iter().flat_map(|name| self.tensors(name))
    }

    /// What was passed as `mask`, one entry for each tensor of the first argument; nothing if nothing was.
    pub fn explicit_masks(&self) -> Option<Vec<Option<&T>>> {
        let passed = self.get("mask")?.tensors();
        let (mut rest, count) = (passed.iter(), passed.len() + self.unmasked.len());
        Some(
            (0..count).map(|place| if self.unmasked.contains(&place) { None } else { rest.next() }).collect(),
        )
    }

    /// The first argument's first tensor: the data of a layer with one input.
    pub fn first(&self) -> Option<&T> {
        self.data().first()
    }

    /// The tensors of the first argument.
    pub fn data(&self) -> &[T] {
        self.passed.first().map_or(&[], |(_, passed)| passed.tensors())
    }

    /// The mask of the first data tensor.
    pub fn mask(&self) -> Option<&T> {
        self.masks.first().and_then(Option::as_ref)
    }

    /// The mask of the first tensor passed for a parameter, if the layer computes with it.
    pub fn mask_of(&self, parameter: &str) -> Option<&T> {
        let before = self.data_parameters().into_iter().take_while(|name| *name != parameter);
        let place: usize = before.map(|name| self.tensors(name).len()).sum();
        self.tensors(parameter).first()?;
        self.masks.get(place).and_then(Option::as_ref)
    }

    /// The same arguments with something else known of every tensor.
    pub fn map<U>(&self, mut f: impl FnMut(&T) -> U) -> Arguments<U> {
        let passed = self.passed.iter().map(|(name, passed)| {
            let passed = match passed {
                Passed::Tensor(tensor) => Passed::Tensor(f(tensor)),
                Passed::List(tensors) => Passed::List(tensors.iter().map(&mut f).collect()),
                Passed::Constant(json) => Passed::Constant(json.clone()),
            };
            (name.clone(), passed)
        });
        Arguments { passed: passed.collect(), unmasked: self.unmasked.clone(), masks: vec![] }
    }
}
