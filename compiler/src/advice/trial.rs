//! Trying a change: the changed model is inferred anew, and what is found of it is compared with what was found before.

use std::collections::BTreeSet;

use masque_ir::facts::InferredGraph;

use super::baked;
use super::change::{self, Line};
use crate::diagnostics::{Code, Diagnostic, UnsupportedMask};
use crate::frontend::RawModel;
use crate::{Inferred, Model, infer};

/// What a finding is known by in two versions of a model: its code, and where it is; of a leak the output.
pub(super) type Key = (Code, String);

/// What a finding is known by.
pub(super) fn key(finding: &Diagnostic) -> Key {
    let place = finding.output.clone().unwrap_or_else(|| match finding.call {
        0 => finding.layer.clone(),
        call => format!("{}:{call}", finding.layer),
    });
    (finding.code, place)
}

/// Where changes of one model are tried.
pub(super) struct Trials<'a> {
    inferred: &'a Inferred,
    /// The model as it was before Keras filled in masks.
    plain: RawModel,
    before: BTreeSet<Key>,
}

/// What became of the findings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Those that are left.
    pub(super) left: BTreeSet<Key>,
    /// Those that were not there before.
    pub(super) new: BTreeSet<Key>,
}

impl Outcome {
    /// How much is left to do: findings that were not there before count first.
    pub(super) fn rank(&self) -> (usize, usize) {
        (self.new.len(), self.left.len())
    }
}

impl<'a> Trials<'a> {
    /// Takes the findings of a model as they are.
    pub(super) fn of(inferred: &'a Inferred) -> Option<Trials<'a>> {
        let graph = &inferred.graph().graph;
        let symbolic = infer::symbolic(graph, inferred.layers()).ok()?;
        let plain = baked::without(graph, &symbolic)?;
        Some(Trials { inferred, plain, before: found(inferred) })
    }

    /// Makes a change and looks again; `None` if the changed model cannot be read or inferred.
    pub(super) fn attempt(&self, lines: &[Line]) -> Option<Outcome> {
        let left = found(&self.follow(lines)?);
        let new = left.difference(&self.before).cloned().collect();
        Some(Outcome { left, new })
    }

    /// Makes a change.
    pub(super) fn follow(&self, lines: &[Line]) -> Option<Inferred> {
        let changed = change::apply(&self.inferred.graph().graph, self.plain.clone(), lines);
        let changed = Model::build(changed, &self.inferred.registry).ok()?;
        let (graph, layers) = (changed.graph().clone(), changed.into_layers());
        let symbolic = infer::symbolic(&graph, &layers).ok()?;
        let built = baked::with(&InferredGraph { graph, facts: symbolic }, &layers)?;
        let source = self.inferred.graph().facts.source;
        Model::build(built, &self.inferred.registry).and_then(|model| model.infer_masks(source)).ok()
    }
}

/// Everything that `masque check` finds.
fn found(inferred: &Inferred) -> BTreeSet<Key> {
    let mut findings = inferred.findings(UnsupportedMask::Error);
    if let Ok(padding) = inferred.padding() {
        findings.extend(inferred.leaks(&padding));
    }
    findings.iter().map(key).collect()
}
