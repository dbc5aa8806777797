//! Arithmetic on indices: sums of indices with factors, so that what cancels is never printed.

use masque_ir::dim::Dim;
use masque_ir::ops::Elementwise;

use super::formula::Formula;

/// A sum of products of a size and an index, and a size.
#[derive(Clone, Debug)]
pub(super) struct Affine {
    /// Indices, or quotients and remainders of such sums, with their factors; none twice.
    terms: Vec<(Formula, Dim)>,
    constant: Dim,
}

impl Affine {
    fn number(size: Dim) -> Affine {
        Affine { terms: vec![], constant: size }
    }

    fn atom(atom: Formula) -> Affine {
        Affine { terms: vec![(atom, Dim::constant(1))], constant: Dim::constant(0) }
    }

    /// A formula that is arithmetic on indices.
    pub(super) fn of(formula: &Formula) -> Option<Affine> {
        match formula {
            Formula::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
                Some(Affine::number(Dim::constant(*number as i64)))
            }
            Formula::Size(size) => Some(Affine::number(size.clone())),
            Formula::Index(_) => Some(Affine::atom(formula.clone())),
            Formula::Apply(op, of) => Affine::of_operation(op, of),
            _ => None,
        }
    }

    /// An operation on such arithmetic.
    pub(super) fn of_operation(op: &Elementwise, of: &[Formula]) -> Option<Affine> {
        let [a, b] = of else { return None };
        if !matches!(
            op,
            Elementwise::Add | Elementwise::Sub | Elementwise::Mul | Elementwise::FloorDiv | Elementwise::Mod
        ) {
            return None;
        }
        let (a, b) = (Affine::of(a)?, Affine::of(b)?);
        match op {
            Elementwise::Add => Some(a.plus(&b, &Dim::constant(1))),
            Elementwise::Sub => Some(a.plus(&b, &Dim::constant(-1))),
            Elementwise::Mul => {
                a.constant().map(|a| b.times(&a)).or_else(|| b.constant().map(|b| a.times(&b)))
            }
            Elementwise::FloorDiv => b.constant().filter(positive).map(|by| a.divided(&by)),
            Elementwise::Mod => b.constant().filter(positive).map(|by| a.remainder(&by)),
            _ => None,
        }
    }

    /// The size that it is, if no index is in it.
    pub(super) fn constant(&self) -> Option<Dim> {
        self.terms.is_empty().then(|| self.constant.clone())
    }

    fn times(&self, factor: &Dim) -> Affine {
        let terms = self.terms.iter().map(|(atom, by)| (atom.clone(), by * factor));
        let terms = terms.filter(|(_, by)| by.known() != Some(0)).collect();
        Affine { terms, constant: &self.constant * factor }
    }

    fn plus(mut self, other: &Affine, factor: &Dim) -> Affine {
        for (atom, by) in &other.terms {
            let by = by * factor;
            match self.terms.iter_mut().find(|(own, _)| own == atom) {
                Some((_, own)) => *own = &*own + &by,
                None => self.terms.push((atom.clone(), by)),
            }
        }
        self.terms.retain(|(_, by)| by.known() != Some(0));
        self.constant = &self.constant + &(&other.constant * factor);
        self.joined()
    }

    /// `n * floor(x / n) + x mod n` is `x`.
    fn joined(mut self) -> Affine {
        let pair = self.terms.iter().enumerate().find_map(|(rest, (atom, by))| {
            let Formula::Apply(Elementwise::Mod, of) = atom else { return None };
            let whole = Formula::Apply(Elementwise::FloorDiv, of.clone());
            let factor = by * &Affine::of(of.get(1)?)?.constant()?;
            let place = self.terms.iter().position(|(atom, by)| *atom == whole && *by == factor)?;
            Some((rest, place, Affine::of(of.first()?)?.times(by)))
        });
        let Some((rest, place, x)) = pair else { return self };
        self.terms.remove(rest.max(place));
        self.terms.remove(rest.min(place));
        self.plus(&x, &Dim::constant(1))
    }

    /// The smallest and the largest value, where they can be told.
    pub(super) fn bounds(&self) -> Option<(Dim, Dim)> {
        let (mut low, mut high) = (self.constant.clone(), self.constant.clone());
        for (atom, by) in &self.terms {
            let (least, most) = of_atom(atom)?;
            let (first, last) = match by.known() {
                Some(by) if by < 0 => (most, least),
                _ => (least, most),
            };
            low = &low + &(&first * by);
            high = &high + &(&last * by);
        }
        Some((low, high))
    }

    /// Is it always one of 0 to `size - 1`?
    fn below(&self, size: &Dim) -> bool {
        self.bounds().is_some_and(|(low, high)| {
            let rest = &(size - &Dim::constant(1)) - &high;
            low.known().is_some_and(|low| low >= 0) && rest.known().is_some_and(|rest| rest >= 0)
        })
    }

    /// The part that `by` divides, already divided, and what is left.
    fn split(&self, by: &Dim) -> (Affine, Affine) {
        let (mut whole, mut rest) = (Affine::number(Dim::constant(0)), self.clone());
        rest.terms.clear();
        for (atom, factor) in &self.terms {
            match factor.exact_div(by) {
                Some(factor) => whole.terms.push((atom.clone(), factor)),
                None => rest.terms.push((atom.clone(), factor.clone())),
            }
        }
        if let Some(constant) = self.constant.exact_div(by) {
            whole.constant = constant;
            rest.constant = Dim::constant(0);
        }
        (whole, rest)
    }

    /// A factor that divides both a term and `by`, and is more than all other terms together.
    fn coarse(&self, by: &Dim) -> Option<(Formula, Dim, Dim, Affine)> {
        self.terms.iter().enumerate().find_map(|(place, (atom, factor))| {
            let left = by.exact_div(factor)?;
            let mut fine = self.clone();
            fine.terms.remove(place);
            fine.below(factor).then(|| (atom.clone(), factor.clone(), left, fine))
        })
    }

    fn divided(&self, by: &Dim) -> Affine {
        let (whole, rest) = self.split(by);
        if rest.below(by) {
            return whole;
        }
        if let (Some(constant), Some(by)) = (rest.constant(), by.known()) {
            return whole.plus(&Affine::number(constant.floor_div(by)), &Dim::constant(1));
        }
        // floor(floor(x / m) / n) is floor(x / (m * n)).
        if let ([(Formula::Apply(Elementwise::FloorDiv, of), factor)], Some(0)) =
            (&rest.terms[..], rest.constant.known())
            && factor.is_one()
            && let [x, inner] = of.as_slice()
            && let Some((x, inner)) = Affine::of(x).zip(Affine::of(inner).and_then(|inner| inner.constant()))
        {
            return whole.plus(&x.divided(&(&inner * by)), &Dim::constant(1));
        }
        let quotient = match rest.coarse(by) {
            Some((atom, _, left, _)) => quotient(Elementwise::FloorDiv, atom, &left),
            None => quotient(Elementwise::FloorDiv, rest.formula(), by),
        };
        whole.plus(&Affine::atom(quotient), &Dim::constant(1))
    }

    fn remainder(&self, by: &Dim) -> Affine {
        let (_, rest) = self.split(by);
        if rest.below(by) {
            return rest;
        }
        if let (Some(constant), Some(by)) = (rest.constant().and_then(|rest| rest.known()), by.known()) {
            return Affine::number(Dim::constant(constant.rem_euclid(by)));
        }
        match rest.coarse(by) {
            Some((atom, factor, left, fine)) => {
                fine.plus(&Affine::atom(quotient(Elementwise::Mod, atom, &left)), &factor)
            }
            None => Affine::atom(quotient(Elementwise::Mod, rest.formula(), by)),
        }
    }

    /// As a formula: indices first, the constant last.
    pub(super) fn formula(&self) -> Formula {
        let mut terms: Vec<Formula> = vec![];
        for (atom, by) in &self.terms {
            terms.push(match by.known() {
                Some(1) => atom.clone(),
                _ => Formula::Apply(Elementwise::Mul, vec![Formula::size(by), atom.clone()]),
            });
        }
        if self.constant.known() != Some(0) || terms.is_empty() {
            // What counts down from a size is written `T - t`.
            let counts_down = self.terms.iter().all(|(_, by)| by.known().is_some_and(|by| by < 0));
            terms.insert(if counts_down { 0 } else { terms.len() }, Formula::size(&self.constant));
        }
        let mut terms = terms.into_iter();
        let first = terms.next().unwrap_or(Formula::Number(0.0));
        terms.fold(first, |sum, term| Formula::Apply(Elementwise::Add, vec![sum, term]))
    }
}

/// The smallest and the largest value of what sums are made of.
fn of_atom(atom: &Formula) -> Option<(Dim, Dim)> {
    let one = Dim::constant(1);
    match atom {
        Formula::Index(var) => Some((Dim::constant(0), &var.size - &one)),
        Formula::Apply(Elementwise::Mod, of) => {
            Some((Dim::constant(0), &Affine::of(of.get(1)?)?.constant()? - &one))
        }
        Formula::Apply(Elementwise::FloorDiv, of) => {
            let (low, high) = Affine::of(of.first()?)?.bounds()?;
            let by = Affine::of(of.get(1)?)?.constant()?.known()?;
            Some((low.floor_div(by), high.floor_div(by)))
        }
        _ => None,
    }
}

fn positive(size: &Dim) -> bool {
    size.known().is_none_or(|size| size > 0)
}

fn quotient(op: Elementwise, index: Formula, by: &Dim) -> Formula {
    Formula::Apply(op, vec![index, Formula::size(by)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mathematics::formula::Var;
    use crate::mathematics::indices::reshaped;
    use crate::mathematics::print::Form;

    fn index(name: &str, size: i64) -> Formula {
        Formula::Index(Var { name: name.to_owned(), size: Dim::constant(size) })
    }

    fn of(op: Elementwise, a: Formula, b: f64) -> Formula {
        Formula::apply(op, vec![a, Formula::Number(b)])
    }

    #[test]
    fn what_cancels_is_not_written() {
        use Elementwise::{Add, FloorDiv, Mod, Mul, Sub};
        let (h, d) = (index("h", 2), index("d", 3));
        let flat = Formula::apply(Add, vec![of(Mul, h.clone(), 3.0), d.clone()]);
        assert_eq!(of(FloorDiv, flat.clone(), 3.0), h);
        assert_eq!(of(Mod, flat.clone(), 3.0), d);
        assert_eq!(of(Sub, of(Add, d.clone(), 2.0), 2.0), d);
        let halves =
            Formula::apply(Add, vec![of(Mul, of(FloorDiv, d.clone(), 2.0), 2.0), of(Mod, d.clone(), 2.0)]);
        assert_eq!(halves, d);
        assert_eq!(of(FloorDiv, of(FloorDiv, flat, 2.0), 2.0).text(Form::Plain), "floor((3 · h + d) / 4)");
    }

    #[test]
    fn a_bound_that_always_holds_is_not_written() {
        let t = index("t", 4);
        let inside = |index: &Formula| {
            Formula::inside(index, &Dim::constant(4)).map(|inside| inside.text(Form::Plain))
        };
        assert_eq!(inside(&t), None);
        assert_eq!(inside(&of(Elementwise::Sub, t.clone(), 1.0)).as_deref(), Some("0 ≤ t - 1"));
        assert_eq!(inside(&of(Elementwise::Add, t.clone(), 1.0)).as_deref(), Some("t + 1 < 4"));
        let third = of(Elementwise::FloorDiv, of(Elementwise::Sub, t, 3.0), 2.0);
        assert_eq!(inside(&third).as_deref(), Some("0 ≤ floor((t - 3) / 2)"));
    }

    #[test]
    fn axes_that_stay_keep_their_letters() {
        let [batch, steps, two, three] = [Dim::batch(), Dim::symbol("T"), Dim::constant(2), Dim::constant(3)];
        let b = Formula::Index(Var { name: "b".to_owned(), size: batch.clone() });
        let t = Formula::Index(Var { name: "t".to_owned(), size: steps.clone() });
        let heads = [batch.clone(), steps.clone(), two.clone(), three.clone()];
        let flat = [batch, steps, Dim::constant(6)];
        let text = |index: &[Formula]| index.iter().map(|index| index.text(Form::Plain)).collect::<Vec<_>>();
        let split = reshaped(&[b.clone(), t.clone(), index("h", 2), index("d", 3)], &heads, &flat);
        assert_eq!(text(&split), ["b", "t", "3 · h + d"]);
        let joined = reshaped(&[b, t, index("i", 6)], &flat, &heads);
        assert_eq!(text(&joined), ["b", "t", "floor(i / 3)", "(i mod 3)"]);
    }
}
