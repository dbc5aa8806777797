//! One JSON value after another out of a text.
//!
//! What Python's `json` module writes is read, and read as it does: `NaN`, `Infinity` and `-Infinity` are numbers
//! ([`masque_ir::float`] has their form as values), whole numbers stay whole. Stricter than Python: no key twice in one
//! object, no number beyond the range of 64 bits, no bottomless nesting.

use std::ops::Range;

use masque_ir::Float;
use serde_json::{Map, Number, Value as Json};

use super::JsonError;

/// How deep arrays and objects may be nested.
const DEEPEST: usize = 128;

/// Where reading stands in a text.
pub(super) struct Reader<'t> {
    part: &'t str,
    text: &'t str,
    place: usize,
}

type Read<T> = Result<T, JsonError>;

impl<'t> Reader<'t> {
    /// A reader at a place of a text; `part` names the text in errors.
    pub(super) fn new(part: &'t str, text: &'t str, place: usize) -> Reader<'t> {
        Reader { part, text, place }
    }

    /// An error here.
    fn fail<T>(&self, problem: impl Into<String>) -> Read<T> {
        Err(JsonError::at(self.part, self.text.as_bytes(), self.place, problem.into()))
    }

    fn expected<T>(&self, what: &str) -> Read<T> {
        match self.text[self.place..].chars().next() {
            Some(found) => self.fail(format!("expected {what}, found {found:?}")),
            None => self.fail(format!("expected {what}, found the end (EOF)")),
        }
    }

    /// The next byte that is not blank.
    pub(super) fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.place..];
        let blank = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.place += blank;
        rest.get(blank).copied()
    }

    fn eat(&mut self, mark: u8) -> bool {
        let eaten = self.peek() == Some(mark);
        self.place += usize::from(eaten);
        eaten
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let eaten = self.text[self.place..].starts_with(word);
        self.place += if eaten { word.len() } else { 0 };
        eaten
    }

    /// Nothing but `what` may follow, which stands at `end`.
    pub(super) fn finish(&mut self, end: usize, what: &str) -> Read<()> {
        match self.peek() {
            Some(_) if self.place < end => self.expected(what),
            _ => Ok(()),
        }
    }

    /// A value; `depth` is how deep it is nested.
    pub(super) fn value(&mut self, depth: usize) -> Read<Json> {
        match self.peek() {
            Some(b'{') => {
                let mut map = Map::new();
                self.object(depth, |reader, key| {
                    let value = reader.value(depth + 1)?;
                    map.insert(key, value);
                    Ok(())
                })?;
                Ok(Json::Object(map))
            }
            Some(b'[') => {
                let mut items = vec![];
                self.array(depth, |reader| {
                    items.push(reader.value(depth + 1)?);
                    Ok(())
                })?;
                Ok(Json::Array(items))
            }
            Some(b'"') => self.string().map(Json::String),
            _ => self.scalar(),
        }
    }

    /// The members of an object, each read by `member` once its key is; `member` is asked for no key twice.
    pub(super) fn object(
        &mut self,
        depth: usize,
        mut member: impl FnMut(&mut Self, String) -> Read<()>,
    ) -> Read<()> {
        let mut keys = std::collections::HashSet::new();
        self.nested(depth, [b'{', b'}'], |reader| {
            if reader.peek() != Some(b'"') {
                return reader.expected("a key");
            }
            let key = reader.string()?;
            let short = || key.chars().take(60).collect::<String>();
            if key.chars().any(char::is_control) {
                return reader.fail(format!("the key {:?} has control characters", short()));
            }
            if !keys.insert(key.clone()) {
                return reader.fail(format!("the key `{}` stands twice in one object", short()));
            }
            if !reader.eat(b':') {
                return reader.expected("`:`");
            }
            member(reader, key)
        })
    }

    /// The items of an array, each read by `item`.
    pub(super) fn array(&mut self, depth: usize, item: impl FnMut(&mut Self) -> Read<()>) -> Read<()> {
        self.nested(depth, [b'[', b']'], item)
    }

    /// What stands between two brackets, with commas between.
    fn nested(
        &mut self,
        depth: usize,
        [open, close]: [u8; 2],
        mut item: impl FnMut(&mut Self) -> Read<()>,
    ) -> Read<()> {
        if depth >= DEEPEST {
            return self.fail(format!("nested deeper than {DEEPEST} (recursion limit)"));
        }
        if !self.eat(open) {
            return self.expected(&format!("`{}`", char::from(open)));
        }
        if self.eat(close) {
            return Ok(());
        }
        loop {
            item(self)?;
            if self.eat(close) {
                return Ok(());
            }
            if !self.eat(b',') {
                return self.expected(&format!("`,` or `{}`", char::from(close)));
            }
        }
    }

    /// Passes over a value without reading it: where it stands. It may turn out to be none.
    pub(super) fn skip(&mut self) -> Read<Range<usize>> {
        self.peek();
        let (start, bytes) = (self.place, self.text.as_bytes());
        let (mut depth, mut quoted) = (0usize, false);
        while let Some(&byte) = bytes.get(self.place) {
            match byte {
                b'\\' if quoted => self.place += 1,
                b'"' => quoted = !quoted,
                _ if quoted => {}
                b'[' | b'{' => depth += 1,
                b']' | b'}' | b',' if depth == 0 => return Ok(start..self.place),
                b']' | b'}' => depth -= 1,
                _ => {}
            }
            self.place += 1;
        }
        self.place = bytes.len();
        self.expected("`]`")
    }

    fn scalar(&mut self) -> Read<Json> {
        let words = [("null", Json::Null), ("true", true.into()), ("false", false.into())];
        let found = words.into_iter().find(|(word, _)| self.eat_word(word));
        if let Some((_, value)) = found {
            return Ok(value);
        }
        let numbers = [("NaN", f64::NAN), ("Infinity", f64::INFINITY), ("-Infinity", f64::NEG_INFINITY)];
        let found = numbers.into_iter().find(|(word, _)| self.eat_word(word));
        match found {
            Some((_, number)) => Ok(Float(number).to_json()),
            None => self.number(),
        }
    }

    fn number(&mut self) -> Read<Json> {
        let start = self.place;
        self.eat_word("-");
        let whole = self.digits();
        if whole == 0 {
            return self.expected("a value");
        }
        if whole > 1 && self.text.as_bytes()[self.place - whole] == b'0' {
            self.place -= whole - 1;
            return self.expected("no digit after a leading 0");
        }
        let mut is_whole = true;
        if self.eat_word(".") {
            is_whole = false;
            if self.digits() == 0 {
                return self.expected("a digit");
            }
        }
        if self.eat_word("e") || self.eat_word("E") {
            is_whole = false;
            let _ = self.eat_word("+") || self.eat_word("-");
            if self.digits() == 0 {
                return self.expected("a digit");
            }
        }
        let digits = &self.text[start..self.place];
        let number = match (is_whole, digits.parse::<i64>(), digits.parse::<u64>()) {
            (true, Ok(number), _) => Some(number.into()),
            (true, _, Ok(number)) => Some(number.into()),
            _ => digits.parse().ok().and_then(Number::from_f64),
        };
        match number {
            Some(number) => Ok(Json::Number(number)),
            None => self.fail("a number out of range"),
        }
    }

    fn digits(&mut self) -> usize {
        let rest = &self.text.as_bytes()[self.place..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.place += count;
        count
    }

    /// A string, whose opening quote is next.
    fn string(&mut self) -> Read<String> {
        self.place += 1;
        let mut string = String::new();
        loop {
            let rest = &self.text[self.place..];
            let plain = rest.bytes().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)).count();
            string.push_str(&rest[..plain]);
            self.place += plain;
            match rest.as_bytes().get(plain) {
                Some(b'"') => {
                    self.place += 1;
                    return Ok(string);
                }
                Some(b'\\') => string.push(self.escape()?),
                Some(_) => return self.fail("a control character inside a string"),
                None => return self.expected("`\"`"),
            }
        }
    }

    fn escape(&mut self) -> Read<char> {
        self.place += 1;
        let letter = match self.text.as_bytes().get(self.place) {
            Some(&letter @ (b'"' | b'\\' | b'/')) => char::from(letter),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.code_point(),
            _ => return self.expected("an escape of JSON"),
        };
        self.place += 1;
        Ok(letter)
    }

    /// `\uXXXX`, or two of them that are one character.
    fn code_point(&mut self) -> Read<char> {
        let first = self.unit()?;
        let code = match first {
            0xd800..0xdc00 if self.eat_word("\\") => match self.unit()? {
                second @ 0xdc00..0xe000 => 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00),
                _ => first,
            },
            _ => first,
        };
        char::from_u32(code).map_or_else(|| self.fail("half a character (a lone surrogate)"), Ok)
    }

    /// `uXXXX`.
    fn unit(&mut self) -> Read<u32> {
        let digits = self.text.get(self.place + 1..self.place + 5);
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        match code.filter(|_| self.text[self.place..].starts_with('u')) {
            Some(code) => {
                self.place += 5;
                Ok(code)
            }
            None => self.expected("`u` and four hexadecimal digits"),
        }
    }
}
