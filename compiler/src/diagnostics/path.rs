//! Where a mask comes from: the calls that it came through, and the one where it was born.

use masque_ir::facts::MaskStatus;
use masque_ir::layers::{CallId, TensorRef};
use masque_ir::mask::{MaskExpr, MaskId};
use masque_ir::text::{print_mask, print_number};

use super::{Label, Subject, Suggestion};
use crate::layers;

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
        // A mask that was passed by hand hangs on no tensor: it is born where it is computed.
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
        let rule = layers::find(&self.model.graph.layer_of(born).class).map_or("", |def| def.masks);
        let mask = print_mask(&self.model.graph, &self.model.facts, mask);
        format!(
            "the mask {mask} comes from {}, whose rule is `{rule}`; {pointer} of the model's config",
            self.named(born)
        )
    }

    /// How a mask is computed in Keras, as far as it is short.
    pub(super) fn in_keras(&self, mask: MaskId) -> String {
        let name = |tensor: &TensorRef| self.model.graph.tensor_name(*tensor);
        let masks = &self.model.facts.masks;
        match masks.get(mask) {
            MaskExpr::NotEqual(x, number) => {
                let number = print_number(self.model.facts.tensor(*x).ty.dtype, *number);
                format!("ops.not_equal({}, {number})", name(x))
            }
            MaskExpr::AnyLast(inner) if masks.get(*inner).parts().is_empty() => {
                format!("ops.any({}, axis=-1)", self.in_keras(*inner))
            }
            MaskExpr::Tensor(flags) => name(flags),
            _ => "…".to_owned(),
        }
    }

    /// What to do if there is no padding at all.
    pub(super) fn without_padding(&self, born: CallId) -> Suggestion {
        let name = self.model.graph.call_name(born);
        Suggestion::words(match self.model.graph.layer_of(born).class.as_str() {
            "Embedding" => format!("if 0 is no padding, build `{name}` with mask_zero=False"),
            _ => format!("if nothing is padding, leave out `{name}`"),
        })
    }
}
