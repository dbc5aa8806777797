//! Letters for axes, and indices under another shape.

use masque_ir::dim::Dim;
use masque_ir::ops::Elementwise;
use masque_ir::ty::Type;

use super::formula::Formula;

/// Letters for what has no better one.
const POOL: [&str; 12] = ["i", "j", "k", "l", "m", "n", "p", "q", "r", "u", "v", "w"];

/// The letters of a tensor's axes: the batch, positions, features.
pub(super) fn letters(ty: &Type) -> Vec<&'static str> {
    let batch =
        ty.shape.first().is_some_and(|size| size.symbols().iter().any(|name| name.starts_with(Dim::BATCH)));
    let rank = ty.rank();
    if !batch {
        return POOL.iter().copied().cycle().take(rank).collect();
    }
    let steps = |size: &Dim| size.known().is_none() || !ty.dtype.is_float();
    match rank {
        1 => vec!["b"],
        2 if steps(&ty.shape[1]) => vec!["b", "t"],
        2 => vec!["b", "i"],
        3 if !ty.dtype.is_float() => vec!["b", "t", "s"],
        3 => vec!["b", "t", "i"],
        _ => {
            let middle = ["p", "q", "r", "u", "v", "w"].into_iter().cycle().take(rank - 2);
            std::iter::once("b").chain(middle).chain(["i"]).collect()
        }
    }
}

/// A letter that is not taken: the wanted one, or another.
pub(super) fn fresh(wanted: &str, taken: &[String]) -> String {
    let free = |letter: &&str| !taken.iter().any(|other| other == letter);
    let letter = std::iter::once(wanted).chain(POOL).find(free);
    letter.map_or_else(|| numbered(wanted, taken), str::to_owned)
}

fn numbered(wanted: &str, taken: &[String]) -> String {
    let names = (1..=taken.len() + 1).map(|number| format!("{wanted}{number}"));
    names.into_iter().find(|name| !taken.contains(name)).unwrap_or_else(|| wanted.to_owned())
}

/// Sum of two indices.
pub(super) fn plus(a: Formula, b: Formula) -> Formula {
    Formula::apply(Elementwise::Add, vec![a, b])
}

/// An index times a size, plus another size.
pub(super) fn scaled(index: Formula, by: &Dim, shift: &Dim) -> Formula {
    let product = Formula::apply(Elementwise::Mul, vec![Formula::size(by), index]);
    plus(product, Formula::size(shift))
}

/// The indices in an array of one shape of what has these indices in another one.
pub(super) fn reshaped(index: &[Formula], shape: &[Dim], into: &[Dim]) -> Vec<Formula> {
    let one = Dim::constant(1);
    let mut found = Vec::with_capacity(into.len());
    let (mut from, mut to) = (0, 0);
    while from < shape.len() || to < into.len() {
        // The smallest groups of axes that hold the same number of elements.
        let start = [from, to];
        let mut a = one.clone();
        let mut ends = None;
        for end in from..=shape.len() {
            a = if end > from { &a * &shape[end - 1] } else { a };
            let mut b = one.clone();
            for stop in to..=into.len() {
                b = if stop > to { &b * &into[stop - 1] } else { b };
                let moves = end > start[0] || stop > start[1];
                if moves && a == b && ends.is_none() {
                    ends = Some([end, stop]);
                }
            }
            if ends.is_some() {
                break;
            }
        }
        let [end, stop] = ends.unwrap_or([shape.len(), into.len()]);
        found.extend(group(&index[from..end], &shape[from..end], &into[to..stop]));
        (from, to) = (end, stop);
    }
    found
}

/// The same within a group of axes.
fn group(index: &[Formula], shape: &[Dim], into: &[Dim]) -> Vec<Formula> {
    let wide = |shape: &[Dim]| shape.iter().filter(|size| !size.is_one()).count();
    if wide(into) == 1 && wide(shape) == 1 {
        let at = shape.iter().position(|size| !size.is_one()).unwrap_or(0);
        let index = |size: &Dim| if size.is_one() { Formula::Number(0.0) } else { index[at].clone() };
        return into.iter().map(index).collect();
    }
    let mut place = Formula::Number(0.0);
    for (index, size) in index.iter().zip(shape) {
        place = plus(Formula::apply(Elementwise::Mul, vec![Formula::size(size), place]), index.clone());
    }
    let mut below = Dim::constant(1);
    let mut found = vec![];
    for (axis, size) in into.iter().enumerate().rev() {
        let quotient = Formula::apply(Elementwise::FloorDiv, vec![place.clone(), Formula::size(&below)]);
        let first = into[..axis].iter().all(Dim::is_one);
        found.push(match (size.is_one(), first) {
            (true, _) => Formula::Number(0.0),
            (false, true) => quotient,
            (false, false) => Formula::apply(Elementwise::Mod, vec![quotient, Formula::size(size)]),
        });
        below = &below * size;
    }
    found.reverse();
    found
}

/// The indices of an operand that is broadcast from the right.
pub(super) fn aligned(index: &[Formula], operand: &Type, result: &Type) -> Vec<Formula> {
    let skipped = index.len().saturating_sub(operand.rank());
    let axes = index[skipped..].iter().zip(operand.shape.iter().zip(&result.shape[skipped..]));
    axes.map(|(index, (own, whole))| match own.is_one() && !whole.is_one() {
        true => Formula::Number(0.0),
        false => index.clone(),
    })
    .collect()
}
