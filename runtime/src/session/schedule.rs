//! Which steps a run takes, in stages and groups, and from which step to which each value is there.
//!
//! A group is taken at once: none of its steps reads what another one writes, and each may have a thread of its own.
//!
//! A stage ends with a step that binds a symbol: only after it are the sizes of later values known, and values are
//! placed in memory stage by stage.

use std::collections::BTreeSet;
use std::ops::Range;

use masque_ir::plan::{Plan, PlanOutput, Source, Step};

/// The steps of one kind of run: with the masks among the results, or without.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// The steps that are needed, by place, in order.
    pub(super) steps: Vec<u32>,
    pub(super) stages: Vec<Stage>,
}

/// Steps between two that bind symbols.
#[derive(Debug, Default)]
pub(super) struct Stage {
    /// Which of the needed steps.
    pub(super) steps: Range<usize>,
    /// The same in groups.
    pub(super) groups: Vec<Range<usize>>,
    /// The values that lie in memory of their own and are written by these steps.
    pub(super) values: Vec<Life>,
}

/// How long a value is there, in numbers of needed steps, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    /// The value, by place.
    pub(super) value: u32,
    pub(super) first: usize,
    pub(super) last: usize,
}

impl Life {
    pub(super) fn overlaps(&self, other: &Life) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

impl Schedule {
    /// The schedule of a run that gives the outputs and keeps the states, and with `masks` gives the masks.
    pub(super) fn of(plan: &Plan, masks: bool) -> Schedule {
        let source = |output: &PlanOutput| output.source;
        let wanted = plan.outputs.iter().map(source).chain(plan.states.iter().map(|state| state.kept));
        let wanted: Vec<Source> = wanted.chain(plan.masks.iter().filter(|_| masks).map(source)).collect();
        let steps = needed(plan, &wanted);
        let groups = groups(plan, &steps);
        let last = last_reads(plan, &steps, &groups, &wanted);
        let mut known = symbols_of_inputs(plan);
        let (mut stages, mut stage) = (vec![], Stage::default());
        for group in groups {
            let members = steps[group.clone()].iter().map(|&place| &plan.steps[place as usize]);
            let placed =
                members.clone().flat_map(|step| step.results.iter().map(move |&value| (step, value)));
            let placed = placed
                .filter(|&(step, value)| !step.kernel.gives() && plan.value(value).over.is_none())
                .map(|(_, value)| Life {
                    value,
                    first: group.start,
                    last: last[value as usize].unwrap_or(group.end - 1),
                });
            stage.values.extend(placed);
            stage.steps.end = group.end;
            stage.groups.push(group.clone());
            if members.clone().any(|step| binds(plan, step, &mut known)) {
                stages.push(std::mem::take(&mut stage));
                stage.steps = group.end..group.end;
            }
        }
        stages.push(stage);
        Schedule { steps, stages }
    }
}

/// From the last step to the first: a step is needed if a later one, or the caller, reads one of its results.
fn needed(plan: &Plan, wanted: &[Source]) -> Vec<u32> {
    let mut read = vec![false; plan.values.len()];
    wanted.iter().filter_map(|source| source.value()).for_each(|value| read[value as usize] = true);
    let mut steps = vec![];
    for (place, step) in plan.steps.iter().enumerate().rev() {
        if step.results.iter().any(|&value| read[value as usize]) {
            steps.push(place as u32);
            step.operands
                .iter()
                .filter_map(|source| source.value())
                .for_each(|value| read[value as usize] = true);
        }
    }
    steps.reverse();
    steps
}

/// Steps that stand behind one another, are better served by a thread each, and do not read one another; every other step
/// by itself.
fn groups(plan: &Plan, steps: &[u32]) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = vec![];
    let step = |at: usize| &plan.steps[steps[at] as usize];
    for at in 0..steps.len() {
        let read = step(at).operands.iter().filter_map(|source| source.value());
        let read: Vec<u32> = read.map(|value| plan.root(value)).collect();
        let is_alone = |at: usize| step(at).kernel.alone();
        let writes =
            |at: usize, value: &u32| step(at).results.iter().any(|&result| plan.root(result) == *value);
        let beside = |group: &&mut Range<usize>| {
            let (first, end) = (group.start, group.end);
            (first..=at).all(is_alone) && !(first..end).any(|at| read.iter().any(|value| writes(at, value)))
        };
        match groups.last_mut().filter(beside) {
            Some(group) => group.end = at + 1,
            None => groups.push(at..at + 1),
        }
    }
    groups
}

/// By value whose memory others take: the end of the last group that reads or writes it under any name. What the caller
/// gets is there to the end.
fn last_reads(plan: &Plan, steps: &[u32], groups: &[Range<usize>], wanted: &[Source]) -> Vec<Option<usize>> {
    let mut last = vec![None; plan.values.len()];
    for group in groups {
        for &place in &steps[group.clone()] {
            let step = &plan.steps[place as usize];
            let read = step.operands.iter().filter_map(|source| source.value());
            for value in read.chain(step.results.iter().copied()) {
                last[plan.root(value) as usize] = Some(group.end - 1);
            }
        }
    }
    for value in wanted.iter().filter_map(|source| source.value()) {
        last[plan.root(value) as usize] = Some(usize::MAX);
    }
    last
}

type Symbols<'a> = BTreeSet<&'a str>;

fn symbols_of_inputs(plan: &Plan) -> Symbols<'_> {
    let sizes = plan.input_values().flat_map(|(_, value)| value.ty.shape.iter());
    sizes.filter_map(|size| size.as_symbol()).map(|symbol| &**symbol).collect()
}

/// Does a step give a result whose size is a symbol that nothing before it binds?
fn binds<'a>(plan: &'a Plan, step: &Step, known: &mut Symbols<'a>) -> bool {
    let mut bound = false;
    for &value in step.results.iter().filter(|_| step.kernel.gives()) {
        let sizes = plan.value(value).ty.shape.iter().filter_map(|size| size.as_symbol());
        sizes.for_each(|symbol| bound |= known.insert(symbol));
    }
    bound
}
