//! What is known of masks before anything runs: what they vary along, which hold everywhere, which are padded at the
//! end, and how two of them relate.
//!
//! Everything here is proved by the expressions alone and by what layers promise of the numbers that they give
//! ([`Masking::filler`](crate::layer::Masking::filler)); what is not proved is not claimed.

#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use masque_ir::Type;
use masque_ir::facts::InferredGraph;
use masque_ir::layers::TensorRef;
use masque_ir::mask::{MaskExpr, MaskId, MaskPool};
use serde::Serialize;

use super::type_by_parts;
use crate::layer::Layer;

/// What is known of one mask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MaskFacts {
    /// The axes that it varies along, from the front: along all others it is the same.
    pub axes: BTreeSet<u32>,
    /// Is it the same everywhere, and what?
    pub always: Option<bool>,
    /// Do all valid positions along axis 1 stand before all others, whatever the inputs are?
    pub right_padded: bool,
}

/// How two masks relate, in the order in which they are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Relation {
    /// They are the same expression.
    Same,
    /// One holds exactly where the other does not.
    Complementary,
    /// The second holds wherever the first does.
    Implies,
    /// The first holds wherever the second does.
    ImpliedBy,
}

/// More pairs of parts are not compared for one answer: a relation is then not found.
const MOST_PAIRS: usize = 1 << 14;

/// What is known of the masks of a model.
pub struct Statics<'a> {
    model: &'a InferredGraph,
    layers: &'a [Box<dyn Layer>],
    facts: Vec<MaskFacts>,
    types: Vec<Type>,
    implied: RefCell<HashMap<(MaskId, MaskId), bool>>,
}

impl<'a> Statics<'a> {
    /// Looks at every mask of a model, given its layers in the order of the graph.
    pub fn of(model: &'a InferredGraph, layers: &'a [Box<dyn Layer>]) -> Statics<'a> {
        let mut statics =
            Statics { model, layers, facts: vec![], types: vec![], implied: RefCell::default() };
        let tensor = |tensor: TensorRef| model.facts.tensor(tensor).ty.clone();
        for (mask, expression) in model.facts.masks.iter() {
            let facts = statics.facts_of(expression);
            statics.facts.push(facts);
            let part = |part: MaskId| statics.types[part.0 as usize].clone();
            let ty = type_by_parts(&model.facts.masks, mask, &tensor, &part);
            statics.types.push(ty);
        }
        statics
    }

    /// What is known of a mask.
    pub fn get(&self, mask: MaskId) -> &MaskFacts {
        &self.facts[mask.0 as usize]
    }

    /// The type of a mask.
    pub fn ty(&self, mask: MaskId) -> &Type {
        &self.types[mask.0 as usize]
    }

    fn pool(&self) -> &MaskPool {
        &self.model.facts.masks
    }

    fn facts_of(&self, expression: &MaskExpr) -> MaskFacts {
        let rank = |tensor: &TensorRef| self.model.facts.tensor(*tensor).ty.rank() as u32;
        let all = |rank: u32| (0..rank).collect::<BTreeSet<u32>>();
        let facts = |axes, always, right_padded| MaskFacts { axes, always, right_padded };
        match expression {
            MaskExpr::Tensor(x) => facts(all(rank(x)), None, false),
            MaskExpr::NotEqual(x, number) => facts(all(rank(x)), None, self.ends_in(*x, number.0)),
            MaskExpr::Ones(..) => facts(BTreeSet::new(), Some(true), true),
            MaskExpr::Zeros(..) => facts(BTreeSet::new(), Some(false), true),
            MaskExpr::Band(..) => facts(BTreeSet::from([1, 2]), None, false),
            MaskExpr::Unknown(_, rank) => facts(all(*rank), None, false),
            MaskExpr::AnyLast(part) => {
                let (of, last) = (self.get(*part), self.pool().rank(*part).saturating_sub(1));
                let axes = of.axes.iter().copied().filter(|&axis| axis != last).collect();
                facts(axes, of.always.filter(|always| !always), of.right_padded && last > 1)
            }
            MaskExpr::Not(part) => {
                let of = self.get(*part);
                facts(of.axes.clone(), of.always.map(|always| !always), of.always.is_some())
            }
            MaskExpr::Expand(at, part) => {
                let of = self.get(*part);
                let axes = of.axes.iter().map(|&axis| axis + u32::from(axis >= *at)).collect();
                facts(axes, of.always, of.always.is_some() || of.right_padded && *at > 1)
            }
            MaskExpr::Spread(part, _) => self.get(*part).clone(),
            MaskExpr::Reverse(axis, part) => {
                let of = self.get(*part);
                let varies = of.axes.contains(axis) && *axis == 1;
                facts(of.axes.clone(), of.always, of.right_padded && !varies)
            }
            // Axis 1 was axis 2 before, or becomes it.
            MaskExpr::Fold(part) => {
                let of = self.get(*part);
                facts(
                    of.axes.iter().map(|axis| axis.saturating_sub(1)).collect(),
                    of.always,
                    of.always.is_some(),
                )
            }
            MaskExpr::Unfold(part, _) => {
                let of = self.get(*part);
                let front = if of.axes.contains(&0) { 2 } else { 0 };
                let behind = of.axes.iter().filter(|&&axis| axis > 0).map(|axis| axis + 1);
                facts((0..front).chain(behind).collect(), of.always, of.always.is_some())
            }
            MaskExpr::Or(parts) => self.joined(parts, true),
            MaskExpr::And(parts) => self.joined(parts, false),
            MaskExpr::Concat(axis, parts) => self.concatenated(*axis, parts),
        }
    }

    /// `or` if one part that always holds decides it, else `and`. Parts line up at their last axes.
    fn joined(&self, parts: &[MaskId], decides: bool) -> MaskFacts {
        let rank = parts.iter().map(|part| self.pool().rank(*part)).max().unwrap_or(0);
        let axes = parts.iter().flat_map(|part| {
            let before = rank - self.pool().rank(*part);
            self.get(*part).axes.iter().map(move |axis| axis + before)
        });
        let always = |value: bool| move |part: &MaskId| self.get(*part).always == Some(value);
        let one_rank = parts.iter().all(|part| self.pool().rank(*part) == rank);
        MaskFacts {
            axes: axes.collect(),
            always: match () {
                () if parts.iter().any(always(decides)) => Some(decides),
                () if parts.iter().all(always(!decides)) => Some(!decides),
                () => None,
            },
            right_padded: one_rank && parts.iter().all(|part| self.get(*part).right_padded),
        }
    }

    fn concatenated(&self, axis: u32, parts: &[MaskId]) -> MaskFacts {
        let of: Vec<&MaskFacts> = parts.iter().map(|part| self.get(*part)).collect();
        let first = of.first().and_then(|first| first.always);
        let always = first.filter(|_| of.iter().all(|part| part.always == first));
        let mut axes: BTreeSet<u32> = of.iter().flat_map(|part| part.axes.iter().copied()).collect();
        if always.is_none() {
            axes.insert(axis);
        }
        // Along time: valid everywhere, then one that is padded at the end, then none at all.
        let mut rest = of.iter().skip_while(|part| part.always == Some(true));
        let in_time =
            rest.next().is_none_or(|part| part.right_padded) && rest.all(|part| part.always == Some(false));
        let right_padded = if axis == 1 { in_time } else { of.iter().all(|part| part.right_padded) };
        MaskFacts { axes, always, right_padded }
    }

    /// Does that number stand behind the end of each row of a tensor, and nowhere before?
    fn ends_in(&self, tensor: TensorRef, number: f64) -> bool {
        let call = self.model.graph.call(tensor.call);
        self.layers[call.layer.0 as usize].masking().filler == Some(number)
    }

    /// How two masks relate, as far as it can be proved.
    pub fn relation(&self, a: MaskId, b: MaskId) -> Option<Relation> {
        if a == b {
            return Some(Relation::Same);
        }
        let negates = |a: MaskId, b: MaskId| *self.pool().get(a) == MaskExpr::Not(b);
        if negates(a, b) || negates(b, a) {
            return Some(Relation::Complementary);
        }
        self.implied.borrow_mut().clear();
        if self.implies(a, b) {
            return Some(Relation::Implies);
        }
        self.implied.borrow_mut().clear();
        self.implies(b, a).then_some(Relation::ImpliedBy)
    }

    /// Does the second hold wherever the first does?
    fn implies(&self, a: MaskId, b: MaskId) -> bool {
        if a == b {
            return true;
        }
        if self.types[a.0 as usize] != self.types[b.0 as usize] {
            return false;
        }
        if self.get(a).always == Some(false) || self.get(b).always == Some(true) {
            return true;
        }
        if let Some(&known) = self.implied.borrow().get(&(a, b)) {
            return known;
        }
        if self.implied.borrow().len() >= MOST_PAIRS {
            return false;
        }
        self.implied.borrow_mut().insert((a, b), false);
        let found = self.implies_by_parts(a, b);
        self.implied.borrow_mut().insert((a, b), found);
        found
    }

    fn implies_by_parts(&self, a: MaskId, b: MaskId) -> bool {
        use MaskExpr::{And, AnyLast, Concat, Expand, Fold, Not, Or, Reverse, Spread, Unfold};
        let (left, right) = (self.pool().get(a), self.pool().get(b));
        match (left, right) {
            (Or(parts), _) => return parts.iter().all(|&part| self.implies(part, b)),
            (_, And(parts)) => return parts.iter().all(|&part| self.implies(a, part)),
            _ => {}
        }
        if let And(parts) = left
            && parts.iter().any(|&part| self.implies(part, b))
        {
            return true;
        }
        if let Or(parts) = right
            && parts.iter().any(|&part| self.implies(a, part))
        {
            return true;
        }
        match (left, right) {
            (Not(a), Not(b)) => self.implies(*b, *a),
            (AnyLast(a), AnyLast(b)) | (Fold(a), Fold(b)) => self.implies(*a, *b),
            (Expand(k, a), Expand(l, b)) | (Reverse(k, a), Reverse(l, b)) => k == l && self.implies(*a, *b),
            (Spread(a, x), Spread(b, y)) | (Unfold(a, x), Unfold(b, y)) => x == y && self.implies(*a, *b),
            (Concat(k, a), Concat(l, b)) => {
                k == l && a.len() == b.len() && a.iter().zip(b).all(|(&a, &b)| self.implies(a, b))
            }
            _ => false,
        }
    }
}
