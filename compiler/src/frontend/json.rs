//! JSON, strictly: no key twice in one object, no numbers that JSON does not have, no bottomless nesting.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
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
    value(part, bytes, Place::Inside, &mut None)
}

/// The config of a model. What nearly all of it is, the list of the outermost model's layers, stays text until each
/// has its turn: a large model is never in memory as JSON.
pub(super) struct ConfigText<'t> {
    part: &'t str,
    text: &'t [u8],
    /// Everything else; in the place of the layers stands an empty list.
    pub(super) around: Json,
    layers: Layers<'t>,
}

/// The layers' texts; none if there is no list of layers where a model has it.
type Layers<'t> = Option<Vec<&'t RawValue>>;

impl<'t> ConfigText<'t> {
    /// Parses all but the layers. `part` names the text in errors.
    pub(super) fn parse(part: &'t str, text: &'t [u8]) -> Result<ConfigText<'t>, JsonError> {
        let mut layers = None;
        let around = value(part, text, Place::Root, &mut layers)?;
        Ok(ConfigText { part, text, around, layers })
    }

    /// The layers, each parsed when it is asked for.
    pub(super) fn layers(&self) -> impl Iterator<Item = Result<Json, JsonError>> {
        self.layers.iter().flatten().map(|layer| {
            value(self.part, layer.get().as_bytes(), Place::Inside, &mut None)
                // Only the whole text tells the line and the column.
                .map_err(|alone| parse(self.part, self.text).err().unwrap_or(alone))
        })
    }
}

fn value<'t>(part: &str, text: &'t [u8], place: Place, layers: &mut Layers<'t>) -> Result<Json, JsonError> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let read = Strict { place, layers }.deserialize(&mut json);
    let whole = read.and_then(|value| json.end().map(|()| value));
    whole.map_err(|source| JsonError { part: part.to_owned(), source })
}

/// Where a value stands in a config.
#[derive(Clone, Copy)]
enum Place {
    Root,
    Config,
    Layers,
    Inside,
}

impl Place {
    fn member(self, key: &str) -> Place {
        match (self, key) {
            (Place::Root, "config") => Place::Config,
            (Place::Config, "layers") => Place::Layers,
            _ => Place::Inside,
        }
    }
}

struct Strict<'l, 't> {
    place: Place,
    layers: &'l mut Layers<'t>,
}

impl<'t> DeserializeSeed<'t> for Strict<'_, 't> {
    type Value = Json;

    fn deserialize<D: Deserializer<'t>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'t> Visitor<'t> for Strict<'_, 't> {
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

    fn visit_seq<A: SeqAccess<'t>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = vec![];
        if matches!(self.place, Place::Layers) {
            let mut layers = vec![];
            while let Some(layer) = items.next_element()? {
                layers.push(layer);
            }
            *self.layers = Some(layers);
        } else {
            let mut next =
                || items.next_element_seed(Strict { place: Place::Inside, layers: &mut *self.layers });
            while let Some(item) = next()? {
                list.push(item);
            }
        }
        Ok(Json::Array(list))
    }

    fn visit_map<A: MapAccess<'t>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let member = Strict { place: self.place.member(&key), layers: &mut *self.layers };
            let value = entries.next_value_seed(member)?;
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
    use super::{ConfigText, parse};

    #[test]
    fn the_layers_of_a_config_are_read_one_by_one_and_as_strictly() {
        let text = |layer: &str| {
            format!(r#"{{"config": {{"layers": [1, {{"layers": [2]}}], "name": "m"}}, "layers": [{layer}]}}"#)
        };
        let sound = text("3");
        let config = ConfigText::parse("it", sound.as_bytes()).unwrap();
        assert_eq!(config.around, serde_json::json!({"config": {"layers": [], "name": "m"}, "layers": [3]}));
        let layers: Vec<_> = config.layers().collect::<Result<_, _>>().unwrap();
        assert_eq!(layers, [serde_json::json!(1), serde_json::json!({"layers": [2]})]);
        for bad in [r#"{"a": 1, "a": 2}"#, "1e999", "1,,2"] {
            let whole = format!("{{\n\"config\": {{\"layers\":\n [0, {bad}]}}}}");
            let read = |text: &str| {
                ConfigText::parse("it", text.as_bytes())?.layers().collect::<Result<Vec<_>, _>>()
            };
            let (one, all) = (read(&whole).unwrap_err(), parse("it", whole.as_bytes()).unwrap_err());
            assert_eq!(one.to_string(), all.to_string());
            assert!(one.to_string().contains("line 3"), "{one}");
        }
    }

    #[test]
    fn strict_where_others_are_lenient() {
        assert!(parse("it", br#"{"a": [1, 2.5, "x", null, {"b": true}]}"#).is_ok());
        for bad in [r#"{"a": 1, "a": 2}"#, "NaN", "1e999", "{} {}", "", &"[".repeat(100_000)] {
            assert!(parse("it", bad.as_bytes()).is_err(), "{bad:.20}");
        }
    }
}
