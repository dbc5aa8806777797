//! Masks as people write them: `%ids != 0`, `any(%x != 0.0)`, `%a != 0 or %b != 0`.
//!
//! A mask is written in full where it first is a tensor's mask. Elsewhere, and inside others, one that is longer than
//! [`LONGEST`] is named by that place: `of %concatenate`. So a line is never much longer than what its call does,
//! however masks are nested, and it says nothing of how calls are counted.

use std::collections::HashMap;

use masque_ir::facts::InferredGraph;
use masque_ir::layers::{CallId, TensorRef};
use masque_ir::mask::{Band, MaskExpr, MaskId};
use masque_ir::text::{print_number, print_tensor};

/// The longest mask that is written out in more than one place.
const LONGEST: usize = 24;

/// How many digits of its hash stand for a long part that is no tensor's mask.
const HASH_DIGITS: usize = 8;

/// Writes the masks of one model.
pub(super) struct Notation<'a> {
    model: &'a InferredGraph,
    /// Every mask, made of the names of its parts.
    full: Vec<String>,
    /// The call whose output carried it first.
    owner: HashMap<MaskId, CallId>,
    /// Where a mask stands among others: in full, or its owner, or a hash.
    short: Vec<String>,
}

impl<'a> Notation<'a> {
    pub(super) fn new(model: &'a InferredGraph) -> Notation<'a> {
        let mut owner = HashMap::new();
        for call in model.graph.calls() {
            for mask in model.facts.call(call).outputs.iter().filter_map(|output| output.mask) {
                owner.entry(mask).or_insert(call);
            }
        }
        let mut notation = Notation { model, full: vec![], owner, short: vec![] };
        // Parts stand before what is made of them.
        for (id, expression) in model.facts.masks.iter() {
            let full = notation.expression(expression);
            let short = match notation.owner.get(&id) {
                _ if full.chars().count() <= LONGEST => full.clone(),
                Some(&call) => format!("of {}", notation.tensor(TensorRef { call, output: 0 })),
                None => format!("#{}", &blake3::hash(full.as_bytes()).to_hex()[..HASH_DIGITS]),
            };
            notation.full.push(full);
            notation.short.push(short);
        }
        notation
    }

    /// Every mask, by its number.
    pub(super) fn written(self) -> Vec<String> {
        self.full
    }

    /// The masks that a call's line shows, each once: those that go out, or else those that came in.
    pub(super) fn of_call(&self, call: CallId) -> String {
        let fact = self.model.facts.call(call);
        let out: Vec<MaskId> = fact.outputs.iter().filter_map(|output| output.mask).collect();
        let came = fact.mask_in.iter().flatten().copied();
        let masks = if out.is_empty() { came.collect() } else { out };
        let mut shown: Vec<&str> = vec![];
        for mask in masks {
            let own = self.owner.get(&mask) == Some(&call);
            let text = if own { &self.full[mask.0 as usize] } else { &self.short[mask.0 as usize] };
            if !shown.contains(&text.as_str()) {
                shown.push(text);
            }
        }
        shown.join(", ")
    }

    fn tensor(&self, tensor: TensorRef) -> String {
        print_tensor(&self.model.graph, tensor)
    }

    fn expression(&self, expression: &MaskExpr) -> String {
        let part = |part: &MaskId| self.short[part.0 as usize].clone();
        // Words between parts bind less tightly than anything within a part.
        let operand = |id: &MaskId| match self.model.facts.masks.get(*id) {
            MaskExpr::Or(_) | MaskExpr::And(_) if self.short[id.0 as usize].contains(' ') => {
                format!("({})", part(id))
            }
            _ => part(id),
        };
        let joined = |parts: &[MaskId], word: &str| parts.iter().map(operand).collect::<Vec<_>>().join(word);
        match expression {
            MaskExpr::Tensor(flags) => self.tensor(*flags),
            MaskExpr::NotEqual(x, number) => {
                let dtype = self.model.facts.tensor(*x).ty.dtype;
                format!("{} != {}", self.tensor(*x), print_number(dtype, *number))
            }
            MaskExpr::AnyLast(inner) => format!("any({})", part(inner)),
            MaskExpr::Or(parts) => joined(parts, " or "),
            MaskExpr::And(parts) => joined(parts, " and "),
            MaskExpr::Not(inner) => format!("not ({})", part(inner)),
            MaskExpr::Ones(x, rank) => format!("ones({}, {rank})", self.tensor(*x)),
            MaskExpr::Zeros(x, rank) => format!("zeros({}, {rank})", self.tensor(*x)),
            MaskExpr::Unknown(x, _) => format!("unknown({})", self.tensor(*x)),
            MaskExpr::Expand(axis, inner) if *axis == self.model.facts.masks.rank(*inner) => {
                format!("expand({})", part(inner))
            }
            MaskExpr::Expand(axis, inner) => format!("expand({axis}, {})", part(inner)),
            MaskExpr::Spread(inner, x) => format!("spread({}, {})", part(inner), self.tensor(*x)),
            MaskExpr::Reverse(axis, inner) => format!("reverse({axis}, {})", part(inner)),
            MaskExpr::Fold(inner) => format!("fold({})", part(inner)),
            MaskExpr::Unfold(inner, x) => format!("unfold({}, {})", part(inner), self.tensor(*x)),
            MaskExpr::Concat(axis, parts) => {
                format!("concat({axis}, {})", parts.iter().map(part).collect::<Vec<_>>().join(", "))
            }
            MaskExpr::Band(Band::Causal, rows, columns) => {
                format!("causal({}, {})", self.tensor(*rows), self.tensor(*columns))
            }
            MaskExpr::Band(Band::Within(steps), rows, columns) => {
                format!("within({steps}, {}, {})", self.tensor(*rows), self.tensor(*columns))
            }
        }
    }
}
