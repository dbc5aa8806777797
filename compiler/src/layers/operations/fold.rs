//! Operations that fold axes away by arithmetic: sums, means, products, extremes.

use masque_ir::DType;
use masque_ir::ops::{Elementwise, Reduce};
use masque_ir::program::Operand;
use masque_ir::ty::resolve_axis;

use super::built::{Outcome, dtype_of, emit, literal, numeric, of_one, optional_number, real, refuse};
use super::def;
use super::formula::term;
use super::reduce::{axes, folded};
use crate::layer::{Config, ConfigError, Layer, LayerDef, Scope};

/// What is done along the folded axes; `bool`: do they stay, with size 1?
pub(super) type Fold = fn(&mut Scope<'_>, &Operand, Vec<u32>, bool) -> Outcome;

/// An operation with the settings `axis` and `keepdims`.
pub(super) fn fold(config: &mut Config, fold: Fold) -> Result<Box<dyn Layer>, ConfigError> {
    let (axes, keep) = (axes(config)?, config.bool("keepdims", false)?);
    of_one(move |scope, x| {
        let ty = scope.builder.type_of(x);
        match folded(&axes, ty.rank()) {
            Some(axes) => fold(scope, x, axes, keep),
            None => refuse(format!("`axis` to name axes of {ty}"), format!("{axes:?}")),
        }
    })
}

macro_rules! folds {
    ($($name:ident = $class:literal, $fold:expr;)*) => {
        $(pub(in crate::layers) static $name: LayerDef = def($class, |config| fold(config, $fold));)*
    };
}

folds! {
    ALL = "ops.All", |scope, x, axes, keep| {
        let x = scope.cast(x, DType::Bool)?;
        emit(scope, Reduce::All { axes, keep }, &[&x])
    };
    AMAX = "ops.Amax", |scope, x, axes, keep| extreme(scope, x, axes, keep, true);
    AMIN = "ops.Amin", |scope, x, axes, keep| extreme(scope, x, axes, keep, false);
    LOGSUMEXP = "ops.Logsumexp", logsumexp;
    MEAN = "ops.Mean", |scope, x, axes, keep| {
        let x = real(scope, x)?;
        scope.builder.mean(&x, &axes, keep)
    };
    PROD = "ops.Prod", |scope, x, axes, keep| {
        let x = numeric(scope, x)?;
        emit(scope, Reduce::Product { axes, keep }, &[&x])
    };
    STD = "ops.Std", |scope, x, axes, keep| {
        let variance = variance(scope, x, axes, keep)?;
        emit(scope, Elementwise::Sqrt, &[&variance])
    };
    SUM = "ops.Sum", |scope, x, axes, keep| {
        let x = numeric(scope, x)?;
        emit(scope, Reduce::Sum { axes, keep }, &[&x])
    };
    VAR = "ops.Var", variance;
}

/// The largest or smallest element; of truth values, whether any or all hold.
fn extreme(scope: &mut Scope<'_>, x: &Operand, axes: Vec<u32>, keep: bool, largest: bool) -> Outcome {
    let op = match (largest, dtype_of(scope, x)) {
        (true, DType::Bool) => Reduce::Any { axes, keep },
        (false, DType::Bool) => Reduce::All { axes, keep },
        (true, _) => Reduce::ReduceMax { axes, keep },
        (false, _) => Reduce::ReduceMin { axes, keep },
    };
    emit(scope, op, &[x])
}

/// `max(x, axis, keepdims, initial)` and `min`
fn bounded(config: &mut Config, largest: bool) -> Result<Box<dyn Layer>, ConfigError> {
    let initial = optional_number(config, "initial")?;
    let (axes, keep) = (axes(config)?, config.bool("keepdims", false)?);
    of_one(move |scope, x| {
        let ty = scope.builder.type_of(x);
        let Some(axes) = folded(&axes, ty.rank()) else { return refuse(format!("axes of {ty}"), "others") };
        let y = extreme(scope, x, axes, keep, largest)?;
        match (initial, largest) {
            (None, _) => Ok(y),
            (Some(_), _) if ty.dtype == DType::Bool => refuse("numbers", ty),
            (Some(initial), true) => term(&y).larger(initial).build(scope),
            (Some(initial), false) => term(&y).smaller(initial).build(scope),
        }
    })
}

pub(in crate::layers) static MAX: LayerDef = def("ops.Max", |config| bounded(config, true));
pub(in crate::layers) static MIN: LayerDef = def("ops.Min", |config| bounded(config, false));

/// What the length of a row of numbers is.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Length {
    /// How many are not 0.
    Count,
    /// The root of so many powers; of infinitely many the largest, or the smallest, of them.
    Order(f64),
}

impl Length {
    /// The length along some axes.
    pub(super) fn build(self, scope: &mut Scope<'_>, x: &Operand, axes: Vec<u32>, keep: bool) -> Outcome {
        let x = real(scope, x)?;
        let dtype = dtype_of(scope, &x);
        let (parts, order) = match self {
            Length::Count => (term(&x).differs(0.0).cast(dtype), 1.0),
            Length::Order(order) if order.is_infinite() => {
                let sizes = term(&x).abs().build(scope)?;
                return extreme(scope, &sizes, axes, keep, order > 0.0);
            }
            Length::Order(2.0) => (term(&x) * term(&x), 2.0),
            Length::Order(1.0) => (term(&x).abs(), 1.0),
            Length::Order(order) => (term(&x).abs().power(order), order),
        };
        let parts = parts.build(scope)?;
        let sum = emit(scope, Reduce::Sum { axes, keep }, &[&parts])?;
        match order {
            1.0 => Ok(sum),
            2.0 => emit(scope, Elementwise::Sqrt, &[&sum]),
            order => term(&sum).power(1.0 / order).build(scope),
        }
    }
}

/// `norm(x, ord, axis, keepdims)`: of rows, or the Euclidean one of matrices; and the largest sum of a matrix' columns.
pub(in crate::layers) static NORM: LayerDef = def("ops.Norm", |config| {
    let euclidean = config.is("ord", "fro");
    let order = optional_number(config, "ord")?;
    let (value, keep) = (axes(config)?, config.bool("keepdims", false)?);
    of_one(move |scope, x| {
        let ty = scope.builder.type_of(x);
        let Some(axes) = folded(&value, ty.rank()) else { return refuse(format!("axes of {ty}"), "others") };
        match (axes.len(), order) {
            (1, Some(0.0)) => Length::Count.build(scope, x, axes, keep),
            (1, order) if !euclidean => Length::Order(order.unwrap_or(2.0)).build(scope, x, axes, keep),
            (2, None) => Length::Order(2.0).build(scope, x, axes, keep),
            (2, Some(order)) if order.abs() == 1.0 || order.is_infinite() => {
                // As they are written, the rows come first. The sums are those of columns, or of rows.
                let rows = value.iter().flatten().next().and_then(|&axis| resolve_axis(axis, ty.rank()));
                let rows = rows.map_or(axes[0], |axis| axis as u32);
                let summed = if order.is_infinite() { axes[0] + axes[1] - rows } else { rows };
                let sums = Length::Order(1.0).build(scope, x, vec![summed], true)?;
                extreme(scope, &sums, axes, keep, order > 0.0)
            }
            (_, order) => refuse("`ord` of a row, or \"fro\", 1 or inf of a matrix", format!("{order:?}")),
        }
    })
});

/// The mean of the squared distances to the mean.
pub(super) fn variance(scope: &mut Scope<'_>, x: &Operand, axes: Vec<u32>, keep: bool) -> Outcome {
    let x = real(scope, x)?;
    let mean = scope.builder.mean(&x, &axes, true)?;
    let distance = emit(scope, Elementwise::Sub, &[&x, &mean])?;
    let squares = emit(scope, Elementwise::Mul, &[&distance, &distance])?;
    scope.builder.mean(&squares, &axes, keep)
}

/// `log(sum(exp(x)))`, with the largest element taken out first; kept finite, so that nothing becomes NaN.
fn logsumexp(scope: &mut Scope<'_>, x: &Operand, axes: Vec<u32>, keep: bool) -> Outcome {
    let x = real(scope, x)?;
    let dtype = scope.builder.type_of(&x).dtype;
    let bound = f64::from(f32::MAX);
    let shift = |scope: &mut Scope<'_>, keep: bool| {
        let largest = emit(scope, Reduce::ReduceMax { axes: axes.clone(), keep }, &[&x])?;
        let largest = emit(scope, Elementwise::Min, &[&largest, &literal(dtype, bound)])?;
        emit(scope, Elementwise::Max, &[&largest, &literal(dtype, -bound)])
    };
    let largest = shift(scope, true)?;
    let rest = emit(scope, Elementwise::Sub, &[&x, &largest])?;
    let powers = emit(scope, Elementwise::Exp, &[&rest])?;
    let sum = emit(scope, Reduce::Sum { axes: axes.clone(), keep }, &[&powers])?;
    let log = emit(scope, Elementwise::Log, &[&sum])?;
    let largest = shift(scope, keep)?;
    emit(scope, Elementwise::Add, &[&log, &largest])
}
