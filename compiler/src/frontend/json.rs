//! JSON, strictly: no key twice in one object, no numbers that JSON does not have, no bottomless nesting.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value as Json};

/// A text that is no JSON, or not strict.
#[derive(Debug, thiserror::Error)]
#[error("{part} is not valid JSON: {source}")]
pub struct JsonError {
    /// Which part of the file.
    pub part: String,
    /// What is wrong, with line and column.
    pub source: serde_json::Error,
}

/// Parses a whole text. `part` names it in errors.
pub(super) fn parse(part: &str, bytes: &[u8]) -> Result<Json, JsonError> {
    serde_json::from_slice::<Strict>(bytes)
        .map(|strict| strict.0)
        .map_err(|source| JsonError { part: part.to_owned(), source })
}

struct Strict(Json);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Strict, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Strict)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Json, E> {
        Number::from_f64(value).map(Json::Number).ok_or_else(|| E::custom("a number out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = vec![];
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let Strict(value) = entries.next_value()?;
            let short = || key.chars().take(60).collect::<String>();
            if key.chars().any(char::is_control) {
                return Err(de::Error::custom(format!("the key {:?} has control characters", short())));
            }
            if map.contains_key(&key) {
                return Err(de::Error::custom(format!("the key `{}` stands twice in one object", short())));
            }
            map.insert(key, value);
        }
        Ok(Json::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn strict_where_others_are_lenient() {
        assert!(parse("it", br#"{"a": [1, 2.5, "x", null, {"b": true}]}"#).is_ok());
        for bad in [r#"{"a": 1, "a": 2}"#, "NaN", "1e999", "{} {}", "", &"[".repeat(100_000)] {
            assert!(parse("it", bad.as_bytes()).is_err(), "{bad:.20}");
        }
    }
}
