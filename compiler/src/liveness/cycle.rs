//! Loops over time: what is carried from step to step, and what padding does to it.
//!
//! Padding lies behind the sequence. From the front, all steps that count are taken before any of padding; from the
//! back, behind them. A step of padding that leaves what is carried as it was, as a masked one does, might as well
//! not have been taken, however many there are.

use masque_ir::Type;
use masque_ir::program::Program;

use super::frame;
use super::layout::{Axis, Bases, Layout};
use super::view::{Fact, Holds, Reads, View};

/// A loop.
pub(super) struct Cycle<'a> {
    /// How many operands are carried from step to step.
    pub carried: usize,
    /// How many operands behind them are sequences.
    pub sequences: usize,
    /// One step.
    pub body: &'a Program,
}

/// What a run of steps is: the cases that may come, and whether their number depends on the padding.
struct Phase {
    cases: Vec<usize>,
    grows: bool,
}

/// Facts of the results.
pub(super) fn transfer(
    cycle: &Cycle<'_>,
    types: &[Type],
    operands: &[Option<&View>],
    bases: &Bases,
) -> Option<Vec<View>> {
    let operands: Vec<View> = operands.iter().map(|view| view.cloned()).collect::<Option<_>>()?;
    let (carried, rest) = operands.split_at(cycle.carried);
    let (sequences, constants) = rest.split_at(cycle.sequences);
    let time = time(sequences)?;
    let cases = Layout(vec![time.clone()]).cases(bases);
    let steps = Steps { cycle, sequences, constants, bases };
    let mut state: Vec<View> = carried.to_vec();
    let mut collected: Vec<Option<Vec<View>>> = vec![None; cases];
    for phase in phases(&time, bases) {
        state = steps.run(state, &phase, &mut collected)?;
    }
    let mut results = state;
    for place in 0..types.len() - cycle.carried {
        let views: Vec<&View> =
            collected.iter().map(|views| views.as_ref()?.get(place)).collect::<Option<_>>()?;
        let outputs = &cycle.body.outputs;
        let own = &outputs[cycle.carried + place].operand;
        let shown = |carried: usize| outputs[carried].operand == *own;
        results.push(stack(&time, &views, shown, bases)?);
    }
    // Inside, results speak of what is carried; outside, nobody knows these names.
    for fact in results.iter_mut().flat_map(|view| &mut view.facts) {
        fact.copy = None;
    }
    Some(results)
}

/// The axis that the sequences run along; none if they do not run together.
fn time(sequences: &[View]) -> Option<Axis> {
    let mut axes = sequences.iter().map(|view| view.layout.0.get(1));
    let known = |axis: &Axis| axis.iter().any(|factor| !factor.is_plain());
    let first = axes.next()??.clone();
    axes.try_fold(first, |time, axis| {
        let axis = axis?;
        match (known(&time), known(axis)) {
            _ if time == *axis => Some(time),
            (_, false) => Some(time),
            (false, true) => Some(axis.clone()),
            (true, true) => None,
        }
    })
}

/// The runs of steps, in the order in which they are taken.
fn phases(time: &Axis, bases: &Bases) -> Vec<Phase> {
    let grows = time.iter().any(|factor| bases.grows(&factor.size));
    let [factor] = time.as_slice() else {
        return vec![Phase { cases: (0..Layout(vec![time.clone()]).cases(bases)).collect(), grows }];
    };
    if factor.is_plain() {
        return vec![Phase { cases: vec![0], grows }];
    }
    let mut phases = vec![];
    let mut at = 0;
    for segment in &factor.segments {
        let cases = segment.cases(bases);
        let valid = Phase { cases: vec![at], grows: false };
        let padded = Phase { cases: (at + 1..at + cases).collect(), grows };
        phases.extend(if segment.reversed { [padded, valid] } else { [valid, padded] });
        at += cases;
    }
    phases.retain(|phase| !phase.cases.is_empty());
    phases
}

/// Takes steps.
struct Steps<'a> {
    cycle: &'a Cycle<'a>,
    sequences: &'a [View],
    constants: &'a [View],
    bases: &'a Bases,
}

impl Steps<'_> {
    /// Takes any number of steps of a phase: what is carried behind them. What they give is collected by case.
    fn run(
        &self,
        mut state: Vec<View>,
        phase: &Phase,
        collected: &mut [Option<Vec<View>>],
    ) -> Option<Vec<View>> {
        // Facts only get weaker, and there are few of them: this ends.
        'again: loop {
            let mut after = state.clone();
            for &case in &phase.cases {
                let results = self.step(&state, case)?;
                if lifted(&mut state, &results, self.bases) {
                    continue 'again;
                }
                let (carried, given) = results.split_at(self.cycle.carried);
                for (place, (after, now)) in after.iter_mut().zip(carried).enumerate() {
                    change(after, &state[place], now, place, phase.grows)?;
                }
                collected[case] = Some(given.to_vec());
            }
            if after == state {
                return Some(state);
            }
            state = after;
        }
    }

    /// One step of a case: what is carried on, then what is given.
    fn step(&self, state: &[View], case: usize) -> Option<Vec<View>> {
        let named = state.iter().enumerate().map(|(place, view)| {
            let facts = view.facts.iter().map(|fact| Fact { copy: Some(place), ..fact.clone() }).collect();
            View { layout: view.layout.clone(), facts }
        });
        let now = self.sequences.iter().map(|view| at_step(view, case, self.bases));
        let inputs: Vec<View> = named.chain(now).chain(self.constants.iter().cloned()).collect();
        Some(frame::inside(self.cycle.body, &inputs, self.bases))
    }
}

/// Tells cases apart in what is carried as far as a step does; says whether there was more to tell apart.
fn lifted(state: &mut [View], now: &[View], bases: &Bases) -> bool {
    let mut any = false;
    for (state, now) in state.iter_mut().zip(now) {
        if state.facts.len() == 1 && now.facts.len() > 1 {
            *state = View::everywhere(now.layout.clone(), state.all(), bases);
            any = true;
        }
    }
    any
}

/// Weakens what is known of something carried by what a step made of it.
fn change(after: &mut View, before: &View, now: &View, place: usize, grows: bool) -> Option<()> {
    if now.layout != before.layout && !now.layout.0.iter().flatten().all(|factor| factor.is_plain()) {
        return None;
    }
    for (case, fact) in after.facts.iter_mut().enumerate() {
        let new = now.facts.get(case).or(now.facts.first())?;
        let held = new.copy == Some(place);
        let same = new.known.number().is_some() && new.known == before.facts[case].known;
        if !held && !same {
            let own = Reads { content: false, length: grows };
            *fact = Fact { copy: None, ..fact.or(new) }.and_own(own).settled();
        }
    }
    Some(())
}

/// One position of a sequence.
fn at_step(view: &View, case: usize, bases: &Bases) -> View {
    let mut layout = view.layout.clone();
    let time = layout.0.remove(1);
    let before: usize = layout.0[..1].iter().map(Vec::len).sum();
    let plain = time.iter().all(|factor| factor.is_plain());
    let here = Layout(vec![time]).split(if plain { 0 } else { case }, bases);
    let facts = (0..layout.cases(bases)).map(|rest| {
        let parts = layout.split(rest, bases);
        let (left, right) = parts.split_at(before);
        let fact = &view.facts[view.layout.join(&[left, &here, right].concat(), bases)];
        Fact { copy: None, ..fact.clone() }
    });
    let facts = facts.collect();
    View { layout, facts }
}

/// What the steps gave, one behind the other.
fn stack(time: &Axis, views: &[&View], shown: impl Fn(usize) -> bool, bases: &Bases) -> Option<View> {
    let one = &views.first()?.layout;
    if views.iter().any(|view| view.layout != *one) {
        return None;
    }
    let mut layout = one.clone();
    layout.0.insert(1.min(layout.0.len()), time.clone());
    let before: usize = layout.0[..1].iter().map(Vec::len).sum();
    let steps = Layout(vec![time.clone()]);
    let facts = (0..layout.cases(bases)).map(|case| {
        let parts = layout.split(case, bases);
        let (left, rest) = parts.split_at(before);
        let (here, right) = rest.split_at(time.len());
        let step = views[steps.join(here, bases)];
        let fact = &step.facts[one.join(&[left, right].concat(), bases)];
        // What is carried is the row before only if it is what every step gives.
        let holds = match fact.copy {
            Some(carried) if shown(carried) => Holds::Carried,
            Some(_) => Holds::Same,
            None => Holds::Each,
        };
        Fact { holds, copy: None, ..fact.clone() }.settled()
    });
    let facts = facts.collect();
    Some(View { layout, facts })
}
