//! Which steps are needed for what.

use std::collections::BTreeSet;

use masque_ir::plan::{Plan, Source};

/// For every step: is it needed?
#[derive(Debug)]
pub(super) struct Needed {
    outputs: Vec<bool>,
    all: Vec<bool>,
}

impl Needed {
    /// Is a step needed for the outputs and what is kept, or with `masks` for outputs or masks?
    pub(super) fn is(&self, step: usize, masks: bool) -> bool {
        let needed = if masks { &self.all } else { &self.outputs };
        needed.get(step).copied().unwrap_or(true)
    }
}

pub(super) fn needed(plan: &Plan) -> Needed {
    let outputs = plan.outputs.iter().map(|output| output.source);
    let outputs = outputs.chain(plan.states.iter().map(|state| state.kept));
    let masks = plan.masks.iter().map(|mask| mask.source);
    Needed {
        outputs: for_the_sake_of(plan, outputs.clone()),
        all: for_the_sake_of(plan, outputs.chain(masks)),
    }
}

/// From the last step to the first: a step is needed if somebody behind it reads one of its results. Slots are
/// used again, so what is wanted of a slot ends where it is written.
fn for_the_sake_of(plan: &Plan, wanted: impl Iterator<Item = Source>) -> Vec<bool> {
    let slot = |source: &Source| match source {
        Source::Slot(slot) => Some(*slot),
        _ => None,
    };
    let mut wanted: BTreeSet<u32> = wanted.filter_map(|source| slot(&source)).collect();
    let mut needed = vec![false; plan.steps.len()];
    for (step, needed) in plan.steps.iter().zip(&mut needed).rev() {
        for result in &step.results {
            *needed |= wanted.remove(&result.slot);
        }
        if *needed {
            wanted.extend(step.sources.iter().filter_map(slot));
        }
    }
    needed
}
