//! Fields of a record that are no inputs, and go over to its answer as they stand.

use std::fmt;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::{RawValue, to_raw_value};

use crate::examples::{ExampleError, InputSpec, Place};
use crate::json::Value;
use crate::quote::quoted;

/// Fields with their values as JSON, in the order of the record.
pub(crate) type Kept = Vec<(String, Box<RawValue>)>;

/// Which fields are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fields {
    /// None: a field that is no input is an error.
    #[default]
    None,
    /// Those of these names.
    Named(Vec<String>),
    /// All that are no inputs.
    All,
}

/// The fields that go over to answers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keep {
    pub(crate) fields: Fields,
    /// The names that answers have already.
    pub(crate) taken: Vec<String>,
}

impl Keep {
    /// Does a field of this name go over?
    pub(crate) fn takes(&self, name: &str, inputs: &[InputSpec]) -> bool {
        match &self.fields {
            Fields::None => false,
            Fields::Named(names) => names.iter().any(|known| known == name),
            Fields::All => inputs.iter().all(|input| input.name != name),
        }
    }

    /// The fields of a line that is a JSON object; none of anything else.
    pub(crate) fn of(&self, line: &str, inputs: &[InputSpec]) -> Kept {
        if self.fields == Fields::None {
            return vec![];
        }
        let wanted = Wanted { keep: self, inputs };
        serde_json::Deserializer::from_str(line).deserialize_map(wanted).unwrap_or_default()
    }

    /// Those of fields that are kept.
    pub(crate) fn among(&self, fields: &[(String, Value)], inputs: &[InputSpec]) -> Kept {
        let kept = fields.iter().filter(|(name, _)| self.takes(name, inputs));
        kept.filter_map(|(name, value)| Some((name.clone(), to_raw_value(value).ok()?))).collect()
    }

    /// Refuses a field that has the name of an output.
    pub(crate) fn check(&self, place: Place, kept: &Kept) -> Result<(), ExampleError> {
        match kept.iter().find(|(name, _)| self.taken.contains(name)) {
            Some((name, _)) => Err(ExampleError::Taken { place, name: quoted(name) }),
            None => Ok(()),
        }
    }
}

struct Wanted<'a> {
    keep: &'a Keep,
    inputs: &'a [InputSpec],
}

impl<'de> Visitor<'de> for Wanted<'_> {
    type Value = Kept;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Kept, A::Error> {
        let mut kept = vec![];
        while let Some(name) = fields.next_key::<String>()? {
            if self.keep.takes(&name, self.inputs) {
                kept.push((name, fields.next_value()?));
            } else {
                fields.next_value::<IgnoredAny>()?;
            }
        }
        Ok(kept)
    }
}
