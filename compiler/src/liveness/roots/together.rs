//! Inputs that are padded together: at the same positions.

use std::collections::BTreeSet;

use masque_ir::Dim;
use masque_ir::ops::{Leaf, Op};
use masque_ir::program::{Operand, Value};

use super::Search;

/// Which inputs callers pad at the same positions. Others may be padded apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Together {
    /// Those of each group, by name.
    Groups(Vec<BTreeSet<String>>),
    /// All whose sequences have one length.
    All,
}

impl Default for Together {
    fn default() -> Together {
        Together::Groups(vec![])
    }
}

impl Together {
    /// Are masks of these inputs the same mask?
    fn joins(&self, one: &BTreeSet<String>, other: &BTreeSet<String>) -> bool {
        match self {
            Together::All => true,
            Together::Groups(groups) => {
                groups.iter().any(|group| one.is_subset(group) && other.is_subset(group))
            }
        }
    }
}

impl Search<'_> {
    /// The place of a mask that is computed from some inputs, over an axis of that size.
    pub(super) fn place(&mut self, size: &Dim, inputs: &BTreeSet<String>) -> Option<(usize, u32)> {
        let base = self.roots.bases.of(size);
        let mut over = self.roots.masks.iter().filter(|mask| Some(mask.place.0) == base);
        let known = over.find(|mask| self.together.joins(&mask.inputs, inputs)).map(|mask| mask.place);
        known.or_else(|| self.roots.bases.add(size))
    }

    /// The names of the inputs that a value is computed from.
    pub(super) fn inputs(&self, value: Value) -> BTreeSet<String> {
        let (mut seen, mut open) = (BTreeSet::from([value]), vec![value]);
        let mut inputs = BTreeSet::new();
        while let Some(value) = open.pop() {
            let node = &self.program.nodes[value.node as usize];
            if matches!(node.op, Op::Leaf(Leaf::Input { .. })) {
                inputs.insert(self.program.result(value).name.clone());
            }
            open.extend(node.operands.iter().filter_map(Operand::value).filter(|value| seen.insert(*value)));
        }
        inputs
    }
}
