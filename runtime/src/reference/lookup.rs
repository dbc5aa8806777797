//! Tokens to numbers, with a list that is looked through anew each time.

use masque_ir::ops::Lookup;

use crate::error::OpFailure;
use crate::lookup::{Places, bucket, cross, tally};
use crate::tensor::{Tensor, TensorView};

pub(super) fn evaluate(op: &Lookup, operands: &[TensorView<'_>]) -> Result<Tensor, OpFailure> {
    let (x, second) = (&operands[0], operands.get(1));
    match op {
        Lookup::Find { required } => {
            let list = second.ok_or_else(|| OpFailure::mismatch("a list", "none"))?;
            let places = Places::new(list).ok_or(OpFailure::ElementType { found: list.dtype() })?;
            places.find(x, *required)
        }
        Lookup::Bucket { bins, by } => bucket(x, *bins, *by),
        Lookup::Cross { bins } => cross(operands, *bins),
        Lookup::Tally { size } => tally(x, second, *size),
    }
}
