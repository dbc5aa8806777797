//! Axes in settings, and numbers laid out along them.

use masque_ir::ops::{Elementwise, OpError, Shape};
use masque_ir::program::{Literal, Operand};
use masque_ir::ty::resolve_axis;
use masque_ir::{DType, Dim, Float, Type};
use serde_json::Value as Json;

use crate::layer::{Arguments, Config, ConfigError, Scope, ShapeError};

/// The most numbers that a setting may list.
const MOST_NUMBERS: usize = 1 << 16;

/// Takes `axis`: one axis or a list of them.
pub(super) fn take(config: &mut Config, default: &[i64]) -> Result<Vec<i64>, ConfigError> {
    let Some(axis) = config.take("axis") else { return Ok(default.to_vec()) };
    let axes: Option<Vec<i64>> = match &axis {
        Json::Array(axes) => axes.iter().map(Json::as_i64).collect(),
        axis => axis.as_i64().map(|axis| vec![axis]),
    };
    let axes = axes.ok_or_else(|| ConfigError::new("axis", "an axis or a list of axes", &axis))?;
    if axes != default {
        config.keep("axis", axis);
    }
    Ok(axes)
}

/// The axes from the front, sorted; each has to be there, and once.
pub(super) fn resolve(axes: &[i64], x: &Type) -> Result<Vec<usize>, ShapeError> {
    let resolved: Option<Vec<usize>> = axes.iter().map(|&axis| resolve_axis(axis, x.rank())).collect();
    let sorted = resolved.map(|mut axes| {
        axes.sort_unstable();
        axes
    });
    sorted
        .filter(|axes| axes.is_sorted_by(|a, b| a < b))
        .ok_or_else(|| ShapeError::new(format!("`axis` to name axes of {x}"), format!("{axes:?}")))
}

/// The one tensor of numbers that a layer is called on.
pub(super) fn numbers(arguments: &Arguments<Type>) -> Result<&Type, ShapeError> {
    let x = arguments.first().ok_or_else(|| ShapeError::new("a tensor", "none"))?;
    if x.dtype == DType::Str { Err(ShapeError::new("numbers", x)) } else { Ok(x) }
}

/// The sizes along some axes, which must be known.
pub(super) fn sizes(axes: &[usize], x: &Type) -> Result<Vec<i64>, ShapeError> {
    let sizes: Option<Vec<i64>> = axes.iter().map(|&axis| x.shape[axis].known()).collect();
    sizes.ok_or_else(|| ShapeError::new(format!("known sizes along the axes {axes:?}"), x))
}

/// A weight that lies along some axes of `x`, in a shape that broadcasts over the others.
pub(super) fn along(
    scope: &mut Scope<'_>,
    weight: &Operand,
    axes: &[usize],
    x: &Type,
) -> Result<Operand, OpError> {
    let size = |axis: usize| if axes.contains(&axis) { x.shape[axis].clone() } else { Dim::constant(1) };
    let shape = (0..x.rank()).map(size).collect();
    scope.builder.emit(Shape::Reshape { shape }, std::slice::from_ref(weight))
}

/// `1 / sqrt(x + epsilon)`
pub(super) fn inverse_root(scope: &mut Scope<'_>, x: Operand, epsilon: f64) -> Result<Operand, OpError> {
    let (epsilon, one) = (scope.builder.number(&x, epsilon), scope.builder.number(&x, 1.0));
    let sum = scope.builder.emit(Elementwise::Add, &[x, epsilon])?;
    let root = scope.builder.emit(Elementwise::Sqrt, &[sum])?;
    scope.builder.emit(Elementwise::Div, &[one, root])
}

/// Takes one number or a list of them; a list lies along the last axis.
pub(super) fn take_numbers(config: &mut Config, key: &str) -> Result<Option<Vec<f64>>, ConfigError> {
    let Some(value) = config.take(key) else { return Ok(None) };
    let mut numbers = vec![];
    if !flatten(&value, &mut numbers) || numbers.is_empty() {
        return Err(ConfigError::new(key, "a number or a list of numbers", &value));
    }
    config.keep(key, value);
    Ok(Some(numbers))
}

fn flatten(value: &Json, numbers: &mut Vec<f64>) -> bool {
    match value {
        Json::Array(parts) => parts.iter().all(|part| flatten(part, numbers)),
        value => {
            let number = Float::of_json(value);
            numbers.extend(number.map(|number| number.0));
            number.is_some() && numbers.len() <= MOST_NUMBERS
        }
    }
}

/// Constants as a vector; a single one as a number.
pub(super) fn constants(scope: &mut Scope<'_>, numbers: &[f64]) -> Result<Operand, OpError> {
    let literal = |number: f64| Operand::Literal(Literal { dtype: DType::F32, number: Float(number) });
    if let [number] = numbers {
        return Ok(literal(*number));
    }
    let shape = vec![Dim::constant(1)];
    let parts: Vec<Operand> = numbers
        .iter()
        .map(|&number| {
            scope.builder.emit(Shape::Broadcast { shape: shape.clone().into() }, &[literal(number)])
        })
        .collect::<Result<_, _>>()?;
    scope.builder.emit(Shape::Concat { axis: 0 }, &parts)
}
