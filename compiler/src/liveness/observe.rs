//! What a caller sees, and the way from padding to it.
//!
//! An output whose second axis runs over padded sequences is seen where its mask holds, or, if it has none, where it
//! is no padding, and never at positions that are padding by every mask there is. Any other output is seen as a whole,
//! its size included.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use masque_ir::program::{Operand, Program, Value};

use super::Facts;
use super::view::{Reads, View};

/// How far what stands at the padded positions of a value is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Liveness {
    /// Nowhere: it need not be computed.
    Dead,
    /// At padded positions of outputs.
    Shown,
    /// At valid ones.
    Live,
}

/// What an output reads of the padding.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// Its name.
    pub name: String,
    /// What it reads where it is seen.
    pub reads: Reads,
    /// The way of what it reads first, from where it comes in to the output.
    pub path: Vec<Step>,
    /// Does it have positions of its own, so that it is not seen as a whole?
    pub by_position: bool,
    /// Does it read only what is padding in one input and not in another? Then it reads nothing where callers pad them
    /// at the same positions.
    pub apart: bool,
}

/// A step on the way of padding to an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Step {
    /// A value.
    pub value: Value,
    /// The case of it.
    pub case: usize,
    /// What comes in there.
    pub own: Reads,
}

/// What is seen of a value.
struct Seen {
    cases: BTreeSet<usize>,
    own: Reads,
    by_position: bool,
}

impl Facts {
    /// What each output reads of the padding.
    pub fn outputs(&self, program: &Program) -> Vec<Output> {
        program
            .outputs
            .iter()
            .map(|output| {
                let unread = Output {
                    name: output.name.clone(),
                    reads: Reads::NOTHING,
                    path: vec![],
                    by_position: false,
                    apart: false,
                };
                let Some(value) = output.operand.value() else { return unread };
                let seen = self.seen(program, value);
                let view = self.view(value);
                let reads = seen
                    .cases
                    .iter()
                    .map(|&case| view.facts[case].reads)
                    .fold(seen.own, |all, reads| all | reads);
                Output {
                    reads,
                    path: self.path(program, value, &seen, reads),
                    by_position: seen.by_position,
                    ..unread
                }
            })
            .collect()
    }

    /// Which cases of an output are seen, and what its size tells.
    fn seen(&self, program: &Program, value: Value) -> Seen {
        let view = self.view(value);
        let all: BTreeSet<usize> = (0..view.facts.len()).collect();
        let grows = view.layout.grows(self.bases());
        let axes: BTreeSet<usize> =
            view.layout.sequences(0, self.bases()).iter().map(|(axis, _)| *axis).collect();
        let whole =
            Seen { cases: all.clone(), own: Reads { content: false, length: grows }, by_position: false };
        let [factor] = view.layout.0.get(1).map_or(&[][..], Vec::as_slice) else { return whole };
        if axes != BTreeSet::from([1]) || factor.whole().is_none() {
            return whole;
        }
        let mask = program.result(value).mask.map(|mask| self.view(mask));
        let cases = all.into_iter().filter(|&case| self.is_seen(view, case, mask)).collect();
        Seen { cases, own: Reads::NOTHING, by_position: true }
    }

    /// Is a case of an output one that its mask holds in? A mask that padding decides is not believed.
    fn is_seen(&self, view: &View, case: usize, mask: Option<&View>) -> bool {
        let padded = view.layout.is_padded(case, self.bases());
        let before: usize = view.layout.0[0].len();
        let at = view.layout.split(case, self.bases());
        if view.layout.0[1][0].is_only_padding(at[before], self.bases()) {
            return false;
        }
        let says = mask.filter(|mask| mask.layout.0.get(1) == view.layout.0.get(1)).map(|mask| {
            let before_mask = mask.layout.0[0].len();
            let mut parts = vec![0; mask.layout.factors().count()];
            parts[before_mask] = at[before];
            &mask.facts[mask.layout.join(&parts, self.bases())]
        });
        match says {
            Some(fact) => match fact.known.number() {
                Some(number) => number != 0.0,
                None => !padded || !fact.reads.any(),
            },
            None => !padded,
        }
    }

    /// The parts that decide a part of a value.
    fn edges<'a>(
        &'a self,
        program: &'a Program,
        value: Value,
        case: usize,
    ) -> impl Iterator<Item = (Value, usize)> + 'a {
        let node = &program.nodes[value.node as usize];
        let from = &self.view(value).facts[case].from;
        from.iter()
            .filter_map(|&(place, case)| Some((node.operands.get(place).and_then(Operand::value)?, case)))
    }

    /// Everything that decides what is seen of an output.
    pub(super) fn behind(&self, program: &Program, output: Value) -> BTreeSet<(Value, usize)> {
        let mut open: Vec<(Value, usize)> =
            self.seen(program, output).cases.into_iter().map(|case| (output, case)).collect();
        let mut found: BTreeSet<(Value, usize)> = open.iter().copied().collect();
        while let Some((value, case)) = open.pop() {
            open.extend(self.edges(program, value, case).filter(|&part| found.insert(part)));
        }
        found
    }

    /// The shortest way back from what is seen to where something of the padding comes in, first what stands there.
    fn path(&self, program: &Program, value: Value, seen: &Seen, reads: Reads) -> Vec<Step> {
        if !reads.any() {
            return vec![];
        }
        let wanted = |own: Reads| if reads.content { own.content } else { own.length };
        let mut before: BTreeMap<(Value, usize), Option<(Value, usize)>> = BTreeMap::new();
        let mut open: VecDeque<(Value, usize)> = seen.cases.iter().map(|&case| (value, case)).collect();
        before.extend(open.iter().map(|&part| (part, None)));
        while let Some((value, case)) = open.pop_front() {
            if wanted(self.view(value).facts[case].own) {
                return self.steps(&before, (value, case));
            }
            for part in self.edges(program, value, case) {
                if let std::collections::btree_map::Entry::Vacant(entry) = before.entry(part) {
                    entry.insert(Some((value, case)));
                    open.push_back(part);
                }
            }
        }
        match seen.own.any() {
            true => vec![Step { value, case: 0, own: seen.own }],
            false => vec![],
        }
    }

    fn steps(
        &self,
        before: &BTreeMap<(Value, usize), Option<(Value, usize)>>,
        from: (Value, usize),
    ) -> Vec<Step> {
        let next = |part: &(Value, usize)| before.get(part).copied().flatten();
        std::iter::successors(Some(from), next)
            .map(|(value, case)| Step { value, case, own: self.view(value).facts[case].own })
            .collect()
    }

    /// How far each case of each value is seen; one that is not there is seen nowhere.
    pub(super) fn live(&self, program: &Program) -> BTreeMap<(Value, usize), Liveness> {
        let mut live: BTreeMap<(Value, usize), Liveness> = BTreeMap::new();
        for value in program.outputs.iter().filter_map(|output| output.operand.value()) {
            let seen = self.seen(program, value);
            for case in 0..self.view(value).facts.len() {
                let how = if seen.cases.contains(&case) { Liveness::Live } else { Liveness::Shown };
                let known = live.entry((value, case)).or_insert(how);
                *known = how.max(*known);
            }
        }
        for place in (0..program.nodes.len()).rev() {
            for result in 0..program.nodes[place].results.len() {
                let value = Value { node: place as u32, result: result as u32 };
                for case in 0..self.view(value).facts.len() {
                    let Some(&how) = live.get(&(value, case)) else { continue };
                    for part in self.edges(program, value, case) {
                        let known = live.entry(part).or_insert(how);
                        *known = how.max(*known);
                    }
                }
            }
        }
        live
    }

    /// For every value, by node and result: how far what stands at its padded positions is seen.
    pub fn liveness(&self, program: &Program) -> Vec<Vec<Liveness>> {
        let live = self.live(program);
        let of = |value: Value| {
            let view = self.view(value);
            let padded = (0..view.facts.len()).filter(|&case| view.layout.is_padded(case, self.bases()));
            padded.filter_map(|case| live.get(&(value, case)).copied()).max().unwrap_or(Liveness::Dead)
        };
        let results = |(place, node): (usize, &masque_ir::program::Node)| {
            (0..node.results.len())
                .map(|result| of(Value { node: place as u32, result: result as u32 }))
                .collect()
        };
        program.nodes.iter().enumerate().map(results).collect()
    }
}
