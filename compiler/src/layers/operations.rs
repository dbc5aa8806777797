//! Operations of `keras.ops`: those a person writes a mask with, and those that Keras itself writes into a model
//! file where it computed a mask (`NotEqual`, `Any`, `LogicalOr`, `ExpandDims`, `ZerosLike`, `OnesLike`,
//! `Concatenate`).
//!
//! An operation drops masks without a word. What it *makes* may be a mask: each says which symbolic mask its
//! result is, so that a mask that came through a file is the same mask as one that was inferred.

use masque_ir::float::Float;
use masque_ir::mask::MaskId;
use masque_ir::ops::{Elementwise, OpError, Reduce, Shape};
use masque_ir::program::{Literal, Operand};
use masque_ir::ty::{broadcast, resolve_axis};
use masque_ir::{DType, Dim, Type};
use serde_json::Value as Json;

use crate::layer::{
    Arguments, Config, ConfigError, Layer, LayerDef, MaskParts, MaskRule, Passed, Scope, ShapeError, Supports,
};

const fn def(class: &'static str, parse: fn(&mut Config) -> Result<Box<dyn Layer>, ConfigError>) -> LayerDef {
    LayerDef { class, supports_masking: Supports::Never, masks: "lost, silently", parse }
}

pub(super) static ANY: LayerDef = def("ops.Any", |config| {
    let axes = axes(config)?;
    Ok(Box::new(Operation::Any { axes, keep: config.bool("keepdims", false)? }))
});
pub(super) static CONCATENATE: LayerDef = def("ops.Concatenate", |config| {
    Ok(Box::new(Operation::Concatenate { axis: config.integer("axis", Some(-1))? }))
});
pub(super) static EXPAND_DIMS: LayerDef = def("ops.ExpandDims", |config| {
    Ok(Box::new(Operation::ExpandDims { axis: config.integer("axis", None)? }))
});
pub(super) static LOGICAL_AND: LayerDef = def("ops.LogicalAnd", |_| Ok(Box::new(Operation::And)));
pub(super) static LOGICAL_NOT: LayerDef = def("ops.LogicalNot", |_| Ok(Box::new(Operation::Not)));
pub(super) static LOGICAL_OR: LayerDef = def("ops.LogicalOr", |_| Ok(Box::new(Operation::Or)));
pub(super) static NOT_EQUAL: LayerDef = def("ops.NotEqual", |_| Ok(Box::new(Operation::NotEqual)));
pub(super) static ONES_LIKE: LayerDef = def("ops.OnesLike", |config| filled(config, 1.0));
pub(super) static ZEROS_LIKE: LayerDef = def("ops.ZerosLike", |config| filled(config, 0.0));

#[derive(Clone, Debug, PartialEq)]
enum Operation {
    NotEqual,
    And,
    Or,
    Not,
    Any { axes: Option<Vec<i64>>, keep: bool },
    ExpandDims { axis: i64 },
    Concatenate { axis: i64 },
    Filled { number: f64, dtype: Option<DType> },
}

fn axes(config: &mut Config) -> Result<Option<Vec<i64>>, ConfigError> {
    let Some(value) = config.take("axis") else { return Ok(None) };
    let axes: Option<Vec<i64>> = match &value {
        Json::Array(axes) => axes.iter().map(Json::as_i64).collect(),
        axis => axis.as_i64().map(|axis| vec![axis]),
    };
    let axes = axes.ok_or_else(|| ConfigError::new("axis", "an axis or a list of axes", &value))?;
    config.keep("axis", value);
    Ok(Some(axes))
}

fn filled(config: &mut Config, number: f64) -> Result<Box<dyn Layer>, ConfigError> {
    let dtype = match config.take("dtype") {
        None => None,
        Some(dtype) => {
            let known = [
                ("bool", DType::Bool),
                ("float32", DType::F32),
                ("int32", DType::I32),
                ("int64", DType::I64),
            ];
            let found = known.iter().find(|(name, _)| dtype == *name);
            let found =
                found.ok_or_else(|| ConfigError::new("dtype", "bool, float32, int32 or int64", &dtype))?.1;
            config.keep("dtype", dtype);
            Some(found)
        }
    };
    Ok(Box::new(Operation::Filled { number, dtype }))
}

/// What numbers and tensors of the two sides of an operation are computed in.
fn common(left: DType, right: DType) -> DType {
    match (left, right) {
        (a, b) if a == b => a,
        (DType::Bool, other) | (other, DType::Bool) => other,
        (a, b) if a.is_int() && b.is_int() => DType::I64,
        (DType::F64, _) | (_, DType::F64) => DType::F64,
        _ => DType::F32,
    }
}

/// One side of an operation with two.
#[derive(Clone, Debug)]
enum Side<T> {
    Tensor(T),
    Number(f64),
}

/// Both sides, tensors or numbers, in order.
fn sides<T: Clone>(arguments: &Arguments<T>) -> Option<[Side<T>; 2]> {
    let side = |passed: &Passed<T>| match passed {
        Passed::Tensor(tensor) => Some(Side::Tensor(tensor.clone())),
        Passed::Constant(Json::Bool(truth)) => Some(Side::Number(f64::from(u8::from(*truth)))),
        Passed::Constant(json) => json.as_f64().map(Side::Number),
        Passed::List(_) => None,
    };
    let sides: Vec<Side<T>> =
        ["x1", "x2"].iter().filter_map(|name| arguments.get(name).and_then(side)).collect();
    sides.try_into().ok()
}

impl Operation {
    fn is_binary(&self) -> bool {
        matches!(self, Operation::NotEqual | Operation::And | Operation::Or)
    }

    fn is_logical(&self) -> bool {
        matches!(self, Operation::And | Operation::Or | Operation::Not)
    }

    fn binary_type(&self, arguments: &Arguments<Type>) -> Result<Type, ShapeError> {
        let expected = "two tensors, or a tensor and a number";
        let shape = match sides(arguments).ok_or_else(|| ShapeError::new(expected, "other arguments"))? {
            [Side::Tensor(a), Side::Tensor(b)] => broadcast(&a.shape, &b.shape)
                .ok_or_else(|| ShapeError::new("shapes that broadcast", format!("{a} and {b}")))?,
            [Side::Tensor(x), _] | [_, Side::Tensor(x)] => x.shape,
            _ => return Err(ShapeError::new(expected, "two numbers")),
        };
        Ok(Type::new(DType::Bool, shape))
    }

    fn folded(axes: &Option<Vec<i64>>, rank: usize) -> Option<Vec<u32>> {
        let Some(axes) = axes else { return Some((0..rank as u32).collect()) };
        let mut axes: Vec<u32> = axes
            .iter()
            .map(|&axis| resolve_axis(axis, rank).map(|axis| axis as u32))
            .collect::<Option<_>>()?;
        axes.sort_unstable();
        axes.dedup();
        Some(axes)
    }

    fn binary(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Operand, OpError> {
        let Some(sides) = sides(arguments) else { return Ok(Operand::Absent) };
        let dtypes: Vec<DType> = sides
            .iter()
            .filter_map(|side| match side {
                Side::Tensor(x) => Some(scope.builder.type_of(x).dtype),
                Side::Number(_) => None,
            })
            .collect();
        let dtype = if self.is_logical() { DType::Bool } else { common(dtypes[0], dtypes[dtypes.len() - 1]) };
        let mut operands = vec![];
        for side in sides {
            operands.push(match side {
                Side::Tensor(x) => scope.cast(&x, dtype)?,
                Side::Number(number) => Operand::Literal(Literal { dtype, number: Float(number) }),
            });
        }
        let op = match self {
            Operation::And => Elementwise::And,
            Operation::Or => Elementwise::Or,
            _ => Elementwise::Ne,
        };
        scope.builder.emit(op, &operands)
    }
}

impl Layer for Operation {
    fn parameters(&self) -> &'static [&'static str] {
        match self {
            Operation::NotEqual | Operation::And | Operation::Or => &["x1", "x2"],
            Operation::Concatenate { .. } => &["xs"],
            Operation::Filled { .. } => &["x", "dtype"],
            _ => &["x"],
        }
    }

    fn supports_masking(&self) -> bool {
        false
    }

    fn is_operation(&self) -> bool {
        true
    }

    fn mask_rule(&self, _: &Arguments<Type>) -> MaskRule {
        MaskRule::Lost
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        if self.is_binary() {
            return Ok(vec![self.binary_type(arguments)?]);
        }
        let x = arguments.first().ok_or_else(|| ShapeError::new("a tensor", "none"))?;
        let no_axis = |axis: String| ShapeError::new(format!("an `axis` of {x}"), axis);
        let ty = match self {
            Operation::Any { axes, keep } => {
                let axes = Operation::folded(axes, x.rank()).ok_or_else(|| no_axis(format!("{axes:?}")))?;
                let op = masque_ir::ops::Op::from(Reduce::Any { axes, keep: *keep });
                let x = x.with_dtype(DType::Bool);
                let mut types =
                    op.infer(&[Some(&x)]).map_err(|error| ShapeError::new(error.expected, error.found))?;
                types.swap_remove(0)
            }
            Operation::ExpandDims { axis } => {
                let axis = resolve_axis(*axis, x.rank() + 1).ok_or_else(|| no_axis(axis.to_string()))?;
                let mut shape = x.shape.clone();
                shape.insert(axis, Dim::constant(1));
                Type::new(x.dtype, shape)
            }
            Operation::Concatenate { axis } => {
                let axis = resolve_axis(*axis, x.rank()).ok_or_else(|| no_axis(axis.to_string()))? as u32;
                let operands: Vec<Option<&Type>> = arguments.data().iter().map(Some).collect();
                let op = masque_ir::ops::Op::from(Shape::Concat { axis });
                let mut types =
                    op.infer(&operands).map_err(|error| ShapeError::new(error.expected, error.found))?;
                types.swap_remove(0)
            }
            Operation::Filled { dtype, .. } => x.with_dtype(dtype.unwrap_or(x.dtype)),
            _ => x.with_dtype(DType::Bool),
        };
        Ok(vec![ty])
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        if self.is_binary() {
            return Ok(vec![self.binary(scope, arguments)?]);
        }
        let x = arguments.data()[0].clone();
        let ty = scope.builder.type_of(&x);
        let y = match self {
            Operation::Any { axes, keep } => {
                let axes = Operation::folded(axes, ty.rank()).unwrap_or_default();
                let x = scope.cast(&x, DType::Bool)?;
                scope.builder.emit(Reduce::Any { axes, keep: *keep }, &[x])?
            }
            Operation::ExpandDims { axis } => {
                let mut shape = ty.shape.clone();
                shape.insert(resolve_axis(*axis, ty.rank() + 1).unwrap_or(0), Dim::constant(1));
                scope.builder.emit(Shape::Reshape { shape }, &[x])?
            }
            Operation::Concatenate { axis } => {
                let axis = resolve_axis(*axis, ty.rank()).unwrap_or(0) as u32;
                scope.builder.emit(Shape::Concat { axis }, arguments.data())?
            }
            Operation::Filled { number, dtype } => {
                let literal = Literal { dtype: dtype.unwrap_or(ty.dtype), number: Float(*number) };
                scope.builder.emit(Shape::Broadcast { shape: ty.shape }, &[Operand::Literal(literal)])?
            }
            _ => {
                let x = scope.cast(&x, DType::Bool)?;
                scope.builder.emit(Elementwise::Not, &[x])?
            }
        };
        Ok(vec![y])
    }

    fn as_mask(&self, parts: &MaskParts<'_>) -> Option<MaskId> {
        let arguments = parts.arguments;
        let mut pool = parts.pool.borrow_mut();
        let masks: Option<Vec<MaskId>> =
            arguments.iter().flat_map(|(_, passed)| passed.tensors()).map(|x| parts.mask_of(*x)).collect();
        match self {
            Operation::NotEqual => match sides(arguments)? {
                [Side::Tensor(x), Side::Number(number)] | [Side::Number(number), Side::Tensor(x)] => {
                    Some(pool.not_equal(x, number, parts.rank(x)))
                }
                _ => None,
            },
            Operation::And => masks.filter(|masks| masks.len() == 2).map(|masks| pool.and(&masks)),
            Operation::Or => {
                masks.filter(|masks| masks.len() == 2).map(|masks| pool.spread_or(masks[0], masks[1]))
            }
            Operation::Not => masks.map(|masks| pool.not(masks[0])),
            Operation::Any { axes: Some(axes), keep: false } => {
                let mask = *masks?.first()?;
                (axes.len() == 1
                    && resolve_axis(axes[0], pool.rank(mask) as usize)? as u32 + 1 == pool.rank(mask))
                .then(|| pool.any_last(mask))
            }
            Operation::ExpandDims { axis } => {
                let mask = *masks?.first()?;
                (*axis == -1 || *axis == i64::from(pool.rank(mask))).then(|| pool.expand_last(mask))
            }
            Operation::Concatenate { axis } => {
                let masks = masks?;
                let axis = resolve_axis(*axis, pool.rank(*masks.first()?) as usize)?;
                Some(pool.concat(axis as u32, &masks))
            }
            Operation::Filled { number, dtype: Some(DType::Bool) } => {
                let x = *arguments.first()?;
                Some(if *number == 0.0 { pool.zeros(x, parts.rank(x)) } else { pool.ones(x, parts.rank(x)) })
            }
            _ => None,
        }
    }
}
