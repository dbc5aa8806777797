//! Where a mask comes from: the calls that it came through, and the one where it was born.

use std::collections::{HashSet, VecDeque};

use masque_ir::Dim;
use masque_ir::facts::MaskStatus;
use masque_ir::layers::{CallId, TensorRef};
use masque_ir::mask::MaskId;
use masque_ir::text::print_mask;

use super::{Label, Subject};
use crate::{layers, masks};

impl Subject<'_> {
    /// The calls that a mask came through, the one where it was born first, the reader left out.
    pub(super) fn path(&self, reader: CallId, mask: MaskId) -> Vec<CallId> {
        let (graph, facts) = (&self.model.graph, &self.model.facts);
        let mut path = vec![];
        let mut at = reader;
        loop {
            let arguments = graph.call(at).arguments.iter().flat_map(|argument| argument.value.tensors());
            let carrier: Option<TensorRef> =
                arguments.into_iter().find(|&tensor| facts.tensor(tensor).mask == Some(mask));
            let Some(carrier) = carrier else { break };
            path.push(carrier.call);
            if facts.call(carrier.call).status != MaskStatus::Carried {
                break;
            }
            at = carrier.call;
        }
        path.reverse();
        // An explicit mask is attached to no tensor: it is born where it is computed.
        if path.is_empty() {
            let computed =
                crate::masks::sources(&facts.masks, mask).first().map_or(reader, |tensor| tensor.call);
            path.push(computed);
        }
        path
    }

    /// The path as remarks.
    pub(super) fn path_labels(&self, path: &[CallId]) -> Vec<Label> {
        let born = self.label(path[0], "the mask is born here");
        std::iter::once(born).chain(path[1..].iter().map(|&step| self.label(step, "carried on"))).collect()
    }

    /// Layer, rule and place of a mask's birth.
    pub(super) fn birth(&self, born: CallId, mask: MaskId) -> String {
        let pointer =
            self.pointers.get(self.model.graph.call(born).layer.0 as usize).map_or("", String::as_str);
        let known = layers::find(&self.model.graph.layer_of(born).class);
        let rule = known.map_or_else(String::new, |def| format!(", whose rule is `{}`", def.masks));
        let mask = print_mask(&self.model.graph, &self.model.facts, mask);
        format!("the mask {mask} comes from {}{rule}; {pointer} of the model's config", self.named(born))
    }

    /// The nearest mask before a tensor that covers its leading axes.
    pub(crate) fn mask_before(&self, x: TensorRef) -> Option<MaskId> {
        let ty = &self.model.facts.tensor(x).ty;
        self.mask_where(x, |shape| ty.shape.starts_with(shape))
    }

    /// The nearest mask at a tensor or before it whose shape is as wanted.
    pub(crate) fn mask_where(&self, x: TensorRef, wanted: impl Fn(&[Dim]) -> bool) -> Option<MaskId> {
        let facts = &self.model.facts;
        let fits = |mask: &MaskId| {
            let shape = masks::type_of(&facts.masks, *mask, &|tensor| facts.tensor(tensor).ty.clone()).shape;
            self.says_something(Some(*mask)) && !facts.masks.is_unknown(*mask) && wanted(&shape)
        };
        let (mut seen, mut open) = (HashSet::from([x.call]), VecDeque::from([x.call]));
        while let Some(call) = open.pop_front() {
            let mut own = facts.call(call).outputs.iter().filter_map(|output| output.mask);
            if let Some(mask) = own.find(fits) {
                return Some(mask);
            }
            open.extend(self.data(call).into_iter().map(|x| x.call).filter(|before| seen.insert(*before)));
        }
        None
    }
}
