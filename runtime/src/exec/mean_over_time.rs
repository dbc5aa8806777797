//! Means over time; all axes after time are features for the kernel.

use super::{Call, Writes, elements};
use crate::error::OpFailure;
use crate::kernels::pool::mean_over_time;

#[derive(Debug)]
pub(super) struct MeanOverTime;

impl Writes for MeanOverTime {
    fn write(&self, call: &mut Call<'_>) -> Result<(), OpFailure> {
        let &[batch, steps, ref rest @ ..] = call.operand(0)?.shape else { return Err(call.unfit(0)) };
        let (x, mask) = (call.floats(0)?, call.maybe_flags(1)?);
        mean_over_time(x, [batch, steps, elements(rest)], mask, call.out(0)?);
        Ok(())
    }
}
