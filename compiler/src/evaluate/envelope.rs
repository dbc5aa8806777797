//! How Keras writes losses and metrics down: a name, or a config with the class and its settings.

use serde_json::{Map, Value as Json};

use crate::layer::ConfigError;
use crate::layer::config::brief;

/// What is not Keras' own, or not written down as Keras does.
pub(super) enum Unread {
    /// A class of somebody's own.
    Custom(String),
    /// No name at all, or this.
    Nameless(String),
    /// The settings of a class are none.
    Settings(String, ConfigError),
}

/// The name of a class or function, and its settings. What `wrapper` wraps is the function that is meant.
pub(super) fn read(given: &Json, wrapper: &str) -> Result<(String, Map<String, Json>), Unread> {
    if let Some(name) = given.as_str() {
        return Ok((name.to_owned(), Map::new()));
    }
    let text = |key: &str| given.get(key).and_then(Json::as_str);
    let class = text("class_name").ok_or_else(|| Unread::Nameless(brief(given)))?;
    // A class of somebody's own must never be taken for Keras' class of the same name.
    let custom = text("registered_name").is_some_and(|name| name.contains('>'));
    let module =
        text("module").is_none_or(|module| module == "builtins" || module.split('.').next() == Some("keras"));
    let own = given.get("module").is_some_and(Json::is_null) && text("registered_name").is_some();
    if custom || own || !module {
        return Err(Unread::Custom(class.chars().take(60).collect()));
    }
    match (class, given.get("config")) {
        ("function", Some(Json::String(function))) => Ok((function.clone(), Map::new())),
        (class, Some(Json::Object(settings))) if class == wrapper => {
            let mut settings = settings.clone();
            let function = settings.remove("fn").unwrap_or(Json::Null);
            let name = function.as_str().or(function.get("config").and_then(Json::as_str));
            let name = name.ok_or_else(|| Unread::Nameless(brief(&function)))?;
            Ok((name.to_owned(), settings))
        }
        (_, Some(Json::Object(settings))) => Ok((class.to_owned(), settings.clone())),
        (_, None | Some(Json::Null)) => Ok((class.to_owned(), Map::new())),
        (_, Some(other)) => {
            Err(Unread::Settings(class.to_owned(), ConfigError::new("config", "an object", other)))
        }
    }
}
