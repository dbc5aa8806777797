//! Activation functions on their own.

use masque_ir::ops::{Activate, Op};

use super::{Call, Writes, function};
use crate::error::OpFailure;
use crate::kernels::activation::Activation as Function;

#[derive(Debug)]
struct Applied(Function);

pub(super) fn prepare(op: &Op) -> Option<Box<dyn Writes>> {
    let Op::Activate(Activate::Activate { f }) = op else { return None };
    Some(Box::new(Applied(function(f)?)))
}

impl Writes for Applied {
    fn write(&self, call: &mut Call<'_>) -> Result<(), OpFailure> {
        let width = call.result_shape(0).last().copied().unwrap_or(1);
        let x = call.maybe_floats(0)?;
        let out = call.out(0)?;
        if let Some(x) = x {
            out.copy_from_slice(x);
        }
        self.0.apply(out, width);
        Ok(())
    }
}
