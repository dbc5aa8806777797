//! Text to programs, by recursive descent with one token in hand.
//!
//! What two stages share stands here: the header, words, JSON's values, types, and how an operation is applied.

mod described;
mod layers;
mod masks;
mod plan;
mod program;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use super::lexer::{Kind, Lexer, Name, Token};
use super::{Document, MAX_BYTES, MAX_DEPTH, Problem, ProgramStage, Stage, TextError, tagged};
use crate::dim::Dim;
use crate::float::Float;
use crate::ops::UnknownOp;
use crate::program::Literal;
use crate::semantics::Semantics;
use crate::ty::{DType, Sizes, Type};

pub(super) use described::descriptions;

type Parsed<T> = Result<T, TextError>;

/// Reads a text of any stage.
pub(super) fn document(text: &str) -> Parsed<Document> {
    if text.len() > MAX_BYTES {
        let problem = Problem::TooLong { limit: MAX_BYTES, found: text.len() };
        return Err(TextError { line: 1, column: 1, problem });
    }
    let mut parser = Parser::new(text);
    let (stage, header) = parser.header()?;
    let document = match stage {
        Stage::Layers => Document::Layers(parser.layers(header)?),
        Stage::Masks => Document::Masks(parser.masks(header)?),
        Stage::Tensor => Document::Program(ProgramStage::Tensor, parser.program(header)?),
        Stage::Optimized => Document::Program(ProgramStage::Optimized, parser.program(header)?),
        Stage::Packed => Document::Program(ProgramStage::Packed, parser.program(header)?),
        Stage::Plan => Document::Plan(parser.plan(header)?),
    };
    parser.skip_lines();
    if parser.token.kind == Kind::End { Ok(document) } else { Err(parser.expected("the end of the text")) }
}

/// Reads the type of a tensor.
pub(super) fn tensor_type(text: &str) -> Parsed<Type> {
    let mut parser = Parser::new(text);
    let ty = parser.ty()?;
    if parser.token.kind == Kind::End { Ok(ty) } else { Err(parser.expected("the end of the type")) }
}

/// What stands at the top of every text.
struct Header {
    semantics: Semantics,
    name: String,
}

/// Where reading stands: the token in hand, and what is behind it.
struct Parser<'a> {
    lexer: Lexer<'a>,
    token: Token<'a>,
    depth: u32,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Parser<'a> {
        let mut lexer = Lexer::new(text);
        let token = lexer.next();
        Parser { lexer, token, depth: 0 }
    }

    fn header(&mut self) -> Parsed<(Stage, Header)> {
        self.skip_lines();
        self.keyword("masque")?;
        let Kind::Number(_) = self.token.kind else {
            return Err(self.expected("the version of the text form"));
        };
        let version = self.advance();
        let stage = match self.token.kind {
            Kind::Word(name) => name.parse().ok(),
            _ => None,
        };
        let stage: Stage = stage.ok_or_else(|| self.expected("the name of a stage"))?;
        self.advance();
        let expected = stage.version().to_string();
        if version.kind != Kind::Number(&expected) {
            let expected = format!("version {expected} of the text form of stage {stage}");
            return Err(self.expected_at(version.start, expected, describe(version.kind)));
        }
        if self.token.kind == Kind::Word("folded") {
            return Err(self.error_at(self.token.start, Problem::Folded));
        }
        if self.token.kind == Kind::Word("part") {
            return Err(self.error_at(self.token.start, Problem::Part));
        }
        self.end_line()?;
        self.keyword("semantics")?;
        let start = self.token.start;
        let semantics = self.text("the name of a semantics")?.parse();
        let semantics = semantics.map_err(|unknown| self.error_at(start, Problem::Semantics(unknown)))?;
        self.end_line()?;
        self.keyword("model")?;
        let name = self.text("the model's name")?;
        self.end_line()?;
        Ok((stage, Header { semantics, name }))
    }

    /// Goes on to the next token and gives the one in hand.
    fn advance(&mut self) -> Token<'a> {
        let next = self.lexer.next();
        std::mem::replace(&mut self.token, next)
    }

    /// The token behind the one in hand.
    fn ahead(&self) -> Kind<'a> {
        let mut lexer = self.lexer;
        lexer.next().kind
    }

    fn error_at(&self, start: usize, problem: Problem) -> TextError {
        let (line, column) = self.lexer.position(start);
        TextError { line, column, problem }
    }

    fn error(&self, problem: Problem) -> TextError {
        self.error_at(self.token.start, problem)
    }

    fn expected(&self, expected: &str) -> TextError {
        self.error(Problem::Expected { expected: expected.to_owned(), found: describe(self.token.kind) })
    }

    /// An error of something that was read already.
    fn expected_at(&self, start: usize, expected: impl Into<String>, found: impl Into<String>) -> TextError {
        self.error_at(start, Problem::Expected { expected: expected.into(), found: found.into() })
    }

    fn is_mark(&self, mark: char) -> bool {
        self.token.kind == Kind::Mark(mark)
    }

    fn eat(&mut self, mark: char) -> bool {
        let found = self.is_mark(mark);
        if found {
            self.advance();
        }
        found
    }

    fn mark(&mut self, mark: char) -> Parsed<()> {
        if self.eat(mark) { Ok(()) } else { Err(self.expected(&format!("`{mark}`"))) }
    }

    fn is_word(&self, word: &str) -> bool {
        self.token.kind == Kind::Word(word)
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.is_word(word);
        if found {
            self.advance();
        }
        found
    }

    fn keyword(&mut self, word: &str) -> Parsed<()> {
        if self.eat_word(word) { Ok(()) } else { Err(self.expected(&format!("`{word}`"))) }
    }

    fn end_line(&mut self) -> Parsed<()> {
        match self.token.kind {
            Kind::Newline | Kind::End => {
                self.skip_lines();
                Ok(())
            }
            _ => Err(self.expected("the end of the line")),
        }
    }

    fn skip_lines(&mut self) {
        while self.token.kind == Kind::Newline {
            self.advance();
        }
    }

    /// Items with commas between them, up to a closing mark, which is read, too.
    fn list<T>(&mut self, close: char, mut item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut items = vec![];
        if self.eat(close) {
            return Ok(items);
        }
        self.enter()?;
        loop {
            items.push(item(self)?);
            if self.eat(close) {
                self.depth -= 1;
                return Ok(items);
            }
            if !self.eat(',') {
                return Err(self.expected(&format!("`,` or `{close}`")));
            }
        }
    }

    /// One item or more, with commas between them.
    fn several<T>(&mut self, mut item: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut items = vec![item(self)?];
        while self.eat(',') {
            items.push(item(self)?);
        }
        Ok(items)
    }

    fn enter(&mut self) -> Parsed<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(self.error(Problem::TooDeep(MAX_DEPTH))) } else { Ok(()) }
    }

    /// A word or a quoted string.
    fn text(&mut self, what: &str) -> Parsed<String> {
        let text = match self.token.kind {
            Kind::Word(word) => word.to_owned(),
            Kind::Quoted(quoted) => self.unquote(self.token.start, quoted)?,
            _ => return Err(self.expected(what)),
        };
        self.advance();
        Ok(text)
    }

    fn unquote(&self, start: usize, quoted: &str) -> Parsed<String> {
        serde_json::from_str(quoted)
            .map_err(|_| self.expected_at(start, "a string with JSON's escapes", quoted))
    }

    /// A name behind one of the sigils: where it starts, its sigil, and what it says.
    fn name(&mut self, sigils: &str, what: &str) -> Parsed<(usize, char, String)> {
        let start = self.token.start;
        let Kind::Name(name) = self.token.kind else { return Err(self.expected(what)) };
        if !sigils.contains(name.sigil) {
            return Err(self.expected(what));
        }
        let text = match name {
            Name { quoted: None, bare, .. } if !bare.is_empty() => bare.to_owned(),
            Name { quoted: Some(quoted), bare: "", .. } => self.unquote(start, quoted)?,
            _ => return Err(self.expected(what)),
        };
        self.advance();
        Ok((start, name.sigil, text))
    }

    /// The number behind a sigil: `$3`.
    fn numbered(&mut self, sigil: &str, what: &str) -> Parsed<u32> {
        let (start, _, text) = self.name(sigil, what)?;
        text.parse().map_err(|_| self.expected_at(start, what, format!("`{text}`")))
    }

    fn count(&mut self, what: &str) -> Parsed<u32> {
        let number = match self.token.kind {
            Kind::Number(digits) => digits.parse().ok(),
            _ => None,
        };
        let number = number.ok_or_else(|| self.expected(what))?;
        self.advance();
        Ok(number)
    }

    /// `{a = 1}`, if there is one.
    fn settings(&mut self) -> Parsed<Map<String, Json>> {
        if self.eat('{') { self.block() } else { Ok(Map::new()) }
    }

    fn block(&mut self) -> Parsed<Map<String, Json>> {
        let mut map = Map::new();
        self.list('}', |parser| {
            let start = parser.token.start;
            let key = parser.text("a name")?;
            parser.mark('=')?;
            let value = parser.json()?;
            if map.contains_key(&key) {
                return Err(parser.error_at(start, Problem::Redefined(key)));
            }
            map.insert(key, value);
            Ok(())
        })?;
        Ok(map)
    }

    fn json(&mut self) -> Parsed<Json> {
        let value = match self.token.kind {
            Kind::Word("null") => Json::Null,
            Kind::Word("true") => Json::Bool(true),
            Kind::Word("false") => Json::Bool(false),
            Kind::Word("inf" | "nan") | Kind::Number("-inf") => return self.number().map(Float::to_json),
            Kind::Word(_) | Kind::Quoted(_) => return self.text("a value").map(Json::String),
            Kind::Name(Name { sigil: '$', quoted: None, bare }) if is_setting(bare) => {
                Json::String(format!("${bare}"))
            }
            Kind::Number(digits) => self.json_number(digits)?,
            Kind::Mark('[') => {
                self.advance();
                return self.list(']', Parser::json).map(Json::Array);
            }
            Kind::Mark('{') => {
                self.advance();
                return self.block().map(Json::Object);
            }
            _ => return Err(self.expected("a value")),
        };
        self.advance();
        Ok(value)
    }

    /// With a point or an exponent a float, without an integer.
    fn json_number(&self, digits: &str) -> Parsed<Json> {
        let number = if digits.contains(['.', 'e']) {
            digits.parse().ok().and_then(serde_json::Number::from_f64).map(Json::Number)
        } else {
            digits.parse::<u64>().map(Json::from).or_else(|_| digits.parse::<i64>().map(Json::from)).ok()
        };
        number.ok_or_else(|| self.expected("a number of 64 bits"))
    }

    /// An element: `0`, `1.5`, `-inf`, `true`.
    fn number(&mut self) -> Parsed<Float> {
        let number = match self.token.kind {
            Kind::Word("true") => Some(1.0),
            Kind::Word("false") => Some(0.0),
            Kind::Word("inf") => Some(f64::INFINITY),
            Kind::Word("nan") => Some(f64::NAN),
            Kind::Number(digits) => digits.parse().ok(),
            _ => None,
        };
        let number = number.ok_or_else(|| self.expected("a number"))?;
        self.advance();
        Ok(Float(number))
    }

    fn literal(&mut self) -> Parsed<Literal> {
        let number = self.number()?;
        self.mark(':')?;
        Ok(Literal { dtype: self.dtype()?, number })
    }

    fn dtype(&mut self) -> Parsed<DType> {
        let found = DType::ALL.into_iter().find(|dtype| self.is_word(dtype.name()));
        let dtype = found.ok_or_else(|| self.expected("an element type"))?;
        self.advance();
        Ok(dtype)
    }

    /// `f32[B, T, 6]`
    fn ty(&mut self) -> Parsed<Type> {
        let dtype = self.dtype()?;
        if !self.is_mark('[') {
            return Err(self.expected("`[`"));
        }
        let start = self.token.start;
        let sizes = self.lexer.take_until(']').ok_or_else(|| self.expected("a shape in `[` and `]`"))?;
        self.advance();
        let shape: Result<Sizes, _> = match sizes.trim() {
            "" => Ok(Sizes::default()),
            sizes => sizes.split(',').map(|size| size.trim().parse::<Dim>().map_err(|_| size)).collect(),
        };
        let shape = shape.map_err(|size| self.expected_at(start, "a size", format!("`{}`", size.trim())))?;
        Ok(Type { dtype, shape })
    }

    /// A value of our own out of JSON's terms, where exactly its fields are given.
    fn record<T: DeserializeOwned + Serialize>(&self, start: usize, what: &str, fields: Json) -> Parsed<T> {
        let wrong = |message: String| {
            self.error_at(start, Problem::Operation(UnknownOp::Attributes { op: what.to_owned(), message }))
        };
        let value: T = serde_json::from_value(fields.clone()).map_err(|error| wrong(error.to_string()))?;
        if tagged(&value) == fields { Ok(value) } else { Err(wrong("there are more than it has".into())) }
    }
}

/// Can a setting be called so, without quotes?
pub(super) fn is_setting(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// What a token is, in a message.
fn describe(kind: Kind<'_>) -> String {
    let text = match kind {
        Kind::Newline => return "the end of the line".into(),
        Kind::End => return "the end of the text".into(),
        Kind::Stray('"') => return "a `\"` without its end".into(),
        Kind::Word(text) | Kind::Number(text) | Kind::Quoted(text) => text.to_owned(),
        Kind::Name(name) => format!("{}{}{}", name.sigil, name.quoted.unwrap_or(""), name.bare),
        Kind::Mark(letter) | Kind::Stray(letter) => letter.to_string(),
    };
    let short: String = text.chars().take(60).collect();
    if short == text { format!("`{text}`") } else { format!("`{short}…`") }
}
