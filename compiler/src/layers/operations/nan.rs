//! Folds that pass over what is not a number, and the other folds that are made of two.

use masque_ir::DType;
use masque_ir::ops::{Elementwise, Reduce};
use masque_ir::program::Operand;

use super::along::{extreme_place, in_line, running};
use super::built::{
    Built, Outcome, dtype_of, element_type, emit, maybe, numeric, of_one, optional_integer, real, refuse,
    shape_of, tensor,
};
use super::def;
use super::fold::{fold, variance};
use super::formula::term;
use super::reduce::{axes, folded};
use crate::layer::{Config, ConfigError, Layer, LayerDef, Scope};

macro_rules! folds {
    ($($name:ident = $class:literal, $fold:expr;)*) => {
        $(pub(in crate::layers) static $name: LayerDef = def($class, |config| fold(config, $fold));)*
    };
}

/// `x`, with `number` for what is not a number.
fn clean(scope: &mut Scope<'_>, x: &Operand, number: f64) -> Outcome {
    let x = numeric(scope, x)?;
    match dtype_of(scope, &x).is_float() {
        true => term(&x).if_so(term(&x).equals(term(&x)), number).build(scope),
        false => Ok(x),
    }
}

/// How many are numbers, in the element type of `x`.
fn count(scope: &mut Scope<'_>, x: &Operand, axes: &[u32], keep: bool) -> Outcome {
    let dtype = dtype_of(scope, x);
    let valid = term(x).equals(term(x)).cast(dtype).build(scope)?;
    emit(scope, Reduce::Sum { axes: axes.to_vec(), keep }, &[&valid])
}

fn mean(scope: &mut Scope<'_>, x: &Operand, axes: Vec<u32>, keep: bool) -> Outcome {
    let x = real(scope, x)?;
    let count = count(scope, &x, &axes, keep)?;
    let clean = clean(scope, &x, 0.0)?;
    let sum = emit(scope, Reduce::Sum { axes, keep }, &[&clean])?;
    emit(scope, Elementwise::Div, &[&sum, &count])
}

fn clean_variance(scope: &mut Scope<'_>, x: &Operand, axes: Vec<u32>, keep: bool) -> Outcome {
    let x = real(scope, x)?;
    let mean = mean(scope, &x, axes.clone(), true)?;
    let distance = term(&x) - term(&mean);
    let squares = (distance.clone() * distance).if_so(term(&x).equals(term(&x)), 0.0).build(scope)?;
    let count = count(scope, &x, &axes, keep)?;
    let sum = emit(scope, Reduce::Sum { axes, keep }, &[&squares])?;
    emit(scope, Elementwise::Div, &[&sum, &count])
}

/// The largest or smallest number; where there is none, what is not a number.
fn extreme(scope: &mut Scope<'_>, x: &Operand, axes: Vec<u32>, keep: bool, largest: bool) -> Outcome {
    let fold = |scope: &mut Scope<'_>, x: &Operand| match largest {
        true => emit(scope, Reduce::ReduceMax { axes: axes.clone(), keep }, &[x]),
        false => emit(scope, Reduce::ReduceMin { axes: axes.clone(), keep }, &[x]),
    };
    if !dtype_of(scope, x).is_float() {
        return fold(scope, x);
    }
    let lowest = if largest { f64::NEG_INFINITY } else { f64::INFINITY };
    let clean = clean(scope, x, lowest)?;
    let (found, nothing) = (fold(scope, &clean)?, fold(scope, x)?);
    let valid = term(x).equals(term(x)).build(scope)?;
    let any = emit(scope, Reduce::Any { axes: axes.clone(), keep }, &[&valid])?;
    emit(scope, Elementwise::Select, &[&any, &found, &nothing])
}

folds! {
    COUNT_NONZERO = "ops.CountNonzero", |scope, x, axes, keep| {
        let there = scope.cast(x, DType::Bool)?;
        let there = scope.cast(&there, DType::I32)?;
        emit(scope, Reduce::Sum { axes, keep }, &[&there])
    };
    NANMAX = "ops.Nanmax", |scope, x, axes, keep| extreme(scope, x, axes, keep, true);
    NANMEAN = "ops.Nanmean", mean;
    NANMIN = "ops.Nanmin", |scope, x, axes, keep| extreme(scope, x, axes, keep, false);
    NANPROD = "ops.Nanprod", |scope, x, axes, keep| {
        let x = clean(scope, x, 1.0)?;
        emit(scope, Reduce::Product { axes, keep }, &[&x])
    };
    NANSTD = "ops.Nanstd", |scope, x, axes, keep| {
        let variance = clean_variance(scope, x, axes, keep)?;
        emit(scope, Elementwise::Sqrt, &[&variance])
    };
    NANSUM = "ops.Nansum", |scope, x, axes, keep| {
        let x = clean(scope, x, 0.0)?;
        emit(scope, Reduce::Sum { axes, keep }, &[&x])
    };
    NANVAR = "ops.Nanvar", clean_variance;
    PTP = "ops.Ptp", |scope, x, axes, keep| {
        let most = emit(scope, Reduce::ReduceMax { axes: axes.clone(), keep }, &[x])?;
        let least = emit(scope, Reduce::ReduceMin { axes, keep }, &[x])?;
        emit(scope, Elementwise::Sub, &[&most, &least])
    };
}

pub(in crate::layers) static NANARGMAX: LayerDef = def("ops.Nanargmax", |config| place(config, true));
pub(in crate::layers) static NANARGMIN: LayerDef = def("ops.Nanargmin", |config| place(config, false));
pub(in crate::layers) static NANCUMPROD: LayerDef =
    def("ops.Nancumprod", |config| running_clean(config, 1.0));
pub(in crate::layers) static NANCUMSUM: LayerDef = def("ops.Nancumsum", |config| running_clean(config, 0.0));

/// The place of the extreme number; -1 where there is none.
fn place(config: &mut Config, largest: bool) -> Result<Box<dyn Layer>, ConfigError> {
    let (axis, keep) = (optional_integer(config, "axis")?, config.bool("keepdims", false)?);
    of_one(move |scope, x| {
        let (x, axis) = in_line(scope, x, axis)?;
        let lowest = if largest { f64::NEG_INFINITY } else { f64::INFINITY };
        let number = clean(scope, &x, lowest)?;
        let place = extreme_place(scope, &number, axis, keep, largest)?;
        let valid = term(&x).equals(term(&x)).build(scope)?;
        let any = emit(scope, Reduce::Any { axes: vec![axis], keep }, &[&valid])?;
        term(&place).if_so(term(&any), -1.0).build(scope)
    })
}

/// Running sums and products; before, what is not a number becomes `start`, and what is infinite the largest number.
fn running_clean(config: &mut Config, start: f64) -> Result<Box<dyn Layer>, ConfigError> {
    let (axis, dtype) = (optional_integer(config, "axis")?, element_type(config)?);
    of_one(move |scope, x| {
        let mut x = clean(scope, x, start)?;
        if start == 0.0 && dtype_of(scope, &x) == DType::F32 {
            let most = f64::from(f32::MAX);
            x = term(&x).larger(-most).smaller(most).build(scope)?;
        }
        let (x, axis) = in_line(scope, &x, axis)?;
        let x = scope.cast(&x, dtype.unwrap_or(dtype_of(scope, &x)))?;
        running(scope, &x, axis, start)
    })
}

/// `average(x, axis, weights)`
pub(in crate::layers) static AVERAGE: LayerDef = def("ops.Average", |config| {
    let axes = axes(config)?;
    let average = Built::new(&["x", "weights"], move |scope, arguments| {
        let x = real(scope, &tensor(arguments, "x")?)?;
        let ty = scope.builder.type_of(&x);
        let Some(axes) = folded(&axes, ty.rank()) else { return refuse(format!("axes of {ty}"), "others") };
        let Some(weights) = maybe(scope, arguments, "weights")? else {
            return scope.builder.mean(&x, &axes, false);
        };
        let weights = scope.cast(&weights, ty.dtype)?;
        let weights = match (shape_of(scope, &weights).len(), axes.as_slice()) {
            (rank, _) if rank == ty.rank() => weights,
            (1, &[axis]) => scope.builder.trail_axes(&weights, ty.rank() - axis as usize)?,
            (rank, _) => return refuse("weights like `x`, or along its one axis", format!("{rank} axes")),
        };
        let weighted = emit(scope, Elementwise::Mul, &[&x, &weights])?;
        let sum = emit(scope, Reduce::Sum { axes: axes.clone(), keep: false }, &[&weighted])?;
        let all = match shape_of(scope, &weights).len() {
            rank if rank == ty.rank() => emit(scope, Reduce::Sum { axes, keep: false }, &[&weights])?,
            rank => emit(scope, Reduce::Sum { axes: (0..rank as u32).collect(), keep: false }, &[&weights])?,
        };
        emit(scope, Elementwise::Div, &[&sum, &all])
    });
    average.boxed()
});

/// `moments(x, axes, keepdims)`: mean and variance.
pub(in crate::layers) static MOMENTS: LayerDef = def("ops.Moments", |config| {
    config.ignore(&["synchronized"]);
    let (value, keep) = (super::built::integers(config, "axes")?, config.bool("keepdims", false)?);
    let moments = Built::several(&["x"], 2, move |scope, arguments| {
        let x = real(scope, &tensor(arguments, "x")?)?;
        let ty = scope.builder.type_of(&x);
        let Some(axes) = folded(&value, ty.rank()) else { return refuse(format!("axes of {ty}"), "others") };
        let mean = scope.builder.mean(&x, &axes, keep)?;
        Ok(vec![mean, variance(scope, &x, axes, keep)?])
    });
    moments.boxed()
});
