//! Which Keras wrote a file, by what the file says.

use serde_json::Value as Json;

use super::Problem;
use super::keras::Dialect;

/// How that version of Keras writes configs.
pub(super) fn dialect(version: &str) -> Result<Dialect, Problem> {
    match version.split('.').next() {
        // What Keras 1 writes is what Keras 2 does, in other words.
        Some("1" | "2") => Ok(Dialect::Keras2),
        Some("3") => Ok(Dialect::Keras3),
        _ => Err(Problem::Version { found: version.chars().take(40).collect() }),
    }
}

/// The same by the `keras_version` of an archive's metadata, or beside the text of a Keras 2 model. A config alone is
/// one of Keras 3, which says nothing.
pub(super) fn dialect_of(object: &Json) -> Result<Dialect, Problem> {
    match object.get("keras_version") {
        None => Ok(Dialect::Keras3),
        Some(version) => dialect(version.as_str().unwrap_or_default()),
    }
}
