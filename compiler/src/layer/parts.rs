//! What an operation sees that may be part of a mask's computation.

use std::cell::RefCell;

use masque_ir::facts::CallFact;
use masque_ir::layers::TensorRef;
use masque_ir::mask::{MaskId, MaskPool};

use super::Arguments;

/// What an operation sees of the masks among its arguments.
pub struct MaskParts<'a> {
    /// Its arguments.
    pub arguments: &'a Arguments<TensorRef>,
    /// Where masks live.
    pub pool: &'a RefCell<MaskPool>,
    /// The masks that it computes with.
    pub used: &'a [Option<MaskId>],
    facts: &'a [CallFact],
    expressions: &'a [Option<MaskId>],
}

impl<'a> MaskParts<'a> {
    /// The arguments of a call, with the facts of the calls before it and the masks that their first outputs are.
    pub fn new(
        arguments: &'a Arguments<TensorRef>,
        pool: &'a RefCell<MaskPool>,
        used: &'a [Option<MaskId>],
        facts: &'a [CallFact],
        expressions: &'a [Option<MaskId>],
    ) -> MaskParts<'a> {
        MaskParts { arguments, pool, used, facts, expressions }
    }

    /// The number of axes of a tensor.
    pub fn rank(&self, tensor: TensorRef) -> u32 {
        self.facts[tensor.call.0 as usize].outputs[tensor.output as usize].ty.rank() as u32
    }

    /// The symbolic mask that a bool tensor is, if it is known to be one.
    pub fn mask_of(&self, tensor: TensorRef) -> Option<MaskId> {
        self.expressions[tensor.call.0 as usize].filter(|_| tensor.output == 0)
    }
}
