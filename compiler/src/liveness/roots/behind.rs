//! What the source of a mask is made of: callers pad inputs, and a mask may be made from a part of one, or from
//! several one behind the other.

use std::collections::HashSet;

use masque_ir::Type;
use masque_ir::flow::{Arrangement, Flow};
use masque_ir::program::{Operand, Value};

use super::Search;

/// The sequences that a value is put together from, moved along its second axis and not computed.
#[derive(Debug, Default)]
pub(super) struct Behind {
    /// The sequences themselves, each padded at its own end.
    pub(super) sequences: Vec<Value>,
    /// Is the value padded at its end, wherever its sequences are?
    pub(super) ends: bool,
    /// Is it cut at a place that is counted from the end, so that it depends on the padding which positions are left?
    pub(super) cut: bool,
}

impl Search<'_> {
    /// The sequences that a value is put together from.
    pub(super) fn behind(&self, value: Value) -> Behind {
        let mut behind = Behind { sequences: vec![], ends: true, cut: false };
        let (mut seen, mut open) = (HashSet::from([value]), vec![value]);
        while let Some(value) = open.pop() {
            let parts = self.parts(value, &mut behind);
            if parts.is_none() && self.is_padded(value) {
                behind.sequences.push(value);
            }
            open.extend(parts.into_iter().flatten().rev().filter(|&part| seen.insert(part)));
        }
        behind
    }

    /// What a value is put together from; nothing of one that is not.
    fn parts(&self, value: Value, behind: &mut Behind) -> Option<Vec<Value>> {
        let node = &self.program.nodes[value.node as usize];
        let types = self.program.operand_types(node);
        let types: Vec<Option<&Type>> = types.iter().map(Option::as_ref).collect();
        let Flow::Arranged(arrangement) = node.op.flow(&types) else { return None };
        let size = |axis: usize| types[0].and_then(|ty| ty.shape.get(axis));
        let grows = size(1).is_some_and(|size| size.known().is_none());
        let values = node.operands.iter().filter_map(Operand::value);
        match arrangement {
            Arrangement::Joined(1) => {
                behind.ends = false;
                return Some(values.collect());
            }
            Arrangement::Padded { low: [_, _, ..], high: [_, high, ..], spread: [_, 0, ..] } => {
                behind.ends &= *high <= 0;
                behind.cut |= *high < 0 && grows;
            }
            Arrangement::Sliced { axis: 1, start, stop, .. } => {
                behind.cut |= start.known().is_none() || stop.known().is_none() && size(1) != Some(stop);
            }
            Arrangement::Sliced { axis: 0, start, stop, step: 1 }
                if start.known() == Some(0) && size(0) == Some(stop) => {}
            _ => return None,
        }
        Some(values.take(1).collect())
    }

    /// Is it a sequence that callers may pad?
    fn is_padded(&self, value: Value) -> bool {
        let size = self.program.result(value).ty.shape.get(1);
        size.is_some_and(|size| !size.is_one()) && !self.inputs(value).is_empty()
    }
}
