//! Losses and normalization as operations.

use masque_ir::activation::Activation;
use masque_ir::ops::{Activate, Elementwise, Reduce, Shape};
use masque_ir::program::Operand;
use masque_ir::{DType, Dim};

use super::along::positions;
use super::built::{
    Built, Outcome, axis_of, dtype_of, emit, given, integers, maybe, optional_number, real, refuse, shape_of,
    tensor,
};
use super::def;
use super::fold::variance;
use super::formula::{Term, term};
use super::reduce::folded;
use super::shapes::with_axis;
use crate::layer::{Arguments, Config, ConfigError, LayerDef, Scope};

/// What Keras takes for nearly nothing.
const EPSILON: f64 = 1e-7;

/// Target and output as floats of one type.
fn compared(scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Outcome<(Term, Operand)> {
    let (target, output) = (given(scope, arguments, "target")?, tensor(arguments, "output")?);
    let output = real(scope, &output)?;
    let target = scope.cast(&target, dtype_of(scope, &output))?;
    if shape_of(scope, &target).len() != shape_of(scope, &output).len() {
        return refuse("target and output with the same axes", scope.builder.type_of(&target));
    }
    Ok((term(&target), output))
}

/// Probabilities that are neither 0 nor 1.
fn clipped(x: Term) -> Term {
    x.larger(EPSILON).smaller(1.0 - EPSILON)
}

const COMPARED: &[&str] = &["target", "output"];

pub(in crate::layers) static BINARY_CROSSENTROPY: LayerDef = def("ops.BinaryCrossentropy", |config| {
    let logits = config.bool("from_logits", false)?;
    let loss = Built::new(COMPARED, move |scope, arguments| {
        let (target, output) = compared(scope, arguments)?;
        let x = term(&output);
        let loss = if logits {
            x.larger(0.0) - x.clone() * target + ((-x.abs()).exp() + 1.0).log()
        } else {
            let x = clipped(x);
            let no = Term::Number(1.0) - target.clone();
            -(target * x.log() + no * (Term::Number(1.0) - x).log())
        };
        loss.build(scope)
    });
    loss.boxed()
});

pub(in crate::layers) static CATEGORICAL_CROSSENTROPY: LayerDef =
    def("ops.CategoricalCrossentropy", |config| {
        let logits = config.bool("from_logits", false)?;
        // A softmax runs along one axis.
        let axes = match logits {
            true => vec![config.integer("axis", Some(-1))?],
            false => integers(config, "axis")?.unwrap_or_else(|| vec![-1]),
        };
        let loss = Built::new(COMPARED, move |scope, arguments| {
            let (target, output) = compared(scope, arguments)?;
            let ty = scope.builder.type_of(&output);
            let axes = folded(&Some(axes.clone()), ty.rank());
            let Some(axes) = axes else { return refuse(format!("axes of {ty}"), "others") };
            let logs = if logits {
                let axis = axes[0];
                let f = Activation::LogSoftmax { axis: axis as i32 };
                term(&emit(scope, Activate::Activate { f }, &[&output])?)
            } else {
                let sum = emit(scope, Reduce::Sum { axes: axes.clone(), keep: true }, &[&output])?;
                clipped(term(&output) / term(&sum)).log()
            };
            let each = (-(target * logs)).build(scope)?;
            emit(scope, Reduce::Sum { axes, keep: false }, &[&each])
        });
        loss.boxed()
    });

pub(in crate::layers) static SPARSE_CATEGORICAL_CROSSENTROPY: LayerDef =
    def("ops.SparseCategoricalCrossentropy", |config| {
        let (logits, axis) = (config.bool("from_logits", false)?, config.integer("axis", Some(-1))?);
        let loss = Built::new(COMPARED, move |scope, arguments| {
            let (target, output) = (given(scope, arguments, "target")?, tensor(arguments, "output")?);
            let output = real(scope, &output)?;
            let (last, axis) = (axis_of(scope, &output, -1)?, axis_of(scope, &output, axis)?);
            let mut target = scope.cast(&target, DType::I64)?;
            if axis != last {
                return refuse("the last axis", axis);
            }
            if shape_of(scope, &target).len() == last as usize {
                target = with_axis(scope, &target, last as usize)?;
            }
            let scores = if logits { output } else { clipped(term(&output)).log().build(scope)? };
            let f = Activation::LogSoftmax { axis: last as i32 };
            let logs = emit(scope, Activate::Activate { f }, &[&scores])?;
            let places = positions(scope, &logs, last as usize)?;
            let own = (-term(&logs)).if_so(term(&places).equals(term(&target)), 0.0).build(scope)?;
            emit(scope, Reduce::Sum { axes: vec![last], keep: false }, &[&own])
        });
        loss.boxed()
    });

/// `psnr(x1, x2, max_val)`: one number for everything.
pub(in crate::layers) static PSNR: LayerDef = def("ops.PSNR", |config| {
    let most = config.number("max_val", 1.0)?;
    let ratio = Built::new(&["x1", "x2"], move |scope, arguments| {
        let (a, b) = (tensor(arguments, "x1")?, tensor(arguments, "x2")?);
        let distance = (term(&a) - term(&b)).build(scope)?;
        let squares = emit(scope, Elementwise::Mul, &[&distance, &distance])?;
        let axes: Vec<u32> = (0..shape_of(scope, &squares).len() as u32).collect();
        let mean = scope.builder.mean(&squares, &axes, false)?;
        (term(&mean).log() * (-10.0 / std::f64::consts::LN_10) + 20.0 * most.log10()).build(scope)
    });
    ratio.boxed()
});

/// `cdist(x, y)`: the distance of each row of `x` to each row of `y`.
pub(in crate::layers) static CDIST: LayerDef = def("ops.CDist", |_| {
    let distances = Built::new(&["x", "y"], |scope, arguments| {
        let (x, y) = (tensor(arguments, "x")?, given(scope, arguments, "y")?);
        let (x, y) = (real(scope, &x)?, real(scope, &y)?);
        let (left, right) = (shape_of(scope, &x).len(), shape_of(scope, &y).len());
        if left < 2 || right < 2 {
            return refuse("rows", "fewer than two axes");
        }
        let (x, y) = (with_axis(scope, &x, left - 1)?, with_axis(scope, &y, right - 2)?);
        let distance = (term(&x) - term(&y)).build(scope)?;
        let squares = emit(scope, Elementwise::Mul, &[&distance, &distance])?;
        let axes = vec![left.max(right) as u32];
        let sum = emit(scope, Reduce::Sum { axes, keep: false }, &[&squares])?;
        emit(scope, Elementwise::Sqrt, &[&sum])
    });
    distances.boxed()
});

/// A weight laid along some axes of `x`; one with all of its axes stays as it is.
fn laid(
    scope: &mut Scope<'_>,
    weight: Option<Operand>,
    x: &Operand,
    axes: &[u32],
) -> Outcome<Option<Operand>> {
    let Some(weight) = weight else { return Ok(None) };
    let weight = scope.cast(&weight, dtype_of(scope, x))?;
    let shape = shape_of(scope, x);
    let rank = shape_of(scope, &weight).len();
    if rank == shape.len() || axes == [shape.len() as u32 - 1] {
        return Ok(Some(weight));
    }
    let size =
        |axis: usize| if axes.contains(&(axis as u32)) { shape[axis].clone() } else { Dim::constant(1) };
    let shape = (0..shape.len()).map(size).collect();
    Ok(Some(emit(scope, Shape::Reshape { shape }, &[&weight])?))
}

fn inverse_root(x: &Operand, epsilon: f64) -> Term {
    Term::Number(1.0) / (term(x) + epsilon).sqrt()
}

fn scaled(y: Term, scale: Option<Operand>, offset: Option<Operand>) -> Term {
    let y = scale.map_or(y.clone(), |scale| y * term(&scale));
    offset.map_or(y.clone(), |offset| y + term(&offset))
}

/// `batch_normalization(x, mean, variance, axis, offset, scale, epsilon)`
pub(in crate::layers) static BATCH_NORM: LayerDef = def("ops.BatchNorm", |config| {
    let (axis, epsilon) = (config.integer("axis", None)?, config.number("epsilon", 1e-3)?);
    let norm = Built::new(&["x", "mean", "variance", "offset", "scale"], move |scope, arguments| {
        let x = real(scope, &tensor(arguments, "x")?)?;
        let axes = [axis_of(scope, &x, axis)?];
        let mut parts = vec![];
        for name in ["mean", "variance", "offset", "scale"] {
            let part = maybe(scope, arguments, name)?;
            parts.push(laid(scope, part, &x, &axes)?);
        }
        let [Some(mean), Some(variance), offset, scale] = <[_; 4]>::try_from(parts).unwrap_or_default()
        else {
            return refuse("`mean` and `variance`", "none");
        };
        let y = (term(&x) - term(&mean)) * inverse_root(&variance, epsilon);
        scaled(y, scale, offset).build(scope)
    });
    norm.boxed()
});

/// The axes to be normalized over and what keeps the root from 0.
fn over(config: &mut Config) -> Result<(Option<Vec<i64>>, f64), ConfigError> {
    let axes = integers(config, "axis")?.unwrap_or_else(|| vec![-1]);
    Ok((Some(axes), optional_number(config, "epsilon")?.unwrap_or(EPSILON)))
}

/// `layer_normalization(x, gamma, beta, axis, epsilon)`
pub(in crate::layers) static LAYER_NORM: LayerDef = def("ops.LayerNorm", |config| {
    let ((axes, epsilon), no_mean) = (over(config)?, config.bool("rms_scaling", false)?);
    let norm = Built::new(&["x", "gamma", "beta"], move |scope, arguments| {
        let x = real(scope, &tensor(arguments, "x")?)?;
        let ty = scope.builder.type_of(&x);
        let Some(axes) = folded(&axes, ty.rank()) else { return refuse(format!("axes of {ty}"), "others") };
        let gamma = maybe(scope, arguments, "gamma")?;
        let beta = maybe(scope, arguments, "beta")?.filter(|_| !no_mean);
        let (gamma, beta) = (laid(scope, gamma, &x, &axes)?, laid(scope, beta, &x, &axes)?);
        let mean = scope.builder.mean(&x, &axes, true)?;
        let variance = variance(scope, &x, axes, true)?;
        let centered = if no_mean { term(&x) } else { term(&x) - term(&mean) };
        scaled(centered * inverse_root(&variance, epsilon), gamma, beta).build(scope)
    });
    norm.boxed()
});

/// `rms_normalization(x, scale, axis, epsilon)`
pub(in crate::layers) static RMS_NORM: LayerDef = def("ops.RMSNorm", |config| {
    let (axes, epsilon) = over(config)?;
    let norm = Built::new(&["x", "scale"], move |scope, arguments| {
        let x = real(scope, &tensor(arguments, "x")?)?;
        let ty = scope.builder.type_of(&x);
        let Some(axes) = folded(&axes, ty.rank()) else { return refuse(format!("axes of {ty}"), "others") };
        let scale = maybe(scope, arguments, "scale")?;
        let scale = scale.map(|scale| scope.cast(&scale, ty.dtype)).transpose()?;
        let squares = emit(scope, Elementwise::Mul, &[&x, &x])?;
        let mean = scope.builder.mean(&squares, &axes, true)?;
        scaled(term(&x) * inverse_root(&mean, epsilon), scale, None).build(scope)
    });
    norm.boxed()
});

/// `extract_sequences(x, sequence_length, sequence_stride)`: the windows of the last axis.
pub(in crate::layers) static EXTRACT_SEQUENCES: LayerDef = def("ops.ExtractSequences", |config| {
    let (length, stride) = (config.size("sequence_length")?, config.size("sequence_stride")?);
    super::built::of_one(move |scope, x| {
        let axis = axis_of(scope, x, -1)?;
        let size = shape_of(scope, x)[axis as usize].clone();
        let Some(known) = size.known().filter(|&size| size >= length) else {
            return refuse(format!("an axis of known size, {length} at least"), size);
        };
        let mut windows = vec![];
        for start in (0..=known - length).step_by(usize::try_from(stride).unwrap_or(usize::MAX)) {
            let stop = Dim::constant(start + length);
            let window = super::pieces::part(scope, x, axis, Dim::constant(start), stop)?;
            windows.push(with_axis(scope, &window, axis as usize)?);
        }
        scope.builder.emit(Shape::Concat { axis }, &windows)
    })
});
