//! A config's JSON while it is read: a value that knows where it stands, and errors that say it.

use std::rc::Rc;

use serde_json::{Map, Value as Json};

use super::RawTensor;
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

/// How long a name may be, in bytes. A layer within a model repeats the model's.
const LONGEST_NAME: usize = 1024;

/// Would a name lead out of a folder if anybody made a path of it?
fn leads_out(name: &str) -> bool {
    name.split(['/', '\\']).any(|part| part == "..")
}

/// What reading a config gives.
pub(super) type Result<T> = std::result::Result<T, KerasConfigError>;

/// A JSON value and where it stands.
#[derive(Clone)]
pub(super) struct Node<'a> {
    pub(super) value: &'a Json,
    /// The way from the whole to it; none if it is the whole. It becomes a text where somebody has to read it.
    way: Option<Rc<Step<'a>>>,
}

struct Step<'a> {
    before: Option<Rc<Step<'a>>>,
    to: To<'a>,
}

enum To<'a> {
    Key(&'a str),
    Place(usize),
}

impl<'a> Node<'a> {
    pub(super) fn root(value: &'a Json) -> Node<'a> {
        Node { value, way: None }
    }

    /// Where it stands, as a JSON pointer.
    pub(super) fn pointer(&self) -> String {
        let mut steps = vec![];
        let mut way = &self.way;
        while let Some(step) = way {
            steps.push(&step.to);
            way = &step.before;
        }
        let mut pointer = String::new();
        for step in steps.into_iter().rev() {
            match step {
                To::Key(key) => pointer.extend(["/", key]),
                To::Place(place) => pointer.extend(["/", &place.to_string()]),
            }
        }
        pointer
    }

    pub(super) fn fail<T>(&self, expected: &str) -> Result<T> {
        self.fail_with(expected, brief(self.value))
    }

    pub(super) fn fail_with<T>(&self, expected: &str, found: impl Into<String>) -> Result<T> {
        let pointer = self.pointer();
        let pointer = if pointer.is_empty() { "/".to_owned() } else { pointer };
        Err(KerasConfigError { pointer, expected: expected.to_owned(), found: found.into() })
    }

    /// A member of an object; null if there is none.
    pub(super) fn get(&self, key: &'a str) -> Node<'a> {
        let value = self.value.get(key).unwrap_or(&Json::Null);
        Node { value, way: Some(Rc::new(Step { before: self.way.clone(), to: To::Key(key) })) }
    }

    pub(super) fn object(&self) -> Result<&'a Map<String, Json>> {
        self.value.as_object().map_or_else(|| self.fail("an object"), Ok)
    }

    pub(super) fn text(&self) -> Result<&'a str> {
        self.value.as_str().map_or_else(|| self.fail("a text"), Ok)
    }

    /// A name: it becomes part of the names of weights and values, and stands in messages.
    pub(super) fn name(&self) -> Result<&'a str> {
        let fits = |name: &&str| {
            !name.is_empty()
                && name.len() <= LONGEST_NAME
                && !name.chars().any(char::is_control)
                && !leads_out(name)
        };
        let name = self.value.as_str().filter(fits);
        name.map_or_else(
            || self.fail("a name of at most 1024 bytes, without control characters and \"..\""),
            Ok,
        )
    }

    /// An item of a list, which may have been read apart from it.
    pub(super) fn item<'b>(&self, place: usize, value: &'b Json) -> Node<'b>
    where
        'a: 'b,
    {
        Node { value, way: Some(Rc::new(Step { before: self.way.clone(), to: To::Place(place) })) }
    }

    pub(super) fn list(&self) -> Result<Vec<Node<'a>>> {
        let Some(items) = self.value.as_array() else { return self.fail("a list") };
        Ok(items.iter().enumerate().map(|(place, value)| self.item(place, value)).collect())
    }

    /// The members of an object, by sorted keys: the order in which Keras takes tensors out of one.
    pub(super) fn sorted(&self) -> Result<Vec<Node<'a>>> {
        let mut keys: Vec<&'a String> = self.object()?.keys().collect();
        keys.sort();
        Ok(keys.into_iter().map(|key| self.get(key)).collect())
    }

    /// `[name, call, output]`, whatever stands behind.
    pub(super) fn tensor(&self) -> Result<RawTensor> {
        let parts = match self.value.as_array().map(Vec::as_slice) {
            Some([layer, call, output, ..]) => {
                call.as_u64().zip(output.as_u64()).map(|numbers| (layer, numbers))
            }
            _ => None,
        };
        match parts {
            Some((layer, (call, output))) => {
                let layer = self.item(0, layer).name()?.to_owned();
                Ok(RawTensor { layer, call, output })
            }
            None => self.fail("a tensor: [layer name, call, output]"),
        }
    }
}
