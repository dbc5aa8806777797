//! Symbolic masks: what is known about a tensor's padding before anything runs.
//!
//! A mask is an expression over tensors of the layer graph: `ne(%ids, 0)`, `any(ne(%x, 0.0), -1)`,
//! `or(…, …)`. Expressions live in a [`MaskPool`] that keeps every distinct one once, in a canonical form, so
//! two masks are the same mask exactly when they have the same [`MaskId`].
//!
//! The canonical form is what makes a mask that Keras wrote into a file as a chain of operation nodes the same
//! node as the one our rules infer: both are built with the constructors below, and these simplify.
//!
//! | written | kept as | why |
//! |---|---|---|
//! | `and(m, m)`, `or(m, m)` | `m` | idempotent |
//! | `or(or(a, b), c)` | `or(a, b, c)`, sorted | associative, commutative |
//! | `or(m, ones(%x))`, `and(m, ones(%x))` | `ones(%x)`, `m` | absorbing, neutral |
//! | `not(not(m))`, `reverse(k, reverse(k, m))` | `m` | involution |
//! | `reverse(k, ones(%x))` | `ones(%x)` | alike everywhere |
//! | `unfold(fold(m), %x)` | `m` | folded where `%x` was |
//! | `or(expand(m, -1), zeros(%x))` | `spread(m, %x)` | Keras' way to give `m` the shape of `%x` |
//! | `any(spread(m, %x), -1)` | `m` | the axis was only copied |
//! | `any(concat(-1, …), -1)` | `or(…)` of the parts' own `any` | last axis gone |
//! | `any(concat(k, …), -1)` | `concat(k, …)` of the parts' own `any` | other axes stay |

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::float::Float;
use crate::layers::TensorRef;

/// A mask of a [`MaskPool`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MaskId(pub u32);

/// One node of a mask expression.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MaskExpr {
    /// A bool tensor of the graph, taken as it is: `%flags`.
    Tensor(TensorRef),
    /// `ne(%ids, 0)`: true where the tensor differs from the number.
    NotEqual(TensorRef, Float),
    /// `any(m, -1)`: true where `m` is true anywhere along its last axis.
    AnyLast(MaskId),
    /// `or(a, b, …)`, sorted, at least two.
    Or(Vec<MaskId>),
    /// `and(a, b, …)`, sorted, at least two.
    And(Vec<MaskId>),
    /// `not(m)`.
    Not(MaskId),
    /// `ones(%x, r)`: true everywhere, in the shape of the tensor's first `r` axes.
    Ones(TensorRef, u32),
    /// `zeros(%x, r)`: false everywhere, in the shape of the tensor's first `r` axes.
    Zeros(TensorRef, u32),
    /// `expand(m, k)`: one more axis of size 1 in front of axis `k`, counted from the front; -1 is behind all.
    Expand(u32, MaskId),
    /// `spread(m, %x)`: `m` copied along the last axis, up to the shape of `%x`.
    Spread(MaskId, TensorRef),
    /// `concat(k, a, b, …)`: joined along axis `k`, counted from the front.
    Concat(u32, Vec<MaskId>),
    /// `reverse(k, m)`: the other way round along axis `k`, counted from the front.
    Reverse(u32, MaskId),
    /// `fold(m)`: the first two axes as one, as `TimeDistributed` sees batch and steps.
    Fold(MaskId),
    /// `unfold(m, %x)`: the first axis apart again, as the first two of the tensor.
    Unfold(MaskId, TensorRef),
    /// `unknown(%x, r)`: what is attached to the tensor from here on, if anything is, in the shape of its first `r` axes.
    /// It is neither true nor false anywhere, and may be no mask at all.
    Unknown(TensorRef, u32),
    /// `causal(%x, %y)` and `within(w, %x, %y)`: for each pair of a position along axis 1 of the one tensor and of the
    /// other, behind an axis of size 1.
    Band(Band, TensorRef, TensorRef),
}

/// Which positions of a sequence may look at which of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Band {
    /// At those no later than themselves.
    Causal,
    /// At those fewer steps away than this.
    Within(u32),
}

impl MaskExpr {
    /// The masks it is made of, in order.
    pub fn parts(&self) -> &[MaskId] {
        match self {
            MaskExpr::Tensor(_)
            | MaskExpr::NotEqual(..)
            | MaskExpr::Ones(..)
            | MaskExpr::Zeros(..)
            | MaskExpr::Unknown(..)
            | MaskExpr::Band(..) => &[],
            MaskExpr::AnyLast(part)
            | MaskExpr::Not(part)
            | MaskExpr::Expand(_, part)
            | MaskExpr::Reverse(_, part)
            | MaskExpr::Fold(part)
            | MaskExpr::Unfold(part, _)
            | MaskExpr::Spread(part, _) => std::slice::from_ref(part),
            MaskExpr::Or(parts) | MaskExpr::And(parts) | MaskExpr::Concat(_, parts) => parts,
        }
    }

    /// The same expression of other masks.
    fn with_parts(&self, new: impl Fn(MaskId) -> MaskId) -> MaskExpr {
        let mut expr = self.clone();
        match &mut expr {
            MaskExpr::AnyLast(part)
            | MaskExpr::Not(part)
            | MaskExpr::Expand(_, part)
            | MaskExpr::Reverse(_, part)
            | MaskExpr::Fold(part)
            | MaskExpr::Unfold(part, _)
            | MaskExpr::Spread(part, _) => *part = new(*part),
            MaskExpr::Or(parts) | MaskExpr::And(parts) => {
                parts.iter_mut().for_each(|part| *part = new(*part));
                parts.sort();
            }
            MaskExpr::Concat(_, parts) => parts.iter_mut().for_each(|part| *part = new(*part)),
            _ => {}
        }
        expr
    }

    /// The tensors it reads itself.
    pub fn tensors(&self) -> impl Iterator<Item = TensorRef> + use<> {
        let tensors = match self {
            MaskExpr::Tensor(tensor)
            | MaskExpr::NotEqual(tensor, _)
            | MaskExpr::Ones(tensor, _)
            | MaskExpr::Zeros(tensor, _)
            | MaskExpr::Unknown(tensor, _)
            | MaskExpr::Unfold(_, tensor)
            | MaskExpr::Spread(_, tensor) => [Some(*tensor), None],
            MaskExpr::Band(_, rows, columns) => [Some(*rows), Some(*columns)],
            _ => [None, None],
        };
        tensors.into_iter().flatten()
    }
}

/// How deep masks may lie within one another. Deeper ones are refused where a model is read: passes walk over masks by
/// recursion.
pub const MAX_HEIGHT: u32 = 1024;

/// How many parts all masks of a graph may have together: joining them could make a short file long.
pub const MAX_PARTS: usize = 1 << 22;

/// Every distinct mask once.
#[derive(Clone, Debug, Default)]
pub struct MaskPool {
    nodes: Vec<MaskExpr>,
    ranks: Vec<u32>,
    heights: Vec<u32>,
    unknown: Vec<bool>,
    height: u32,
    parts: usize,
    ids: HashMap<MaskExpr, MaskId>,
    /// What [`MaskPool::any_last`] gave: expressions share parts.
    any_last: HashMap<MaskId, MaskId>,
}

impl MaskPool {
    /// The expression behind an id.
    pub fn get(&self, id: MaskId) -> &MaskExpr {
        &self.nodes[id.0 as usize]
    }

    /// The number of axes of a mask.
    pub fn rank(&self, id: MaskId) -> u32 {
        self.ranks[id.0 as usize]
    }

    /// Is the mask, or a part of it, [`MaskExpr::Unknown`]? Then there may be none.
    pub fn is_unknown(&self, id: MaskId) -> bool {
        self.unknown[id.0 as usize]
    }

    /// How deep masks lie within one another, at most; 1 if none has parts.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// How many parts all masks have together.
    pub fn parts(&self) -> usize {
        self.parts
    }

    /// Every mask with its expression; parts stand before what is made of them.
    pub fn iter(&self) -> impl Iterator<Item = (MaskId, &MaskExpr)> {
        self.nodes.iter().enumerate().map(|(place, node)| (MaskId(place as u32), node))
    }

    fn intern(&mut self, expr: MaskExpr, rank: u32) -> MaskId {
        if let Some(&id) = self.ids.get(&expr) {
            return id;
        }
        let id = MaskId(self.nodes.len() as u32);
        let below = expr.parts().iter().map(|part| self.heights[part.0 as usize]).max().unwrap_or(0);
        let unknown = expr.parts().iter().any(|part| self.unknown[part.0 as usize]);
        self.unknown.push(unknown || matches!(expr, MaskExpr::Unknown(..)));
        self.heights.push(below + 1);
        self.height = self.height.max(below + 1);
        self.parts += expr.parts().len();
        self.nodes.push(expr.clone());
        self.ranks.push(rank);
        self.ids.insert(expr, id);
        id
    }

    /// A bool tensor of that rank, taken as a mask.
    pub fn tensor(&mut self, tensor: TensorRef, rank: u32) -> MaskId {
        self.intern(MaskExpr::Tensor(tensor), rank)
    }

    /// True where a tensor of that rank differs from a number.
    pub fn not_equal(&mut self, tensor: TensorRef, number: f64, rank: u32) -> MaskId {
        // Comparison does not tell the zeros apart.
        let number = if number == 0.0 { 0.0 } else { number };
        self.intern(MaskExpr::NotEqual(tensor, Float(number)), rank)
    }

    /// True everywhere, over the first `rank` axes of a tensor.
    pub fn ones(&mut self, tensor: TensorRef, rank: u32) -> MaskId {
        self.intern(MaskExpr::Ones(tensor, rank), rank)
    }

    /// False everywhere, over the first `rank` axes of a tensor.
    pub fn zeros(&mut self, tensor: TensorRef, rank: u32) -> MaskId {
        self.intern(MaskExpr::Zeros(tensor, rank), rank)
    }

    /// What is attached to a tensor and not known, over its first `rank` axes.
    pub fn unknown(&mut self, tensor: TensorRef, rank: u32) -> MaskId {
        self.intern(MaskExpr::Unknown(tensor, rank), rank)
    }

    /// The negation.
    pub fn not(&mut self, mask: MaskId) -> MaskId {
        let rank = self.rank(mask);
        match *self.get(mask) {
            MaskExpr::Not(inner) => inner,
            MaskExpr::Ones(tensor, rank) => self.zeros(tensor, rank),
            MaskExpr::Zeros(tensor, rank) => self.ones(tensor, rank),
            _ => self.intern(MaskExpr::Not(mask), rank),
        }
    }

    /// True where any of the masks is. Masks of one rank; for others see [`MaskPool::spread_or`].
    pub fn or(&mut self, masks: &[MaskId]) -> MaskId {
        let mut parts = vec![];
        for &mask in masks {
            match self.get(mask) {
                MaskExpr::Or(inner) => parts.extend_from_slice(inner),
                MaskExpr::Zeros(..) if masks.len() > 1 => {}
                MaskExpr::Ones(..) => return mask,
                _ => parts.push(mask),
            }
        }
        self.joined(parts, masks, MaskExpr::Or)
    }

    /// True where all of the masks are. Masks of one rank.
    pub fn and(&mut self, masks: &[MaskId]) -> MaskId {
        let mut parts = vec![];
        for &mask in masks {
            match self.get(mask) {
                MaskExpr::And(inner) => parts.extend_from_slice(inner),
                MaskExpr::Ones(..) if masks.len() > 1 => {}
                MaskExpr::Zeros(..) => return mask,
                _ => parts.push(mask),
            }
        }
        self.joined(parts, masks, MaskExpr::And)
    }

    fn joined(
        &mut self,
        mut parts: Vec<MaskId>,
        given: &[MaskId],
        make: fn(Vec<MaskId>) -> MaskExpr,
    ) -> MaskId {
        parts.sort();
        parts.dedup();
        match parts.as_slice() {
            [] => given[0],
            [one] => *one,
            _ => {
                let rank = parts.iter().map(|&part| self.rank(part)).max().unwrap_or(0);
                self.intern(make(parts), rank)
            }
        }
    }

    /// `or` as Keras' broadcasting `logical_or` does it: `or(expand(m, -1), zeros(%x))` is `m` in the shape of
    /// `%x`.
    pub fn spread_or(&mut self, left: MaskId, right: MaskId) -> MaskId {
        for (expanded, zeros) in [(left, right), (right, left)] {
            if let (&MaskExpr::Expand(axis, mask), &MaskExpr::Zeros(tensor, _)) =
                (self.get(expanded), self.get(zeros))
                && axis == self.rank(mask)
            {
                return self.spread(mask, tensor);
            }
        }
        self.or(&[left, right])
    }

    /// The mask copied along one more axis at the end, to the shape of a tensor.
    pub fn spread(&mut self, mask: MaskId, tensor: TensorRef) -> MaskId {
        let rank = self.rank(mask) + 1;
        self.intern(MaskExpr::Spread(mask, tensor), rank)
    }

    /// One more axis of size 1 in front of an axis, counted from the front, or behind all.
    pub fn expand(&mut self, axis: u32, mask: MaskId) -> MaskId {
        let rank = self.rank(mask);
        self.intern(MaskExpr::Expand(axis.min(rank), mask), rank + 1)
    }

    /// One more axis of size 1 at the end.
    pub fn expand_last(&mut self, mask: MaskId) -> MaskId {
        self.expand(self.rank(mask), mask)
    }

    /// Which positions along axis 1 of a tensor may look at which of another one.
    pub fn band(&mut self, band: Band, rows: TensorRef, columns: TensorRef) -> MaskId {
        self.intern(MaskExpr::Band(band, rows, columns), 3)
    }

    /// The other way round along an axis, counted from the front.
    pub fn reverse(&mut self, axis: u32, mask: MaskId) -> MaskId {
        let rank = self.rank(mask);
        match *self.get(mask) {
            MaskExpr::Reverse(other, inner) if other == axis => inner,
            MaskExpr::Ones(..) | MaskExpr::Zeros(..) => mask,
            _ => self.intern(MaskExpr::Reverse(axis, mask), rank),
        }
    }

    /// The first two axes as one. A mask of fewer axes says nothing of steps, and stays.
    pub fn fold(&mut self, mask: MaskId) -> MaskId {
        match self.rank(mask) {
            0 | 1 => mask,
            rank => self.intern(MaskExpr::Fold(mask), rank - 1),
        }
    }

    /// The first axis as the first two of a tensor, of which it was folded.
    pub fn unfold(&mut self, mask: MaskId, tensor: TensorRef) -> MaskId {
        let rank = self.rank(mask);
        match *self.get(mask) {
            MaskExpr::Fold(inner) => inner,
            _ => self.intern(MaskExpr::Unfold(mask, tensor), rank + 1),
        }
    }

    /// Joined along an axis, counted from the front.
    pub fn concat(&mut self, axis: u32, masks: &[MaskId]) -> MaskId {
        match masks {
            [one] => *one,
            _ => {
                let rank = self.rank(masks[0]);
                self.intern(MaskExpr::Concat(axis, masks.to_vec()), rank)
            }
        }
    }

    /// True where the mask is true anywhere along its last axis.
    pub fn any_last(&mut self, mask: MaskId) -> MaskId {
        if let Some(&known) = self.any_last.get(&mask) {
            return known;
        }
        let result = self.any_last_of(mask);
        self.any_last.insert(mask, result);
        result
    }

    fn any_last_of(&mut self, mask: MaskId) -> MaskId {
        let rank = self.rank(mask).saturating_sub(1);
        match self.get(mask).clone() {
            MaskExpr::Spread(inner, _) => inner,
            MaskExpr::Expand(axis, inner) if axis == rank => inner,
            MaskExpr::Ones(tensor, _) => self.ones(tensor, rank),
            MaskExpr::Zeros(tensor, _) => self.zeros(tensor, rank),
            MaskExpr::Concat(axis, parts) => {
                let parts: Vec<MaskId> = parts.into_iter().map(|part| self.any_last(part)).collect();
                if axis == rank { self.or(&parts) } else { self.concat(axis, &parts) }
            }
            _ => self.intern(MaskExpr::AnyLast(mask), rank),
        }
    }

    /// The same expression built in this pool out of another pool's. Expressions share parts and may be nested
    /// deep, so every part is visited once and none by recursion.
    pub fn import(&mut self, other: &MaskPool, id: MaskId) -> MaskId {
        let mut known: HashMap<MaskId, MaskId> = HashMap::new();
        let mut waiting = vec![id];
        while let Some(&next) = waiting.last() {
            let expr = other.get(next);
            let before = waiting.len();
            if !known.contains_key(&next) {
                waiting.extend(expr.parts().iter().rev().filter(|part| !known.contains_key(part)));
            }
            if waiting.len() == before {
                if !known.contains_key(&next) {
                    let id = self.intern(expr.with_parts(|part| known[&part]), other.rank(next));
                    known.insert(next, id);
                }
                waiting.pop();
            }
        }
        known[&id]
    }

    /// The given masks and their parts alone, with their new ids. The numbering depends on the expressions and
    /// on nothing else: simpler ones first, equal in depth as their kinds, tensors and parts compare.
    pub(crate) fn compact(&self, roots: impl Iterator<Item = MaskId>) -> (MaskPool, HashMap<MaskId, MaskId>) {
        let mut needed = vec![false; self.nodes.len()];
        roots.for_each(|root| needed[root.0 as usize] = true);
        let mut levels: Vec<Vec<MaskId>> = vec![];
        let mut heights = vec![0; self.nodes.len()];
        for (place, node) in self.nodes.iter().enumerate().rev() {
            if needed[place] {
                node.parts().iter().for_each(|part| needed[part.0 as usize] = true);
            }
        }
        for (id, node) in self.iter().filter(|(id, _)| needed[id.0 as usize]) {
            let height = node.parts().iter().map(|part| heights[part.0 as usize] + 1).max().unwrap_or(0);
            heights[id.0 as usize] = height;
            levels.resize_with(levels.len().max(height + 1), Vec::new);
            levels[height].push(id);
        }
        let (mut pool, mut known) = (MaskPool::default(), HashMap::new());
        for level in levels {
            let mut exprs: Vec<(MaskExpr, MaskId)> =
                level.into_iter().map(|id| (self.get(id).with_parts(|part| known[&part]), id)).collect();
            exprs.sort();
            known.extend(exprs.into_iter().map(|(expr, id)| (id, pool.intern(expr, self.rank(id)))));
        }
        (pool, known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layers::CallId;

    fn tensor(call: u32) -> TensorRef {
        TensorRef { call: CallId(call), output: 0 }
    }

    #[test]
    fn one_expression_is_one_node() {
        let mut pool = MaskPool::default();
        let a = pool.not_equal(tensor(0), 0.0, 2);
        let b = pool.not_equal(tensor(1), 0.0, 2);
        assert_eq!(pool.not_equal(tensor(0), -0.0, 2), a);
        assert_eq!(pool.or(&[a, a]), a);
        assert_eq!(pool.or(&[b, a]), pool.or(&[a, b]));
        let (not_a, both) = (pool.not(a), pool.and(&[a, b]));
        assert_eq!(pool.not(not_a), a);
        assert_eq!(pool.and(&[both, a]), both);
    }

    #[test]
    fn compact_numbers_depend_on_expressions_alone() {
        let compacted = |order: [u32; 2]| {
            let mut pool = MaskPool::default();
            let parts = order.map(|call| pool.not_equal(tensor(call), 0.0, 2));
            let (either, unused) = (pool.or(&parts), pool.ones(tensor(7), 2));
            assert_ne!(either, unused);
            let (compact, known) = pool.compact([either].into_iter());
            (compact.iter().map(|(_, expr)| expr.clone()).collect::<Vec<_>>(), known[&either])
        };
        assert_eq!(compacted([0, 1]), compacted([1, 0]));
        assert_eq!(compacted([0, 1]).1, MaskId(2));
    }

    /// Keras' plumbing for `Concatenate([x, pos])`, the second without a mask.
    #[test]
    fn plumbing_of_concatenate_is_seen_through() {
        let mut pool = MaskPool::default();
        let mask = pool.not_equal(tensor(0), 0.0, 2);
        let (expanded, zeros) = (pool.expand_last(mask), pool.zeros(tensor(1), 3));
        let (spread, ones) = (pool.spread_or(expanded, zeros), pool.ones(tensor(2), 3));
        let time = pool.concat(1, &[spread, ones]);
        let (row_ones, joined) = (pool.ones(tensor(2), 2), pool.any_last(time));
        assert_eq!(joined, pool.concat(1, &[mask, row_ones]));
        let features = pool.concat(2, &[spread, ones]);
        assert_eq!(pool.any_last(features), row_ones);
        let doubled = pool.concat(2, &[spread, spread]);
        assert_eq!(pool.any_last(doubled), mask);
    }
}
