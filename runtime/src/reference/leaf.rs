//! Constants. Inputs and weights are given, not computed.

use masque_ir::DType;
use masque_ir::dim::Bindings;
use masque_ir::ops::Leaf;
use masque_ir::program::Literal;

use super::cast;
use crate::elements::collect;
use crate::error::OpFailure;
use crate::tensor::Tensor;

pub(super) fn evaluate(op: &Leaf) -> Result<Tensor, OpFailure> {
    match op {
        Leaf::Input { .. } | Leaf::Weight { .. } => Err(OpFailure::Given),
        Leaf::Constant { ty, values } => {
            let shape = ty
                .eval(&Bindings::new())
                .ok_or_else(|| OpFailure::UnboundSize { size: ty.elements().to_string() })?;
            numbers(&shape, values.iter().map(|value| value.0), ty.dtype)
        }
    }
}

/// A number as a tensor without axes.
pub(super) fn literal(literal: &Literal) -> Result<Tensor, OpFailure> {
    numbers(&[], [literal.number.0], literal.dtype)
}

/// Numbers as elements of some type. There are no numbers that are texts, but a tensor of no texts.
pub(super) fn numbers(
    shape: &[usize],
    numbers: impl IntoIterator<Item = f64>,
    dtype: DType,
) -> Result<Tensor, OpFailure> {
    let numbers = Tensor::F64(collect(shape, numbers)?);
    match dtype {
        DType::Str if shape.contains(&0) => Ok(Tensor::Str(collect(shape, [])?)),
        _ => cast(&numbers.view(), dtype),
    }
}
