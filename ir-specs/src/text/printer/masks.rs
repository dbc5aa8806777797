//! What was inferred about a call, behind its line: types, masks, and what it did with masks.

use super::layers::tensor;
use super::number;
use crate::facts::{CallFact, Facts, MaskStatus};
use crate::layers::{CallId, LayerGraph, TensorRef};
use crate::mask::{MaskExpr, MaskId};
use crate::ty::DType;

/// A mask that is larger than this is written once, as `!0 = …`, and named where it is used: written out, an
/// expression with shared parts could be longer than any file.
const LARGEST_INLINE: u64 = 16;

/// Prints masks of one graph.
pub(super) struct MaskPrinter<'a> {
    graph: &'a LayerGraph,
    facts: &'a Facts,
    /// For every mask its number, if it is written once.
    shared: Vec<Option<usize>>,
}

impl<'a> MaskPrinter<'a> {
    /// `facts` are compact.
    pub(super) fn new(graph: &'a LayerGraph, facts: &'a Facts) -> MaskPrinter<'a> {
        let mut sizes: Vec<u64> = vec![];
        let mut shared: Vec<Option<usize>> = vec![];
        let mut count = 0;
        for (_, expr) in facts.masks.iter() {
            let parts = expr.parts().iter().map(|part| match shared[part.0 as usize] {
                Some(_) => 1,
                None => sizes[part.0 as usize],
            });
            let size = parts.fold(1, u64::saturating_add);
            sizes.push(size);
            shared.push((size > LARGEST_INLINE).then_some(count));
            count += usize::from(size > LARGEST_INLINE);
        }
        MaskPrinter { graph, facts, shared }
    }

    /// The lines of the masks that are written once.
    pub(super) fn definitions(&self) -> impl Iterator<Item = String> {
        self.facts.masks.iter().filter_map(|(id, expr)| {
            let number = self.shared[id.0 as usize]?;
            Some(format!("!{number} = {}", self.expression(expr)))
        })
    }

    /// ` : f32[B, 5] mask … [carried …]`
    pub(super) fn facts_of(&self, id: CallId) -> String {
        let fact = self.facts.call(id);
        let outputs: Vec<String> = fact
            .outputs
            .iter()
            .map(|output| match output.mask {
                Some(mask) => format!("{} mask {}", output.ty, self.mask(mask)),
                None => output.ty.to_string(),
            })
            .collect();
        format!(" : {}{}", outputs.join(", "), self.status(id, fact))
    }

    /// Nothing where no mask came in and nothing was done with one.
    fn status(&self, id: CallId, fact: &CallFact) -> String {
        let unmasked = vec![None; crate::text::data_tensors(self.graph.call(id).positional())];
        if fact.status == MaskStatus::None && fact.mask_in == unmasked {
            return String::new();
        }
        let masks: Vec<String> =
            fact.mask_in.iter().map(|mask| mask.map_or("-".into(), |mask| self.mask(mask))).collect();
        let separator = if masks.is_empty() { "" } else { " " };
        format!(" [{}{separator}{}]", fact.status, masks.join(", "))
    }

    /// One mask, written out.
    pub(super) fn written_out(graph: &LayerGraph, facts: &Facts, id: MaskId) -> String {
        let printer = MaskPrinter { graph, facts, shared: vec![None; id.0 as usize + 1] };
        printer.mask(id)
    }

    fn mask(&self, id: MaskId) -> String {
        match self.shared[id.0 as usize] {
            Some(number) => format!("!{number}"),
            None => self.expression(self.facts.masks.get(id)),
        }
    }

    fn expression(&self, expr: &MaskExpr) -> String {
        let name = |reference: &TensorRef| tensor(self.graph, *reference);
        let list =
            |parts: &[MaskId]| parts.iter().map(|part| self.mask(*part)).collect::<Vec<_>>().join(", ");
        match expr {
            MaskExpr::Tensor(flags) => name(flags),
            MaskExpr::NotEqual(x, value) => format!("ne({}, {})", name(x), number(self.dtype(*x), *value)),
            MaskExpr::AnyLast(part) => format!("any({}, -1)", self.mask(*part)),
            MaskExpr::Or(parts) => format!("or({})", list(parts)),
            MaskExpr::And(parts) => format!("and({})", list(parts)),
            MaskExpr::Not(part) => format!("not({})", self.mask(*part)),
            MaskExpr::Ones(x, rank) => format!("ones({}, {rank})", name(x)),
            MaskExpr::Zeros(x, rank) => format!("zeros({}, {rank})", name(x)),
            MaskExpr::ExpandLast(part) => format!("expand({}, -1)", self.mask(*part)),
            MaskExpr::Spread(part, x) => format!("spread({}, {})", self.mask(*part), name(x)),
            MaskExpr::Reverse(axis, part) => format!("reverse({axis}, {})", self.mask(*part)),
            MaskExpr::Concat(axis, parts) => format!("concat({axis}, {})", list(parts)),
        }
    }

    fn dtype(&self, tensor: TensorRef) -> DType {
        self.facts.tensor(tensor).ty.dtype
    }
}
