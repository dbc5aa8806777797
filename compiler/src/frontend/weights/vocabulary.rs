//! The tokens of text layers: out of an archive's assets, or out of the layers' settings.

use masque_ir::DType;
use masque_runtime::Tensor;
use ndarray::{ArrayD, IxDyn};
use serde_json::Value as Json;

use super::super::RawLayer;
use super::WeightError;
use crate::layer::WeightSpec;

/// The tokens of a text layer; integers as decimal digits.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::frontend) struct Vocabulary {
    /// The tokens as they stand in the file, maybe with special ones first.
    tokens: Vec<String>,
    /// The inverse document frequencies, one for each token, if they stand in the settings.
    frequencies: Option<Vec<f64>>,
}

impl Vocabulary {
    /// One token a line, the special ones first. Lines end where Python's `splitlines` ends them: that is how
    /// Keras reads the file back.
    pub(in crate::frontend) fn from_asset(asset: &str, bytes: &[u8]) -> Result<Vocabulary, WeightError> {
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
    pub(super) fn from_settings(layer: &RawLayer) -> Result<Option<Vocabulary>, WeightError> {
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
    pub(super) fn own(&self, special: &[String]) -> &[String] {
        &self.tokens[if self.begins_with(special) { special.len() } else { 0 }..]
    }

    /// The frequencies in the settings, one for each special token, too: where they have none, the mean of the others.
    pub(super) fn frequencies(&self, special: &[String]) -> Option<Vec<f32>> {
        let given = self.frequencies.as_ref()?;
        let mean = given.iter().sum::<f64>() / given.len().max(1) as f64;
        let front = if self.begins_with(special) { 0 } else { special.len() };
        Some(std::iter::repeat_n(mean, front).chain(given.iter().copied()).map(|x| x as f32).collect())
    }
}

/// The classes that look tokens up in a vocabulary.
pub(super) const WITH_VOCABULARY: &[&str] = &["IntegerLookup", "StringLookup", "TextVectorization"];

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

/// The size of a weight that is a list.
fn length(spec: &WeightSpec) -> usize {
    spec.ty.elements().known().and_then(|size| usize::try_from(size).ok()).unwrap_or(0)
}

fn wrong_length(layer: &str, spec: &WeightSpec, found: usize) -> WeightError {
    let expected = format!("{} entries, as the settings say", length(spec));
    WeightError::Vocabulary { layer: layer.to_owned(), expected, found: found.to_string() }
}

/// A list of tokens as a tensor: of texts, or of the integers that they are.
pub(super) fn tokens(layer: &str, spec: &WeightSpec, tokens: Vec<String>) -> Result<Tensor, WeightError> {
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
pub(super) fn padded(layer: &str, spec: &WeightSpec, mut weights: Vec<f32>) -> Result<Tensor, WeightError> {
    let (size, found) = (length(spec), weights.len());
    weights.resize(size.max(found), 0.0);
    let array = ArrayD::from_shape_vec(IxDyn(&[size]), weights);
    array.map(Tensor::F32).map_err(|_| wrong_length(layer, spec, found))
}

#[cfg(test)]
mod tests {
    use super::Vocabulary;

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
