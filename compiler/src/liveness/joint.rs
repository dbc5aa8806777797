//! Operations whose axes run together by letters: elementwise ones, folds, products, windows.
//!
//! Each case of the result is made of *terms*, one for each case of what is folded away and of what is seen beside a
//! position. A term that is neutral adds nothing, so that nothing of it is read; that is how a masked sum is seen not
//! to look at padding.

use masque_ir::Type;
use masque_ir::flow::{Element, Fold, Joint, Known, Role};
use masque_ir::ops::Op;

use super::layout::{Axis, Bases, Factor, Layout, axis};
use super::view::{Fact, Holds, Reads, View};
use super::window::{neighbours, window};

/// Terms beyond this number are not looked at one by one.
const MOST_TERMS: usize = 1 << 14;

/// Facts of the result, or nothing where there are too many cases.
pub(super) fn transfer(
    op: &Op,
    joint: &Joint,
    ty: &Type,
    operands: &[Option<&View>],
    bases: &Bases,
) -> Option<View> {
    let letters = Letters::new(joint, ty, operands, bases);
    let layout = Layout(letters.axes[..joint.rank].to_vec());
    let (cases, inner) = (layout.cases(bases), Layout(letters.axes[joint.rank..].to_vec()));
    let folded = inner.cases(bases);
    if cases.saturating_mul(folded) > MOST_TERMS {
        return None;
    }
    let mut facts = Vec::with_capacity(cases);
    for case in 0..cases {
        let outer = layout.split(case, bases);
        let mut terms = vec![];
        for inside in 0..folded {
            let parts = [outer.clone(), inner.split(inside, bases)].concat();
            letters.terms(op, &parts, operands, &mut terms)?;
        }
        let mut fact = folding(&terms, joint.fold, inner.factors().next().is_some());
        if let Some(count) = counted(&terms, joint.fold, &inner, bases) {
            fact.known = count;
        }
        facts.push(fact);
    }
    Some(View { layout, facts })
}

/// One thing that a case of the result is made of.
struct Term {
    fact: Fact,
    /// Does it depend on the number of padded positions how often it occurs?
    repeats: bool,
    /// Are there sequences in which it does not occur?
    padded: bool,
    /// Is it one of several things that are looked at from one position?
    beside: bool,
    /// Is it just beside that position?
    near: bool,
}

/// A sum of 1 for every valid position, and 0 for every other one.
fn counted(terms: &[Term], fold: Fold, folded: &Layout, bases: &Bases) -> Option<Known> {
    let [factor] = folded.factors().collect::<Vec<_>>()[..] else { return None };
    let base = factor.whole().filter(|&base| bases.all[base].masks == 1 && fold == Fold::SUM)?;
    let numbers: Vec<Option<f64>> = terms.iter().map(|term| term.fact.known.number()).collect();
    (numbers == [Some(1.0), Some(0.0)]).then_some(Known::Count { axis: base as u32, less: 0 })
}

/// Whether a case of the folded positions is padding.
#[derive(Clone, Copy)]
struct Folded {
    padded: bool,
    repeats: bool,
}

/// The axes that letters run along, and what each operand has to do with them.
struct Letters<'a> {
    joint: &'a Joint,
    axes: Vec<Axis>,
    /// What is known of the last operand, whose elements may pick rows.
    picks: Known,
    bases: &'a Bases,
}

impl<'a> Letters<'a> {
    fn new(joint: &'a Joint, ty: &Type, operands: &[Option<&View>], bases: &'a Bases) -> Letters<'a> {
        let last = joint.operands.iter().flatten().filter_map(|role| match role {
            Role::At(letter) => Some(*letter as usize + 1),
            _ => None,
        });
        let count = last.max().unwrap_or(0).max(joint.rank);
        let mut axes: Vec<Option<Axis>> = vec![None; count];
        for (roles, view) in joint.operands.iter().zip(operands) {
            let Some(view) = view else { continue };
            for (role, own) in roles.iter().zip(&view.layout.0) {
                let (letter, own) = match role {
                    Role::At(letter) => (*letter as usize, own.clone()),
                    Role::Window { to, .. } => {
                        let size = &ty.shape[*to as usize];
                        (*to as usize, window(*role, own, bases).unwrap_or_else(|| plain(size)))
                    }
                    Role::Scattered(to) => (*to as usize, plain(&ty.shape[*to as usize])),
                    Role::Picked => continue,
                };
                axes[letter] = Some(meet(axes[letter].take(), own));
            }
        }
        let fill = |(letter, found): (usize, Option<Axis>)| match (found, ty.shape.get(letter)) {
            (Some(found), Some(size)) if found.is_empty() && !size.is_one() => axis(size, bases),
            (Some(found), _) => found,
            (None, Some(size)) => axis(size, bases),
            (None, None) => vec![],
        };
        let picks = operands.last().copied().flatten().map_or(Known::Anything, |view| view.all().known);
        Letters { joint, axes: axes.into_iter().enumerate().map(fill).collect(), picks, bases }
    }

    /// The parts of a case that belong to a letter.
    fn of<'p>(&self, letter: usize, parts: &'p [usize]) -> &'p [usize] {
        let start: usize = self.axes[..letter].iter().map(Vec::len).sum();
        &parts[start..start + self.axes[letter].len()]
    }

    /// Adds the terms of one case of all letters.
    fn terms(
        &self,
        op: &Op,
        parts: &[usize],
        operands: &[Option<&View>],
        terms: &mut Vec<Term>,
    ) -> Option<()> {
        let choices: Vec<Vec<Choice>> = self
            .joint
            .operands
            .iter()
            .zip(operands)
            .map(|(roles, view)| {
                view.map_or(vec![Choice::default()], |view| self.choices(roles, view, parts))
            })
            .collect();
        if choices.iter().map(Vec::len).product::<usize>() > MOST_TERMS {
            return None;
        }
        let folded = self.folded(parts);
        let mut chosen = vec![0; choices.len()];
        loop {
            let picks: Vec<Choice> = chosen.iter().zip(&choices).map(|(&at, of)| of[at]).collect();
            terms.push(self.term(op, &picks, operands, folded));
            let Some(next) = (0..chosen.len()).rev().find(|&at| chosen[at] + 1 < choices[at].len()) else {
                return Some(());
            };
            chosen[next] += 1;
            chosen[next + 1..].fill(0);
        }
    }

    /// Is this a case of folded positions that padding adds to?
    fn folded(&self, parts: &[usize]) -> Folded {
        let mut folded = Folded { padded: false, repeats: false };
        for letter in self.joint.rank..self.axes.len() {
            for (factor, &part) in self.axes[letter].iter().zip(self.of(letter, parts)) {
                let padded = factor.is_padded(part, self.bases);
                folded.padded |= padded;
                folded.repeats |= self.bases.grows(&factor.size) && (padded || factor.is_plain());
            }
        }
        folded
    }

    /// Which cases of an operand a case of the letters looks at.
    fn choices(&self, roles: &[Role], view: &View, parts: &[usize]) -> Vec<Choice> {
        let mut choices = vec![Choice::default()];
        for (role, own) in roles.iter().zip(&view.layout.0) {
            let cases: usize = own.iter().map(|factor| factor.cases(self.bases)).product();
            let seen = self.seen(*role, own, parts);
            choices = choices
                .iter()
                .flat_map(|before| seen.iter().map(|next| before.with(cases, next)).collect::<Vec<_>>())
                .collect();
        }
        choices
    }

    /// The cases of one axis of an operand that a case of the letters looks at.
    fn seen(&self, role: Role, own: &Axis, parts: &[usize]) -> Vec<Choice> {
        let cases: usize = own.iter().map(|factor| factor.cases(self.bases)).product();
        let grows = own.iter().any(|factor| self.bases.grows(&factor.size));
        let all = |grown: bool| (0..cases).map(|case| Choice::beside(case, grown)).collect::<Vec<_>>();
        match role {
            Role::At(letter) => {
                let (axis, parts) = (&self.axes[letter as usize], self.of(letter as usize, parts));
                if own.is_empty() || own.iter().all(Factor::is_plain) {
                    return vec![Choice { varies: !own.is_empty() && self.moves(axis), ..Choice::default() }];
                }
                if axis == own {
                    let case =
                        own.iter().zip(parts).fold(0, |case, (f, part)| case * f.cases(self.bases) + part);
                    return vec![Choice { case, varies: true, ..Choice::default() }];
                }
                // Two orders of the same positions: which meets which depends on how many there are.
                all(grows)
            }
            Role::Window { to, .. } => {
                let (axis, parts) = (&self.axes[to as usize], self.of(to as usize, parts));
                match window(role, own, self.bases) {
                    Some(aligned) if aligned == *axis => neighbours(role, &own[0], parts[0], self.bases),
                    _ => all(grows && !axis.iter().any(|factor| self.bases.grows(&factor.size))),
                }
            }
            Role::Scattered(to) => {
                let axis = &self.axes[to as usize];
                all(grows && !axis.iter().any(|factor| self.bases.grows(&factor.size)))
            }
            Role::Picked if cases == 1 => vec![Choice::default()],
            Role::Picked if self.picks_last(own) => vec![Choice::default()],
            Role::Picked => all(false),
        }
    }

    /// Are valid positions of this axis picked, by their numbers counted from the last one?
    fn picks_last(&self, own: &Axis) -> bool {
        let ([factor], Known::Count { axis, less: 1 }) = (own.as_slice(), self.picks) else { return false };
        factor.whole() == Some(axis as usize)
    }

    /// Do positions along this axis come and go with padding?
    fn moves(&self, axis: &Axis) -> bool {
        axis.iter().any(|factor| !factor.is_plain() || self.bases.grows(&factor.size))
    }

    /// One term, of one case of each operand.
    fn term(&self, op: &Op, picks: &[Choice], operands: &[Option<&View>], folded: Folded) -> Term {
        let present: Vec<(usize, &Fact, &Choice)> = operands
            .iter()
            .enumerate()
            .filter_map(|(place, view)| {
                view.map(|view| (place, &view.facts[picks[place].case], &picks[place]))
            })
            .collect();
        let known: Vec<Known> = present.iter().map(|(_, fact, _)| fact.known).collect();
        let (known, read, copy) = match op.element(&known) {
            Element::Of(one) if one < present.len() => {
                (present[one].1.known, &present[one..=one], present[one].1.copy)
            }
            Element::Of(_) => (Known::Anything, &present[..], None),
            Element::Is(known) => (known, &present[..], None),
        };
        let mut fact = Fact { known, copy, ..Fact::default() };
        for (place, operand, choice) in read {
            fact.reads = fact.reads | operand.reads;
            if operand.known.number().is_none() {
                fact.from.insert((*place, choice.case));
            }
        }
        let rows = read.iter().filter(|(_, _, choice)| choice.varies);
        let rows =
            rows.map(|(_, fact, _)| if fact.known.number().is_some() { Holds::Same } else { fact.holds });
        fact.holds = rows.reduce(Holds::with).unwrap_or(Holds::Same);
        let picks_rows = self.joint.operands.iter().flatten().any(|role| *role == Role::Picked);
        if picks_rows && padding_row(operands, picks, self.bases) {
            fact = fact.and_own(Reads::CONTENT);
        }
        let any = |holds: fn(&Choice) -> bool| picks.iter().any(holds);
        if any(|choice| choice.beside) {
            fact.copy = None;
        }
        Term {
            fact: fact.settled(),
            repeats: folded.repeats || any(|choice| choice.grown),
            padded: folded.padded || any(|choice| choice.beside),
            beside: any(|choice| choice.beside),
            near: any(|choice| choice.near) && !folded.repeats,
        }
    }
}

/// A row that only padding picks: a number that no other position has. What stands in it is padding's content.
fn padding_row(operands: &[Option<&View>], picks: &[Choice], bases: &Bases) -> bool {
    let Some((Some(indices), choice)) = operands.last().zip(picks.last()) else { return false };
    if !indices.layout.is_padded(choice.case, bases) {
        return false;
    }
    let number = indices.facts[choice.case].known;
    number.number().is_some() && indices.facts[0].known != number
}

/// A case of an operand that is looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Choice {
    pub(super) case: usize,
    /// Does the operand vary along positions that come and go with padding?
    pub(super) varies: bool,
    /// Is it one of several that may be looked at, instead of or beside the position's own?
    pub(super) beside: bool,
    /// Does it depend on the number of padded positions whether, or how often, it is looked at?
    pub(super) grown: bool,
    /// Is it just beside the position?
    pub(super) near: bool,
}

impl Choice {
    fn beside(case: usize, grown: bool) -> Choice {
        Choice { case, varies: true, beside: true, grown, near: false }
    }

    fn with(&self, cases: usize, next: &Choice) -> Choice {
        Choice {
            case: self.case * cases + next.case,
            varies: self.varies || next.varies,
            beside: self.beside || next.beside,
            grown: self.grown || next.grown,
            near: self.near || next.near,
        }
    }
}

/// An axis of which only the size is known.
fn plain(size: &masque_ir::Dim) -> Axis {
    if size.is_one() { vec![] } else { vec![Factor::plain(size)] }
}

/// The axis along which two operands run together.
fn meet(before: Option<Axis>, next: Axis) -> Axis {
    let Some(before) = before else { return next };
    let known = |axis: &Axis| axis.iter().any(|factor| !factor.is_plain());
    match (known(&before), known(&next)) {
        _ if before == next || next.is_empty() => before,
        _ if before.is_empty() => next,
        (false, true) => next,
        (true, false) | (false, false) => before,
        // Two orders: none.
        (true, true) => before.into_iter().map(|factor| Factor { segments: vec![], ..factor }).collect(),
    }
}

/// Puts the terms of one case together.
fn folding(terms: &[Term], fold: Fold, folds: bool) -> Fact {
    if let ([term], false) = (terms, folds) {
        let own = if term.repeats { Reads::LENGTH } else { Reads::NOTHING };
        return term.fact.clone().and_own(own).settled();
    }
    let adds = |term: &&Term| {
        let number = term.fact.known.number();
        let low = fold == Fold::LARGEST && term.fact.known.is_low();
        let held = fold.picks && term.padded && term.fact.holds == Holds::Carried;
        !(low || held || number.is_some() && number == fold.neutral)
    };
    let mut counted: Vec<&Term> = terms.iter().filter(adds).collect();
    if counted.is_empty() {
        counted = terms.iter().collect();
    }
    let adds_nothing = terms.iter().all(|term| !adds(&term));
    let holds = |term: &&Term| if term.beside { Holds::Each } else { term.fact.holds };
    let holds = counted.iter().map(holds).reduce(Holds::with).unwrap_or(Holds::Same);
    let mut all = Fact { holds, ..Fact::default() };
    for term in &counted {
        let fact = &term.fact;
        // Of equal rows, and of what stands just beside, it only matters what they are.
        let once = term.near || fold.picks && fact.holds == Holds::Same;
        let length = term.repeats && !adds_nothing && !(once && fact.reads.content);
        all.own = all.own | fact.own | Reads { length, content: false };
        all.reads = all.reads | fact.reads;
        all.from.extend(fact.from.iter().copied());
    }
    all.reads = all.reads | all.own;
    all.known = known(terms, &counted, fold);
    all.settled()
}

/// What is known of a fold. Terms of padding need not be there at all.
fn known(terms: &[Term], counted: &[&Term], fold: Fold) -> Known {
    let all = terms.iter().map(|term| term.fact.known).reduce(Known::or).unwrap_or_default();
    let sure = counted.iter().all(|term| !term.padded);
    let counted = counted.iter().map(|term| term.fact.known).reduce(Known::or).unwrap_or_default();
    match all.number() {
        Some(number) if fold.picks || fold.neutral.is_none_or(|neutral| neutral == number) => all,
        _ if fold.picks && sure => counted,
        _ if fold.picks && !sure => all,
        _ => Known::Anything,
    }
}
