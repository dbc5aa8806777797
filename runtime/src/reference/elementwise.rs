//! One element from one element of each operand.
//!
//! Integers wrap, as numpy's do.

use masque_ir::ops::Elementwise;
use ndarray::{ArrayD, ArrayViewD, IxDyn};

use crate::cast::cast;
use crate::elements::{Element, collect};
use crate::error::OpFailure;
use crate::tensor::{Tensor, TensorView};

/// `one!(operands; F32 F64 => f)`: `f` of every element, for operands of these types.
macro_rules! one {
    ($operands:expr; $($dtype:ident)* => $f:expr) => {
        match &$operands[0] {
            $(TensorView::$dtype(x) => map(x, $f),)*
            other => Err(OpFailure::ElementType { found: other.dtype() }),
        }
    };
}

/// `two!(operands; F32 F64 => f)`: `f` of every pair of elements, for operands of these types.
macro_rules! two {
    ($operands:expr; $($dtype:ident)* => $f:expr) => {
        match (&$operands[0], &$operands[1]) {
            $((TensorView::$dtype(a), TensorView::$dtype(b)) => zip(a, b, $f),)*
            (_, other) => Err(OpFailure::ElementType { found: other.dtype() }),
        }
    };
}

pub(super) fn evaluate(op: &Elementwise, operands: &[TensorView<'_>]) -> Result<Tensor, OpFailure> {
    use Elementwise::*;
    match op {
        Neg => one!(operands; F32 F64 I32 I64 => |x| x.negative()),
        Abs => one!(operands; F32 F64 I32 I64 => |x| x.magnitude()),
        Sign => one!(operands; F32 F64 I32 I64 => |x| x.sign()),
        Exp => one!(operands; F32 F64 => |x| x.exp()),
        Log => one!(operands; F32 F64 => |x| x.ln()),
        Sqrt => one!(operands; F32 F64 => |x| x.sqrt()),
        Tanh => one!(operands; F32 F64 => |x| x.tanh()),
        Sin => one!(operands; F32 F64 => |x| x.sin()),
        Cos => one!(operands; F32 F64 => |x| x.cos()),
        Erf => match &operands[0] {
            TensorView::F32(x) => map(x, |x| erf(f64::from(x)) as f32),
            TensorView::F64(x) => map(x, erf),
            other => Err(OpFailure::ElementType { found: other.dtype() }),
        },
        Floor => one!(operands; F32 F64 => |x| x.floor()),
        Add => two!(operands; F32 F64 I32 I64 => |a, b| a.plus(b)),
        Sub => two!(operands; F32 F64 I32 I64 => |a, b| a.minus(b)),
        Mul => two!(operands; F32 F64 I32 I64 => |a, b| a.times(b)),
        Div => two!(operands; F32 F64 => |a, b| a / b),
        Pow => two!(operands; F32 F64 => |a, b| a.powf(b)),
        Mod => two!(operands; F32 F64 => |a, b| a.modulo(b)),
        Atan2 => two!(operands; F32 F64 => |y, x| y.atan2(x)),
        FloorDiv => floor_div(operands),
        Gcd => two!(operands; I32 I64 => |a, b| a.common_divisor(b)),
        BitAnd => two!(operands; I32 I64 => |a, b| a & b),
        Max => two!(operands; F32 F64 I32 I64 => |a, b| a.larger(b)),
        Min => two!(operands; F32 F64 I32 I64 => |a, b| a.smaller(b)),
        Eq => two!(operands; F32 F64 I32 I64 Bool => |a, b| a == b),
        Ne => two!(operands; F32 F64 I32 I64 Bool => |a, b| a != b),
        Lt => two!(operands; F32 F64 I32 I64 => |a, b| a < b),
        Le => two!(operands; F32 F64 I32 I64 => |a, b| a <= b),
        Gt => two!(operands; F32 F64 I32 I64 => |a, b| a > b),
        Ge => two!(operands; F32 F64 I32 I64 => |a, b| a >= b),
        And => two!(operands; Bool => |a, b| a && b),
        Or => two!(operands; Bool => |a, b| a || b),
        Not => one!(operands; Bool => |x: bool| !x),
        Select => select(&operands[0], &operands[1], &operands[2]),
        Cast { to } => cast(&operands[0], *to),
    }
}

fn map<T: Element + Copy, U: Element>(x: &ArrayViewD<'_, T>, f: impl Fn(T) -> U) -> Result<Tensor, OpFailure>
where
    Tensor: From<ArrayD<U>>,
{
    Ok(collect(x.shape(), x.iter().map(|&x| f(x)))?.into())
}

fn zip<T: Element + Copy, U: Element>(
    a: &ArrayViewD<'_, T>,
    b: &ArrayViewD<'_, T>,
    f: impl Fn(T, T) -> U,
) -> Result<Tensor, OpFailure>
where
    Tensor: From<ArrayD<U>>,
{
    let shape = common_shape(&[a.shape(), b.shape()])?;
    let (a, b) = (spread(a, &shape)?, spread(b, &shape)?);
    Ok(collect(&shape, a.iter().zip(&b).map(|(&a, &b)| f(a, b)))?.into())
}

fn floor_div(operands: &[TensorView<'_>]) -> Result<Tensor, OpFailure> {
    let zero = match &operands[1] {
        TensorView::I32(b) => b.iter().any(|&b| b == 0),
        TensorView::I64(b) => b.iter().any(|&b| b == 0),
        _ => false,
    };
    if zero {
        return Err(OpFailure::mismatch("divisors other than 0", "0"));
    }
    two!(operands; I32 I64 => |a, b| a.floor_quotient(b))
}

fn select(
    mask: &TensorView<'_>,
    on_true: &TensorView<'_>,
    on_false: &TensorView<'_>,
) -> Result<Tensor, OpFailure> {
    use TensorView::{Bool, F32, F64, I32, I64};
    let Bool(mask) = mask else { return Err(OpFailure::ElementType { found: mask.dtype() }) };
    match (on_true, on_false) {
        (F32(a), F32(b)) => choose(mask, a, b),
        (F64(a), F64(b)) => choose(mask, a, b),
        (I32(a), I32(b)) => choose(mask, a, b),
        (I64(a), I64(b)) => choose(mask, a, b),
        (Bool(a), Bool(b)) => choose(mask, a, b),
        (_, other) => Err(OpFailure::ElementType { found: other.dtype() }),
    }
}

fn choose<T: Element + Copy>(
    mask: &ArrayViewD<'_, bool>,
    a: &ArrayViewD<'_, T>,
    b: &ArrayViewD<'_, T>,
) -> Result<Tensor, OpFailure>
where
    Tensor: From<ArrayD<T>>,
{
    let shape = common_shape(&[mask.shape(), a.shape(), b.shape()])?;
    let (mask, a, b) = (spread(mask, &shape)?, spread(a, &shape)?, spread(b, &shape)?);
    let chosen = mask.iter().zip(a.iter().zip(&b)).map(|(&mask, (&a, &b))| if mask { a } else { b });
    Ok(collect(&shape, chosen)?.into())
}

/// The shape that all these shapes broadcast to, from the right; size 1 stands for every size.
fn common_shape(shapes: &[&[usize]]) -> Result<Vec<usize>, OpFailure> {
    let rank = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let mut common = vec![1; rank];
    for shape in shapes {
        let behind = rank - shape.len();
        for (common, &size) in common[behind..].iter_mut().zip(*shape) {
            match (*common, size) {
                (_, 1) => {}
                (1, size) => *common = size,
                (a, b) if a == b => {}
                _ => return Err(OpFailure::mismatch("shapes that broadcast", format!("{shapes:?}"))),
            }
        }
    }
    Ok(common)
}

fn spread<'v, T>(x: &'v ArrayViewD<'_, T>, shape: &[usize]) -> Result<ArrayViewD<'v, T>, OpFailure> {
    x.broadcast(IxDyn(shape)).ok_or_else(|| {
        OpFailure::mismatch(format!("a shape that broadcasts to {shape:?}"), format!("{:?}", x.shape()))
    })
}

/// Arithmetic of floats alone.
trait Real: Copy {
    fn modulo(self, other: Self) -> Self;
}

macro_rules! reals {
    ($($float:ty)*) => {$(
        impl Real for $float {
            fn modulo(self, other: Self) -> Self {
                let rest = self % other;
                if rest != 0.0 && (rest < 0.0) != (other < 0.0) { rest + other } else { rest }
            }
        }
    )*};
}
reals! { f32 f64 }

/// Arithmetic of integers alone.
trait Whole: Copy {
    /// The quotient rounded down; `other` is not 0.
    fn floor_quotient(self, other: Self) -> Self;
    fn common_divisor(self, other: Self) -> Self;
}

macro_rules! wholes {
    ($($integer:ty)*) => {$(
        impl Whole for $integer {
            fn floor_quotient(self, other: Self) -> Self {
                let quotient = self.wrapping_div(other);
                let rest = self.wrapping_rem(other);
                if rest != 0 && (rest < 0) != (other < 0) { quotient - 1 } else { quotient }
            }

            fn common_divisor(mut self, mut other: Self) -> Self {
                while other != 0 {
                    (self, other) = (other, self.wrapping_rem(other));
                }
                self.wrapping_abs()
            }
        }
    )*};
}
wholes! { i32 i64 }

/// Arithmetic that floats and integers share.
trait Number: Copy {
    fn negative(self) -> Self;
    fn magnitude(self) -> Self;
    fn sign(self) -> Self;
    fn plus(self, other: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    fn larger(self, other: Self) -> Self;
    fn smaller(self, other: Self) -> Self;
}

macro_rules! floats {
    ($($float:ty)*) => {$(
        impl Number for $float {
            fn negative(self) -> Self { -self }
            fn magnitude(self) -> Self { self.abs() }
            fn sign(self) -> Self { if self == 0.0 || self.is_nan() { self } else { self.signum() } }
            fn plus(self, other: Self) -> Self { self + other }
            fn minus(self, other: Self) -> Self { self - other }
            fn times(self, other: Self) -> Self { self * other }
            fn larger(self, other: Self) -> Self { if self >= other || self.is_nan() { self } else { other } }
            fn smaller(self, other: Self) -> Self { if self <= other || self.is_nan() { self } else { other } }
        }
    )*};
}
floats! { f32 f64 }

macro_rules! integers {
    ($($integer:ty)*) => {$(
        impl Number for $integer {
            fn negative(self) -> Self { self.wrapping_neg() }
            fn magnitude(self) -> Self { self.wrapping_abs() }
            fn sign(self) -> Self { self.signum() }
            fn plus(self, other: Self) -> Self { self.wrapping_add(other) }
            fn minus(self, other: Self) -> Self { self.wrapping_sub(other) }
            fn times(self, other: Self) -> Self { self.wrapping_mul(other) }
            fn larger(self, other: Self) -> Self { self.max(other) }
            fn smaller(self, other: Self) -> Self { self.min(other) }
        }
    )*};
}
integers! { i32 i64 }

/// The error function, by the series `2 / sqrt(pi) * exp(-x²) * Σ 2^n x^(2n + 1) / (1·3·…·(2n + 1))`, whose
/// terms all have one sign, so that nothing cancels.
fn erf(x: f64) -> f64 {
    if x.is_nan() {
        return x;
    }
    if x.abs() > 6.0 {
        return x.signum();
    }
    let (mut term, mut sum, mut odd) = (x, x, 1.0);
    while term.abs() > f64::EPSILON * 0.25 * sum.abs() {
        odd += 2.0;
        term *= 2.0 * x * x / odd;
        sum += term;
    }
    (std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * sum).clamp(-1.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erf_has_the_tabled_values() {
        let table = [
            (0.1, 0.112_462_916_018_284_89),
            (0.5, 0.520_499_877_813_046_5),
            (1.0, 0.842_700_792_949_714_9),
            (2.0, 0.995_322_265_018_952_7),
            (3.5, 0.999_999_256_901_627_7),
        ];
        for (x, expected) in table {
            assert!((erf(x) - expected).abs() < 1e-14, "erf({x}) = {}", erf(x));
            assert_eq!(erf(-x), -erf(x));
        }
        assert_eq!((erf(0.0), erf(f64::INFINITY)), (0.0, 1.0));
        assert!(erf(f64::NAN).is_nan());
    }
}
