//! A config's JSON while it is read: a value that knows where it stands, and errors that say it.

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

/// What reading a config gives.
pub(super) type Result<T> = std::result::Result<T, KerasConfigError>;

/// A JSON value and where it stands.
#[derive(Clone)]
pub(super) struct Node<'a> {
    pub(super) value: &'a Json,
    pub(super) pointer: String,
}

impl<'a> Node<'a> {
    pub(super) fn fail<T>(&self, expected: &str) -> Result<T> {
        self.fail_with(expected, brief(self.value))
    }

    pub(super) fn fail_with<T>(&self, expected: &str, found: impl Into<String>) -> Result<T> {
        let pointer = if self.pointer.is_empty() { "/".to_owned() } else { self.pointer.clone() };
        Err(KerasConfigError { pointer, expected: expected.to_owned(), found: found.into() })
    }

    /// A member of an object; null if there is none.
    pub(super) fn get(&self, key: &str) -> Node<'a> {
        Node { value: self.value.get(key).unwrap_or(&Json::Null), pointer: format!("{}/{key}", self.pointer) }
    }

    pub(super) fn object(&self) -> Result<&'a Map<String, Json>> {
        self.value.as_object().map_or_else(|| self.fail("an object"), Ok)
    }

    pub(super) fn text(&self) -> Result<&'a str> {
        self.value.as_str().map_or_else(|| self.fail("a text"), Ok)
    }

    pub(super) fn list(&self) -> Result<Vec<Node<'a>>> {
        let Some(items) = self.value.as_array() else { return self.fail("a list") };
        let node = |(place, value)| Node { value, pointer: format!("{}/{place}", self.pointer) };
        Ok(items.iter().enumerate().map(node).collect())
    }

    /// The members of an object, by sorted keys: the order in which Keras takes tensors out of one.
    pub(super) fn sorted(&self) -> Result<Vec<Node<'a>>> {
        let mut keys: Vec<&String> = self.object()?.keys().collect();
        keys.sort();
        Ok(keys.into_iter().map(|key| self.get(key)).collect())
    }

    /// `[name, call, output]`, whatever stands behind.
    pub(super) fn tensor(&self) -> Result<RawTensor> {
        let parts = match self.value.as_array().map(Vec::as_slice) {
            Some([layer, call, output, ..]) => layer.as_str().zip(call.as_u64()).zip(output.as_u64()),
            _ => None,
        };
        match parts {
            Some(((layer, call), output)) => Ok(RawTensor { layer: layer.to_owned(), call, output }),
            None => self.fail("a tensor: [layer name, call, output]"),
        }
    }
}
