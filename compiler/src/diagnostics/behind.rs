//! Who stands behind a call and misses the mask that it did not pass on.

use std::collections::HashSet;

use masque_ir::Type;
use masque_ir::layers::{CallId, TensorRef};
use masque_ir::mask::{MaskExpr, MaskId};

use super::Subject;
use crate::layer::arguments::takes_masks;

/// What a walk found.
#[derive(Default)]
pub(super) struct Behind {
    /// Calls that compute with a mask, and get none with what was walked to them.
    pub(super) users: Vec<CallId>,
    /// Every call on the way.
    pub(super) passed: HashSet<CallId>,
    /// The model's outputs on the way.
    pub(super) outputs: Vec<String>,
}

impl Subject<'_> {
    /// Is it a mask that says something? One that is true everywhere says nothing.
    pub(super) fn says_something(&self, mask: Option<MaskId>) -> bool {
        mask.is_some_and(|mask| !matches!(self.model.facts.masks.get(mask), MaskExpr::Ones(..)))
    }

    /// Walks on from the outputs of a call, as long as `goes_on` holds of the tensors, up to those who would use a mask.
    pub(super) fn behind(&self, start: CallId, goes_on: impl Fn(&Type) -> bool) -> Behind {
        let (graph, facts) = (&self.model.graph, &self.model.facts);
        let mut behind = Behind::default();
        let mut open = vec![start];
        while let Some(call) = open.pop() {
            for output in 0..graph.call(call).outputs {
                let tensor = TensorRef { call, output };
                if !goes_on(&facts.tensor(tensor).ty) {
                    continue;
                }
                let given = graph.outputs().iter().filter(|output| output.tensor == tensor);
                behind.outputs.extend(given.map(|output| output.name.clone()));
                for (reader, _) in graph.readers(call).into_iter().filter(|(_, read)| *read == tensor) {
                    if behind.passed.contains(&reader) || !self.reads_as_data(reader, tensor) {
                        continue;
                    }
                    behind.passed.insert(reader);
                    let unmasked = facts.call(reader).mask_in.iter().all(|&mask| !self.says_something(mask));
                    match self.layer(reader).uses_masks() && unmasked {
                        true => behind.users.push(reader),
                        false => open.push(reader),
                    }
                }
            }
        }
        behind.users.sort();
        behind.outputs.sort();
        behind.outputs.dedup();
        behind
    }

    /// Does a call read a tensor as data, and has nobody passed it a mask by hand?
    fn reads_as_data(&self, reader: CallId, tensor: TensorRef) -> bool {
        let is_mask = |keyword: &Option<String>| keyword.as_deref().is_some_and(takes_masks);
        let arguments = &self.model.graph.call(reader).arguments;
        arguments
            .iter()
            .any(|argument| !is_mask(&argument.keyword) && argument.value.tensors().contains(&tensor))
            && !arguments
                .iter()
                .any(|argument| is_mask(&argument.keyword) && !argument.value.tensors().is_empty())
    }
}
