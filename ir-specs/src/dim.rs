//! Sizes along an axis, known or symbolic.
//!
//! A size is a polynomial over symbols (`B` the batch, `T` the time steps, …) in one canonical form: a sum of
//! products, sorted, without zero terms. Two sizes are equal exactly when their canonical forms are, so
//! `T + T` and `2*T` are the same size. Division is only `floor(…/n)` by a constant, which is what strided
//! windows need; it is an atom of the polynomial.
//!
//! Arithmetic saturates: a size that left the range of `i64` stays there, and is refused as too large by
//! whoever asks for it with [`Dim::known`] or [`Dim::eval`].

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A size along one axis; see the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Dim(Form);

/// Types are copied a lot: a number takes no memory of its own, a sum is shared.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Form {
    Number(i64),
    /// Sorted by product; factors are never zero; the empty product is the constant, and never alone.
    Sum(Arc<[(Product, i64)]>),
}

/// A product of atoms, sorted.
type Product = Vec<Atom>;

/// An indivisible part of a size.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Atom {
    Symbol(Arc<str>),
    Floor(Box<Dim>, i64),
}

/// What the symbols stand for in one run.
pub type Bindings = BTreeMap<Arc<str>, i64>;

/// Other names for symbols; those that are not there keep theirs.
pub type Names = BTreeMap<Arc<str>, Arc<str>>;

impl Dim {
    /// The size of the batch, everywhere.
    pub const BATCH: &'static str = "B";

    /// A size known at compile time.
    pub fn constant(size: i64) -> Dim {
        Dim(Form::Number(size))
    }

    /// A size known only when the model runs.
    pub fn symbol(name: &str) -> Dim {
        Dim::atom(Atom::Symbol(name.into()))
    }

    /// The batch size, `B`.
    pub fn batch() -> Dim {
        Dim::symbol(Dim::BATCH)
    }

    fn atom(atom: Atom) -> Dim {
        Dim(Form::Sum(Arc::new([(vec![atom], 1)])))
    }

    fn from_terms(terms: impl IntoIterator<Item = (Product, i64)>) -> Dim {
        let mut sum: BTreeMap<Product, i64> = BTreeMap::new();
        for (product, factor) in terms {
            let entry = sum.entry(product).or_insert(0);
            *entry = entry.saturating_add(factor);
        }
        sum.retain(|_, factor| *factor != 0);
        match sum.first_key_value() {
            None => Dim::constant(0),
            Some((product, &number)) if product.is_empty() && sum.len() == 1 => Dim::constant(number),
            Some(_) => Dim(Form::Sum(sum.into_iter().collect())),
        }
    }

    /// Products and their factors, the constant first.
    fn terms(&self) -> impl Iterator<Item = (&[Atom], i64)> + Clone {
        let (number, sum) = match &self.0 {
            Form::Number(number) => (*number, &[][..]),
            Form::Sum(sum) => (0, &**sum),
        };
        let number = (number != 0).then_some((&[][..], number));
        number.into_iter().chain(sum.iter().map(|(product, factor)| (product.as_slice(), *factor)))
    }

    /// The number, where the size holds no symbol.
    pub fn known(&self) -> Option<i64> {
        match self.0 {
            Form::Number(number) => Some(number),
            Form::Sum(_) => None,
        }
    }

    /// The symbol's name, where the size is exactly one symbol.
    pub fn as_symbol(&self) -> Option<&Arc<str>> {
        let Form::Sum(sum) = &self.0 else { return None };
        match &**sum {
            [(product, 1)] => match product.as_slice() {
                [Atom::Symbol(name)] => Some(name),
                _ => None,
            },
            _ => None,
        }
    }

    /// Is this the size of exactly one position?
    pub fn is_one(&self) -> bool {
        self.known() == Some(1)
    }

    /// Is it at most the other, whatever its symbols stand for? Sizes are never negative. False may also mean that this
    /// cannot be told from the terms.
    pub fn is_at_most(&self, other: &Dim) -> bool {
        (other - self).terms().all(|(_, factor)| factor >= 0)
    }

    /// `self / divisor`, rounded down. `divisor` is positive.
    pub fn floor_div(&self, divisor: i64) -> Dim {
        debug_assert!(divisor > 0);
        if let Some(number) = self.known() {
            return Dim::constant(number.div_euclid(divisor));
        }
        if self.terms().all(|(_, factor)| factor % divisor == 0) {
            return Dim::from_terms(
                self.terms().map(|(product, factor)| (product.to_vec(), factor / divisor)),
            );
        }
        Dim::atom(Atom::Floor(Box::new(self.clone()), divisor))
    }

    /// `self / divisor` where that leaves no remainder: term by term, or a common symbol.
    pub fn exact_div(&self, divisor: &Dim) -> Option<Dim> {
        if let Some(number) = divisor.known() {
            return (number > 0 && self.terms().all(|(_, factor)| factor % number == 0))
                .then(|| self.floor_div(number));
        }
        let mut terms = divisor.terms();
        let (Some((product, factor)), None) = (terms.next(), terms.next()) else {
            return (self == divisor).then(|| Dim::constant(1));
        };
        let quotient = self.terms().map(|(whole, number)| {
            let mut rest = whole.to_vec();
            for atom in product {
                rest.remove(rest.iter().position(|candidate| candidate == atom)?);
            }
            (number % factor == 0).then_some((rest, number / factor))
        });
        quotient.collect::<Option<Vec<_>>>().map(Dim::from_terms)
    }

    /// The size when the symbols are bound; `None` if one is not, or the result is negative or out of range.
    pub fn eval(&self, bindings: &Bindings) -> Option<i64> {
        self.eval_signed(bindings).filter(|&size| size >= 0)
    }

    /// Parts of a size may be negative where the whole is not: `floor((T - 1)/2) + 1` of no steps is 0.
    fn eval_signed(&self, bindings: &Bindings) -> Option<i64> {
        let mut total = 0i64;
        for (product, factor) in self.terms() {
            let mut value = factor;
            for atom in product {
                let size = match atom {
                    Atom::Symbol(name) => *bindings.get(name)?,
                    Atom::Floor(inner, divisor) => inner.eval_signed(bindings)?.div_euclid(*divisor),
                };
                value = value.checked_mul(size)?;
            }
            total = total.checked_add(value)?;
        }
        Some(total)
    }

    /// The size with other names for its symbols.
    pub fn renamed(&self, names: &Names) -> Dim {
        let atom = |atom: &Atom| match atom {
            Atom::Symbol(name) => Atom::Symbol(names.get(name).unwrap_or(name).clone()),
            Atom::Floor(inner, divisor) => Atom::Floor(Box::new(inner.renamed(names)), *divisor),
        };
        Dim::from_terms(self.terms().map(|(product, factor)| {
            let mut product: Product = product.iter().map(atom).collect();
            product.sort();
            (product, factor)
        }))
    }

    /// Every symbol in the size, once, in order.
    pub fn symbols(&self) -> Vec<Arc<str>> {
        let mut names: Vec<Arc<str>> = self
            .terms()
            .flat_map(|(product, _)| product)
            .flat_map(|atom| match atom {
                Atom::Symbol(name) => vec![name.clone()],
                Atom::Floor(inner, _) => inner.symbols(),
            })
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

impl From<i64> for Dim {
    fn from(size: i64) -> Dim {
        Dim::constant(size)
    }
}

impl std::ops::Add for &Dim {
    type Output = Dim;
    fn add(self, other: &Dim) -> Dim {
        if let (Form::Number(a), Form::Number(b)) = (&self.0, &other.0) {
            return Dim::constant(a.saturating_add(*b));
        }
        Dim::from_terms(owned(self.terms()).chain(owned(other.terms())))
    }
}

impl std::ops::Sub for &Dim {
    type Output = Dim;
    fn sub(self, other: &Dim) -> Dim {
        self + &(&Dim::constant(-1) * other)
    }
}

impl std::ops::Mul for &Dim {
    type Output = Dim;
    fn mul(self, other: &Dim) -> Dim {
        if let (Form::Number(a), Form::Number(b)) = (&self.0, &other.0) {
            return Dim::constant(a.saturating_mul(*b));
        }
        Dim::from_terms(self.terms().flat_map(|(left, a)| {
            other.terms().map(move |(right, b)| {
                let mut product: Product = left.iter().chain(right).cloned().collect();
                product.sort();
                (product, a.saturating_mul(b))
            })
        }))
    }
}

fn owned<'a>(terms: impl Iterator<Item = (&'a [Atom], i64)>) -> impl Iterator<Item = (Product, i64)> {
    terms.map(|(product, factor)| (product.to_vec(), factor))
}

/// `8`, `T`, `2*T + 1`, `T*D`, `floor((T - 1)/2)`: symbols first, the constant last.
impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Form::Number(number) = self.0 {
            return write!(f, "{number}");
        }
        let products = self.terms().filter(|(product, _)| !product.is_empty());
        let constant = self.terms().filter(|(product, _)| product.is_empty());
        for (place, (product, factor)) in products.chain(constant).enumerate() {
            let magnitude = factor.unsigned_abs();
            match (place, factor < 0) {
                (0, true) => f.write_str("-")?,
                (0, false) => {}
                (_, true) => f.write_str(" - ")?,
                (_, false) => f.write_str(" + ")?,
            }
            let mut separator = "";
            if product.is_empty() || magnitude != 1 {
                write!(f, "{magnitude}")?;
                separator = "*";
            }
            for atom in product {
                match atom {
                    Atom::Symbol(name) => write!(f, "{separator}{name}")?,
                    Atom::Floor(inner, divisor) => write!(f, "{separator}floor(({inner})/{divisor})")?,
                }
                separator = "*";
            }
        }
        Ok(())
    }
}

/// The text is no size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a size: expected numbers, symbols, `+`, `-`, `*` and `floor((size)/number)`")]
pub struct DimSyntaxError(String);

/// The longest text that is read as a size.
const MAX_TEXT: usize = 256;

/// Reads what `Display` prints. Long texts and products of more than two quotients are refused: multiplied out,
/// a short text could fill the memory.
impl std::str::FromStr for Dim {
    type Err = DimSyntaxError;
    fn from_str(text: &str) -> Result<Dim, DimSyntaxError> {
        let mut reader = Reader { rest: text, depth: 0, quotients: 0 };
        let dim = if text.len() > MAX_TEXT { None } else { reader.sum() };
        let dim = dim.filter(|_| reader.rest.trim_start().is_empty());
        dim.ok_or_else(|| DimSyntaxError(text.chars().take(80).collect()))
    }
}

struct Reader<'a> {
    rest: &'a str,
    depth: u32,
    /// How many products have a quotient on their left.
    quotients: u32,
}

impl Reader<'_> {
    fn eat(&mut self, token: &str) -> bool {
        let trimmed = self.rest.trim_start();
        match trimmed.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn word(&mut self, accept: impl Fn(char) -> bool) -> Option<&str> {
        let trimmed = self.rest.trim_start();
        let end = trimmed.find(|c: char| !accept(c)).unwrap_or(trimmed.len());
        let (word, rest) = trimmed.split_at(end);
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    fn number(&mut self) -> Option<i64> {
        self.word(|c| c.is_ascii_digit())?.parse().ok()
    }

    fn sum(&mut self) -> Option<Dim> {
        let zero = Dim::constant(0);
        let mut total = if self.eat("-") { &zero - &self.product()? } else { self.product()? };
        loop {
            if self.eat("+") {
                total = &total + &self.product()?;
            } else if self.eat("-") {
                total = &total - &self.product()?;
            } else {
                return Some(total);
            }
        }
    }

    fn product(&mut self) -> Option<Dim> {
        let mut total = self.atom()?;
        while self.eat("*") {
            self.quotients += u32::from(total.terms().count() > 1);
            total = (self.quotients < 2).then(|| self.atom())?.map(|factor| &total * &factor)?;
        }
        Some(total)
    }

    fn atom(&mut self) -> Option<Dim> {
        if self.rest.trim_start().starts_with(|c: char| c.is_ascii_digit()) {
            return self.number().map(Dim::constant);
        }
        if self.eat("floor((") {
            self.depth += 1;
            let inner = (self.depth < 32).then(|| self.sum())??;
            self.depth -= 1;
            let divisor = if self.eat(")/") { self.number()? } else { return None };
            return (divisor > 0 && self.eat(")")).then(|| inner.floor_div(divisor));
        }
        let name = self.word(|c| c.is_ascii_alphanumeric() || c == '_')?;
        Some(Dim::symbol(name))
    }
}

/// A number where it is one, text otherwise.
impl Serialize for Dim {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.known() {
            Some(number) if serializer.is_human_readable() => serializer.serialize_i64(number),
            _ => serializer.collect_str(self),
        }
    }
}

impl<'de> Deserialize<'de> for Dim {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Dim, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Dim;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size")
            }
            fn visit_i64<E: de::Error>(self, size: i64) -> Result<Dim, E> {
                Ok(Dim::constant(size))
            }
            fn visit_u64<E: de::Error>(self, size: u64) -> Result<Dim, E> {
                i64::try_from(size).map(Dim::constant).map_err(E::custom)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Dim, E> {
                text.parse().map_err(E::custom)
            }
        }
        if deserializer.is_human_readable() {
            deserializer.deserialize_any(Visitor)
        } else {
            deserializer.deserialize_str(Visitor)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dim(text: &str) -> Dim {
        text.parse().unwrap()
    }

    #[test]
    fn equal_sizes_have_one_form() {
        assert_eq!(dim("T + T"), dim("2*T"));
        assert_eq!(dim("T*D - D*T"), Dim::constant(0));
        assert_eq!(dim("floor((2*T + 4)/2)"), dim("T + 2"));
    }

    #[test]
    fn prints_what_it_reads() {
        for text in ["0", "8", "T", "2*T + 1", "D*T", "-T + 3", "floor((T - 1)/2) + 1"] {
            assert_eq!(dim(text).to_string(), text);
        }
        assert!("T +".parse::<Dim>().is_err());
        assert!("floor((T)/0)".parse::<Dim>().is_err());
    }

    #[test]
    fn compares_what_can_be_told_from_terms() {
        for (less, more) in [("3", "3"), ("4*B", "4*B*1 + T"), ("B*T", "2*B*T + 7"), ("0", "floor((T)/2)")] {
            assert!(dim(less).is_at_most(&dim(more)), "{less} and {more}");
        }
        for (a, b) in [("B", "T"), ("2*B*T", "B*T"), ("T + 1", "T"), ("4*B + T", "5*B")] {
            assert!(!dim(a).is_at_most(&dim(b)), "{a} and {b}");
        }
    }

    #[test]
    fn evaluates_under_bindings() {
        let bindings = Bindings::from([("T".into(), 7)]);
        assert_eq!(dim("floor((T - 1)/2)").eval(&bindings), Some(3));
        assert_eq!(dim("T - 8").eval(&bindings), None);
        let nothing = Bindings::from([("T".into(), 0)]);
        assert_eq!(dim("floor((T - 1)/2) + 1").eval(&nothing), Some(0));
        assert_eq!(dim("floor((T - 1)/2)").eval(&nothing), None);
        assert_eq!(dim("B").eval(&bindings), None);
    }

    #[test]
    fn divides_where_nothing_is_left() {
        assert_eq!(dim("6*T").exact_div(&dim("T")), Some(Dim::constant(6)));
        assert_eq!(dim("6*T").exact_div(&dim("4")), None);
    }
}
