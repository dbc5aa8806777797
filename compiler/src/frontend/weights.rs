//! Where a model's weights come from: datasets of a Keras weights file, vocabularies of assets and settings.

use std::collections::{BTreeMap, HashMap};

use masque_ir::DType;
use masque_runtime::Tensor;
use ndarray::{ArrayD, IxDyn};
use serde_json::Value as Json;

use super::RawModel;
use super::hdf5::{Hdf5Weights, Weights, WeightsError};
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

/// The tokens of a text layer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Vocabulary {
    /// The tokens with a number of their own: neither padding nor the unknown token.
    tokens: Vec<String>,
    /// The inverse document frequencies, one for each token, if they stand in the settings.
    frequencies: Option<Vec<f32>>,
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
        Ok(Vocabulary::new(lines.into_iter().map(str::to_owned).collect()))
    }

    fn new(mut tokens: Vec<String>) -> Vocabulary {
        let padding = usize::from(tokens.first().is_some_and(String::is_empty));
        let unknown = usize::from(tokens.get(padding).is_some_and(|token| token == "[UNK]"));
        tokens.drain(..padding + unknown);
        Vocabulary { tokens, frequencies: None }
    }
}

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

    /// Adds the vocabularies that stand in the layers' settings. A text there would name a file, and is refused.
    pub(super) fn learn_from_settings(&mut self, raw: &RawModel) -> Result<(), WeightError> {
        for layer in raw.layers.iter().filter(|layer| layer.class == "TextVectorization") {
            let Some(given) = layer.settings.get("vocabulary").filter(|value| !value.is_null()) else {
                continue;
            };
            let wrong = |expected: &str, found: &Json| WeightError::Vocabulary {
                layer: layer.name.clone(),
                expected: expected.to_owned(),
                found: crate::layer::config::brief(found),
            };
            let tokens = given
                .as_array()
                .ok_or_else(|| wrong("a list of tokens (names of files are not opened)", given))?;
            let token = |token: &Json| {
                token.as_str().map(str::to_owned).ok_or_else(|| wrong("tokens of text", token))
            };
            let mut vocabulary = Vocabulary::new(tokens.iter().map(token).collect::<Result<_, _>>()?);
            if let Some(Json::Array(numbers)) = layer.settings.get("idf_weights") {
                let number =
                    |number: &Json| number.as_f64().map(|n| n as f32).ok_or_else(|| wrong("numbers", number));
                vocabulary.frequencies = Some(numbers.iter().map(number).collect::<Result<_, _>>()?);
            }
            self.vocabularies.insert(layer.name.clone(), vocabulary);
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
        let needs_file = datasets
            .into_iter()
            .any(|spec| matches!(spec.place, WeightPlace::Dataset(_) | WeightPlace::Renamed { .. }));
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
                    (WeightPlace::Renamed { now, before }, Some(file)) => {
                        let older = format!("{group}/{before}");
                        let is_older = file.datasets().contains(&older.as_str());
                        let path = if is_older { older } else { format!("{group}/{now}") };
                        read(file, layer, spec, &path)?
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

    /// A part of a text layer's vocabulary.
    fn learned(
        &self,
        layer: &str,
        spec: &WeightSpec,
        file: Option<&Hdf5Weights>,
        group: &str,
    ) -> Result<Tensor, WeightError> {
        let vocabulary = self.vocabularies.get(layer).ok_or(WeightError::NoWeights)?;
        let size = spec.ty.elements().known().and_then(|size| usize::try_from(size).ok()).unwrap_or(0);
        let wrong = |found: usize| WeightError::Vocabulary {
            layer: layer.to_owned(),
            expected: format!("{size} entries, as the settings say"),
            found: format!("{found}"),
        };
        if spec.place == WeightPlace::Vocabulary {
            let tokens = vocabulary.tokens.clone();
            let found = tokens.len();
            let array = ArrayD::from_shape_vec(IxDyn(&[size]), tokens).map_err(|_| wrong(found))?;
            return Ok(Tensor::Str(array));
        }
        let stored = format!("{group}/vars/idf_weights");
        let mut weights = match (&vocabulary.frequencies, file) {
            // Keras gives the unknown token the mean of the others.
            (Some(given), _) => {
                let mean = given.iter().sum::<f32>() / given.len().max(1) as f32;
                std::iter::once(mean).chain(given.iter().copied()).collect()
            }
            (None, Some(file)) if file.datasets().contains(&stored.as_str()) => {
                numbers(file, layer, spec, &stored)?
            }
            _ => return Err(WeightError::NoWeights),
        };
        if weights.len() > size {
            return Err(wrong(weights.len()));
        }
        weights.resize(size, 0.0);
        let found = weights.len();
        ArrayD::from_shape_vec(IxDyn(&[size]), weights).map(Tensor::F32).map_err(|_| wrong(found))
    }
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
            WeightPlace::Renamed { now, before } => dataset == now || dataset == before,
            WeightPlace::Vocabulary | WeightPlace::IdfWeights => true,
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
        // Groups are named after the Python class, which has another name in one place.
        let class = if layer.class == "GroupQueryAttention" { "GroupedQueryAttention" } else { &layer.class };
        let snake = snake_case(class);
        let count = counts.entry(snake.clone()).or_insert(0);
        let number = if *count == 0 { String::new() } else { format!("_{count}") };
        *count += 1;
        let (path, group) = (format!("{path}{}", layer.name), format!("{group}layers/{snake}{number}"));
        if let Some(nested) = &layer.nested {
            add_groups(nested, &format!("{path}/"), &format!("{group}/"), found);
        }
        found.push((path, group));
    }
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
        assert_eq!(vocabulary.tokens, ["the", "cat", "sat"]);
    }
}
