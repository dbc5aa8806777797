//! Element-wise operations of two tensors or numbers that are a formula.

use std::f64::consts::LN_2;

use masque_ir::DType;
use masque_ir::ops::Reduce;
use masque_ir::program::Operand;

use super::built::{Built, Outcome, both, dtype_of, emit, given, maybe, numeric, real, refuse, shape_of};
use super::def;
use super::formula::{Term, term};
use crate::layer::{Arguments, ConfigError, Layer, LayerDef, Scope};

/// What both sides are computed in.
#[derive(Clone, Copy)]
enum In {
    /// Their common element type; truth values as i32.
    Same,
    /// Floats.
    Real,
    /// f64; the result has the type of `Real`.
    Wide,
    /// Whole numbers and truth values alone.
    Whole,
}

/// `f` of every pair of elements.
fn pair(
    parameters: &'static [&'static str; 2],
    kind: In,
    f: fn(Term, Term) -> Term,
) -> Result<Box<dyn Layer>, ConfigError> {
    let pair = Built::new(parameters, move |scope, arguments| {
        let [a, b] = both(scope, arguments, *parameters)?;
        let found = dtype_of(scope, &a);
        if matches!(kind, In::Whole) && !found.is_int() {
            return refuse("whole numbers", found);
        }
        let result = match (kind, found) {
            (In::Same, DType::Bool) => DType::I32,
            (In::Same | In::Whole, found) | (_, found @ DType::F64) => found,
            _ => DType::F32,
        };
        let inner = if matches!(kind, In::Wide) { DType::F64 } else { result };
        let (a, b) = (scope.cast(&a, inner)?, scope.cast(&b, inner)?);
        let y = f(term(&a), term(&b)).build(scope)?;
        scope.cast(&y, result)
    });
    pair.boxed()
}

macro_rules! pairs {
    ($($name:ident = $class:literal, $parameters:expr, $kind:ident, $f:expr;)*) => {
        $(pub(in crate::layers) static $name: LayerDef = def($class, |_| pair($parameters, In::$kind, $f));)*
    };
}

const NUMBERED: &[&str; 2] = &["x1", "x2"];
const LETTERED: &[&str; 2] = &["x", "y"];

/// The larger or smaller one; a number that is none counts for nothing.
fn or_the_other(a: Term, b: Term, extreme: Term) -> Term {
    let (no_a, no_b) = (a.is_nan(), b.is_nan());
    b.if_so(no_a, a.if_so(no_b, extreme))
}

/// `log(exp(a) + exp(b))`, which does not overflow.
fn log_of_sum(a: Term, b: Term) -> Term {
    let rest = ((-(a.clone() - &b).abs()).exp() + 1.0).log();
    let both = a.larger(&b) + rest;
    (a.clone() + LN_2).if_so(a.equals(b), both)
}

/// 2 to the power of so many places; i64, which 63 places go beyond as far as they can.
fn factor(places: Term) -> Term {
    Term::Number(2.0).power(places.cast(DType::F64)).cast(DType::I64)
}

/// What is left of `a` after whole `b`s, with the sign of `a`.
fn rest(a: Term, b: Term, modulo: fn(&Term, Term) -> Term) -> Term {
    a.sign() * modulo(&a.abs(), b.abs())
}

pairs! {
    ARCTAN2 = "ops.Arctan2", NUMBERED, Real, |a, b| a.atan2(b);
    BITWISE_AND = "ops.BitwiseAnd", LETTERED, Whole, |a, b| a.bits(b);
    BITWISE_OR = "ops.BitwiseOr", LETTERED, Whole, |a, b| a.clone() + &b - a.bits(b);
    BITWISE_XOR = "ops.BitwiseXor", LETTERED, Whole, |a, b| a.clone() + &b - a.bits(b) * 2.0;
    DIVIDE_NO_NAN = "ops.DivideNoNan", NUMBERED, Real, |a, b| (a / &b).if_so(b.differs(0.0), 0.0);
    FMAX = "ops.Fmax", NUMBERED, Same, |a, b| or_the_other(a.clone(), b.clone(), a.larger(b));
    FMIN = "ops.Fmin", NUMBERED, Same, |a, b| or_the_other(a.clone(), b.clone(), a.smaller(b));
    GCD = "ops.Gcd", NUMBERED, Whole, |a, b| a.gcd(b);
    HEAVISIDE = "ops.Heaviside", NUMBERED, Real, |a, b| {
        let side = a.sign().larger(0.0);
        b.if_so(a.equals(0.0), side)
    };
    HYPOT = "ops.Hypot", NUMBERED, Wide, |a, b| (a.clone() * a + b.clone() * b).sqrt();
    LCM = "ops.Lcm", NUMBERED, Whole, |a, b| {
        let divisor = a.gcd(&b);
        let safe = divisor.larger(1.0);
        a.abs() * b.abs().quotient(safe)
    };
    LOGADDEXP = "ops.Logaddexp", NUMBERED, Wide, log_of_sum;
    LOGADDEXP2 = "ops.Logaddexp2", NUMBERED, Wide, |a, b| log_of_sum(a * LN_2, b * LN_2) / LN_2;
}

pub(in crate::layers) static FMOD: LayerDef = def("ops.Fmod", |_| {
    let fmod = Built::new(NUMBERED, |scope, arguments| {
        let [a, b] = both(scope, arguments, *NUMBERED)?;
        let (a, b) = (numeric(scope, &a)?, numeric(scope, &b)?);
        let modulo = match dtype_of(scope, &a).is_int() {
            true => |a: &Term, b: Term| a.clone() - a.quotient(&b) * b,
            false => |a: &Term, b: Term| a.modulo(b),
        };
        let (a, b) = (term(&a), term(&b));
        rest(a, b, modulo).build(scope)
    });
    fmod.boxed()
});

/// `isclose(x1, x2, rtol, atol, equal_nan)`
fn close(scope: &mut Scope<'_>, arguments: &Arguments<Operand>, tolerance: [f64; 2], nan: bool) -> Outcome {
    let [a, b] = both(scope, arguments, *NUMBERED)?;
    if !dtype_of(scope, &a).is_float() {
        return term(&a).equals(term(&b)).build(scope);
    }
    let mut bounds = tolerance.map(Term::Number);
    for (bound, name) in bounds.iter_mut().zip(["rtol", "atol"]) {
        if let Some(given) = maybe(scope, arguments, name)? {
            *bound = term(&scope.cast(&given, dtype_of(scope, &a))?);
        }
    }
    let [relative, absolute] = bounds;
    let (a, b) = (term(&a), term(&b));
    let near = (a.clone() - &b).abs().at_most(b.abs() * relative + absolute);
    let near = if nan { near.or(a.is_nan().and(b.is_nan())) } else { near };
    near.build(scope)
}

pub(in crate::layers) static ISCLOSE: LayerDef = def("ops.Isclose", |config| {
    let nan = config.bool("equal_nan", false)?;
    let close = Built::new(&["x1", "x2", "rtol", "atol"], move |scope, arguments| {
        close(scope, arguments, [1e-5, 1e-8], nan)
    });
    close.boxed()
});

pub(in crate::layers) static ALL_CLOSE: LayerDef = def("ops.AllClose", |config| {
    let tolerance = [config.number("rtol", 1e-5)?, config.number("atol", 1e-8)?];
    let nan = config.bool("equal_nan", false)?;
    let all = Built::new(NUMBERED, move |scope, arguments| {
        let near = close(scope, arguments, tolerance, nan)?;
        let axes = (0..shape_of(scope, &near).len() as u32).collect();
        emit(scope, Reduce::All { axes, keep: false }, &[&near])
    });
    all.boxed()
});

/// `ldexp(x1, x2)`: `x1` times 2 to the power of `x2`.
pub(in crate::layers) static LDEXP: LayerDef = def("ops.Ldexp", |_| {
    let ldexp = Built::new(NUMBERED, |scope, arguments| {
        let (x, exponent) = (given(scope, arguments, "x1")?, given(scope, arguments, "x2")?);
        if !dtype_of(scope, &exponent).is_int() {
            return refuse("whole numbers as `x2`", dtype_of(scope, &exponent));
        }
        let x = real(scope, &x)?;
        let exponent = scope.cast(&exponent, DType::F64)?;
        let wide = term(&scope.cast(&x, DType::F64)?) * Term::Number(2.0).power(term(&exponent));
        let y = wide.build(scope)?;
        scope.cast(&y, dtype_of(scope, &x))
    });
    ldexp.boxed()
});

fn shift(f: fn(Term, Term) -> Term) -> Result<Box<dyn Layer>, ConfigError> {
    let shift = Built::new(LETTERED, move |scope, arguments| {
        let [x, places] = both(scope, arguments, *LETTERED)?;
        let dtype = dtype_of(scope, &x);
        if !dtype.is_int() {
            return refuse("whole numbers", dtype);
        }
        f(term(&x).cast(DType::I64), factor(term(&places))).cast(dtype).build(scope)
    });
    shift.boxed()
}

pub(in crate::layers) static BITWISE_LEFT_SHIFT: LayerDef =
    def("ops.BitwiseLeftShift", |_| shift(|x, by| x * by));
pub(in crate::layers) static BITWISE_RIGHT_SHIFT: LayerDef =
    def("ops.BitwiseRightShift", |_| shift(|x, by| x.quotient(by)));
pub(in crate::layers) static LEFT_SHIFT: LayerDef = def("ops.LeftShift", |_| shift(|x, by| x * by));
pub(in crate::layers) static RIGHT_SHIFT: LayerDef = def("ops.RightShift", |_| shift(|x, by| x.quotient(by)));
