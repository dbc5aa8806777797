//! Operations by their own meaning.

use super::{Call, Gives};
use crate::error::OpFailure;
use crate::{Tensor, TensorView, reference};

/// Element by element, whatever the operation.
#[derive(Debug)]
pub(super) struct Reference;

impl Gives for Reference {
    fn give(&self, call: &Call<'_>) -> Result<Vec<Tensor>, OpFailure> {
        let view = |(place, operand): (usize, &Option<_>)| match operand {
            None => Ok(None),
            Some(operand) => {
                let operand: &crate::data::Operand<'_> = operand;
                operand.view().map(Some).ok_or_else(|| call.unfit(place))
            }
        };
        let operands: Vec<Option<TensorView<'_>>> =
            call.operands.iter().enumerate().map(view).collect::<Result<_, _>>()?;
        reference::evaluate(call.op, &operands, call.bindings)
    }
}
