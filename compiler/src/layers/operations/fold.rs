//! Operations that fold axes away by arithmetic: sums, means, products, extremes.

use masque_ir::DType;
use masque_ir::ops::{Elementwise, Reduce};
use masque_ir::program::Operand;

use super::built::{Outcome, emit, literal, numeric, of_one, real, refuse};
use super::def;
use super::reduce::{axes, folded};
use crate::layer::{Config, ConfigError, Layer, LayerDef, Scope};

/// What is done along the folded axes; `bool`: do they stay, with size 1?
type Fold = fn(&mut Scope<'_>, &Operand, Vec<u32>, bool) -> Outcome;

/// An operation with the settings `axis` and `keepdims`.
fn fold(config: &mut Config, fold: Fold) -> Result<Box<dyn Layer>, ConfigError> {
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
    AMAX = "ops.Amax", |scope, x, axes, keep| emit(scope, Reduce::ReduceMax { axes, keep }, &[x]);
    AMIN = "ops.Amin", |scope, x, axes, keep| emit(scope, Reduce::ReduceMin { axes, keep }, &[x]);
    LOGSUMEXP = "ops.Logsumexp", logsumexp;
    MAX = "ops.Max", |scope, x, axes, keep| emit(scope, Reduce::ReduceMax { axes, keep }, &[x]);
    MEAN = "ops.Mean", |scope, x, axes, keep| {
        let x = real(scope, x)?;
        scope.builder.mean(&x, &axes, keep)
    };
    MIN = "ops.Min", |scope, x, axes, keep| emit(scope, Reduce::ReduceMin { axes, keep }, &[x]);
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

/// `norm(x, ord, axis, keepdims)`, the Euclidean length only.
pub(in crate::layers) static NORM: LayerDef = def("ops.Norm", |config| {
    if let Some(order) = config.take("ord") {
        return Err(ConfigError::new("ord", "nothing: the Euclidean length", &order));
    }
    fold(config, |scope, x, axes, keep| {
        let x = real(scope, x)?;
        let squares = emit(scope, Elementwise::Mul, &[&x, &x])?;
        let sum = emit(scope, Reduce::Sum { axes, keep }, &[&squares])?;
        emit(scope, Elementwise::Sqrt, &[&sum])
    })
});

/// The mean of the squared distances to the mean.
fn variance(scope: &mut Scope<'_>, x: &Operand, axes: Vec<u32>, keep: bool) -> Outcome {
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
