//! What settings, and arguments without tensors, may be.

use masque_ir::described::Body;
use serde_json::{Map, Value as Json};

use super::super::{RawLayer, opaque};
use crate::layer::config::brief;
use crate::layer::{Config, ConfigError};

/// Values by name.
pub(super) type Values = Map<String, Json>;

/// The types that there are.
const TYPES: [&str; 6] = ["any", "bool", "float", "int", "layer", "str"];

/// What one may be.
#[derive(Debug)]
pub(super) struct Setting<'a> {
    ty: &'a str,
    default: Option<&'a Json>,
    /// The values that the description is for, where it is not for all.
    only: Option<&'a [Json]>,
}

impl Setting<'_> {
    /// What a description says: a type, or a map with one.
    pub(super) fn of(json: &Json) -> Option<Setting<'_>> {
        match json {
            Json::String(ty) => Setting { ty, default: None, only: None }.checked(),
            Json::Object(map) => Setting::among(map.iter()),
            _ => None,
        }
    }

    /// The same of what such a map has.
    pub(super) fn among<'a>(entries: impl Iterator<Item = (&'a String, &'a Json)>) -> Option<Setting<'a>> {
        let (mut ty, mut default, mut only) = (None, None, None);
        for (key, value) in entries {
            match key.as_str() {
                "type" => ty = Some(value.as_str()?),
                "default" => default = Some(value),
                "only" => only = Some(value.as_array()?.as_slice()),
                _ => return None,
            }
        }
        Setting { ty: ty?, default, only }.checked()
    }

    fn checked(self) -> Option<Self> {
        let mut values = self.default.into_iter().chain(self.only.into_iter().flatten());
        let fits = values.all(|value| value.is_null() || self.takes(value));
        (fits && TYPES.contains(&self.ty)).then_some(self)
    }

    fn takes(&self, value: &Json) -> bool {
        match self.ty {
            "bool" => value.is_boolean(),
            "float" => value.is_number(),
            "int" => value.is_i64(),
            "layer" => value.get("class_name").is_some_and(Json::is_string),
            "str" => value.is_string(),
            _ => true,
        }
    }

    /// What it may be, in words.
    pub(super) fn expected(&self) -> String {
        match self.only {
            Some(only) => only.iter().map(brief).collect::<Vec<_>>().join(" or "),
            None => self.ty.to_owned(),
        }
    }

    /// The value that is given, or else the default.
    pub(super) fn value(&self, name: &str, given: Option<Json>) -> Result<Json, ConfigError> {
        let value = given.or_else(|| self.default.cloned()).unwrap_or(Json::Null);
        let optional = value.is_null() && (self.default.is_some() || self.ty == "any");
        let described = self.only.is_none_or(|only| only.contains(&value));
        match described && (optional || self.takes(&value)) {
            true => Ok(value),
            false => Err(ConfigError::new(name, self.expected(), &value)),
        }
    }

    fn is_default(&self, value: &Json) -> bool {
        self.default == Some(value)
    }
}

/// A layer's settings, with defaults for those that are missing, and those that dumps show.
pub(super) fn values(body: &Body, layer: &RawLayer) -> Result<(Values, Values), ConfigError> {
    let mut config = Config::new(opaque::own(&layer.settings))?;
    let mut values = Values::new();
    for (name, declared) in &body.settings {
        let Some(setting) = Setting::of(declared) else { continue };
        if setting.ty == "str" {
            config.name_function(name);
        }
        let value = setting.value(name, config.take(name))?;
        if !value.is_null() && !value.is_object() && !setting.is_default(&value) {
            config.keep(name, value.clone());
        }
        values.insert(name.clone(), value);
    }
    Ok((values, config.finish()?.into_iter().collect()))
}
