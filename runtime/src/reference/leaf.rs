//! Constants, and states, which are zeros here: there was no run before. Inputs and weights are given, not computed.

use masque_ir::dim::Bindings;
use masque_ir::ops::Leaf;
use masque_ir::program::Literal;
use masque_ir::{DType, Type};

use crate::cast::cast;
use crate::elements::collect;
use crate::error::OpFailure;
use crate::tensor::Tensor;

pub(super) fn evaluate(op: &Leaf) -> Result<Tensor, OpFailure> {
    match op {
        Leaf::Input { .. } | Leaf::Weight { .. } => Err(OpFailure::Given),
        Leaf::State { ty } => zeros(ty),
        Leaf::Constant { ty, values } => {
            let shape = ty
                .eval(&Bindings::new())
                .ok_or_else(|| OpFailure::UnboundSize { size: ty.elements().to_string() })?;
            numbers(&shape, values.iter().map(|value| value.0), ty.dtype)
        }
    }
}

/// Zeros of a type whose sizes are known: what a state is before the first run.
pub(crate) fn zeros(ty: &Type) -> Result<Tensor, OpFailure> {
    let unbound = || OpFailure::UnboundSize { size: ty.elements().to_string() };
    let shape = ty.eval(&Bindings::new()).ok_or_else(unbound)?;
    let count = crate::element::element_count(&shape).ok_or_else(unbound)?;
    numbers(&shape, std::iter::repeat_n(0.0, count), ty.dtype)
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
