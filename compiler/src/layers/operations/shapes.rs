//! Operations that give the same elements another shape or order.

use masque_ir::ops::Shape;
use masque_ir::program::Operand;
use masque_ir::{DType, Dim};

use super::built::{Built, Outcome, axis_of, emit, integers, of_one, refuse, shape_of, tensor};
use super::def;
use crate::layer::{Config, ConfigError, Layer, LayerDef, Scope, Takes};

pub(in crate::layers) static BROADCAST_TO: LayerDef = def("ops.BroadcastTo", |config| {
    let sizes = integers(config, "shape")?.unwrap_or_default();
    of_one(move |scope, x| {
        let sizes: Vec<Dim> = sizes.iter().map(|&size| Dim::constant(size.max(0))).collect();
        emit(scope, Shape::Broadcast { shape: sizes.into() }, &[x])
    })
});
pub(in crate::layers) static FLIP: LayerDef = def("ops.Flip", flip);
pub(in crate::layers) static MOVEAXIS: LayerDef = def("ops.Moveaxis", moveaxis);
pub(in crate::layers) static RAVEL: LayerDef = def("ops.Ravel", |_| of_one(flat));
pub(in crate::layers) static RESHAPE: LayerDef = def("ops.Reshape", reshape);
pub(in crate::layers) static SQUEEZE: LayerDef = def("ops.Squeeze", squeeze);
pub(in crate::layers) static SWAPAXES: LayerDef = def("ops.Swapaxes", swapaxes);
pub(in crate::layers) static TRANSPOSE: LayerDef = def("ops.Transpose", transpose);

/// All elements in a row.
pub(super) fn flat(scope: &mut Scope<'_>, x: &Operand) -> Outcome {
    let shape = vec![scope.builder.type_of(x).elements()];
    emit(scope, Shape::Reshape { shape: shape.into() }, &[x])
}

/// The same tensor with its axes in another order.
pub(super) fn permuted(scope: &mut Scope<'_>, x: &Operand, perm: Vec<u32>) -> Outcome {
    if perm.iter().copied().eq(0..perm.len() as u32) && perm.len() == shape_of(scope, x).len() {
        return Ok(x.clone());
    }
    emit(scope, Shape::Transpose { perm }, &[x])
}

/// The same tensor with an axis of size 1 put in.
pub(super) fn with_axis(scope: &mut Scope<'_>, x: &Operand, axis: usize) -> Outcome {
    scope.builder.insert_axis(x, axis)
}

/// The same tensor without an axis, which has size 1.
pub(super) fn without_axis(scope: &mut Scope<'_>, x: &Operand, axis: usize) -> Outcome {
    let mut shape = shape_of(scope, x);
    shape.remove(axis);
    emit(scope, Shape::Reshape { shape }, &[x])
}

fn flip(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let axes = integers(config, "axis")?;
    of_one(move |scope, x| {
        let all = || (0..shape_of(scope, x).len() as i64).collect();
        let axes: Vec<i64> = axes.clone().unwrap_or_else(all);
        let mut flipped = x.clone();
        for axis in axes {
            let axis = axis_of(scope, x, axis)?;
            flipped = emit(scope, Shape::Reverse { axis }, &[&flipped])?;
        }
        Ok(flipped)
    })
}

fn moveaxis(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let from = integers(config, "source")?.unwrap_or_default();
    let to = integers(config, "destination")?.unwrap_or_default();
    if from.len() != to.len() {
        return Err(ConfigError::new("destination", "as many axes as `source`", &to.into()));
    }
    of_one(move |scope, x| {
        let mut moved = vec![];
        for (&from, &to) in from.iter().zip(&to) {
            moved.push((axis_of(scope, x, to)?, axis_of(scope, x, from)?));
        }
        moved.sort_unstable();
        let rank = shape_of(scope, x).len() as u32;
        let mut perm: Vec<u32> =
            (0..rank).filter(|axis| moved.iter().all(|(_, from)| from != axis)).collect();
        for (to, from) in moved {
            perm.insert((to as usize).min(perm.len()), from);
        }
        permuted(scope, x, perm)
    })
}

/// `reshape(x, newshape)`, the batch included; one size may be -1.
fn reshape(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let Some(value) = config.take("newshape") else {
        return Err(ConfigError::new("newshape", "a list of sizes", &serde_json::Value::Null));
    };
    let wrong = || ConfigError::new("newshape", "a list of sizes, at most one of them -1", &value);
    let items = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    let size = |item: &serde_json::Value| if item.is_null() { Some(-1) } else { item.as_i64() };
    let sizes: Vec<i64> = items.iter().map(size).collect::<Option<_>>().ok_or_else(wrong)?;
    if sizes.iter().filter(|&&size| size == -1).count() > 1 || sizes.iter().any(|&size| size < -1) {
        return Err(wrong());
    }
    config.keep("newshape", value);
    of_one(move |scope, x| {
        let sizes = sizes.iter().map(|&size| (size != -1).then(|| Dim::constant(size))).collect();
        shaped(scope, x, sizes)
    })
}

/// The same elements in another shape; a size that is not told is what is left.
fn shaped(scope: &mut Scope<'_>, x: &Operand, sizes: Vec<Option<Dim>>) -> Outcome {
    let ty = scope.builder.type_of(x);
    let told = sizes.iter().flatten().fold(Dim::constant(1), |all, size| &all * size);
    let rest = ty.elements().exact_div(&told);
    let mut shape = vec![];
    for size in sizes {
        match size.or_else(|| rest.clone()) {
            Some(size) => shape.push(size),
            None => return refuse(format!("elements that {told} divides"), ty),
        }
    }
    emit(scope, Shape::Reshape { shape: shape.into() }, &[x])
}

/// A reshape of Keras 2 some of whose sizes are those of other tensors: each null of `newshape` is that of the next
/// tensor of `sizes`, along the next axis of `axes`.
pub(in crate::layers) static RESHAPE_TO: LayerDef = def("ops.ReshapeTo", |config| {
    let value = config.take("newshape").unwrap_or_default();
    let axes = integers(config, "axes")?.unwrap_or_default();
    let size = |item: &serde_json::Value| item.as_i64().filter(|&size| size >= -1);
    let items = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let sizes: Vec<Option<i64>> = items.iter().map(size).collect();
    let taken = items.iter().filter(|item| item.is_null()).count();
    let lone = items.iter().filter(|item| item.as_i64() == Some(-1)).count();
    if taken != axes.len() || sizes.iter().flatten().count() + taken != items.len() || lone > 1 {
        return Err(ConfigError::new(
            "newshape",
            "sizes, at most one of them -1, and null for each of `axes`",
            &value,
        ));
    }
    config.keep("newshape", value);
    let reshape = Built::new(&["x", "sizes"], move |scope, arguments| {
        let x = tensor(arguments, "x")?;
        let (others, mut next) = (arguments.tensors("sizes"), 0);
        let mut shape = vec![];
        for size in &sizes {
            shape.push(match (size, others.get(next), axes.get(next)) {
                (Some(-1), ..) => None,
                (Some(size), ..) => Some(Dim::constant(*size)),
                (None, Some(other), Some(&axis)) => {
                    next += 1;
                    let axis = axis_of(scope, other, axis)? as usize;
                    Some(shape_of(scope, other)[axis].clone())
                }
                _ => return refuse("a tensor for each of `axes`", others.len()),
            });
        }
        shaped(scope, &x, shape)
    });
    reshape.taking(&[("sizes", Takes::Tensors)]).boxed()
});

/// `shape(x)` of TensorFlow: the sizes of all axes, as a tensor.
pub(in crate::layers) static SHAPE: LayerDef = def("ops.Shape", |_| {
    of_one(|scope, x| {
        let mut sizes = vec![];
        for axis in 0..shape_of(scope, x).len() as u32 {
            let size = emit(scope, Shape::Size { axes: vec![axis] }, &[x])?;
            let size = scope.cast(&size, DType::I32)?;
            sizes.push(with_axis(scope, &size, 0)?);
        }
        match sizes.is_empty() {
            true => refuse("a tensor with an axis", "a number"),
            false => scope.builder.emit(Shape::Concat { axis: 0 }, &sizes),
        }
    })
});

fn squeeze(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let axes = integers(config, "axis")?;
    of_one(move |scope, x| {
        let shape = shape_of(scope, x);
        let mut gone = vec![];
        match &axes {
            None => gone.extend((0..shape.len()).filter(|&axis| shape[axis].is_one())),
            Some(axes) => {
                for &axis in axes {
                    gone.push(axis_of(scope, x, axis)? as usize);
                }
            }
        }
        if let Some(&axis) = gone.iter().find(|&&axis| !shape[axis].is_one()) {
            return refuse(format!("axis {axis} to have size 1"), &shape[axis]);
        }
        let kept = shape.into_iter().enumerate().filter(|(axis, _)| !gone.contains(axis));
        emit(scope, Shape::Reshape { shape: kept.map(|(_, size)| size).collect() }, &[x])
    })
}

fn swapaxes(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let (one, other) = (config.integer("axis1", None)?, config.integer("axis2", None)?);
    of_one(move |scope, x| {
        let (one, other) = (axis_of(scope, x, one)?, axis_of(scope, x, other)?);
        let mut perm: Vec<u32> = (0..shape_of(scope, x).len() as u32).collect();
        perm.swap(one as usize, other as usize);
        permuted(scope, x, perm)
    })
}

fn transpose(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let axes = integers(config, "axes")?;
    of_one(move |scope, x| {
        let rank = shape_of(scope, x).len() as u32;
        let mut perm: Vec<u32> = (0..rank).rev().collect();
        if let Some(axes) = &axes {
            perm.clear();
            for &axis in axes {
                perm.push(axis_of(scope, x, axis)?);
            }
        }
        permuted(scope, x, perm)
    })
}

/// `roll(x, shift, axis)`: the last positions come first, along each axis by its own shift.
pub(in crate::layers) static ROLL: LayerDef = def("ops.Roll", |config| {
    let shifts = integers(config, "shift")?.unwrap_or_default();
    let axes = integers(config, "axis")?;
    let several = axes.as_ref().map_or(1, Vec::len);
    if shifts.len() != several {
        return Err(ConfigError::new(
            "shift",
            format!("{several} integer(s), one for each axis"),
            &shifts.into(),
        ));
    }
    of_one(move |scope, x| match &axes {
        Some(axes) => axes.iter().zip(&shifts).try_fold(x.clone(), |x, (&axis, &shift)| {
            let axis = axis_of(scope, &x, axis)?;
            rolled(scope, &x, axis, shift)
        }),
        None => {
            let (shape, x) = (shape_of(scope, x), flat(scope, x)?);
            let x = rolled(scope, &x, 0, shifts[0])?;
            emit(scope, Shape::Reshape { shape }, &[&x])
        }
    })
});

/// The positions of an axis moved on, the last ones to its beginning.
fn rolled(scope: &mut Scope<'_>, x: &Operand, axis: u32, shift: i64) -> Outcome {
    let size = shape_of(scope, x)[axis as usize].clone();
    let cut = match size.known() {
        Some(0) => return Ok(x.clone()),
        Some(known) => Dim::constant((-shift).rem_euclid(known)),
        None if shift >= 0 => &size - &Dim::constant(shift),
        None => Dim::constant(-shift),
    };
    let part = |start: Dim, stop: Dim| Shape::Slice { axis, start, stop, step: 1 };
    let end = emit(scope, part(cut.clone(), size), &[x])?;
    let start = emit(scope, part(Dim::constant(0), cut), &[x])?;
    emit(scope, Shape::Concat { axis }, &[&end, &start])
}
