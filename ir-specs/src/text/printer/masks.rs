//! What was inferred about a call, behind its line: types, masks, and what it did with masks.

use std::cell::Cell;

use super::layers::tensor;
use super::number;
use crate::facts::{CallFact, Facts, MaskStatus};
use crate::layers::{CallId, LayerGraph, TensorRef};
use crate::mask::{Band, MaskExpr, MaskId};
use crate::ty::DType;

/// A mask that is larger than this is written once, as `!0 = …`, and named where it is used: written out, an
/// expression with shared parts could be longer than any file.
const LARGEST_INLINE: u64 = 16;

/// How many parts of a mask are written where it is written out; what is beyond them is `…`.
const LONGEST_WRITTEN_OUT: usize = 64;

/// Prints masks of one graph.
pub(super) struct MaskPrinter<'a> {
    graph: &'a LayerGraph,
    facts: &'a Facts,
    /// For every mask its number, if it is written once.
    shared: Vec<Option<usize>>,
    /// How many more parts are written.
    left: Cell<usize>,
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
        MaskPrinter { graph, facts, shared, left: Cell::new(usize::MAX) }
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

    /// One mask, written out. Parts are shared, so that written out in full it could be longer than any file.
    pub(super) fn written_out(graph: &LayerGraph, facts: &Facts, id: MaskId) -> String {
        let left = Cell::new(LONGEST_WRITTEN_OUT);
        MaskPrinter { graph, facts, shared: vec![], left }.mask(id)
    }

    fn mask(&self, id: MaskId) -> String {
        if let Some(number) = self.shared.get(id.0 as usize).copied().flatten() {
            return format!("!{number}");
        }
        let Some(left) = self.left.get().checked_sub(1) else { return "…".to_owned() };
        self.left.set(left);
        self.expression(self.facts.masks.get(id))
    }

    fn list(&self, parts: &[MaskId]) -> String {
        let mut list = vec![];
        for part in parts {
            list.push(self.mask(*part));
            if self.left.get() == 0 {
                break;
            }
        }
        if list.len() < parts.len() {
            list.push("…".to_owned());
        }
        list.join(", ")
    }

    fn expression(&self, expr: &MaskExpr) -> String {
        let name = |reference: &TensorRef| tensor(self.graph, *reference);
        let list = |parts: &[MaskId]| self.list(parts);
        match expr {
            MaskExpr::Tensor(flags) => name(flags),
            MaskExpr::NotEqual(x, value) => format!("ne({}, {})", name(x), number(self.dtype(*x), *value)),
            MaskExpr::AnyLast(part) => format!("any({}, -1)", self.mask(*part)),
            MaskExpr::Or(parts) => format!("or({})", list(parts)),
            MaskExpr::And(parts) => format!("and({})", list(parts)),
            MaskExpr::Not(part) => format!("not({})", self.mask(*part)),
            MaskExpr::Ones(x, rank) => format!("ones({}, {rank})", name(x)),
            MaskExpr::Zeros(x, rank) => format!("zeros({}, {rank})", name(x)),
            MaskExpr::Unknown(x, rank) => format!("unknown({}, {rank})", name(x)),
            MaskExpr::Expand(axis, part) if *axis == self.facts.masks.rank(*part) => {
                format!("expand({}, -1)", self.mask(*part))
            }
            MaskExpr::Expand(axis, part) => format!("expand({}, {axis})", self.mask(*part)),
            MaskExpr::Spread(part, x) => format!("spread({}, {})", self.mask(*part), name(x)),
            MaskExpr::Reverse(axis, part) => format!("reverse({axis}, {})", self.mask(*part)),
            MaskExpr::Fold(part) => format!("fold({})", self.mask(*part)),
            MaskExpr::Unfold(part, x) => format!("unfold({}, {})", self.mask(*part), name(x)),
            MaskExpr::Concat(axis, parts) => format!("concat({axis}, {})", list(parts)),
            MaskExpr::Band(Band::Causal, rows, columns) => {
                format!("causal({}, {})", name(rows), name(columns))
            }
            MaskExpr::Band(Band::Within(steps), rows, columns) => {
                format!("within({steps}, {}, {})", name(rows), name(columns))
            }
        }
    }

    fn dtype(&self, tensor: TensorRef) -> DType {
        self.facts.tensor(tensor).ty.dtype
    }
}
