//! A float that can stand in an operation's attributes: equal when the bits are equal, ordered, hashable, and
//! printed so that it reads back exactly (also the values that JSON has no number for).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Number, Value as Json, json};

/// An `f64` compared by its bits. All NaNs are one NaN.
#[derive(Clone, Copy, Debug)]
pub struct Float(pub f64);

impl Float {
    fn key(self) -> u64 {
        if self.0.is_nan() { f64::NAN.to_bits() } else { self.0.to_bits() }
    }
}

impl PartialEq for Float {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}
impl Eq for Float {}
impl std::hash::Hash for Float {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}
impl PartialOrd for Float {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Float {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0).then(self.key().cmp(&other.key()))
    }
}

impl From<f64> for Float {
    fn from(value: f64) -> Self {
        Float(value)
    }
}

/// `0.0`, `0.001`, `1e-7`, `inf`, `-inf`, `nan`: shortest digits that read back to the same bits.
impl fmt::Display for Float {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_nan() {
            f.write_str("nan")
        } else if self.0.is_infinite() {
            f.write_str(if self.0 > 0.0 { "inf" } else { "-inf" })
        } else {
            write!(f, "{:?}", self.0)
        }
    }
}

/// The one key of the object that stands for a number which JSON lacks.
pub const KEY: &str = "__float__";

impl Float {
    /// The number as a JSON value: a number, or for those that JSON lacks an object `{"__float__": "nan"}`.
    pub fn to_json(self) -> Json {
        match Number::from_f64(self.0) {
            Some(number) => Json::Number(number),
            None => json!({ KEY: self.to_string() }),
        }
    }

    /// The number that a JSON value is, as [`Float::to_json`] writes it; `None` for any other value.
    pub fn of_json(value: &Json) -> Option<Float> {
        match value {
            Json::Number(number) => number.as_f64().map(Float),
            Json::Object(map) if map.len() == 1 => map.get(KEY)?.as_str().and_then(Float::of_word),
            _ => None,
        }
    }

    fn of_word(word: &str) -> Option<Float> {
        match word {
            "inf" => Some(Float(f64::INFINITY)),
            "-inf" => Some(Float(f64::NEG_INFINITY)),
            "nan" => Some(Float(f64::NAN)),
            _ => None,
        }
    }
}

impl Serialize for Float {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serializer.is_human_readable() && !self.0.is_finite() {
            true => serializer.collect_map([(KEY, self.to_string())]),
            false => serializer.serialize_f64(self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Float {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            return f64::deserialize(deserializer).map(Float);
        }
        let value = Json::deserialize(deserializer)?;
        Float::of_json(&value).ok_or_else(|| de::Error::custom(format!("{value} is no number")))
    }
}

#[cfg(test)]
mod tests {
    use super::{Float, KEY};
    use serde_json::json;

    #[test]
    fn every_number_is_a_json_value_and_no_text_is_one() {
        for number in [0.0, -0.0, 1.5, 1e300, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let value = Float(number).to_json();
            assert_eq!(Float::of_json(&value), Some(Float(number)));
            assert_eq!(serde_json::to_value(Float(number)).unwrap(), value);
            assert_eq!(serde_json::from_value::<Float>(value).unwrap(), Float(number));
        }
        assert_eq!(Float::of_json(&json!(3)), Some(Float(3.0)));
        for other in
            [json!("nan"), json!({KEY: "NaN"}), json!({KEY: 1}), json!({KEY: "nan", "a": 1}), json!(null)]
        {
            assert_eq!(Float::of_json(&other), None);
            assert!(serde_json::from_value::<Float>(other).is_err());
        }
    }
}
