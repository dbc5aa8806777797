//! What changed between two versions of a model: calls, their settings, what they read and give, their masks.
//!
//! Calls are matched by name and class; what is left, by structure: a call of the same class with the same settings
//! that reads what the other one read is the same call under another name. Weights are not looked at.

mod report;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use masque_ir::facts::InferredGraph;
use masque_ir::layers::{ArgumentValue, CallId, TensorRef};
use serde::Serialize;
use serde_json::Value as Json;

use crate::Inferred;
use crate::layer::arguments::takes_masks;
use crate::table::{self, Row};

pub use report::report;

/// One property of a call that is another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    /// `reads`, `gives`, `mask`, `uses` (other masks than before, though the same come in), or the name of a setting.
    pub what: String,
    /// In the first model.
    pub before: String,
    /// In the second.
    pub after: String,
}

/// What became of one call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "change", rename_all = "lowercase")]
pub enum CallChange {
    /// It is in the second model alone.
    Added {
        /// The call.
        call: String,
        /// Its class.
        class: String,
        /// What it does with masks.
        mask: String,
    },
    /// It is in the first model alone.
    Removed {
        /// The call.
        call: String,
        /// Its class.
        class: String,
    },
    /// It is in both, and not the same.
    Changed {
        /// The call, by its name in the second model.
        call: String,
        /// What is another.
        differences: Vec<Difference>,
    },
}

/// Everything that changed, in the order of the second model; what was removed stands where it was in the first.
pub fn compare(before: &Inferred, after: &Inferred) -> Vec<CallChange> {
    let (before, after) = (Side::new(before), Side::new(after));
    let pairs = matched(&before, &after);
    let partners: HashMap<CallId, CallId> = pairs.iter().map(|(left, right)| (*right, *left)).collect();
    let kept: BTreeSet<CallId> = pairs.keys().copied().collect();
    let mut removed = before.calls().filter(|call| !kept.contains(call)).peekable();
    let mut changes = vec![];
    for call in after.calls() {
        let partner = partners.get(&call);
        while let Some(gone) = removed.next_if(|gone| partner.is_some_and(|partner| gone < partner)) {
            changes.push(before.removed(gone));
        }
        match partner {
            None => changes.push(after.added(call)),
            Some(&partner) => changes.extend(changed(&before, partner, &after, call, &pairs)),
        }
    }
    changes.extend(removed.map(|gone| before.removed(gone)));
    changes.extend(outputs(&before, &after, &pairs));
    changes
}

/// One of the models.
struct Side<'a> {
    inferred: &'a Inferred,
    model: &'a InferredGraph,
    rows: Vec<Row>,
}

impl<'a> Side<'a> {
    fn new(inferred: &'a Inferred) -> Side<'a> {
        let model = inferred.graph();
        Side { inferred, model, rows: table::rows(model) }
    }

    /// The calls that are lines of the mask table.
    fn calls(&self) -> impl Iterator<Item = CallId> + '_ {
        self.model.graph.calls().filter(|call| !self.row(*call).plumbing)
    }

    fn row(&self, call: CallId) -> &Row {
        &self.rows[call.0 as usize]
    }

    fn mask(&self, call: CallId) -> String {
        let row = self.row(call);
        if row.short.is_empty() { row.status.to_string() } else { format!("{} {}", row.status, row.short) }
    }

    /// The masks that a call computes with.
    fn used_masks(&self, call: CallId) -> String {
        let row = self.row(call);
        let used = self.inferred.used_masks(call);
        let used = used.iter().zip(&row.masks_in).filter_map(|(used, written)| used.and(written.as_deref()));
        let used: Vec<&str> = used.collect();
        if used.is_empty() { "none".to_owned() } else { used.join(", ") }
    }

    /// The tensors that a call reads, and under which keyword; masks that are passed to it are seen as its mask.
    fn reads(&self, call: CallId) -> Vec<(Option<&str>, TensorRef)> {
        let arguments = self.model.graph.call(call).arguments.iter();
        let shown = arguments.filter(|argument| !argument.keyword.as_deref().is_some_and(takes_masks));
        shown
            .flat_map(|argument| {
                let keyword = argument.keyword.as_deref();
                argument.value.tensors().into_iter().map(move |tensor| (keyword, tensor))
            })
            .collect()
    }

    /// The arguments without tensors.
    fn constants(&self, call: CallId) -> Vec<(String, Json)> {
        let arguments = self.model.graph.call(call).arguments.iter().enumerate();
        arguments
            .filter_map(|(place, argument)| match &argument.value {
                ArgumentValue::Constant(json) => Some((
                    argument.keyword.clone().unwrap_or_else(|| format!("argument {place}")),
                    json.clone(),
                )),
                _ => None,
            })
            .collect()
    }

    /// Settings and constant arguments by name.
    fn settings(&self, call: CallId) -> BTreeMap<String, String> {
        let settings = self.model.graph.layer_of(call).settings.clone().into_iter();
        settings.chain(self.constants(call)).map(|(name, value)| (name, value.to_string())).collect()
    }

    fn tensor(&self, tensor: TensorRef) -> String {
        masque_ir::text::print_tensor(&self.model.graph, tensor)
    }

    fn added(&self, call: CallId) -> CallChange {
        let row = self.row(call);
        CallChange::Added { call: row.name(), class: row.class.clone(), mask: self.mask(call) }
    }

    fn removed(&self, call: CallId) -> CallChange {
        let row = self.row(call);
        CallChange::Removed { call: row.name(), class: row.class.clone() }
    }
}

/// The calls of the first model with their partners in the second.
fn matched(before: &Side<'_>, after: &Side<'_>) -> BTreeMap<CallId, CallId> {
    let named: HashMap<(String, &str), CallId> =
        after.calls().map(|call| ((after.row(call).name(), after.row(call).class.as_str()), call)).collect();
    let mut pairs = BTreeMap::new();
    for call in before.calls() {
        if let Some(&partner) = named.get(&(before.row(call).name(), before.row(call).class.as_str())) {
            pairs.insert(call, partner);
        }
    }
    let taken: BTreeSet<CallId> = pairs.values().copied().collect();
    let mut open: BTreeMap<Structure, Vec<CallId>> = BTreeMap::new();
    for call in after.calls().filter(|call| !taken.contains(call)) {
        open.entry(structure(after, call, &|tensor| Some(tensor))).or_default().push(call);
    }
    for calls in open.values_mut() {
        calls.reverse();
    }
    for call in before.calls().collect::<Vec<_>>() {
        if pairs.contains_key(&call) {
            continue;
        }
        let there = |tensor: TensorRef| pairs.get(&tensor.call).map(|&call| TensorRef { call, ..tensor });
        let partner = open.get_mut(&structure(before, call, &there)).and_then(Vec::pop);
        if let Some(partner) = partner {
            pairs.insert(call, partner);
        }
    }
    pairs
}

/// Class, settings, and what is read, as places in the second model; none for what has no partner there.
type Structure = (String, BTreeMap<String, String>, Vec<Option<TensorRef>>);

fn structure(side: &Side<'_>, call: CallId, there: &dyn Fn(TensorRef) -> Option<TensorRef>) -> Structure {
    let reads = side.reads(call).into_iter().map(|(_, tensor)| there(tensor)).collect();
    (side.row(call).class.clone(), side.settings(call), reads)
}

/// How a call differs from its partner.
fn changed(
    before: &Side<'_>,
    left: CallId,
    after: &Side<'_>,
    right: CallId,
    pairs: &BTreeMap<CallId, CallId>,
) -> Option<CallChange> {
    let mut differences = vec![];
    let mut differ = |what: &str, before: String, after: String| {
        if before != after {
            differences.push(Difference { what: what.to_owned(), before, after });
        }
    };
    differ("name", before.row(left).name(), after.row(right).name());
    let (old, new) = (before.settings(left), after.settings(right));
    for name in old.keys().chain(new.keys()).collect::<BTreeSet<_>>() {
        let value = |settings: &BTreeMap<String, String>| {
            settings.get(name).cloned().unwrap_or_else(|| "by default".to_owned())
        };
        differ(name, value(&old), value(&new));
    }
    let there = |tensor: TensorRef| pairs.get(&tensor.call).map(|&call| TensorRef { call, ..tensor });
    let (old, new) = (before.reads(left), after.reads(right));
    let same = old.len() == new.len()
        && old.iter().zip(&new).all(|(old, new)| old.0 == new.0 && there(old.1) == Some(new.1));
    if !same {
        let list = |side: &Side<'_>, reads: &[(Option<&str>, TensorRef)]| {
            reads.iter().map(|(_, tensor)| side.tensor(*tensor)).collect::<Vec<_>>().join(", ")
        };
        differ("reads", list(before, &old), list(after, &new));
    }
    differ("gives", before.row(left).types.join(", "), after.row(right).types.join(", "));
    differ("mask", before.mask(left), after.mask(right));
    if before.mask(left) == after.mask(right) {
        differ("uses", before.used_masks(left), after.used_masks(right));
    }
    (!differences.is_empty()).then(|| CallChange::Changed { call: after.row(right).name(), differences })
}

/// How the models' outputs differ.
fn outputs(before: &Side<'_>, after: &Side<'_>, pairs: &BTreeMap<CallId, CallId>) -> Option<CallChange> {
    let (old, new) = (before.model.graph.outputs(), after.model.graph.outputs());
    let same = old.len() == new.len()
        && old.iter().zip(new).all(|(old, new)| {
            old.tensor.output == new.tensor.output && pairs.get(&old.tensor.call) == Some(&new.tensor.call)
        });
    let list = |side: &Side<'_>| {
        let outputs = side.model.graph.outputs().iter();
        outputs.map(|output| side.tensor(output.tensor)).collect::<Vec<_>>().join(", ")
    };
    let difference = Difference { what: "return".to_owned(), before: list(before), after: list(after) };
    (!same).then(|| CallChange::Changed { call: "the model".to_owned(), differences: vec![difference] })
}
