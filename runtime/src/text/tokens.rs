//! From texts to tokens: standardized, cut, joined to n-grams.

use std::ops::Range;

use masque_ir::ops::{Split, Standardize};

/// Finds the tokens of one row of texts after the other, in buffers that it keeps.
pub(super) struct Tokenizer<'a> {
    standardize: Standardize,
    split: Split,
    /// The widths of the n-grams; none for the tokens themselves.
    ngrams: &'a [u32],
    /// The row's texts as they were standardized, one behind the other.
    text: String,
    /// Where the tokens are in it.
    tokens: Vec<Range<usize>>,
    joined: String,
}

impl<'a> Tokenizer<'a> {
    pub(super) fn new(standardize: Standardize, split: Split, ngrams: &'a [u32]) -> Tokenizer<'a> {
        Tokenizer { standardize, split, ngrams, text: String::new(), tokens: vec![], joined: String::new() }
    }

    /// Visits the row's tokens in order; n-grams width by width, their tokens joined by a space.
    pub(super) fn row<'t>(&mut self, texts: impl Iterator<Item = &'t str>, visit: &mut dyn FnMut(&str)) {
        self.text.clear();
        self.tokens.clear();
        for text in texts {
            self.add(text);
        }
        let Tokenizer { ngrams, text, tokens, joined, .. } = self;
        if ngrams.is_empty() {
            tokens.iter().for_each(|token| visit(&text[token.clone()]));
        }
        for width in ngrams.iter().map(|&width| width as usize).filter(|&width| width > 0) {
            for run in tokens.windows(width) {
                joined.clear();
                for (place, token) in run.iter().enumerate() {
                    joined.push_str(if place > 0 { " " } else { "" });
                    joined.push_str(&text[token.clone()]);
                }
                visit(joined);
            }
        }
    }

    fn add(&mut self, text: &str) {
        let start = self.text.len();
        let (lower, strip) = match self.standardize {
            Standardize::Keep => (false, false),
            Standardize::Lower => (true, false),
            Standardize::StripPunctuation => (false, true),
            Standardize::LowerAndStripPunctuation => (true, true),
        };
        let kept = text.chars().filter(|c| !(strip && c.is_ascii_punctuation()));
        self.text.extend(kept.map(|c| if lower { c.to_ascii_lowercase() } else { c }));
        let text = &self.text[start..];
        match self.split {
            Split::Whole => self.tokens.push(start..start + text.len()),
            Split::Character => {
                let places = text.char_indices().map(|(place, c)| (start + place, c.len_utf8()));
                self.tokens.extend(places.map(|(place, size)| place..place + size));
            }
            Split::Whitespace => {
                self.tokens.extend(words(text).map(|word| start + word.start..start + word.end))
            }
        }
    }
}

/// The places of what stands between runs of ASCII white space.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> {
    const SPACES: [char; 6] = [' ', '\t', '\n', '\u{b}', '\u{c}', '\r'];
    let mut next = 0;
    text.split(SPACES)
        .map(move |piece| {
            let start = next;
            next = start + piece.len() + 1;
            start..start + piece.len()
        })
        .filter(|word| !word.is_empty())
}
