//! Tokens to numbers, with a list that is looked through once for all runs.

use masque_ir::ops::{Lookup, Op, OperandTypes};

use super::{Adapter, Call, Prepared, missing, no_matrices};
use crate::Tensor;
use crate::error::OpFailure;
use crate::lookup::Places;
use crate::weights::Stored;

pub(super) const ADAPTER: Adapter = Adapter { takes, matrices: no_matrices, prepare, run };

fn takes(op: &Op, _: OperandTypes<'_>) -> bool {
    matches!(op, Op::Lookup(Lookup::Find { .. }))
}

fn prepare(op: &Op, place: usize, weight: &Stored<'_>) -> Option<Prepared> {
    let list = weight.tensor().filter(|_| place == 1 && takes(op, &[]))?;
    Places::new(&list).map(Prepared::Places)
}

fn run(call: &Call<'_>) -> Result<Vec<Tensor>, OpFailure> {
    let (Op::Lookup(Lookup::Find { required }), Some(Prepared::Places(places))) = (call.op, call.prepared(1))
    else {
        return call.by_reference();
    };
    let x = call.tensor(0).ok_or_else(|| missing(call.op, 0))?;
    places.find(&x, *required).map(|places| vec![places])
}
