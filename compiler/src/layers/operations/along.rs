//! Operations along one axis: by order, by position, by running sums.

use std::sync::Arc;

use masque_ir::ops::{Elementwise, Index, Reduce, Scan, Shape};
use masque_ir::program::{Builder, Operand};
use masque_ir::{DType, Dim};

use super::built::{
    Outcome, axis_of, dtype_of, element_type, emit, literal, numeric, of_one, optional_integer, refuse,
    shape_of,
};
use super::def;
use super::functions::or_zero;
use super::pieces::{padded, part};
use super::shapes::{flat, permuted, with_axis, without_axis};
use crate::layer::{Config, ConfigError, Layer, LayerDef, Scope};

pub(in crate::layers) static ARGMAX: LayerDef = def("ops.Argmax", |config| extreme(config, true));
pub(in crate::layers) static ARGMIN: LayerDef = def("ops.Argmin", |config| extreme(config, false));
pub(in crate::layers) static ARGSORT: LayerDef = def("ops.Argsort", |config| {
    along(config, |scope, x, axis| {
        let order = emit(scope, Index::Order { axis }, &[x])?;
        scope.cast(&order, DType::I32)
    })
});
pub(in crate::layers) static CUMPROD: LayerDef = def("ops.Cumprod", |config| accumulate(config, 1.0));
pub(in crate::layers) static CUMSUM: LayerDef = def("ops.Cumsum", |config| accumulate(config, 0.0));
pub(in crate::layers) static ONE_HOT: LayerDef = def("ops.OneHot", one_hot);
pub(in crate::layers) static SORT: LayerDef = def("ops.Sort", |config| along(config, sorted));
pub(in crate::layers) static TRIL: LayerDef = def("ops.Tril", |config| triangle(config, Elementwise::Le));
pub(in crate::layers) static TRIU: LayerDef = def("ops.Triu", |config| triangle(config, Elementwise::Ge));

/// An operation along the axis `axis`; without one, along all elements in a row.
fn along(
    config: &mut Config,
    f: fn(&mut Scope<'_>, &Operand, u32) -> Outcome,
) -> Result<Box<dyn Layer>, ConfigError> {
    let axis = optional_integer(config, "axis")?;
    of_one(move |scope, x| {
        let (x, axis) = in_line(scope, x, axis)?;
        f(scope, &x, axis)
    })
}

pub(super) fn in_line(scope: &mut Scope<'_>, x: &Operand, axis: Option<i64>) -> Outcome<(Operand, u32)> {
    match axis {
        Some(axis) => Ok((x.clone(), axis_of(scope, x, axis)?)),
        None => Ok((flat(scope, x)?, 0)),
    }
}

pub(super) fn sorted(scope: &mut Scope<'_>, x: &Operand, axis: u32) -> Outcome {
    let order = emit(scope, Index::Order { axis }, &[x])?;
    emit(scope, Index::GatherAlong { axis }, &[x, &order])
}

/// The positions along an axis as i64, in a shape that broadcasts against `x`.
pub(in crate::layers) fn positions(scope: &mut Scope<'_>, x: &Operand, axis: usize) -> Outcome {
    let shape = shape_of(scope, x);
    let mut spread = vec![Dim::constant(1); shape.len()];
    spread[axis] = shape[axis].clone();
    let positions = emit(scope, Shape::Positions { axis: axis as u32 }, &[x])?;
    emit(scope, Shape::Reshape { shape: spread.into() }, &[&positions])
}

/// `argmax` and `argmin`: the first position of the extreme element.
fn extreme(config: &mut Config, largest: bool) -> Result<Box<dyn Layer>, ConfigError> {
    let (axis, keep) = (optional_integer(config, "axis")?, config.bool("keepdims", false)?);
    // Keras has no such setting; TensorFlow has.
    let dtype = element_type(config)?.unwrap_or(DType::I32);
    of_one(move |scope, x| {
        let x = numeric(scope, x)?;
        let (x, axis) = in_line(scope, &x, axis)?;
        let place = extreme_place(scope, &x, axis, keep, largest)?;
        scope.cast(&place, dtype)
    })
}

/// The first position of the extreme element along an axis.
pub(super) fn extreme_place(
    scope: &mut Scope<'_>,
    x: &Operand,
    axis: u32,
    keep: bool,
    largest: bool,
) -> Outcome {
    let axes = vec![axis];
    let (op, beyond) = match largest {
        true => (Reduce::ReduceMax { axes: axes.clone(), keep: true }, Elementwise::Ge),
        false => (Reduce::ReduceMin { axes: axes.clone(), keep: true }, Elementwise::Le),
    };
    let extreme = emit(scope, op, &[x])?;
    let there = emit(scope, beyond, &[x, &extreme])?;
    let positions = positions(scope, x, axis as usize)?;
    let nowhere = literal(DType::I64, f64::from(i32::MAX));
    let places = emit(scope, Elementwise::Select, &[&there, &positions, &nowhere])?;
    let first = emit(scope, Reduce::ReduceMin { axes, keep }, &[&places])?;
    scope.cast(&first, DType::I32)
}

/// `cumsum(x, axis, dtype)` and `cumprod`; in TensorFlow also from the end, and without the position itself.
fn accumulate(config: &mut Config, start: f64) -> Result<Box<dyn Layer>, ConfigError> {
    let (axis, dtype) = (optional_integer(config, "axis")?, element_type(config)?);
    let (before, back) = (config.bool("exclusive", false)?, config.bool("reverse", false)?);
    let turned = move |scope: &mut Scope<'_>, x: &Operand, axis: u32| match back {
        true => emit(scope, Shape::Reverse { axis }, &[x]),
        false => Ok(x.clone()),
    };
    of_one(move |scope, x| {
        let (x, axis) = in_line(scope, x, axis)?;
        let x = scope.cast(&x, dtype.unwrap_or(dtype_of(scope, &x)))?;
        let x = turned(scope, &x, axis)?;
        let mut y = running(scope, &x, axis, start)?;
        if before {
            let size = shape_of(scope, &y)[axis as usize].clone();
            y = padded(scope, &y, axis as usize, 1, 0, start)?;
            y = part(scope, &y, axis, Dim::constant(0), size)?;
        }
        turned(scope, &y, axis)
    })
}

/// `sequence_mask(lengths, maxlen, dtype)` of TensorFlow: which of `maxlen` positions are before a length.
pub(in crate::layers) static SEQUENCE_MASK: LayerDef = def("ops.SequenceMask", |config| {
    let (positions, dtype) = (config.size("maxlen")?, element_type(config)?.unwrap_or(DType::Bool));
    of_one(move |scope, x| {
        let lengths = scope.cast(x, DType::I64)?;
        let axis = shape_of(scope, &lengths).len();
        let lengths = with_axis(scope, &lengths, axis)?;
        let zero = literal(DType::I64, 0.0);
        let all = Shape::Broadcast { shape: vec![Dim::constant(positions)].into() };
        let all = emit(scope, all, &[&zero])?;
        let all = emit(scope, Shape::Positions { axis: 0 }, &[&all])?;
        let before = emit(scope, Elementwise::Lt, &[&all, &lengths])?;
        scope.cast(&before, dtype)
    })
});

/// What the positions up to each come to: their sum if `start` is 0, their product if it is 1.
pub(in crate::layers) fn running(scope: &mut Scope<'_>, x: &Operand, axis: u32, start: f64) -> Outcome {
    let x = numeric(scope, x)?;
    // The loop runs along axis 1, behind some other one.
    let rank = shape_of(scope, &x).len();
    let lone = rank == 1;
    let (x, axis) = if lone { (with_axis(scope, &x, 0)?, 1) } else { (x, axis) };
    let mut perm: Vec<u32> = (0..rank.max(2) as u32).filter(|&other| other != axis).collect();
    perm.insert(1, axis);
    let front = permuted(scope, &x, perm.clone())?;
    let mut step = scope.builder.type_of(&front);
    step.shape.remove(1);
    let mut body = Builder::new("step", scope.builder.program().semantics);
    let (so_far, next) = (body.input("so_far", step.clone()), body.input("next", step.clone()));
    let op = if start == 0.0 { Elementwise::Add } else { Elementwise::Mul };
    let now = body.emit(op, &[so_far, next])?;
    body.output("so_far", now.clone());
    body.output("each", now);
    let start = literal(step.dtype, start);
    let start = emit(scope, Shape::Broadcast { shape: step.shape }, &[&start])?;
    let scan = Scan::Scan { carried: 1, sequences: 1, body: Arc::new(body.finish()) };
    let each = scope.builder.emit_all(scan, &[start, front])?.remove(1);
    let back =
        (0..perm.len() as u32).map(|axis| perm.iter().position(|&from| from == axis).unwrap_or(0) as u32);
    let back = permuted(scope, &each, back.collect())?;
    if lone { without_axis(scope, &back, 0) } else { Ok(back) }
}

/// `one_hot(x, num_classes, axis, dtype)`
fn one_hot(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let hot = Hot::parse(config)?;
    of_one(move |scope, x| hot.build(scope, x))
}

/// Which of some numbers is meant, along an axis of its own.
pub(super) struct Hot {
    classes: i64,
    axis: i64,
    dtype: DType,
}

impl Hot {
    pub(super) fn parse(config: &mut Config) -> Result<Hot, ConfigError> {
        let classes = config.size("num_classes")?;
        let axis = config.integer("axis", Some(-1))?;
        let dtype = element_type(config)?.unwrap_or(DType::F32);
        match config.bool("sparse", false)? {
            true => Err(ConfigError::new("sparse", "false", &true.into())),
            false => Ok(Hot { classes, axis, dtype }),
        }
    }

    pub(super) fn build(&self, scope: &mut Scope<'_>, x: &Operand) -> Outcome {
        let rank = shape_of(scope, x).len();
        let Some(axis) = masque_ir::ty::resolve_axis(self.axis, rank + 1) else {
            return refuse(format!("`axis` up to {rank}"), self.axis);
        };
        let x = scope.cast(x, DType::I64)?;
        let x = with_axis(scope, &x, axis)?;
        let mut shape = vec![Dim::constant(1); rank + 1];
        shape[axis] = Dim::constant(self.classes);
        let zero = literal(DType::I64, 0.0);
        let numbers = emit(scope, Shape::Broadcast { shape: shape.into() }, &[&zero])?;
        let numbers = positions(scope, &numbers, axis)?;
        let hot = emit(scope, Elementwise::Eq, &[&x, &numbers])?;
        scope.cast(&hot, self.dtype)
    }
}

/// `tril(x, k)` and `triu(x, k)`: where the column, compared with the row and `k`, says so; 0 elsewhere.
fn triangle(config: &mut Config, stays: Elementwise) -> Result<Box<dyn Layer>, ConfigError> {
    let k = config.integer("k", Some(0))?;
    of_one(move |scope, x| {
        let rank = shape_of(scope, x).len();
        if rank < 2 || dtype_of(scope, x) == DType::Str {
            return refuse("matrices of numbers", scope.builder.type_of(x));
        }
        let (rows, columns) = (positions(scope, x, rank - 2)?, positions(scope, x, rank - 1)?);
        let k = literal(DType::I64, k as f64);
        let diagonal = emit(scope, Elementwise::Add, &[&rows, &k])?;
        let inside = emit(scope, stays.clone(), &[&columns, &diagonal])?;
        or_zero(scope, &inside, x)
    })
}
