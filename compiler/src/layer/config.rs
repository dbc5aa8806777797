//! Reading a layer's settings.
//!
//! Every setting is *taken*; what is left over at the end is an error, so that a setting we do not know can never
//! be a silent difference from Keras. While reading, the settings that differ from Keras' defaults are written
//! down again in one canonical form: that is what dumps show.

use masque_ir::activation::Activation;
use masque_ir::layers::Settings;
use masque_ir::{DType, Float};
use serde_json::{Map, Value as Json};

use super::classes::class_inside;
use super::{Parse, Registry, activations};
use crate::layers::{self, EXPORT};

/// A setting is not what the layer expects.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}`: expected {expected}, found {found}")]
pub struct ConfigError {
    /// The setting.
    pub field: String,
    /// What it may be.
    pub expected: String,
    /// What it is.
    pub found: String,
}

impl ConfigError {
    /// An error at a setting.
    pub fn new(field: &str, expected: impl Into<String>, found: &Json) -> ConfigError {
        ConfigError { field: field.to_owned(), expected: expected.into(), found: brief(found) }
    }

    /// An error at a setting that may name custom code; `first` is what the code needs before it can be exported.
    pub fn custom(field: &str, expected: impl Into<String>, found: &Json, first: &str) -> ConfigError {
        let mut error = ConfigError::new(field, expected, found);
        error.found.push_str(&format!("; custom code is not in the file: {first}use {EXPORT}"));
        error
    }
}

/// A value in at most a few words, on one line.
pub fn brief(value: &Json) -> String {
    let text = match (value, Float::of_json(value)) {
        (Json::Null, _) => "nothing".to_owned(),
        (Json::Object(_), Some(number)) => number.to_string(),
        (Json::Object(map), _) if map.contains_key("class_name") => format!("a {}", map["class_name"]),
        _ => value.to_string(),
    };
    // JSON leaves some of the characters that steer a terminal as they are.
    let shown = |letter: char| if letter.is_control() { '\u{fffd}' } else { letter };
    match text.chars().nth(60) {
        Some(_) => text.chars().map(shown).take(57).chain("...".chars()).collect(),
        None => text.chars().map(shown).collect(),
    }
}

/// Settings that speak of training, of how weights were made, or of the layer's name: no layer computes with them.
const WITHOUT_MEANING: &[&str] =
    &["name", "trainable", "activity_regularizer", "autocast", "build_config", "quantization_config", "seed"];

/// The same by ending: `kernel_initializer`, `bias_regularizer`, `gamma_constraint`.
const WITHOUT_MEANING_ENDINGS: &[&str] = &["_initializer", "_regularizer", "_constraint"];

/// The dtype policies known.
const POLICIES: &str = "the dtype policy float32, or float16, bfloat16 or a mix of them, or int8 or float8";

/// The policies of narrower floats. All are computed in float32, which the layer's canonical settings say.
pub(crate) const NARROW_POLICIES: &[&str] =
    &["bfloat16", "float16", "float8", "int8", "mixed_bfloat16", "mixed_float16"];

/// Those that also quantize what they compute with; here the weights alone are what they were rounded to.
pub(crate) const QUANTIZED_POLICIES: &[&str] = &["float8", "int8"];

/// The largest size that a setting may name.
pub const LARGEST_SIZE: i64 = 1 << 31;

/// The most that may be added to one end of an axis, or taken away from it.
const LARGEST_MARGIN: u64 = 1 << 24;

/// A layer's settings while they are read; see the module's documentation.
#[derive(Clone, Debug)]
pub struct Config {
    rest: Map<String, Json>,
    canonical: Settings,
    /// Do the settings name the dtype policy float32?
    float32: bool,
    /// Are settings that are null none at all? Keras writes every setting of an operation.
    without_null: bool,
    /// The custom layers that there are.
    registry: Registry,
}

impl Config {
    /// Settings as a model file has them.
    pub fn new(mut settings: Map<String, Json>) -> Result<Config, ConfigError> {
        settings.retain(|key, _| {
            !WITHOUT_MEANING.contains(&key.as_str())
                && !WITHOUT_MEANING_ENDINGS.iter().any(|end| key.ends_with(end))
        });
        let mut config = Config::of(settings);
        config.dtype_policy();
        Ok(config)
    }

    /// Settings of an operation, whose `dtype` is a setting like the others.
    pub fn of_operation(mut settings: Map<String, Json>) -> Config {
        settings.retain(|key, _| !WITHOUT_MEANING.contains(&key.as_str()));
        Config { without_null: true, ..Config::of(settings) }
    }

    fn of(rest: Map<String, Json>) -> Config {
        let (canonical, registry) = (Settings::new(), Registry::new());
        Config { rest, canonical, float32: false, without_null: false, registry }
    }

    /// The same in a model that is opened with a registry.
    pub fn with_registry(mut self, registry: &Registry) -> Config {
        self.registry = registry.clone();
        self
    }

    /// Settings of a layer inside this one.
    ///
    /// # Errors
    ///
    /// As of [`Config::new`].
    pub fn inside(&self, settings: Map<String, Json>) -> Result<Config, ConfigError> {
        Ok(Config::new(settings)?.with_registry(&self.registry))
    }

    /// What reads the settings of a layer of that class, of Keras or of the registry that the model is opened with.
    pub fn reader(&self, class: &str) -> Option<Parse> {
        layers::find(class).map(|def| def.parse).or_else(|| self.registry.find(class))
    }

    /// Everything is computed in float32. A narrower policy is written down, a wider one would be another answer.
    fn dtype_policy(&mut self) {
        let Some(policy) = self.rest.get("dtype") else { return };
        let named = policy.pointer("/config/name").or_else(|| policy.pointer("/config/mode"));
        let name = named.unwrap_or(policy).clone();
        self.float32 = name == "float32";
        let is_policy = !policy.is_string() || name.as_str().is_some_and(|name| name.starts_with("mixed"));
        if name.is_null() || name == "float32" {
            self.rest.remove("dtype");
        } else if is_policy && NARROW_POLICIES.iter().any(|narrow| name == *narrow) {
            self.rest.remove("dtype");
            self.keep("dtype", name);
        } else if is_policy {
            self.rest.insert("dtype".into(), name);
        }
        // A bare word is left for layers that give such elements; for any other layer it is left over.
    }

    /// The element type of what the layer gives, for layers whose dtype policy says just that.
    pub fn element_type(&mut self, default: DType) -> Result<DType, ConfigError> {
        if self.float32 {
            if default != DType::F32 {
                self.keep("dtype", "float32");
            }
            return Ok(DType::F32);
        }
        let words =
            [("int32", DType::I32), ("int64", DType::I64), ("float32", DType::F32), ("float64", DType::F64)];
        self.word("dtype", default, &words)
    }

    /// The settings that differ from the defaults; anything not taken is an error.
    pub fn finish(mut self) -> Result<Settings, ConfigError> {
        let narrow = |name: &Json| NARROW_POLICIES.iter().any(|narrow| name == *narrow);
        if let Some(name) = self.rest.get("dtype").filter(|name| narrow(name)).cloned() {
            self.rest.remove("dtype");
            self.keep("dtype", name);
        }
        match self.rest.into_iter().find(|(_, value)| !(self.without_null && value.is_null())) {
            Some((key, value)) => {
                let expected = if key == "dtype" { POLICIES } else { "no such setting" };
                Err(ConfigError::new(&key, expected, &value))
            }
            None => Ok(self.canonical),
        }
    }

    /// Every setting that says something, read or not.
    pub(crate) fn everything(self) -> Settings {
        self.rest.into_iter().chain(self.canonical).collect()
    }

    /// Takes a setting as it is; null counts as absent.
    pub fn take(&mut self, key: &str) -> Option<Json> {
        self.rest.remove(key).filter(|value| !value.is_null())
    }

    /// Takes a setting if it has that value.
    pub fn is(&mut self, key: &str, value: &str) -> bool {
        let is = self.rest.get(key).is_some_and(|found| found == value);
        if is {
            self.rest.remove(key);
            self.keep(key, value);
        }
        is
    }

    /// Drops settings that say nothing about what is computed at inference.
    pub fn ignore(&mut self, keys: &[&str]) {
        for key in keys {
            self.rest.remove(*key);
        }
    }

    /// Gives null a name, for settings where it means something else than the default.
    pub fn name_null(&mut self, key: &str, name: &str) {
        if let Some(value) = self.rest.get_mut(key).filter(|value| value.is_null()) {
            *value = name.into();
        }
    }

    /// Writes a setting into the canonical form.
    pub fn keep(&mut self, key: &str, value: impl Into<Json>) {
        self.canonical.insert(key.to_owned(), value.into());
    }

    /// Takes a setting that is read by `read`; `default` where it is absent.
    fn typed<T: Clone + PartialEq>(
        &mut self,
        key: &str,
        expected: &str,
        default: Option<T>,
        read: impl Fn(&Json) -> Option<T>,
    ) -> Result<T, ConfigError> {
        let error = |value: &Json| ConfigError::new(key, expected, value);
        let Some(value) = self.take(key) else { return default.ok_or_else(|| error(&Json::Null)) };
        let result = read(&value).ok_or_else(|| error(&value))?;
        if Some(&result) != default.as_ref() {
            self.keep(key, value);
        }
        Ok(result)
    }

    /// A truth value.
    pub fn bool(&mut self, key: &str, default: bool) -> Result<bool, ConfigError> {
        self.typed(key, "true or false", Some(default), Json::as_bool)
    }

    /// A finite number: a rate, a size, something that has to be right.
    pub fn number(&mut self, key: &str, default: f64) -> Result<f64, ConfigError> {
        self.typed(key, "a number", Some(default), Json::as_f64)
    }

    /// Any float, infinities and NaN included: something that is computed with as it is.
    pub fn float(&mut self, key: &str, default: f64) -> Result<Float, ConfigError> {
        self.typed(key, "a number", Some(Float(default)), Float::of_json)
    }

    /// Any float, if there is one.
    pub fn optional_float(&mut self, key: &str) -> Result<Option<Float>, ConfigError> {
        if self.rest.get(key).is_none_or(Json::is_null) {
            self.rest.remove(key);
            return Ok(None);
        }
        self.typed(key, "a number", None, Float::of_json).map(Some)
    }

    /// A finite number that may be absent.
    pub fn optional_number(&mut self, key: &str) -> Result<Option<f64>, ConfigError> {
        if self.rest.get(key).is_none_or(Json::is_null) {
            self.rest.remove(key);
            return Ok(None);
        }
        self.typed(key, "a number", None, Json::as_f64).map(Some)
    }

    /// An integer.
    pub fn integer(&mut self, key: &str, default: Option<i64>) -> Result<i64, ConfigError> {
        self.typed(key, "an integer", default, Json::as_i64)
    }

    /// A size: an integer from 1 to [`LARGEST_SIZE`].
    pub fn size(&mut self, key: &str) -> Result<i64, ConfigError> {
        self.typed(key, "a positive size, not too large", None, size)
    }

    /// A size that may be absent.
    pub fn optional_size(&mut self, key: &str) -> Result<Option<i64>, ConfigError> {
        if self.rest.get(key).is_none_or(Json::is_null) {
            self.rest.remove(key);
            return Ok(None);
        }
        self.size(key).map(Some)
    }

    /// A whole number for each of some axes, from `least` to [`LARGEST_SIZE`]; a single one stands for all axes.
    pub fn sizes(
        &mut self,
        key: &str,
        axes: usize,
        least: i64,
        default: Option<u32>,
    ) -> Result<Vec<u32>, ConfigError> {
        let expected = format!("{axes} whole number(s) of at least {least}, not too large");
        let number = |value: &Json| {
            let number = value.as_i64().filter(|number| (least..=LARGEST_SIZE).contains(number));
            number.and_then(|number| u32::try_from(number).ok())
        };
        self.typed(key, &expected, default.map(|number| vec![number; axes]), |value| match value {
            Json::Array(values) if values.len() == axes => values.iter().map(number).collect(),
            value => number(value).map(|number| vec![number; axes]),
        })
    }

    /// A whole number for each of some axes, which may be absent.
    pub fn optional_sizes(
        &mut self,
        key: &str,
        axes: usize,
        least: i64,
    ) -> Result<Option<Vec<u32>>, ConfigError> {
        if self.rest.get(key).is_none_or(Json::is_null) {
            self.rest.remove(key);
            return Ok(None);
        }
        self.sizes(key, axes, least, None).map(Some)
    }

    /// What is added or taken away before and behind each of some axes: pairs, or numbers that stand for both ends,
    /// or one number for all axes. A list for one axis is its pair.
    pub fn margins(&mut self, key: &str, axes: usize) -> Result<Vec<[u32; 2]>, ConfigError> {
        let number = |value: &Json| value.as_u64().filter(|&n| n <= LARGEST_MARGIN).map(|n| n as u32);
        let margin = |value: &Json| match value {
            Json::Array(ends) if ends.len() == 2 => Some([number(&ends[0])?, number(&ends[1])?]),
            value => number(value).map(|both| [both, both]),
        };
        let expected = format!("numbers of at most {LARGEST_MARGIN} before and behind {axes} axes");
        self.typed(key, &expected, Some(vec![[1, 1]; axes]), |value| match value {
            Json::Array(margins) if axes > 1 => {
                margins.iter().map(margin).collect::<Option<Vec<_>>>().filter(|margins| margins.len() == axes)
            }
            value => margin(value).map(|both| vec![both; axes]),
        })
    }

    /// One of a few words.
    pub fn word<T: Copy + PartialEq>(
        &mut self,
        key: &str,
        default: T,
        words: &[(&str, T)],
    ) -> Result<T, ConfigError> {
        let expected = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" or ");
        let find = |value: &Json| words.iter().find(|(word, _)| value == word).map(|(_, meaning)| *meaning);
        self.typed(key, &expected, Some(default), find)
    }

    /// An activation function, mostly by Keras' name; null is `linear`.
    pub fn activation(&mut self, key: &str, default: Activation) -> Result<Activation, ConfigError> {
        self.name_null(key, "linear");
        self.name_function(key);
        let Some(value) = self.rest.get(key) else { return Ok(default) };
        if activations::read(value).is_none() {
            let expected = "a supported activation function of Keras";
            return Err(ConfigError::custom(key, expected, value, ""));
        }
        self.typed(key, "an activation function", Some(default), activations::read)
    }

    /// Is there such a setting, not read yet?
    pub fn has(&self, key: &str) -> bool {
        self.rest.contains_key(key)
    }

    /// Gives a function of Keras that was written down as an object its name.
    pub fn name_function(&mut self, key: &str) {
        if let Some(value) = self.rest.get_mut(key) {
            *value = activations::name_of(value.take());
        }
    }

    /// One layer inside a wrapper, as Keras writes it: class and settings. A class that is not of Keras has its package or
    /// module before its name.
    pub fn layer(&mut self, key: &str) -> Result<(String, Map<String, Json>), ConfigError> {
        let value = self.take(key).unwrap_or(Json::Null);
        match (class_inside(&value), value.get("config").and_then(Json::as_object)) {
            (Some(class), Some(settings)) => Ok((class, settings.clone())),
            _ => Err(ConfigError::new(key, "a layer with class_name and config", &value)),
        }
    }
}

fn size(value: &Json) -> Option<i64> {
    value.as_i64().filter(|size| (1..=LARGEST_SIZE).contains(size))
}

#[cfg(test)]
mod tests {
    use masque_ir::Float;
    use serde_json::json;

    use super::brief;

    #[test]
    fn brief_is_short_and_on_one_line() {
        assert_eq!(brief(&json!("c\u{7f}nv1d\n\u{85}")), "\"c\u{fffd}nv1d\\n\u{fffd}\"");
        assert_eq!(brief(&json!({"class_name": "x".repeat(99)})).chars().count(), 60);
        assert_eq!(brief(&Float(f64::NAN).to_json()), "nan");
    }
}
