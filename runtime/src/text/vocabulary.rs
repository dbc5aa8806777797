//! The tokens that have a number of their own.

use std::collections::HashMap;

/// Tokens and their numbers: 0 is every unknown token, the known ones count from 1 in their order.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    numbers: HashMap<Box<str>, i64>,
    tokens: usize,
}

impl Vocabulary {
    /// Numbers the tokens in order. Of a repeated token the first place counts.
    pub fn new<'a>(tokens: impl IntoIterator<Item = &'a str>) -> Vocabulary {
        let mut vocabulary = Vocabulary::default();
        for token in tokens {
            vocabulary.tokens += 1;
            vocabulary.numbers.entry(token.into()).or_insert(vocabulary.tokens as i64);
        }
        vocabulary
    }

    /// The number of a token, 0 if it is unknown.
    pub fn number(&self, token: &str) -> i64 {
        self.numbers.get(token).copied().unwrap_or(0)
    }

    /// How many numbers there are, the unknown token's among them.
    pub fn numbers(&self) -> usize {
        self.tokens + 1
    }
}
