//! Rounding as Keras does it.

use masque_ir::ops::{Elementwise, OpError};
use masque_ir::program::Operand;

use crate::layer::Scope;

/// The nearest whole number, of two the even one.
pub(super) fn half_to_even(scope: &mut Scope<'_>, x: Operand) -> Result<Operand, OpError> {
    use Elementwise::{Eq, Floor, Mul, Ne, Select, Sub};
    let number = |scope: &Scope<'_>, number| scope.builder.number(&x, number);
    let (half, two, zero, one) =
        (number(scope, 0.5), number(scope, 2.0), number(scope, 0.0), number(scope, 1.0));
    let low = scope.builder.emit(Floor, std::slice::from_ref(&x))?;
    let rest = scope.builder.emit(Sub, &[x, low.clone()])?;
    // A number half way goes up from an odd one only.
    let halved = scope.builder.emit(Mul, &[low.clone(), half.clone()])?;
    let floor = scope.builder.emit(Floor, &[halved])?;
    let even = scope.builder.emit(Mul, &[floor, two])?;
    let odd = scope.builder.emit(Ne, &[even, low.clone()])?;
    let tie = scope.builder.emit(Eq, &[rest.clone(), half.clone()])?;
    let beyond = scope.builder.emit(Elementwise::Gt, &[rest, half])?;
    let tied_up = scope.builder.emit(Elementwise::And, &[tie, odd])?;
    let up = scope.builder.emit(Elementwise::Or, &[beyond, tied_up])?;
    let step = scope.builder.emit(Select, &[up, one, zero])?;
    scope.builder.emit(Elementwise::Add, &[low, step])
}
