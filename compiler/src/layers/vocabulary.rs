//! Settings of the layers that look tokens up or hash them.

use masque_ir::ops::Spread;
use serde_json::Value as Json;

use crate::layer::{Config, ConfigError};

/// How many numbers a vocabulary has, the special tokens' among them: as its list says where it stands in the settings,
/// else as the setting says that Keras writes beside it.
pub(super) fn size(config: &mut Config, special: &[String]) -> Result<i64, ConfigError> {
    config.ignore(&["idf_weights"]);
    let given = config.take("vocabulary");
    let least = special.len() as i64;
    if let Some(given) = given {
        let expected = "a list of tokens (names of files are not opened)";
        let tokens = given.as_array().ok_or_else(|| ConfigError::new("vocabulary", expected, &given))?;
        let text = |token: &Json| token.as_str().map_or_else(|| token.to_string(), str::to_owned);
        let counted = special.len() <= tokens.len()
            && special.iter().zip(tokens).all(|(special, token)| *special == text(token));
        config.ignore(&["vocabulary_size"]);
        let size = tokens.len() as i64 + if counted { 0 } else { least };
        config.keep("vocabulary_size", size);
        return Ok(size);
    }
    let size = config.size("vocabulary_size")?;
    match size < least {
        true => Err(ConfigError::new("vocabulary_size", format!("at least {least}"), &size.into())),
        false => Ok(size),
    }
}

/// The key of the hash that has one: two integers, or one for both.
pub(super) fn salt(config: &mut Config) -> Result<Option<Spread>, ConfigError> {
    let Some(value) = config.take("salt") else { return Ok(None) };
    let salt = match &value {
        Json::Array(words) if words.len() == 2 => words[0].as_i64().zip(words[1].as_i64()),
        word => word.as_i64().map(|word| (word, word)),
    };
    let (first, second) =
        salt.ok_or_else(|| ConfigError::new("salt", "an integer, or a list of two", &value))?;
    config.keep("salt", value);
    Ok(Some(Spread::Sip { first, second }))
}
