//! Windows that slide along axes: the largest element or the mean of each.

use masque_ir::Dim;
use masque_ir::ops::{Elementwise, Shape};
use masque_ir::program::Operand;

use super::built::{Built, Outcome, emit, integers, real, refuse, shape_of, tensor};
use super::def;
use super::pieces::padded;
use crate::layer::{Config, ConfigError, Layer, LayerDef, Scope};
use crate::layers::spatial::Spatial;

pub(in crate::layers) static AVERAGE_POOL: LayerDef = def("ops.AveragePool", |config| pool(config, false));
pub(in crate::layers) static MAX_POOL: LayerDef = def("ops.MaxPool", |config| pool(config, true));

/// `max_pool` and `average_pool` over the axes between the first and the last.
fn pool(config: &mut Config, largest: bool) -> Result<Box<dyn Layer>, ConfigError> {
    let sizes = integers(config, "pool_size")?.unwrap_or_default();
    let strides = integers(config, "strides")?.unwrap_or_else(|| sizes.clone());
    let same = config.word("padding", false, &[("valid", false), ("same", true)])?;
    let channels_first = Spatial::parse(config, 0)?.channels_first;
    for (key, numbers) in [("pool_size", &sizes), ("strides", &strides)] {
        if numbers.is_empty() || numbers.iter().any(|&n| !(1..=4096).contains(&n)) {
            return Err(ConfigError::new(key, "positive numbers", &numbers.clone().into()));
        }
    }
    let pool = Built::new(&["inputs"], move |scope, arguments| {
        let x = real(scope, &tensor(arguments, "inputs")?)?;
        let axes = shape_of(scope, &x).len().saturating_sub(2);
        let spatial = Spatial { axes, channels_first };
        let mut x = spatial.to_last(scope, &x)?;
        let each = |numbers: &[i64], axis: usize| match numbers {
            [one] => Some(*one),
            several => several.get(axis).copied().filter(|_| several.len() == axes),
        };
        for axis in 0..axes {
            let (Some(size), Some(stride)) = (each(&sizes, axis), each(&strides, axis)) else {
                return refuse(format!("`pool_size` and `strides` for {axes} axes"), sizes.len());
            };
            x = windows(scope, &x, axis + 1, Window { size, stride, same }, largest)?;
        }
        spatial.restore(scope, x)
    });
    pool.boxed()
}

/// How windows slide along an axis.
#[derive(Clone, Copy)]
struct Window {
    size: i64,
    stride: i64,
    /// Do windows stand over the ends, as many as there are strides?
    same: bool,
}

/// The largest element or the mean in each window; what lies beyond the ends counts for nothing.
fn windows(scope: &mut Scope<'_>, x: &Operand, axis: usize, window: Window, largest: bool) -> Outcome {
    let Window { size, stride, same } = window;
    let length = shape_of(scope, x)[axis].clone();
    let around = match (same, length.known()) {
        (false, _) => 0,
        (true, _) if stride == 1 => size - 1,
        (true, Some(length)) => (((length + stride - 1) / stride - 1) * stride + size - length).max(0),
        (true, None) => return refuse("an axis of known size", length),
    };
    if length.known().is_some_and(|length| length + around < size) {
        return refuse(format!("at least {size} positions"), length);
    }
    let slid = |scope: &mut Scope<'_>, x: &Operand, beyond: f64, op: Elementwise| -> Outcome {
        let x = padded(scope, x, axis, around / 2, around - around / 2, beyond)?;
        let whole = shape_of(scope, &x)[axis].clone();
        let steps = (&whole - &Dim::constant(size)).floor_div(stride);
        let span = &(&steps * &Dim::constant(stride)) + &Dim::constant(1);
        let mut all: Option<Operand> = None;
        for offset in 0..size {
            let start = Dim::constant(offset);
            let stop = &start + &span;
            let slice = Shape::Slice { axis: axis as u32, start, stop, step: stride as u32 };
            let part = emit(scope, slice, &[&x])?;
            all = Some(match all {
                None => part,
                Some(all) => emit(scope, op.clone(), &[&all, &part])?,
            });
        }
        all.map_or_else(|| refuse("a window", "none"), Ok)
    };
    if largest {
        return slid(scope, x, f64::NEG_INFINITY, Elementwise::Max);
    }
    let sum = slid(scope, x, 0.0, Elementwise::Add)?;
    let count = if around == 0 {
        scope.builder.number(&sum, size as f64)
    } else {
        let one = scope.builder.number(x, 1.0);
        let ones = emit(scope, Shape::Broadcast { shape: shape_of(scope, x) }, &[&one])?;
        slid(scope, &ones, 0.0, Elementwise::Add)?
    };
    emit(scope, Elementwise::Div, &[&sum, &count])
}
