//! The tokens of text layers: out of an archive's assets, or out of the layers' settings.

use super::WeightError;

/// The tokens of a text layer.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::frontend) struct Vocabulary {
    /// The tokens with a number of their own: neither padding nor the unknown token.
    pub(super) tokens: Vec<String>,
    /// The inverse document frequencies, one for each token, if they stand in the settings.
    pub(super) frequencies: Option<Vec<f32>>,
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
        Ok(Vocabulary::new(lines.into_iter().map(str::to_owned).collect()))
    }

    pub(super) fn new(mut tokens: Vec<String>) -> Vocabulary {
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

#[cfg(test)]
mod tests {
    use super::Vocabulary;

    #[test]
    fn vocabulary_lines_end_as_in_python() {
        let vocabulary = Vocabulary::from_asset("it", "\n[UNK]\nthe\u{85}cat\r\nsat\n\n".as_bytes()).unwrap();
        assert_eq!(vocabulary.tokens, ["the", "cat", "sat"]);
    }
}
