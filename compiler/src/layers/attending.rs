//! What the attention layers share.

use masque_ir::ops::{Elementwise, OpError, Shape};
use masque_ir::program::Operand;

use crate::layer::{Arguments, Passed, Scope};

/// True where both are; one that is absent is true everywhere.
pub(super) fn both(
    scope: &mut Scope<'_>,
    a: Option<Operand>,
    b: Option<Operand>,
) -> Result<Option<Operand>, OpError> {
    match (a, b) {
        (Some(a), Some(b)) => scope.builder.emit(Elementwise::And, &[a, b]).map(Some),
        (a, b) => Ok(a.or(b)),
    }
}

/// A mask with a truth value for every position of a tensor `[B, T, …]`, where one value may serve several.
pub(super) fn by_position(scope: &mut Scope<'_>, mask: Operand, x: &Operand) -> Result<Operand, OpError> {
    let (own, sizes) = (scope.builder.type_of(&mask).shape, scope.builder.type_of(x).shape);
    let is_narrow = own.iter().zip(sizes.iter()).any(|(own, size)| own.is_one() && !size.is_one());
    match is_narrow {
        true => scope.builder.emit(Shape::Broadcast { shape: sizes[..2].into() }, &[mask]),
        false => Ok(mask),
    }
}

/// The mask with an axis of size 1 added at a place.
pub(super) fn with_axis(scope: &mut Scope<'_>, mask: &Operand, at: usize) -> Result<Operand, OpError> {
    scope.builder.insert_axis(mask, at)
}

/// Is that argument of the call true?
pub(super) fn is_set<T>(arguments: &Arguments<T>, parameter: &str) -> bool {
    matches!(arguments.get(parameter), Some(Passed::Constant(value)) if value.as_bool() == Some(true))
}
