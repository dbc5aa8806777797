//! Functions of every element: of `keras.ops.nn`, and those of one tensor that are more than one step.

use masque_ir::activation::Activation;
use masque_ir::float::Float;
use masque_ir::ops::{Activate, Elementwise, Reduce, Shape};
use masque_ir::program::Operand;
use masque_ir::{DType, Dim};

use super::built::{
    Built, Outcome, axis_of, dtype_of, element_type, emit, integers, literal, numeric, of_one,
    optional_integer, optional_number, real, refuse, shape_of, tensor, tensor_or_number,
};
use super::fold::Length;
use super::pieces::part;
use super::shapes::flat;
use super::{common, def};
use crate::layer::{Config, ConfigError, Layer, LayerDef, Scope};

/// A function of `keras.ops.nn`, with what its settings say.
fn function(f: Activation) -> Result<Box<dyn Layer>, ConfigError> {
    of_one(move |scope, x| {
        let x = real(scope, x)?;
        emit(scope, Activate::Activate { f }, &[&x])
    })
}

/// A function along the axis `axis`; without one, along all elements in a row.
fn along(config: &mut Config, f: fn(i32) -> Activation) -> Result<Box<dyn Layer>, ConfigError> {
    let axis = optional_integer(config, "axis")?;
    of_one(move |scope, x| {
        let (shape, x) = (shape_of(scope, x), real(scope, x)?);
        let (x, axis) = match axis {
            Some(axis) => (x.clone(), axis_of(scope, &x, axis)? as i32),
            None => (flat(scope, &x)?, 0),
        };
        let y = emit(scope, Activate::Activate { f: f(axis) }, &[&x])?;
        if shape_of(scope, &y) == shape { Ok(y) } else { emit(scope, Shape::Reshape { shape }, &[&y]) }
    })
}

/// The setting `threshold`, 0.5 if it is not there.
fn half(config: &mut Config) -> Result<Float, ConfigError> {
    config.float("threshold", 0.5)
}

fn relu(
    config: &mut Config,
    negative_slope: f64,
    max_value: Option<f64>,
) -> Result<Box<dyn Layer>, ConfigError> {
    let negative_slope = config.float("negative_slope", negative_slope)?;
    function(Activation::Relu { negative_slope, max_value: max_value.map(Float), threshold: Float(0.0) })
}

macro_rules! functions {
    ($($name:ident = $class:literal, |$config:ident| $layer:expr;)*) => {
        $(pub(in crate::layers) static $name: LayerDef = def($class, |$config| $layer);)*
    };
}

functions! {
    CELU = "ops.Celu", |config| function(Activation::Celu { alpha: config.float("alpha", 1.0)? });
    ELU = "ops.Elu", |config| function(Activation::Elu { alpha: config.float("alpha", 1.0)? });
    GELU = "ops.Gelu", |config| function(match config.bool("approximate", true)? {
        true => Activation::GeluTanh,
        false => Activation::Gelu,
    });
    GLU = "ops.Glu", |config| {
        let axis = config.integer("axis", Some(-1))?;
        of_one(move |scope, x| {
            let x = real(scope, x)?;
            let axis = axis_of(scope, &x, axis)?;
            let size = shape_of(scope, &x)[axis as usize].clone();
            let Some(half) = size.exact_div(&Dim::constant(2)) else {
                return refuse("an axis that 2 divides", size);
            };
            let gate = part(scope, &x, axis, half.clone(), size)?;
            let gate = emit(scope, Activate::Activate { f: Activation::Sigmoid }, &[&gate])?;
            let x = part(scope, &x, axis, Dim::constant(0), half)?;
            emit(scope, Elementwise::Mul, &[&x, &gate])
        })
    };
    HARD_SHRINK = "ops.HardShrink", |config| function(Activation::HardShrink { threshold: half(config)? });
    HARD_SIGMOID = "ops.HardSigmoid", |_c| function(Activation::HardSigmoid);
    HARD_SILU = "ops.HardSilu", |_c| function(Activation::HardSilu);
    HARD_TANH = "ops.HardTanh", |_c| function(Activation::HardTanh);
    LEAKY_RELU = "ops.LeakyRelu", |config| relu(config, 0.2, None);
    LOG_SIGMOID = "ops.LogSigmoid", |_c| function(Activation::LogSigmoid);
    LOG_SOFTMAX = "ops.LogSoftmax", |config| along(config, |axis| Activation::LogSoftmax { axis });
    RELU6 = "ops.Relu6", |config| relu(config, 0.0, Some(6.0));
    SELU = "ops.Selu", |_c| function(Activation::Selu);
    SILU = "ops.Silu", |_c| function(Activation::Silu);
    SOFT_SHRINK = "ops.SoftShrink", |config| function(Activation::SoftShrink { threshold: half(config)? });
    SOFTMAX = "ops.Softmax", |config| along(config, |axis| Activation::Softmax { axis });
    SOFTPLUS = "ops.Softplus", |_c| function(Activation::Softplus);
    SOFTSIGN = "ops.Softsign", |_c| function(Activation::Softsign);
    SPARSE_PLUS = "ops.SparsePlus", |_c| function(Activation::SparsePlus);
    SPARSE_SIGMOID = "ops.SparseSigmoid", |_c| function(Activation::SparseSigmoid);
    SPARSEMAX = "ops.Sparsemax", |config| along(config, |axis| Activation::Sparsemax { axis });
    SQUAREPLUS = "ops.Squareplus", |config| function(Activation::Squareplus { b: config.float("b", 4.0)? });
    TANH_SHRINK = "ops.TanhShrink", |_c| function(Activation::TanhShrink);

    CAST = "ops.Cast", |config| cast(config);
    CEIL = "ops.Ceil", |_c| of_one(|scope, x| {
        let x = real(scope, x)?;
        let x = emit(scope, Elementwise::Neg, &[&x])?;
        let x = emit(scope, Elementwise::Floor, &[&x])?;
        emit(scope, Elementwise::Neg, &[&x])
    });
    CLIP = "ops.Clip", |config| clip(config);
    CONVERT_TO_TENSOR = "ops.ConvertToTensor", |config| cast(config);
    COPY = "ops.Copy", |_c| of_one(|_, x| Ok(x.clone()));
    COS = "ops.Cos", |_c| of_one(|scope, x| of_real(scope, x, Elementwise::Cos));
    ERF = "ops.Erf", |_c| of_one(|scope, x| of_real(scope, x, Elementwise::Erf));
    FLOOR = "ops.Floor", |_c| of_one(|scope, x| of_real(scope, x, Elementwise::Floor));
    FULL_LIKE = "ops.FullLike", |config| full_like(config);
    ISFINITE = "ops.Isfinite", |_c| of_one(|scope, x| {
        let x = real(scope, x)?;
        let nothing = emit(scope, Elementwise::Sub, &[&x, &x])?;
        let zero = scope.builder.number(&x, 0.0);
        emit(scope, Elementwise::Eq, &[&nothing, &zero])
    });
    ISNAN = "ops.Isnan", |_c| of_one(|scope, x| {
        let x = real(scope, x)?;
        emit(scope, Elementwise::Ne, &[&x, &x])
    });
    NORMALIZE = "ops.Normalize", |config| normalize(config);
    RECIPROCAL = "ops.Reciprocal", |_c| of_one(one_over);
    RSQRT = "ops.Rsqrt", |_c| of_one(|scope, x| {
        let root = of_real(scope, x, Elementwise::Sqrt)?;
        one_over(scope, &root)
    });
    SIN = "ops.Sin", |_c| of_one(|scope, x| of_real(scope, x, Elementwise::Sin));
    STOP_GRADIENT = "ops.StopGradient", |_c| {
        Built::new(&["variable"], |_, arguments| tensor(arguments, "variable")).boxed()
    };
    WHERE = "ops.Where", |_c| choice();
}

fn of_real(scope: &mut Scope<'_>, x: &Operand, op: Elementwise) -> Outcome {
    let x = real(scope, x)?;
    emit(scope, op, &[&x])
}

fn one_over(scope: &mut Scope<'_>, x: &Operand) -> Outcome {
    let x = real(scope, x)?;
    let one = scope.builder.number(&x, 1.0);
    emit(scope, Elementwise::Div, &[&one, &x])
}

/// `cast(x, dtype)`; to the element type that `x` has, Keras gives back `x` itself, mask and all.
fn cast(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let dtype = element_type(config)?;
    let cast = Built::new(&["x"], move |scope, arguments| {
        let x = tensor(arguments, "x")?;
        let dtype = dtype.unwrap_or(dtype_of(scope, &x));
        scope.cast(&x, dtype)
    });
    cast.keeping(|x, y| x.dtype == y.dtype).boxed()
}

/// `clip(x, x_min, x_max)`
fn clip(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let (lowest, highest) = (optional_number(config, "x_min")?, optional_number(config, "x_max")?);
    of_one(move |scope, x| {
        let mut x = numeric(scope, x)?;
        for (bound, op) in [(lowest, Elementwise::Max), (highest, Elementwise::Min)] {
            if let Some(bound) = bound {
                let bound = scope.builder.number(&x, bound);
                x = emit(scope, op, &[&x, &bound])?;
            }
        }
        Ok(x)
    })
}

/// `full_like(x, fill_value, dtype)`
fn full_like(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let dtype = element_type(config)?;
    let full = Built::new(&["x", "fill_value"], move |scope, arguments| {
        let ty = scope.builder.type_of(&tensor(arguments, "x")?);
        let dtype = dtype.unwrap_or(ty.dtype);
        let fill = tensor_or_number(arguments, "fill_value", dtype)?;
        let fill = scope.cast(&fill, dtype)?;
        emit(scope, Shape::Broadcast { shape: ty.shape }, &[&fill])
    });
    full.boxed()
}

/// `normalize(x, axis, order, epsilon)`: divided by the length, which counts as `epsilon` at least.
fn normalize(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let axes = integers(config, "axis")?.unwrap_or_else(|| vec![-1]);
    let order = config.integer("order", Some(2))?;
    let epsilon = config.number("epsilon", 1e-7)?;
    if order < 1 {
        return Err(ConfigError::new("order", "1 or more", &order.into()));
    }
    of_one(move |scope, x| {
        let x = real(scope, x)?;
        let mut folded = vec![];
        for &axis in &axes {
            folded.push(axis_of(scope, &x, axis)?);
        }
        folded.sort_unstable();
        if order == 2 {
            return unit_length(scope, &x, folded, epsilon);
        }
        let length = Length::Order(order as f64).build(scope, &x, folded, true)?;
        let epsilon = scope.builder.number(&x, epsilon);
        let length = emit(scope, Elementwise::Max, &[&length, &epsilon])?;
        emit(scope, Elementwise::Div, &[&x, &length])
    })
}

/// Floats divided by their Euclidean length along some axes, sorted; a length counts as `epsilon` at least.
pub(in crate::layers) fn unit_length(
    scope: &mut Scope<'_>,
    x: &Operand,
    axes: Vec<u32>,
    epsilon: f64,
) -> Outcome {
    let squares = emit(scope, Elementwise::Mul, &[x, x])?;
    let sum = emit(scope, Reduce::Sum { axes, keep: true }, &[&squares])?;
    let length = emit(scope, Elementwise::Sqrt, &[&sum])?;
    let epsilon = scope.builder.number(x, epsilon);
    let length = emit(scope, Elementwise::Max, &[&length, &epsilon])?;
    emit(scope, Elementwise::Div, &[x, &length])
}

/// `where(condition, x1, x2)`
fn choice() -> Result<Box<dyn Layer>, ConfigError> {
    let choice = Built::new(&["condition", "x1", "x2"], |scope, arguments| {
        let condition = tensor(arguments, "condition")?;
        let condition = scope.cast(&condition, DType::Bool)?;
        let of = |name: &str| match arguments.tensors(name) {
            [x] => Some(dtype_of(scope, x)),
            _ => None,
        };
        let fraction = ["x1", "x2"].iter().any(|name| {
            let Some(crate::layer::Passed::Constant(value)) = arguments.get(name) else { return false };
            Float::of_json(value).is_some() && !value.is_i64() && !value.is_u64()
        });
        let dtype = match (of("x1"), of("x2")) {
            (Some(a), Some(b)) => common(a, b),
            (Some(one), None) | (None, Some(one)) if fraction => common(one, DType::F32),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) if fraction => DType::F32,
            (None, None) => DType::I32,
        };
        if dtype == DType::Str {
            return refuse("numbers", "texts");
        }
        let mut sides = vec![];
        for name in ["x1", "x2"] {
            let side = tensor_or_number(arguments, name, dtype)?;
            sides.push(scope.cast(&side, dtype)?);
        }
        emit(scope, Elementwise::Select, &[&condition, &sides[0], &sides[1]])
    });
    choice.boxed()
}

/// `x` where a condition holds, 0 elsewhere.
pub(super) fn or_zero(scope: &mut Scope<'_>, condition: &Operand, x: &Operand) -> Outcome {
    let zero = literal(dtype_of(scope, x), 0.0);
    emit(scope, Elementwise::Select, &[condition, x, &zero])
}
