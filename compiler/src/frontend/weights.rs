//! Where a model's weights come from: datasets of a Keras weights file, vocabularies of assets and settings.

use std::collections::{BTreeMap, HashMap, HashSet};

use masque_ir::DType;
use masque_runtime::Tensor;
use ndarray::{ArrayD, IxDyn};
use serde_json::Value as Json;

use super::hdf5::{Hdf5Weights, Weights, WeightsError};
use super::{RawLayer, RawModel};
use crate::layer::{WeightPlace, WeightSpec};

/// The weights do not fit the layers.
#[derive(Debug, thiserror::Error)]
pub enum WeightError {
    /// There are none.
    #[error("the model came without weights: masks, dumps and checks work, running does not")]
    NoWeights,
    /// The weights file, or a dataset of it, is not as it should be.
    #[error("{0}")]
    File(Box<WeightsError>),
    /// One dataset is not what its layer needs.
    #[error("layer `{layer}`, weight `{weight}`: {source}")]
    Dataset {
        /// The layer.
        layer: String,
        /// The layer's name of the weight.
        weight: String,
        /// What is wrong.
        source: Box<WeightsError>,
    },
    /// A dataset that no weight of its layer is.
    #[error(
        "layer `{layer}`: the weights file has a dataset `{dataset}` that belongs to no weight of this layer"
    )]
    Surplus {
        /// The layer.
        layer: String,
        /// The dataset.
        dataset: String,
    },
    /// The layer has no vocabulary, or a damaged one.
    #[error("layer `{layer}`: vocabulary: expected {expected}, found {found}")]
    Vocabulary {
        /// The layer, or the asset.
        layer: String,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
}

/// The tokens of a text layer; integers as decimal digits.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Vocabulary {
    /// The tokens as they stand in the file, maybe with special ones first.
    tokens: Vec<String>,
    /// The inverse document frequencies, one for each token, if they stand in the settings.
    frequencies: Option<Vec<f64>>,
}

impl Vocabulary {
    /// One token a line, the special ones first. Lines end where Python's `splitlines` ends them: that is how
    /// Keras reads the file back.
    pub(super) fn from_asset(asset: &str, bytes: &[u8]) -> Result<Vocabulary, WeightError> {
        let text = std::str::from_utf8(bytes).map_err(|error| WeightError::Vocabulary {
            layer: asset.to_owned(),
            expected: "UTF-8".into(),
            found: format!("other bytes at {}", error.valid_up_to()),
        })?;
        let mut lines = split_lines(text);
        while lines.last().is_some_and(|line| line.is_empty()) {
            lines.pop();
        }
        Ok(Vocabulary { tokens: lines.into_iter().map(str::to_owned).collect(), frequencies: None })
    }

    /// The vocabulary in a layer's settings; none if there is none. A text there would name a file, and is refused.
    fn from_settings(layer: &RawLayer) -> Result<Option<Vocabulary>, WeightError> {
        let Some(given) = layer.settings.get("vocabulary").filter(|value| !value.is_null()) else {
            return Ok(None);
        };
        let wrong = |expected: &str, found: &Json| WeightError::Vocabulary {
            layer: layer.name.clone(),
            expected: expected.to_owned(),
            found: crate::layer::config::brief(found),
        };
        let tokens = given
            .as_array()
            .ok_or_else(|| wrong("a list of tokens (names of files are not opened)", given))?;
        let token = |token: &Json| match layer.class == "IntegerLookup" {
            true => {
                token.as_i64().map(|n| n.to_string()).ok_or_else(|| wrong("tokens that are integers", token))
            }
            false => token.as_str().map(str::to_owned).ok_or_else(|| wrong("tokens of text", token)),
        };
        let tokens = tokens.iter().map(token).collect::<Result<_, _>>()?;
        let frequencies = match layer.settings.get("idf_weights") {
            Some(Json::Array(numbers)) => {
                let number = |number: &Json| number.as_f64().ok_or_else(|| wrong("numbers", number));
                Some(numbers.iter().map(number).collect::<Result<_, _>>()?)
            }
            _ => None,
        };
        Ok(Some(Vocabulary { tokens, frequencies }))
    }

    /// Do all special tokens stand at the beginning? Otherwise none does, whatever it looks like.
    fn begins_with(&self, special: &[String]) -> bool {
        self.tokens.starts_with(special)
    }

    /// The tokens that have a number of their own.
    fn own(&self, special: &[String]) -> &[String] {
        &self.tokens[if self.begins_with(special) { special.len() } else { 0 }..]
    }

    /// The frequencies in the settings, one for each special token, too: where they have none, the mean of the others.
    fn frequencies(&self, special: &[String]) -> Option<Vec<f32>> {
        let given = self.frequencies.as_ref()?;
        let mean = given.iter().sum::<f64>() / given.len().max(1) as f64;
        let front = if self.begins_with(special) { 0 } else { special.len() };
        Some(std::iter::repeat_n(mean, front).chain(given.iter().copied()).map(|x| x as f32).collect())
    }
}

/// The classes that look tokens up in a vocabulary.
const WITH_VOCABULARY: &[&str] = &["IntegerLookup", "StringLookup", "TextVectorization"];

/// Python's `str.splitlines`.
fn split_lines(text: &str) -> Vec<&str> {
    let ends = |c: char| {
        matches!(
            c,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    let mut lines: Vec<&str> = vec![];
    let mut rest = text;
    while let Some(end) = rest.find(ends) {
        lines.push(&rest[..end]);
        let ended = &rest[end..];
        let length =
            if ended.starts_with("\r\n") { 2 } else { ended.chars().next().map_or(1, char::len_utf8) };
        rest = &ended[length..];
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}

/// Where a model's weights come from; they are read when they are asked for.
#[derive(Default)]
pub struct WeightSource {
    file: Option<Vec<u8>>,
    groups: HashMap<String, String>,
    vocabularies: HashMap<String, Vocabulary>,
}

impl WeightSource {
    /// A model without weights.
    pub fn none() -> WeightSource {
        WeightSource::default()
    }

    /// A Keras weights file, as bytes.
    pub(super) fn keras(file: Vec<u8>, groups: Vec<(String, String)>) -> WeightSource {
        WeightSource { file: Some(file), groups: groups.into_iter().collect(), vocabularies: HashMap::new() }
    }

    /// Adds a layer's vocabulary.
    pub(super) fn learn(&mut self, layer: &str, vocabulary: Vocabulary) {
        self.vocabularies.insert(layer.to_owned(), vocabulary);
    }

    /// Adds the vocabularies that stand in the layers' settings.
    pub(super) fn learn_from_settings(&mut self, raw: &RawModel) -> Result<(), WeightError> {
        for layer in raw.layers.iter().filter(|layer| WITH_VOCABULARY.contains(&layer.class.as_str())) {
            if let Some(vocabulary) = Vocabulary::from_settings(layer)? {
                self.vocabularies.insert(layer.name.clone(), vocabulary);
            }
        }
        Ok(())
    }

    /// Reads the weights of all layers: by layer, what each asked for.
    ///
    /// # Errors
    ///
    /// Those of [`WeightError`]: a weight that is missing, has another shape, or belongs to nobody.
    pub fn load<'a>(
        &self,
        layers: impl Iterator<Item = (&'a str, &'a [WeightSpec])>,
    ) -> Result<BTreeMap<String, Tensor>, WeightError> {
        let wanted: Vec<(&str, &[WeightSpec])> = layers.filter(|(_, specs)| !specs.is_empty()).collect();
        let mut loaded = BTreeMap::new();
        let datasets = wanted.iter().flat_map(|(_, specs)| specs.iter());
        let needs_file = datasets.into_iter().any(|spec| matches!(spec.place, WeightPlace::Dataset(_)));
        let file = match &self.file {
            Some(bytes) if needs_file || !bytes.is_empty() => {
                Some(Hdf5Weights::open(bytes.clone()).map_err(|error| WeightError::File(Box::new(error)))?)
            }
            _ if needs_file => return Err(WeightError::NoWeights),
            _ => None,
        };
        for (layer, specs) in wanted {
            let group = self.groups.get(layer).map_or("", String::as_str);
            for spec in specs {
                let tensor = match (&spec.place, &file) {
                    (WeightPlace::Dataset(path), Some(file)) => {
                        read(file, layer, spec, &format!("{group}/{path}"))?
                    }
                    _ => self.learned(layer, spec, file.as_ref(), group)?,
                };
                loaded.insert(format!("{layer}/{}", spec.name), tensor);
            }
            if let Some(file) = &file {
                check_surplus(file, layer, specs, group)?;
            }
        }
        Ok(loaded)
    }

    /// What does not stand in a dataset: texts of the settings, or a part of the layer's vocabulary.
    fn learned(
        &self,
        layer: &str,
        spec: &WeightSpec,
        file: Option<&Hdf5Weights>,
        group: &str,
    ) -> Result<Tensor, WeightError> {
        let vocabulary = || self.vocabularies.get(layer).ok_or(WeightError::NoWeights);
        match &spec.place {
            WeightPlace::Words(words) => tokens(layer, spec, words.clone()),
            WeightPlace::Vocabulary { special, first } => {
                let own = vocabulary()?.own(special);
                let mut known: HashSet<&String> = first.iter().collect();
                if let Some(again) = own.iter().find(|&token| !known.insert(token)) {
                    return Err(WeightError::Vocabulary {
                        layer: layer.to_owned(),
                        expected: "every token once, and none that is special".into(),
                        found: format!("{} again", masque_runtime::quote::quoted(again)),
                    });
                }
                tokens(layer, spec, first.iter().chain(own).cloned().collect())
            }
            WeightPlace::IdfWeights { special } => {
                let stored = format!("{group}/vars/idf_weights");
                let weights = match (vocabulary()?.frequencies(special), file) {
                    (Some(given), _) => given,
                    (None, Some(file)) if file.datasets().contains(&stored.as_str()) => {
                        numbers(file, layer, spec, &stored)?
                    }
                    _ => return Err(WeightError::NoWeights),
                };
                padded(layer, spec, weights)
            }
            WeightPlace::Dataset(_) => Err(WeightError::NoWeights),
        }
    }
}

/// The size of a weight that is a list.
fn length(spec: &WeightSpec) -> usize {
    spec.ty.elements().known().and_then(|size| usize::try_from(size).ok()).unwrap_or(0)
}

fn wrong_length(layer: &str, spec: &WeightSpec, found: usize) -> WeightError {
    let expected = format!("{} entries, as the settings say", length(spec));
    WeightError::Vocabulary { layer: layer.to_owned(), expected, found: found.to_string() }
}

/// A list of tokens as a tensor: of texts, or of the integers that they are.
fn tokens(layer: &str, spec: &WeightSpec, tokens: Vec<String>) -> Result<Tensor, WeightError> {
    let (shape, found) = (IxDyn(&[length(spec)]), tokens.len());
    let wrong = |_| wrong_length(layer, spec, found);
    if spec.ty.dtype == DType::Str {
        return ArrayD::from_shape_vec(shape, tokens).map(Tensor::Str).map_err(wrong);
    }
    let integer = |token: &String| {
        token.trim().parse().map_err(|_| WeightError::Vocabulary {
            layer: layer.to_owned(),
            expected: "tokens that are integers".into(),
            found: masque_runtime::quote::quoted(token),
        })
    };
    let integers = tokens.iter().map(integer).collect::<Result<Vec<i64>, _>>()?;
    ArrayD::from_shape_vec(shape, integers).map(Tensor::I64).map_err(wrong)
}

/// Weights of tokens, filled up with zeros for columns without one.
fn padded(layer: &str, spec: &WeightSpec, mut weights: Vec<f32>) -> Result<Tensor, WeightError> {
    let (size, found) = (length(spec), weights.len());
    weights.resize(size.max(found), 0.0);
    let array = ArrayD::from_shape_vec(IxDyn(&[size]), weights);
    array.map(Tensor::F32).map_err(|_| wrong_length(layer, spec, found))
}

fn dataset_error<'a>(layer: &'a str, spec: &'a WeightSpec) -> impl Fn(WeightsError) -> WeightError + use<'a> {
    |source| WeightError::Dataset {
        layer: layer.to_owned(),
        weight: spec.name.clone(),
        source: Box::new(source),
    }
}

fn numbers(file: &Hdf5Weights, layer: &str, spec: &WeightSpec, path: &str) -> Result<Vec<f32>, WeightError> {
    let tensor = file.read(path).map_err(dataset_error(layer, spec))?;
    Ok(to_f32(tensor).iter().copied().collect())
}

fn read(file: &Hdf5Weights, layer: &str, spec: &WeightSpec, path: &str) -> Result<Tensor, WeightError> {
    let shape = spec.ty.shape.iter().map(|dim| dim.known().and_then(|size| usize::try_from(size).ok()));
    let shape: Vec<usize> = shape.map(|size| size.unwrap_or(0)).collect();
    let tensor = file.read_expected(path, &shape).map_err(dataset_error(layer, spec))?;
    Ok(match spec.ty.dtype {
        DType::F32 => Tensor::F32(to_f32(tensor)),
        _ => tensor,
    })
}

fn to_f32(tensor: Tensor) -> ArrayD<f32> {
    match tensor {
        Tensor::F32(array) => array,
        Tensor::F64(array) => array.mapv(|x| x as f32),
        Tensor::I32(array) => array.mapv(|x| x as f32),
        Tensor::I64(array) => array.mapv(|x| x as f32),
        Tensor::Bool(array) => array.mapv(|x| f32::from(u8::from(x))),
        Tensor::Str(array) => ArrayD::zeros(array.raw_dim()),
    }
}

/// Every dataset below a layer's group is one of its weights.
fn check_surplus(
    file: &Hdf5Weights,
    layer: &str,
    specs: &[WeightSpec],
    group: &str,
) -> Result<(), WeightError> {
    let known = |dataset: &str| {
        specs.iter().any(|spec| match &spec.place {
            WeightPlace::Dataset(path) => dataset == path,
            WeightPlace::Vocabulary { .. } | WeightPlace::IdfWeights { .. } | WeightPlace::Words(_) => true,
        })
    };
    let prefix = format!("{group}/");
    let surplus =
        file.datasets().into_iter().find(|path| path.strip_prefix(&prefix).is_some_and(|rest| !known(rest)));
    match surplus {
        Some(dataset) => Err(WeightError::Surplus { layer: layer.to_owned(), dataset: dataset.to_owned() }),
        None => Ok(()),
    }
}

/// The group of each layer in a Keras weights file, by the layer's path: `layers/`, the class in snake case, and a
/// number from the second of a class on; inside nested models the same below the model's group. Names play no part.
pub(super) fn groups(raw: &RawModel) -> Vec<(String, String)> {
    let mut found = vec![];
    add_groups(raw, "", "", &mut found);
    found
}

fn add_groups(raw: &RawModel, path: &str, group: &str, found: &mut Vec<(String, String)>) {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for layer in raw.layers.iter().filter(|layer| !layer.class.starts_with("ops.")) {
        let snake = snake_case(&layer.class);
        let count = counts.entry(snake.clone()).or_insert(0);
        let (path, group) =
            (format!("{path}{}", layer.name), format!("{group}layers/{}", group_name(&layer.class, *count)));
        *count += 1;
        if let Some(nested) = &layer.nested {
            add_groups(nested, &format!("{path}/"), &format!("{group}/"), found);
        }
        found.push((path, group));
    }
}

/// The name of a layer's group, where that many of the same class come before it.
pub(crate) fn group_name(class: &str, earlier: usize) -> String {
    let number = if earlier == 0 { String::new() } else { format!("_{earlier}") };
    format!("{}{number}", snake_case(class))
}

/// Keras' `to_snake_case`: `SimpleRNN` is `simple_rnn`, `Conv1D` is `conv1d`, `ReLU` is `re_lu`.
fn snake_case(class: &str) -> String {
    let chars: Vec<char> = class.chars().collect();
    let mut snake = String::new();
    for (place, c) in chars.iter().enumerate() {
        let before = place.checked_sub(1).map(|before| chars[before]);
        let after = chars.get(place + 1);
        let word_begins = c.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase()
                    || before.is_ascii_digit() && after.is_some_and(char::is_ascii_lowercase)
                    || before.is_ascii_uppercase() && after.is_some_and(char::is_ascii_lowercase)
            });
        if word_begins {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_in_snake_case() {
        for (class, snake) in [
            ("LSTM", "lstm"),
            ("SimpleRNN", "simple_rnn"),
            ("Conv1D", "conv1d"),
            ("ConvLSTM2D", "conv_lstm2d"),
            ("ReLU", "re_lu"),
            ("PReLU", "p_re_lu"),
            ("GlobalAveragePooling1D", "global_average_pooling1d"),
            ("My2DThing", "my2d_thing"),
            ("HTTPServerX2", "http_server_x2"),
        ] {
            assert_eq!(snake_case(class), snake);
        }
    }

    #[test]
    fn vocabulary_lines_end_as_in_python() {
        let vocabulary = Vocabulary::from_asset("it", "\n[UNK]\nthe\u{85}cat\r\nsat\n\n".as_bytes()).unwrap();
        assert_eq!(vocabulary.tokens, ["", "[UNK]", "the", "cat", "sat"]);
        let special = ["", "[UNK]"].map(str::to_owned);
        assert_eq!(vocabulary.own(&special), ["the", "cat", "sat"]);
        assert_eq!(
            vocabulary.own(&special[1..]).len(),
            5,
            "special tokens stand at the very beginning or nowhere"
        );
    }
}
