//! Functions of every element of one tensor that are a formula: hyperbolic, logarithmic, rounding, testing.
//!
//! Where a formula takes the difference of nearly equal numbers it is computed in f64, so that f32 loses nothing.

use std::f64::consts::{FRAC_2_SQRT_PI, LN_2, LN_10, PI};

use masque_ir::DType;
use masque_ir::ops::Shape;
use masque_ir::program::Operand;

use super::built::{
    Built, Outcome, dtype_of, element_type, emit, literal, numeric, of_one, optional_number, real, refuse,
    shape_of, tensor,
};
use super::def;
use super::formula::{Term, term};
use crate::layer::{Config, ConfigError, Layer, LayerDef, Scope};

/// In what a formula is computed.
#[derive(Clone, Copy)]
enum In {
    /// Floats: f32, or f64 where that comes in.
    Real,
    /// In f64; the result is f32 unless f64 came in.
    Wide,
    /// The element type that comes in; truth values as i32.
    Same,
}

/// `f` of every element.
fn formula(kind: In, f: fn(Term) -> Term) -> Result<Box<dyn Layer>, ConfigError> {
    of_one(move |scope, x| apply(scope, x, kind, f))
}

fn apply(scope: &mut Scope<'_>, x: &Operand, kind: In, f: fn(Term) -> Term) -> Outcome {
    let x = match kind {
        In::Same => numeric(scope, x)?,
        In::Real | In::Wide => real(scope, x)?,
    };
    let dtype = dtype_of(scope, &x);
    let inner = if matches!(kind, In::Wide) { scope.cast(&x, DType::F64)? } else { x };
    let y = f(term(&inner)).build(scope)?;
    let result = if dtype_of(scope, &y).is_float() { dtype } else { dtype_of(scope, &y) };
    scope.cast(&y, result)
}

macro_rules! formulas {
    ($($name:ident = $class:literal, $kind:ident, $f:expr;)*) => {
        $(pub(in crate::layers) static $name: LayerDef = def($class, |_| formula(In::$kind, $f));)*
    };
}

fn one_minus(x: impl Into<Term>) -> Term {
    Term::Number(1.0) - x.into()
}

fn squared(x: &Term) -> Term {
    x.clone() * x
}

/// The other leg of a right triangle with hypotenuse 1.
fn leg(x: &Term) -> Term {
    (one_minus(x) * (x.clone() + 1.0)).sqrt()
}

formulas! {
    ANGLE = "ops.Angle", Real, |x| x.sign().smaller(0.0) * -PI;
    ARCCOS = "ops.Arccos", Real, |x| leg(&x).atan2(x);
    ARCCOSH = "ops.Arccosh", Wide, |x| (x.clone() + (x.clone() - 1.0).sqrt() * (x + 1.0).sqrt()).log();
    ARCSIN = "ops.Arcsin", Real, |x| x.atan2(leg(&x));
    ARCSINH = "ops.Arcsinh", Wide, |x| x.sign() * (x.abs() + (squared(&x) + 1.0).sqrt()).log();
    ARCTAN = "ops.Arctan", Real, |x| x.atan2(1.0);
    ARCTANH = "ops.Arctanh", Wide, |x| ((x.clone() + 1.0) / one_minus(x)).log() * 0.5;
    CBRT = "ops.Cbrt", Wide, |x| x.sign() * x.abs().power(1.0 / 3.0);
    COSH = "ops.Cosh", Wide, |x| (x.exp() + (-x).exp()) * 0.5;
    DEG2RAD = "ops.Deg2rad", Wide, |x| x * (PI / 180.0);
    ERFC = "ops.Erfc", Wide, |x| one_minus(x.erf());
    ERFINV = "ops.Erfinv", Wide, inverse_erf;
    EXP2 = "ops.Exp2", Wide, |x| Term::Number(2.0).power(x);
    EXPM1 = "ops.Expm1", Wide, |x| x.exp() - 1.0;
    FABS = "ops.Fabs", Real, |x| x.abs();
    I0 = "ops.I0", Real, bessel;
    INVERT = "ops.BitwiseInvert", Same, |x| -x - 1.0;
    ISINF = "ops.Isinf", Real, |x| x.abs().equals(f64::INFINITY);
    ISNEGINF = "ops.Isneginf", Real, |x| x.equals(f64::NEG_INFINITY);
    ISPOSINF = "ops.Isposinf", Real, |x| x.equals(f64::INFINITY);
    ISREAL = "ops.Isreal", Real, |x| x.equals(&x).or(x.is_nan());
    LOG10 = "ops.Log10", Wide, |x| x.log() / LN_10;
    LOG1P = "ops.Log1p", Wide, |x| (x + 1.0).log();
    LOG2 = "ops.Log2", Wide, |x| x.log() / LN_2;
    NOT = "ops.BitwiseNot", Same, |x| -x - 1.0;
    RAD2DEG = "ops.Rad2deg", Wide, |x| x * (180.0 / PI);
    SIGNBIT = "ops.Signbit", Real, |x| x.below(0.0).or((Term::Number(1.0) / &x).below(0.0));
    SINC = "ops.Sinc", Wide, |x| {
        let angle = x.clone() * PI;
        (angle.sin() / angle).if_so(x.differs(0.0), 1.0)
    };
    SINH = "ops.Sinh", Wide, |x| (x.exp() - (-x).exp()) * 0.5;
    TAN = "ops.Tan", Wide, |x| x.sin() / x.cos();
}

/// A closed form that is right to two digits, then two steps of Halley's method, which triple the digits.
fn inverse_erf(y: Term) -> Term {
    const A: f64 = 0.147;
    let log = one_minus(squared(&y)).log();
    let half = log.clone() * 0.5 + 2.0 / (PI * A);
    let root = (squared(&half) - log / A).sqrt() - half;
    let mut x = y.sign() * root.larger(0.0).sqrt();
    for _ in 0..2 {
        let slope = (-squared(&x)).exp() * FRAC_2_SQRT_PI;
        let step = (x.erf() - &y) / slope;
        x = x.clone() - step.clone() / (x * step + 1.0);
    }
    // At the ends, infinite; beyond them, nothing.
    x.if_so(y.abs().below(1.0), one_minus(y.abs()).log() * -y)
}

/// The modified Bessel function of order 0 to the precision of f32: Abramowitz and Stegun, 9.8.1 and 9.8.2.
fn bessel(x: Term) -> Term {
    const NEAR: [f64; 7] = [1.0, 3.5156229, 3.0899424, 1.2067492, 0.2659732, 0.0360768, 0.0045813];
    const FAR: [f64; 9] = [
        0.39894228,
        0.01328592,
        0.00225319,
        -0.00157565,
        0.00916281,
        -0.02057706,
        0.02635537,
        -0.01647633,
        0.00392377,
    ];
    let polynomial = |of: &Term, coefficients: &[f64]| {
        coefficients.iter().rev().fold(of.clone() * 0.0, |sum, &coefficient| sum * of + coefficient)
    };
    let size = x.abs();
    let near = polynomial(&squared(&(size.clone() / 3.75)), &NEAR);
    let far = polynomial(&(Term::Number(3.75) / &size), &FAR) * size.exp() / size.sqrt();
    near.if_so(size.at_most(3.75), far)
}

/// Whole numbers stay what they are, and are the very tensor that came in.
fn rounding(
    parameters: fn(&mut Config) -> Result<i64, ConfigError>,
    f: fn(Term) -> Term,
) -> impl Fn(&mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    move |config| {
        let decimals = parameters(config)?;
        let rounding = Built::new(&["x"], move |scope, arguments| {
            let x = tensor(arguments, "x")?;
            let dtype = dtype_of(scope, &x);
            if !dtype.is_float() && decimals >= 0 {
                return Ok(x);
            }
            let factor = 10f64.powi(decimals.clamp(-40, 40) as i32);
            let scaled = real(scope, &x)?;
            let y = match decimals {
                0 => f(term(&scaled)).build(scope)?,
                _ => (f(term(&scaled) * factor) / factor).build(scope)?,
            };
            scope.cast(&y, dtype)
        });
        rounding.keeping(|x, _| !x.dtype.is_float()).boxed()
    }
}

pub(in crate::layers) static ROUND: LayerDef =
    def("ops.Round", |config| rounding(|config| config.integer("decimals", Some(0)), |x| x.round())(config));
pub(in crate::layers) static TRUNC: LayerDef =
    def("ops.Trunc", |config| rounding(|_| Ok(0), |x| x.trunc())(config));

/// Numbers that are real already: the very tensor that came in.
fn itself() -> Result<Box<dyn Layer>, ConfigError> {
    Built::new(&["x"], |_, arguments| tensor(arguments, "x")).keeping(|_, _| true).boxed()
}

pub(in crate::layers) static CONJUGATE: LayerDef = def("ops.Conjugate", |_| itself());
pub(in crate::layers) static CONJ: LayerDef = def("ops.Conj", |_| itself());
pub(in crate::layers) static REAL: LayerDef = def("ops.Real", |_| itself());
pub(in crate::layers) static IMAG: LayerDef = def("ops.Imag", |_| {
    of_one(|scope, x| {
        let zero = literal(dtype_of(scope, x), 0.0);
        emit(scope, Shape::Broadcast { shape: shape_of(scope, x) }, &[&zero])
    })
});

/// `view(x, dtype)`, where the element type stays: anything else would read the bits as other numbers.
pub(in crate::layers) static VIEW: LayerDef = def("ops.View", |config| {
    let dtype = element_type(config)?;
    of_one(move |scope, x| match dtype {
        Some(dtype) if dtype != dtype_of(scope, x) => {
            refuse("the element type of `x`: bits are not read as other numbers", dtype)
        }
        _ => Ok(x.clone()),
    })
});

/// `saturate_cast(x, dtype)`: to the nearest number that there is.
pub(in crate::layers) static SATURATE_CAST: LayerDef = def("ops.SaturateCast", |config| {
    let dtype = element_type(config)?;
    of_one(move |scope, x| {
        let dtype = dtype.unwrap_or(dtype_of(scope, x));
        let x = numeric(scope, x)?;
        let bound = match (dtype_of(scope, &x), dtype) {
            (DType::F64, DType::F32) => Some((f64::from(f32::MIN), f64::from(f32::MAX))),
            (DType::I64, DType::I32) => Some((f64::from(i32::MIN), f64::from(i32::MAX))),
            _ => None,
        };
        let x = match bound {
            Some((least, most)) => term(&x).larger(least).smaller(most).build(scope)?,
            None => x,
        };
        scope.cast(&x, dtype)
    })
});

/// `threshold(x, threshold, default_value)`: what is above it stays.
pub(in crate::layers) static THRESHOLD: LayerDef = def("ops.Threshold", |config| {
    let (threshold, default) = (config.float("threshold", 0.0)?.0, config.float("default_value", 0.0)?.0);
    of_one(move |scope, x| {
        let x = term(&numeric(scope, x)?);
        x.if_so(x.above(threshold), default).build(scope)
    })
});

/// `nan_to_num(x, nan, posinf, neginf)`; whole numbers are the very tensor that came in.
pub(in crate::layers) static NAN_TO_NUM: LayerDef = def("ops.NanToNum", |config| {
    let nan = config.float("nan", 0.0)?.0;
    let (highest, lowest) = (optional_number(config, "posinf")?, optional_number(config, "neginf")?);
    let clean = Built::new(&["x"], move |scope, arguments| {
        let x = tensor(arguments, "x")?;
        let most = match dtype_of(scope, &x) {
            DType::F32 => f64::from(f32::MAX),
            DType::F64 => f64::MAX,
            _ => return Ok(x),
        };
        let x = term(&x);
        let x = x.if_so(x.equals(&x), nan);
        let x = x.if_so(x.differs(f64::INFINITY), highest.unwrap_or(most));
        x.if_so(x.differs(f64::NEG_INFINITY), lowest.unwrap_or(-most)).build(scope)
    });
    clean.keeping(|x, _| !x.dtype.is_float()).boxed()
});
