//! Operations that move elements: which case of the result is which case of an operand.

use masque_ir::flow::Arrangement;
use masque_ir::{Dim, Type};

use super::layout::{Axis, Bases, Factor, Layout, Segment};
use super::view::{Fact, Reads, View};

/// Facts of the result.
pub(super) fn transfer(
    arrangement: &Arrangement<'_>,
    ty: &Type,
    operands: &[Option<&View>],
    bases: &Bases,
) -> Option<View> {
    let x = operands.first().copied().flatten()?;
    let moved = Moved { x, bases };
    match arrangement {
        Arrangement::Reshaped(_) => moved.reshaped(ty),
        Arrangement::Reversed(axis) => Some(moved.reversed(*axis as usize)),
        Arrangement::Sliced { axis, start, stop, step } => {
            Some(moved.sliced(ty, *axis as usize, [start, stop], *step))
        }
        Arrangement::Padded { low, high, spread } => {
            let value = operands.get(1).copied().flatten()?;
            Some(moved.padded(ty, [low, high], spread, value))
        }
        Arrangement::Joined(axis) => joined(ty, *axis as usize, operands, bases),
    }
}

/// One operand that is moved.
struct Moved<'a> {
    x: &'a View,
    bases: &'a Bases,
}

impl Moved<'_> {
    /// A view whose every case is one of some cases of the operand, `sources` naming them.
    fn view(&self, layout: Layout, own: Reads, sources: impl Fn(&[usize]) -> Vec<Vec<usize>>) -> View {
        let facts = (0..layout.cases(self.bases)).map(|case| {
            let sources = sources(&layout.split(case, self.bases));
            let facts = sources.iter().map(|parts| &self.x.facts[self.x.layout.join(parts, self.bases)]);
            any_of(facts).and_own(own).settled()
        });
        let facts = facts.collect();
        View { layout, facts }
    }

    /// The same cases under an axis that was changed; `source` gives the cases of the axis before.
    fn along(&self, axis: usize, to: Axis, own: Reads, source: impl Fn(&[usize]) -> Vec<Vec<usize>>) -> View {
        let start: usize = self.x.layout.0[..axis].iter().map(Vec::len).sum();
        let mut layout = self.x.layout.clone();
        let width = to.len();
        layout.0[axis] = to;
        self.view(layout, own, |parts| {
            let (before, rest) = parts.split_at(start);
            let (here, behind) = rest.split_at(width);
            source(here).into_iter().map(|here| [before, &here, behind].concat()).collect()
        })
    }

    /// Every case of an axis.
    fn every(&self, axis: usize) -> Vec<Vec<usize>> {
        let layout = Layout(vec![self.x.layout.0[axis].clone()]);
        (0..layout.cases(self.bases)).map(|case| layout.split(case, self.bases)).collect()
    }

    fn reversed(&self, axis: usize) -> View {
        let own = &self.x.layout.0[axis];
        let [factor] = own.as_slice() else {
            let plain = own.iter().map(|factor| Factor::plain(&factor.size)).collect();
            let every = self.every(axis);
            return self.along(axis, plain, Reads::NOTHING, |_| every.clone());
        };
        let turned = |segment: &Segment| Segment {
            reversed: segment.base.is_some() && !segment.reversed,
            ..segment.clone()
        };
        let segments: Vec<Segment> = factor.segments.iter().rev().map(turned).collect();
        let to = Factor { size: factor.size.clone(), segments };
        let source = |here: &[usize]| {
            let case = to.case(here[0], self.bases).map_or(here[0], |(segment, bits)| {
                let behind = to.segments.iter().position(|other| std::ptr::eq(other, segment)).unwrap_or(0);
                to.segments[behind + 1..].iter().map(|other| other.cases(self.bases)).sum::<usize>() + bits
            });
            vec![vec![case]]
        };
        self.along(axis, vec![to.clone()], Reads::NOTHING, source)
    }

    fn sliced(&self, ty: &Type, axis: usize, [start, stop]: [&Dim; 2], step: u32) -> View {
        let own = &self.x.layout.0[axis];
        let whole = step == 1 && *start == Dim::constant(0) && ty.shape[axis] == size(own);
        if whole || own.is_empty() {
            return self.along(axis, own.clone(), Reads::NOTHING, |here| vec![here.to_vec()]);
        }
        let every = self.every(axis);
        let grows = own.iter().any(|factor| self.bases.grows(&factor.size));
        let moving =
            self.bases.grows(start) || grows && self.bases.grows(stop) && !self.bases.grows(&ty.shape[axis]);
        let plain = Layout::plain(std::slice::from_ref(&ty.shape[axis])).0.remove(0);
        let [factor] = own.as_slice() else {
            return self.along(axis, plain, length(moving), |_| every.clone());
        };
        match selected(factor, start, stop, step, self.bases) {
            Selected::Segments(first, segments) => {
                let bases = self.bases;
                let to = match segments.iter().any(|segment| segment.base.is_some()) {
                    true => vec![Factor { size: ty.shape[axis].clone(), segments }],
                    false => plain,
                };
                self.along(axis, to, Reads::NOTHING, |here| {
                    let cases = if here.is_empty() { 0 } else { here[0] };
                    let before = factor.segments[..first].iter().map(|s| s.cases(bases)).sum::<usize>();
                    vec![vec![before + cases]]
                })
            }
            Selected::Case(case) => self.along(axis, plain, Reads::NOTHING, |_| vec![vec![case]]),
            Selected::Unknown => self.along(axis, plain, length(moving), |_| every.clone()),
        }
    }

    fn padded(&self, ty: &Type, [low, high]: [&[i64]; 2], spread: &[u32], value: &View) -> View {
        let mut view = self.x.clone();
        for axis in 0..ty.rank() {
            if (low[axis], high[axis], spread[axis]) == (0, 0, 0) {
                continue;
            }
            let around = Around { low: low[axis], high: high[axis], spread: spread[axis] };
            view = Moved { x: &view, bases: self.bases }.surrounded(ty, axis, around, value);
        }
        view
    }

    fn surrounded(&self, ty: &Type, axis: usize, around: Around, value: &View) -> View {
        let own = &self.x.layout.0[axis];
        let value = value.facts.first().cloned().unwrap_or_default();
        let every = self.every(axis);
        let simple = around.spread == 0 && around.low >= 0 && around.high >= 0;
        let [factor] = own.as_slice() else { return self.mixed(ty, axis, &value, &every) };
        if !simple || factor.is_plain() {
            return self.mixed(ty, axis, &value, &every);
        }
        let fixed =
            |size: i64| (size > 0).then(|| Segment { size: size.into(), base: None, reversed: false });
        let segments: Vec<Segment> = fixed(around.low)
            .into_iter()
            .chain(factor.segments.iter().cloned())
            .chain(fixed(around.high))
            .collect();
        let first = usize::from(around.low > 0);
        let inner = factor.cases(self.bases);
        let to = Factor { size: ty.shape[axis].clone(), segments };
        let mut view = self.along(axis, vec![to], Reads::NOTHING, |here| {
            vec![vec![here[0].saturating_sub(first).min(inner - 1)]]
        });
        let at: usize = view.layout.0[..axis].iter().map(Vec::len).sum();
        for case in 0..view.facts.len() {
            let part = view.layout.split(case, self.bases)[at];
            if part < first || part >= first + inner {
                view.facts[case] = Fact { copy: None, ..value.clone() };
            }
        }
        view
    }

    /// Values anywhere along an axis, and its positions no longer where they were.
    fn mixed(&self, ty: &Type, axis: usize, value: &Fact, every: &[Vec<usize>]) -> View {
        let plain = Layout::plain(std::slice::from_ref(&ty.shape[axis])).0.remove(0);
        let mut view = self.along(axis, plain, Reads::NOTHING, |_| every.to_vec());
        for fact in &mut view.facts {
            *fact = fact.or(value).settled();
        }
        view
    }

    /// The factors of the axes, put together anew where their sizes allow it.
    fn reshaped(&self, ty: &Type) -> Option<View> {
        let factors: Vec<&Factor> = self.x.layout.factors().collect();
        let mut taken = 0;
        let mut layout = Layout::default();
        // For every factor of the result the one it was; none where all cases are seen.
        let mut origins: Vec<Option<usize>> = vec![];
        let mut mixed = vec![false; factors.len()];
        let mut at = 0;
        while at < ty.shape.len() {
            let (from, to) = (taken, at);
            let mut have = Dim::constant(1);
            let mut want = ty.shape[at].clone();
            at += 1;
            if want.is_one() {
                layout.0.push(vec![]);
                continue;
            }
            while have != want {
                let next = factors.get(taken).map(|factor| &have * &factor.size);
                match next {
                    Some(next) if want.exact_div(&next).is_some() || at == ty.shape.len() => {
                        have = next;
                        taken += 1;
                    }
                    _ if at < ty.shape.len() => {
                        want = &want * &ty.shape[at];
                        at += 1;
                    }
                    _ => return None,
                }
            }
            if at == to + 1 {
                layout.0.push(factors[from..taken].iter().map(|&factor| factor.clone()).collect());
                origins.extend((from..taken).map(Some));
            } else {
                mixed[from..taken].fill(true);
                let plain = Layout::plain(&ty.shape[to..at]).0;
                origins.extend(plain.iter().flatten().map(|_| None));
                layout.0.extend(plain);
            }
        }
        (taken == factors.len()).then(|| self.regrouped(layout, &origins, &mixed))
    }

    fn regrouped(&self, layout: Layout, origins: &[Option<usize>], mixed: &[bool]) -> View {
        let radix: Vec<usize> = self.x.layout.factors().map(|factor| factor.cases(self.bases)).collect();
        // Positions that come and go with padding, in an order that depends on how many there are.
        let lost = self
            .x
            .layout
            .factors()
            .zip(mixed)
            .any(|(factor, &mixed)| mixed && self.bases.grows(&factor.size));
        self.view(layout, length(lost), |parts| {
            let mut sources = vec![vec![]];
            for (place, &cases) in radix.iter().enumerate() {
                let from = origins.iter().position(|origin| *origin == Some(place));
                let choices: Vec<usize> = match from {
                    Some(from) => vec![parts[from]],
                    None => (0..cases).collect(),
                };
                sources = sources
                    .into_iter()
                    .flat_map(|before| choices.iter().map(move |&next| [&before[..], &[next]].concat()))
                    .collect();
            }
            sources
        })
    }
}

/// What is put around an axis.
#[derive(Clone, Copy)]
struct Around {
    low: i64,
    high: i64,
    spread: u32,
}

/// What a slice of an axis over padded sequences is.
enum Selected {
    /// Some of its segments, from that one on.
    Segments(usize, Vec<Segment>),
    /// Positions that are all of one case.
    Case(usize),
    /// Some of this and some of that.
    Unknown,
}

fn selected(factor: &Factor, start: &Dim, stop: &Dim, step: u32, bases: &Bases) -> Selected {
    let mut at = Dim::constant(0);
    let mut cases = 0;
    let mut first = None;
    for (place, segment) in factor.segments.iter().enumerate() {
        if at == *start && step == 1 {
            first = Some(place);
        }
        let end = &at + &segment.size;
        if let Some(first) = first.filter(|_| end == *stop) {
            return Selected::Segments(first, factor.segments[first..=place].to_vec());
        }
        let (offset, until) = ((start - &at).known(), (stop - &at).known());
        match segment.base {
            // The first position is padding in no sequence.
            Some(_) if !segment.reversed && offset == Some(0) && until == Some(1) => {
                return Selected::Case(cases);
            }
            None if offset.is_some_and(|offset| offset >= 0)
                && (&end - stop).known().is_some_and(|rest| rest >= 0) =>
            {
                return Selected::Case(cases);
            }
            _ => {}
        }
        cases += segment.cases(bases);
        at = end;
    }
    Selected::Unknown
}

/// Parts behind each other.
fn joined(ty: &Type, axis: usize, operands: &[Option<&View>], bases: &Bases) -> Option<View> {
    let parts: Vec<&View> = operands.iter().copied().collect::<Option<_>>()?;
    let sequences = parts.iter().any(|part| part.layout.0[axis].iter().any(|factor| !factor.is_plain()));
    let fits = |part: &&View| match part.layout.0[axis].as_slice() {
        [] => true,
        [factor] => !factor.is_plain() || !bases.grows(&factor.size),
        _ => false,
    };
    let segmented = sequences && parts.iter().all(fits);
    let mut layout = common(&parts, axis);
    layout.0[axis] = match segmented {
        true => {
            let segments = parts.iter().flat_map(|part| segments(&part.layout.0[axis])).collect();
            vec![Factor { size: ty.shape[axis].clone(), segments }]
        }
        false => Layout::plain(std::slice::from_ref(&ty.shape[axis])).0.remove(0),
    };
    let at: usize = layout.0[..axis].iter().map(Vec::len).sum();
    let offsets: Vec<usize> = parts
        .iter()
        .scan(0, |next, part| {
            let own: usize = part.layout.0[axis].iter().map(|factor| factor.cases(bases)).product();
            *next += own;
            Some(*next - own)
        })
        .collect();
    let facts = (0..layout.cases(bases)).map(|case| {
        let here = layout.split(case, bases);
        let mut found: Vec<Fact> = vec![];
        for (place, part) in parts.iter().enumerate() {
            for case in 0..part.facts.len() {
                let own = part.layout.split(case, bases);
                if meets(&layout, &here, part, &own, axis, segmented.then(|| (at, offsets[place])), bases) {
                    found.push(part.facts[case].clone());
                }
            }
        }
        any_of(found.iter()).settled()
    });
    let facts = facts.collect();
    Some(View { layout, facts })
}

/// Is this case of a part in this case of the whole?
fn meets(
    layout: &Layout,
    here: &[usize],
    part: &View,
    own: &[usize],
    axis: usize,
    segmented: Option<(usize, usize)>,
    bases: &Bases,
) -> bool {
    let (mut at, mut from) = (0, 0);
    for (place, (whole, mine)) in layout.0.iter().zip(&part.layout.0).enumerate() {
        let (there, here) = (&own[from..from + mine.len()], &here[at..at + whole.len()]);
        let fits = if place == axis {
            segmented.is_none_or(|(_, offset)| {
                let case = mine.iter().zip(there).fold(0, |case, (f, part)| case * f.cases(bases) + part);
                here.first() == Some(&(offset + case))
            })
        } else {
            whole != mine || here == there
        };
        if !fits {
            return false;
        }
        at += whole.len();
        from += mine.len();
    }
    true
}

/// The axes of parts that are joined along one of them.
fn common(parts: &[&View], axis: usize) -> Layout {
    let mut layout = parts[0].layout.clone();
    for part in &parts[1..] {
        for (place, (all, own)) in layout.0.iter_mut().zip(&part.layout.0).enumerate() {
            let known = |axis: &Axis| axis.iter().any(|factor| !factor.is_plain());
            if place != axis && all != own {
                match (known(all), known(own)) {
                    (_, false) => {}
                    (false, true) => *all = own.clone(),
                    (true, true) => *all = all.iter().map(|factor| Factor::plain(&factor.size)).collect(),
                }
            }
        }
    }
    layout
}

fn segments(axis: &Axis) -> Vec<Segment> {
    match axis.as_slice() {
        [factor] if !factor.is_plain() => factor.segments.clone(),
        [factor] => vec![Segment { size: factor.size.clone(), base: None, reversed: false }],
        _ => vec![Segment { size: Dim::constant(1), base: None, reversed: false }],
    }
}

/// One of these, nobody knows which.
fn any_of<'a>(facts: impl Iterator<Item = &'a Fact>) -> Fact {
    facts.cloned().reduce(|all, fact| all.or(&fact)).unwrap_or_default()
}

fn size(axis: &Axis) -> Dim {
    axis.iter().fold(Dim::constant(1), |size, factor| &size * &factor.size)
}

fn length(holds: bool) -> Reads {
    if holds { Reads::LENGTH } else { Reads::NOTHING }
}
