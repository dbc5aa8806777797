//! Expressions and equations, as plain text and as LaTeX.

use masque_ir::ops::Notation;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Term {
    /// A name, with what step it is of: `h` at `t-1`.
    Symbol(String, Option<&'static str>),
    /// A number.
    Number(String),
    /// `f(a, b, axes = [1])`
    Function(String, Vec<Term>, Vec<(String, String)>),
    /// Two terms with a sign between, as the notation says.
    Infix(Notation, Box<[Term; 2]>),
    /// A sign before a term.
    Prefix(Notation, Box<Term>),
    /// `table[ids]`
    Places(Box<Term>, Vec<Term>),
}

/// `left = right`
#[derive(Clone, Debug, PartialEq)]
pub struct Equation {
    /// What is defined.
    pub left: Term,
    /// As what.
    pub right: Term,
}

/// How tightly what needs no parentheses binds.
const TIGHTEST: u8 = 9;

/// How tightly a sign before a term binds.
const PREFIX: u8 = 8;

impl Term {
    /// A name.
    pub(super) fn symbol(name: impl Into<String>) -> Term {
        Term::Symbol(name.into(), None)
    }

    fn strength(&self) -> u8 {
        match self {
            Term::Infix(Notation::Infix { strength, .. }, _) => *strength,
            Term::Prefix(..) => PREFIX,
            _ => TIGHTEST,
        }
    }

    /// As plain text.
    pub fn plain(&self) -> String {
        let within = |term: &Term, least: u8| {
            if term.strength() < least { format!("({})", term.plain()) } else { term.plain() }
        };
        match self {
            Term::Symbol(name, None) | Term::Number(name) => name.clone(),
            Term::Symbol(name, Some(step)) if step.len() > 1 => format!("{name}_{{{step}}}"),
            Term::Symbol(name, Some(step)) => format!("{name}_{step}"),
            Term::Function(name, terms, attributes) => {
                let terms = terms.iter().map(Term::plain);
                let attributes = attributes.iter().map(|(name, value)| format!("{name} = {value}"));
                format!("{name}({})", terms.chain(attributes).collect::<Vec<_>>().join(", "))
            }
            Term::Infix(Notation::Infix { symbol, strength, .. }, parts) => {
                let [left, right] = &**parts;
                format!("{} {symbol} {}", within(left, *strength), within(right, strength + 1))
            }
            Term::Prefix(Notation::Prefix { symbol, .. }, term) => {
                format!("{symbol}{}", within(term, PREFIX))
            }
            Term::Infix(_, parts) => parts.iter().map(Term::plain).collect::<Vec<_>>().join(" "),
            Term::Prefix(_, term) => term.plain(),
            Term::Places(term, places) => {
                let places: Vec<String> = places.iter().map(Term::plain).collect();
                format!("{}[{}]", within(term, TIGHTEST), places.join(", "))
            }
        }
    }

    /// As LaTeX, for math mode.
    pub fn latex(&self) -> String {
        let within = |term: &Term, least: u8| {
            if term.strength() < least { format!(r"\left({}\right)", term.latex()) } else { term.latex() }
        };
        match self {
            Term::Symbol(name, None) => identifier(name),
            Term::Symbol(name, Some(step)) => format!("{}_{{{step}}}", identifier(name)),
            Term::Number(number) => number.clone(),
            Term::Function(name, terms, attributes) => {
                let terms = terms.iter().map(Term::latex);
                let attributes = attributes
                    .iter()
                    .map(|(name, value)| format!(r"\text{{{}}}", escaped(&format!("{name} = {value}"))));
                let list = terms.chain(attributes).collect::<Vec<_>>().join(", ");
                format!(r"\operatorname{{{}}}\left({list}\right)", escaped(name))
            }
            Term::Infix(Notation::Infix { latex, strength, .. }, parts) => {
                let [left, right] = &**parts;
                format!("{} {latex} {}", within(left, *strength), within(right, strength + 1))
            }
            Term::Prefix(Notation::Prefix { latex, .. }, term) => format!("{latex}{}", within(term, PREFIX)),
            Term::Infix(_, parts) => parts.iter().map(Term::latex).collect::<Vec<_>>().join(" "),
            Term::Prefix(_, term) => term.latex(),
            Term::Places(term, places) => {
                let places: Vec<String> = places.iter().map(Term::latex).collect();
                format!(r"{}\left[{}\right]", within(term, TIGHTEST), places.join(", "))
            }
        }
    }
}

/// A name as LaTeX: one letter is slanted, a word stands upright.
fn identifier(name: &str) -> String {
    if name.chars().count() == 1 && name.chars().all(char::is_alphabetic) {
        return name.to_owned();
    }
    format!(r"\mathrm{{{}}}", escaped(name))
}

/// Text in which LaTeX sees nothing but text.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '_' | '%' | '$' | '#' | '&' | '{' | '}' => escaped.extend(['\\', letter]),
            '\\' => escaped.push_str(r"\backslash "),
            '~' | '^' => escaped.push_str(&format!(r"\{letter}{{}}")),
            letter if letter.is_control() => {}
            letter => escaped.push(letter),
        }
    }
    escaped
}

impl Equation {
    /// As plain text.
    pub fn plain(&self) -> String {
        format!("{} = {}", self.left.plain(), self.right.plain())
    }

    /// As LaTeX, to be aligned at the sign.
    pub fn latex(&self) -> String {
        format!("{} &= {}", self.left.latex(), self.right.latex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parentheses_stand_where_they_are_needed() {
        let infix = |symbol, strength, a: Term, b: Term| {
            Term::Infix(Notation::Infix { symbol, latex: symbol, strength }, Box::new([a, b]))
        };
        let [a, b, c] = ["a", "b", "c"].map(Term::symbol);
        let sum = infix("+", 4, a.clone(), b.clone());
        assert_eq!(infix("*", 5, sum.clone(), c.clone()).plain(), "(a + b) * c");
        assert_eq!(infix("+", 4, sum.clone(), c.clone()).plain(), "a + b + c");
        assert_eq!(infix("-", 4, c.clone(), sum.clone()).plain(), "c - (a + b)");
        let minus = Term::Prefix(Notation::Prefix { symbol: "-", latex: "-" }, Box::new(sum.clone()));
        assert_eq!(minus.plain(), "-(a + b)");
        assert_eq!(Term::Places(Box::new(sum), vec![c]).plain(), "(a + b)[c]");
        assert_eq!(Term::Symbol("h".into(), Some("t-1")).plain(), "h_{t-1}");
        assert_eq!(Term::symbol("x_%y").latex(), r"\mathrm{x\_\%y}");
    }
}
