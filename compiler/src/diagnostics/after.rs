//! What comes after a call and would use the mask that it does not pass on.

use std::collections::HashSet;

use masque_ir::Type;
use masque_ir::layers::{CallId, TensorRef};
use masque_ir::mask::{MaskExpr, MaskId};

use super::Subject;
use crate::layer::arguments::takes_masks;
use crate::layer::{Arguments, Reads};
use crate::masks;

/// What a walk found.
#[derive(Default)]
pub(crate) struct After {
    /// Calls that compute with a mask, and get none with what was walked to them.
    pub(crate) users: Vec<CallId>,
    /// Every call on the way.
    pub(crate) passed: HashSet<CallId>,
    /// Every tensor on the way, those of the start among them.
    pub(crate) tensors: HashSet<TensorRef>,
}

impl Subject<'_> {
    /// Does a mask say something? One that is true everywhere says nothing.
    pub(crate) fn says_something(&self, mask: Option<MaskId>) -> bool {
        mask.is_some_and(|mask| !matches!(self.model.facts.masks.get(mask), MaskExpr::Ones(..)))
    }

    /// Walks on from the outputs of a call, as long as `goes_on` holds of the tensors, up to the calls that would use a
    /// mask; beyond those that would not pass it on, if it is to go `through` them.
    pub(crate) fn after(&self, start: CallId, through: bool, goes_on: impl Fn(&Type) -> bool) -> After {
        let (graph, facts) = (&self.model.graph, &self.model.facts);
        let mut after = After::default();
        let mut open = vec![start];
        while let Some(call) = open.pop() {
            for output in 0..graph.call(call).outputs {
                let tensor = TensorRef { call, output };
                if !goes_on(&facts.tensor(tensor).ty) {
                    continue;
                }
                after.tensors.insert(tensor);
                for (reader, _) in graph.readers(call).into_iter().filter(|(_, read)| *read == tensor) {
                    if after.passed.contains(&reader) || !self.reads_as_data(reader, tensor) {
                        continue;
                    }
                    after.passed.insert(reader);
                    let uses = self.would_use(reader, tensor);
                    if uses {
                        after.users.push(reader);
                    }
                    if !uses || through && matches!(masks::reads(self.layer(reader)), Reads::Each { .. }) {
                        open.push(reader);
                    }
                }
            }
        }
        after.users.sort();
        after.users.dedup();
        after
    }

    /// The model's outputs that anything of a call reaches.
    pub(crate) fn outputs_after(&self, start: CallId) -> Vec<String> {
        let graph = &self.model.graph;
        let (mut seen, mut open) = (HashSet::from([start]), vec![start]);
        while let Some(call) = open.pop() {
            open.extend(
                graph
                    .readers(call)
                    .into_iter()
                    .map(|(reader, _)| reader)
                    .filter(|reader| seen.insert(*reader)),
            );
        }
        let reached = graph.outputs().iter().filter(|output| seen.contains(&output.tensor.call));
        reached.map(|output| output.name.clone()).collect()
    }

    /// Would a mask of this tensor change what a call gives at valid positions, and has it none?
    fn would_use(&self, reader: CallId, tensor: TensorRef) -> bool {
        let layer = self.layer(reader);
        let unmasked = self.model.facts.call(reader).mask_in.iter().all(|&mask| !self.says_something(mask));
        let bound = Arguments::bind(self.model.graph.call(reader), layer.signature().parameters);
        let decides = bound.is_ok_and(|bound| {
            bound
                .all_data()
                .enumerate()
                .any(|(place, read)| *read == tensor && layer.masking().decides(place))
        });
        masks::uses(layer) && unmasked && decides
    }

    /// Does a call read a tensor as data, without an explicit mask that says something?
    fn reads_as_data(&self, reader: CallId, tensor: TensorRef) -> bool {
        let is_mask = |keyword: &Option<String>| keyword.as_deref().is_some_and(takes_masks);
        let arguments = &self.model.graph.call(reader).arguments;
        let came = self.model.facts.call(reader).mask_in.iter();
        let says_nothing = came.flatten().next().is_some()
            && !self.model.facts.call(reader).mask_in.iter().any(|&mask| self.says_something(mask));
        let explicit = arguments
            .iter()
            .any(|argument| is_mask(&argument.keyword) && !argument.value.tensors().is_empty());
        let read = arguments
            .iter()
            .any(|argument| !is_mask(&argument.keyword) && argument.value.tensors().contains(&tensor));
        read && (!explicit || says_nothing)
    }
}
