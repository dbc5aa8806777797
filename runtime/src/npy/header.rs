//! The header of an array: a Python dictionary of three known keys, which is all that this parser knows of Python.

use super::NpyError;
use crate::element::ElementOrder;
use crate::quote::quoted;

/// What an array's header says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The element type, like `<f4`.
    pub(super) descr: String,
    pub(super) order: ElementOrder,
    pub(super) shape: Vec<usize>,
}

/// numpy's own limit is 64 axes.
const MOST_AXES: usize = 64;

impl Header {
    /// Parses `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }` and the blanks behind it.
    pub(super) fn parse(text: &str) -> Result<Header, NpyError> {
        let mut parser = Parser { rest: text };
        let (mut descr, mut order, mut shape) = (None, None, None);
        parser.expect('{')?;
        while !parser.accept('}') {
            let key = parser.string()?;
            parser.expect(':')?;
            let again = match key {
                "descr" => descr.replace(parser.descr()?).is_some(),
                "fortran_order" => order.replace(parser.order()?).is_some(),
                "shape" => shape.replace(parser.shape()?).is_some(),
                _ => return Err(broken(format!("unknown key {}", quoted(key)))),
            };
            if again {
                return Err(broken(format!("key {} is there twice", quoted(key))));
            }
            if !parser.accept(',') {
                parser.expect('}')?;
                break;
            }
        }
        parser.skip_blanks();
        if !parser.rest.is_empty() {
            return Err(broken(format!("there is text behind it: {}", quoted(parser.rest))));
        }
        let missing = |key: &str| broken(format!("key {key:?} is missing"));
        Ok(Header {
            descr: descr.ok_or_else(|| missing("descr"))?,
            order: order.ok_or_else(|| missing("fortran_order"))?,
            shape: shape.ok_or_else(|| missing("shape"))?,
        })
    }
}

struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\n', '\t', '\r']);
    }

    fn accept(&mut self, token: char) -> bool {
        self.skip_blanks();
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, token: char) -> Result<(), NpyError> {
        if self.accept(token) {
            return Ok(());
        }
        Err(broken(format!("expected {token:?}, found {}", quoted(self.rest))))
    }

    /// A string without escapes; no known key or element type needs one.
    fn string(&mut self) -> Result<&'a str, NpyError> {
        self.skip_blanks();
        let quote = if self.rest.starts_with('"') { '"' } else { '\'' };
        self.expect(quote)?;
        match self.rest.split_once(quote) {
            Some((string, rest)) if !string.contains('\\') => {
                self.rest = rest;
                Ok(string)
            }
            _ => Err(broken(format!("expected a string, found {}", quoted(self.rest)))),
        }
    }

    fn descr(&mut self) -> Result<String, NpyError> {
        self.skip_blanks();
        if self.rest.starts_with('[') {
            return Err(NpyError::Dtype { descr: "of named fields".to_owned() });
        }
        self.string().map(str::to_owned)
    }

    fn order(&mut self) -> Result<ElementOrder, NpyError> {
        self.skip_blanks();
        let words = [("False", ElementOrder::LastFastest), ("True", ElementOrder::FirstFastest)];
        for (word, order) in words {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(order);
            }
        }
        Err(broken(format!("expected True or False, found {}", quoted(self.rest))))
    }

    fn shape(&mut self) -> Result<Vec<usize>, NpyError> {
        let mut shape = Vec::new();
        self.expect('(')?;
        while !self.accept(')') {
            shape.push(self.size()?);
            if shape.len() > MOST_AXES {
                return Err(broken(format!("the shape has more than {MOST_AXES} axes")));
            }
            if !self.accept(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(shape)
    }

    /// A size; Python 2 wrote large ones with an `L` behind them.
    fn size(&mut self) -> Result<usize, NpyError> {
        self.skip_blanks();
        let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at(end);
        let size = digits
            .parse()
            .map_err(|_| broken(format!("expected the size of an axis, found {}", quoted(self.rest))))?;
        self.rest = rest.strip_prefix('L').unwrap_or(rest);
        Ok(size)
    }
}

fn broken(problem: String) -> NpyError {
    NpyError::Header { problem }
}
