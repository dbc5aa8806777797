//! Tokens to numbers, with a list that is read once for all runs.

use masque_ir::ops::{Lookup, Op};

use super::{Call, Gives, reference::Reference};
use crate::Tensor;
use crate::data::Operand;
use crate::error::OpFailure;
use crate::lookup::Places;

#[derive(Debug)]
struct Listed {
    places: Places,
    required: bool,
}

pub(super) fn prepare(op: &Op, weights: &[Option<Operand<'_>>]) -> Box<dyn Gives> {
    let list = weights.get(1).copied().flatten().and_then(|list| list.view());
    match (op, list.as_ref().and_then(Places::new)) {
        (Op::Lookup(Lookup::Find { required }), Some(places)) => {
            Box::new(Listed { places, required: *required })
        }
        _ => Box::new(Reference),
    }
}

impl Gives for Listed {
    fn give(&self, call: &Call<'_>) -> Result<Vec<Tensor>, OpFailure> {
        let x = call.operand(0)?.view().ok_or_else(|| call.unfit(0))?;
        self.places.find(&x, self.required).map(|places| vec![places])
    }
}
