//! Einstein's sums over any number of tensors: products along axes with letters, summed over the letters that the
//! result lacks. They become contractions of two tensors, one after the other.

use masque_ir::contraction::Contraction;
use masque_ir::ops::{OpError, Product, Reduce, Shape};
use masque_ir::program::Operand;
use masque_ir::{Dim, Type};

use crate::layer::Scope;

/// A tensor whose axes have letters.
#[derive(Clone, Debug)]
pub(super) struct Term {
    x: Operand,
    letters: String,
}

impl Term {
    /// `letters` has one letter for each axis of `x`.
    pub(super) fn new(x: &Operand, letters: impl Into<String>) -> Term {
        Term { x: x.clone(), letters: letters.into() }
    }

    fn size(&self, scope: &Scope<'_>, letter: char) -> Option<Dim> {
        let axis = self.letters.find(letter)?;
        scope.builder.type_of(&self.x).shape.get(axis).cloned()
    }

    /// The same without the axes that some letters name, which are gone once `op` was applied.
    fn without(&self, scope: &mut Scope<'_>, gone: &str, op: Shed) -> Result<Term, OpError> {
        let is_gone = |letter: &char| gone.contains(*letter);
        if !self.letters.chars().any(|letter| is_gone(&letter)) {
            return Ok(self.clone());
        }
        let places = |wanted: bool| {
            let letters = self.letters.chars().enumerate();
            letters.filter(move |(_, letter)| is_gone(letter) == wanted).map(|(axis, _)| axis)
        };
        let ty = scope.builder.type_of(&self.x);
        let operand = std::slice::from_ref(&self.x);
        let x = match op {
            Shed::Summed => {
                let axes = places(true).map(|axis| axis as u32).collect();
                scope.builder.emit(Reduce::Sum { axes, keep: false }, operand)?
            }
            Shed::Single => {
                let shape = places(false).map(|axis| ty.shape[axis].clone()).collect();
                scope.builder.emit(Shape::Reshape { shape }, operand)?
            }
        };
        Ok(Term { x, letters: self.letters.chars().filter(|letter| !is_gone(letter)).collect() })
    }

    /// The same summed over the letters that stand in none of the lists.
    fn only(&self, scope: &mut Scope<'_>, lists: &[&str]) -> Result<Term, OpError> {
        let stands = |letter: &char| lists.iter().any(|list| list.contains(*letter));
        let alone: String = self.letters.chars().filter(|letter| !stands(letter)).collect();
        self.without(scope, &alone, Shed::Summed)
    }

    /// The axes in another order.
    fn in_order(self, scope: &mut Scope<'_>, letters: &str) -> Result<Operand, OpError> {
        if self.letters == letters {
            return Ok(self.x);
        }
        let perm =
            letters.chars().filter_map(|letter| self.letters.find(letter)).map(|axis| axis as u32).collect();
        scope.builder.emit(Shape::Transpose { perm }, &[self.x])
    }
}

/// How an axis goes.
#[derive(Clone, Copy)]
enum Shed {
    /// It is summed over.
    Summed,
    /// It has one position.
    Single,
}

/// The sum of products: the terms have one element type, every letter of the result stands in a term, none twice.
///
/// Axes of one position go along with all positions of the same letter elsewhere.
pub(super) fn einsum(scope: &mut Scope<'_>, terms: &[Term], result: &str) -> Result<Operand, OpError> {
    for term in terms {
        let ty = scope.builder.type_of(&term.x);
        if ty.rank() != term.letters.len() {
            return Err(unfit(format!("a tensor with {} axes", term.letters.len()), &ty));
        }
    }
    let mut open = shed_single_axes(scope, terms)?;
    let mut all = open.remove(0);
    while !open.is_empty() {
        let next = open.remove(0);
        let wanted = |letter: &char| {
            result.contains(*letter) || open.iter().any(|term| term.letters.contains(*letter))
        };
        let kept: String = match open.is_empty() {
            true => result.to_owned(),
            false => {
                let new = next.letters.chars().filter(|letter| !all.letters.contains(*letter));
                all.letters.chars().chain(new).filter(wanted).collect()
            }
        };
        let left = all.only(scope, &[&kept, &next.letters])?;
        let right = next.only(scope, &[&kept, &left.letters])?;
        let axes = Contraction::new(&left.letters, &right.letters, &kept).map_err(|error| {
            unfit(error.to_string(), format!("{},{}->{kept}", left.letters, right.letters))
        })?;
        all = Term { x: scope.builder.emit(Product::Contract { axes }, &[left.x, right.x])?, letters: kept };
    }
    all.only(scope, &[result])?.in_order(scope, result)
}

/// The terms without those axes of one position whose letter has more positions in another term.
fn shed_single_axes(scope: &mut Scope<'_>, terms: &[Term]) -> Result<Vec<Term>, OpError> {
    let mut shed = vec![];
    for term in terms {
        let is_single = |letter: &char| term.size(scope, *letter).is_some_and(|size| size.is_one());
        let is_wider = |letter: &char| {
            terms.iter().any(|other| other.size(scope, *letter).is_some_and(|size| !size.is_one()))
        };
        let single: String =
            term.letters.chars().filter(|letter| is_single(letter) && is_wider(letter)).collect();
        shed.push(term.without(scope, &single, Shed::Single)?);
    }
    Ok(shed)
}

fn unfit(expected: String, found: impl ToString) -> OpError {
    OpError { op: "einsum", expected, found: found.to_string() }
}

/// Letters that do not stand in a text yet.
pub(super) fn letters_beside(used: &str) -> impl Iterator<Item = char> {
    ('a'..='z').chain('A'..='Z').filter(move |letter| !used.contains(*letter))
}

/// One letter for each axis of a tensor, from some letters on.
pub(super) fn letters_for(ty: &Type, letters: &mut impl Iterator<Item = char>) -> Result<String, OpError> {
    let found: String = letters.take(ty.rank()).collect();
    if found.len() == ty.rank() { Ok(found) } else { Err(unfit("fewer axes".into(), ty)) }
}
