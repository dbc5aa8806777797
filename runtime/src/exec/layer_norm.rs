//! Layer normalization; the axes normalized together are one row for the kernel.

use masque_ir::ops::{Normalize, Op};

use super::{Call, Writes, elements};
use crate::error::OpFailure;
use crate::kernels::norm::layer_norm;

#[derive(Debug)]
struct LayerNorm {
    axes: usize,
    epsilon: f32,
}

pub(super) fn prepare(op: &Op) -> Option<Box<dyn Writes>> {
    let Op::Normalize(Normalize::LayerNorm { axes, epsilon }) = op else { return None };
    Some(Box::new(LayerNorm { axes: *axes as usize, epsilon: epsilon.0 as f32 }))
}

impl Writes for LayerNorm {
    fn write(&self, call: &mut Call<'_>) -> Result<(), OpFailure> {
        let shape = call.result_shape(0);
        let width = elements(&shape[shape.len().saturating_sub(self.axes)..]);
        let (x, gamma, beta) = (call.floats(0)?, call.maybe_floats(1)?, call.maybe_floats(2)?);
        layer_norm(x, width, gamma, beta, self.epsilon, call.out(0)?);
        Ok(())
    }
}
