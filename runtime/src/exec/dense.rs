//! Rows times a matrix: the fully connected layer, and a product without anything around it.

use masque_ir::ops::{Dense, Op};

use super::{Call, Writes, elements, function};
use crate::error::OpFailure;
use crate::kernels::activation::Activation as Function;
use crate::kernels::dense::dense;

/// A layer with its activation function.
#[derive(Debug)]
pub(super) struct Rows(Function);

/// A product.
pub(super) const LINEAR: Rows = Rows(Function::Linear);

pub(super) fn prepare(op: &Op) -> Option<Box<dyn Writes>> {
    let Op::Dense(Dense::Dense { activation }) = op else { return None };
    Some(Box::new(Rows(function(activation)?)))
}

impl Writes for Rows {
    fn write(&self, call: &mut Call<'_>) -> Result<(), OpFailure> {
        let x = call.operand(0)?;
        let rows = elements(&x.shape[..x.shape.len().saturating_sub(1)]);
        let (x, matrix, bias) = (call.floats(0)?, call.matrix(1)?, call.maybe_floats(2)?);
        dense(x, rows, matrix.packed()?, bias, self.0, call.out(0)?);
        Ok(())
    }
}
