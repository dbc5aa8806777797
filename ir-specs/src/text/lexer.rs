//! Text to tokens. A token borrows from the text and knows where it starts; line and column are counted only
//! when an error needs them.

/// The characters, beside ASCII letters and digits, that a name behind a sigil may have without quotes.
const NAME_MARKS: &str = "_/.:-";
/// Those that a word may have.
const WORD_MARKS: &str = "_.-";
/// What stands before the name of a value, a weight, a slot, a shared mask.
const SIGILS: &str = "%@$!";

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// `gather`, `keras-3.15`
    Word(&'a str),
    /// `8`, `-1.5e-7`, `-inf`
    Number(&'a str),
    /// `"my layer"`, with its quotes and escapes.
    Quoted(&'a str),
    /// `%gru`, `@gru/kernel`, `$3`, `%"my layer":1`
    Name(Name<'a>),
    /// One of `( ) [ ] { } = , :`
    Mark(char),
    /// The end of a line.
    Newline,
    /// The end of the text.
    End,
    /// A character that nothing begins with, or an unclosed quote.
    Stray(char),
}

/// A name behind its sigil: quoted, bare, or quoted with a bare suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name<'a> {
    /// The sigil.
    pub(super) sigil: char,
    /// The quoted part, with quotes and escapes.
    pub(super) quoted: Option<&'a str>,
    /// What is not quoted.
    pub(super) bare: &'a str,
}

/// A token and where it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind<'a>,
    pub(super) start: usize,
}

/// Can a word begin with this character?
pub(super) fn starts_word(letter: char) -> bool {
    letter.is_ascii_alphabetic() || letter == '_'
}

/// Can this character stand in a word?
pub(super) fn in_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || WORD_MARKS.contains(letter)
}

/// Can this character stand in a name without quotes?
pub(super) fn in_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || NAME_MARKS.contains(letter)
}

/// Where reading stands in a text. A copy looks ahead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    place: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Lexer<'a> {
        Lexer { text, place: 0 }
    }

    /// Line and column of a place, from 1.
    pub(super) fn position(&self, place: usize) -> (usize, usize) {
        let before = &self.text[..place];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    fn rest(&self) -> &'a str {
        &self.text[self.place..]
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, _) = self.rest().split_at(length);
        self.place += length;
        taken
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        self.take(rest.find(|letter| !accept(letter)).unwrap_or(rest.len()))
    }

    /// Everything up to a closing bracket on the same line, which is read, too.
    pub(super) fn take_until(&mut self, close: char) -> Option<&'a str> {
        let rest = self.rest();
        let end = rest.find([close, '\n']).filter(|&end| rest[end..].starts_with(close))?;
        let taken = self.take(end);
        self.take(close.len_utf8());
        Some(taken)
    }

    /// The next token. Spaces, and comments from `;` to the end of the line, are passed over.
    pub(super) fn next(&mut self) -> Token<'a> {
        self.take_while(|letter| matches!(letter, ' ' | '\t' | '\r'));
        if self.rest().starts_with(';') {
            self.take_while(|letter| letter != '\n');
        }
        let start = self.place;
        Token { kind: self.kind(), start }
    }

    fn kind(&mut self) -> Kind<'a> {
        let Some(first) = self.rest().chars().next() else { return Kind::End };
        match first {
            '\n' => {
                self.take(1);
                Kind::Newline
            }
            '"' => self.quoted().map_or(Kind::Stray(first), Kind::Quoted),
            '(' | ')' | '[' | ']' | '{' | '}' | '=' | ',' | ':' => {
                self.take(1);
                Kind::Mark(first)
            }
            _ if SIGILS.contains(first) => self.name(first),
            _ if first.is_ascii_digit() || first == '-' => self.number(),
            _ if starts_word(first) => Kind::Word(self.take_while(in_word)),
            _ => Kind::Stray(first),
        }
    }

    fn name(&mut self, sigil: char) -> Kind<'a> {
        self.take(1);
        let quoted = if self.rest().starts_with('"') {
            match self.quoted() {
                Some(quoted) => Some(quoted),
                None => return Kind::Stray('"'),
            }
        } else {
            None
        };
        Kind::Name(Name { sigil, quoted, bare: self.take_while(in_name) })
    }

    /// A string with its quotes; none if it is not closed on its line.
    fn quoted(&mut self) -> Option<&'a str> {
        let mut escaped = false;
        for (place, letter) in self.rest().char_indices().skip(1) {
            match letter {
                '\n' => return None,
                '"' if !escaped => return Some(self.take(place + 1)),
                _ => escaped = letter == '\\' && !escaped,
            }
        }
        None
    }

    fn number(&mut self) -> Kind<'a> {
        let text = self.rest();
        let begin = self.place;
        if self.rest().starts_with('-') {
            self.take(1);
        }
        if self.rest().starts_with("inf") {
            self.take(3);
        } else if self.take_while(|letter| letter.is_ascii_digit()).is_empty() {
            return Kind::Stray('-');
        } else {
            self.fraction();
            self.exponent();
        }
        Kind::Number(&text[..self.place - begin])
    }

    fn fraction(&mut self) {
        if self.rest().starts_with('.') {
            self.take(1);
            self.take_while(|letter| letter.is_ascii_digit());
        }
    }

    fn exponent(&mut self) {
        let digits = self.rest().strip_prefix('e').map(|rest| rest.strip_prefix('-').unwrap_or(rest));
        if let Some(digits) = digits.filter(|digits| digits.starts_with(|d: char| d.is_ascii_digit())) {
            self.place = self.text.len() - digits.len();
            self.take_while(|letter| letter.is_ascii_digit());
        }
    }
}
