//! Operations that move elements, or make tensors in the shape of others.

use masque_ir::float::Float;
use masque_ir::mask::MaskId;
use masque_ir::ops::{Op, OpError, Shape};
use masque_ir::program::{Literal, Operand};
use masque_ir::ty::resolve_axis;
use masque_ir::{DType, Dim, Type};

use super::built::integers;
use super::stacks::joined;
use super::{common, def, masks_of};
use crate::layer::{
    Arguments, Config, ConfigError, Kind, Layer, LayerDef, MaskParts, Scope, ShapeError, Signature, Takes,
};

pub(in crate::layers) static CONCATENATE: LayerDef =
    def("ops.Concatenate", |config| Ok(Box::new(Concatenate { axis: config.integer("axis", Some(0))? })));
pub(in crate::layers) static EXPAND_DIMS: LayerDef = def("ops.ExpandDims", |config| {
    Ok(Box::new(ExpandDims { axes: integers(config, "axis")?.ok_or_else(no_axes)? }))
});
pub(in crate::layers) static ONES_LIKE: LayerDef = def("ops.OnesLike", |config| filled(config, 1.0));
pub(in crate::layers) static EMPTY_LIKE: LayerDef = def("ops.EmptyLike", |config| filled(config, 0.0));
pub(in crate::layers) static ZEROS_LIKE: LayerDef = def("ops.ZerosLike", |config| filled(config, 0.0));

fn no_axis(x: &Type, axis: i64) -> ShapeError {
    ShapeError::new(format!("an `axis` of {x}"), axis)
}

fn no_tensor() -> ShapeError {
    ShapeError::new("a tensor", "none")
}

/// `concatenate(xs, axis)`
#[derive(Debug)]
struct Concatenate {
    axis: i64,
}

impl Layer for Concatenate {
    fn kind(&self) -> Kind {
        Kind::Operation
    }

    fn signature(&self) -> Signature {
        Signature::of(&["xs"]).taking(&[("xs", Takes::Tensors)])
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let x = arguments.first().ok_or_else(no_tensor)?;
        let axis = resolve_axis(self.axis, x.rank()).ok_or_else(|| no_axis(x, self.axis))? as u32;
        if let Some(other) =
            arguments.data().iter().find(|y| (y.dtype == DType::Str) != (x.dtype == DType::Str))
        {
            return Err(ShapeError::new("numbers alone, or texts alone", format!("{x} and {other}")));
        }
        let dtype = arguments.data().iter().fold(x.dtype, |all, other| common(all, other.dtype));
        let parts: Vec<Type> = arguments.data().iter().map(|part| part.with_dtype(dtype)).collect();
        let operands: Vec<Option<&Type>> = parts.iter().map(Some).collect();
        Op::from(Shape::Concat { axis })
            .infer(&operands)
            .map_err(|error| ShapeError::new(error.expected, error.found))
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let rank = scope.builder.type_of(&arguments.data()[0]).rank();
        let axis = resolve_axis(self.axis, rank).unwrap_or(0) as u32;
        Ok(vec![joined(scope, arguments.data(), axis)?])
    }

    fn as_mask(&self, parts: &MaskParts<'_>) -> Option<MaskId> {
        let masks = masks_of(parts)?;
        let mut pool = parts.pool.borrow_mut();
        let axis = resolve_axis(self.axis, pool.rank(*masks.first()?) as usize)?;
        Some(pool.concat(axis as u32, &masks))
    }
}

/// `expand_dims(x, axis)`
#[derive(Debug)]
struct ExpandDims {
    /// Axes of the result, which are new.
    axes: Vec<i64>,
}

fn no_axes() -> ConfigError {
    ConfigError::new("axis", "an axis or a list of axes", &serde_json::Value::Null)
}

impl ExpandDims {
    /// The new axes from the front, sorted; `None` if one is not there, or twice.
    fn places(&self, rank: usize) -> Option<Vec<usize>> {
        let place = |&axis: &i64| resolve_axis(axis, rank + self.axes.len());
        let mut places = self.axes.iter().map(place).collect::<Option<Vec<usize>>>()?;
        places.sort_unstable();
        places.is_sorted_by(|a, b| a < b).then_some(places)
    }
}

impl Layer for ExpandDims {
    fn kind(&self) -> Kind {
        Kind::Operation
    }

    fn signature(&self) -> Signature {
        Signature::of(&["x"])
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let x = arguments.first().ok_or_else(no_tensor)?;
        let places = self.places(x.rank()).ok_or_else(|| {
            let expected = format!("`axis` to name new axes beside those of {x}");
            ShapeError::new(expected, format!("{:?}", self.axes))
        })?;
        let mut shape = x.shape.clone();
        places.into_iter().for_each(|place| shape.insert(place, Dim::constant(1)));
        Ok(vec![Type::new(x.dtype, shape)])
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = arguments.data()[0].clone();
        let mut shape = scope.builder.type_of(&x).shape;
        let places = self.places(shape.len()).unwrap_or_default();
        places.into_iter().for_each(|place| shape.insert(place, Dim::constant(1)));
        Ok(vec![scope.builder.emit(Shape::Reshape { shape }, &[x])?])
    }

    fn as_mask(&self, parts: &MaskParts<'_>) -> Option<MaskId> {
        let mask = *masks_of(parts)?.first()?;
        let mut pool = parts.pool.borrow_mut();
        let rank = pool.rank(mask) as usize;
        let last = self.places(rank)?.first().is_none_or(|&first| first == rank);
        last.then(|| self.axes.iter().fold(mask, |mask, _| pool.expand_last(mask)))
    }
}

/// `zeros_like(x, dtype)` and `ones_like(x, dtype)`
#[derive(Debug)]
struct Filled {
    number: f64,
    /// That of `x` if absent.
    dtype: Option<DType>,
}

fn filled(config: &mut Config, number: f64) -> Result<Box<dyn Layer>, ConfigError> {
    let dtype = super::built::element_type(config)?;
    Ok(Box::new(Filled { number, dtype }))
}

impl Layer for Filled {
    fn kind(&self) -> Kind {
        Kind::Operation
    }

    fn signature(&self) -> Signature {
        Signature::of(&["x"])
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let x = arguments.first().filter(|x| x.dtype != DType::Str).ok_or_else(no_tensor)?;
        Ok(vec![x.with_dtype(self.dtype.unwrap_or(x.dtype))])
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let ty = scope.builder.type_of(&arguments.data()[0]);
        let literal = Literal { dtype: self.dtype.unwrap_or(ty.dtype), number: Float(self.number) };
        Ok(vec![scope.builder.emit(Shape::Broadcast { shape: ty.shape }, &[Operand::Literal(literal)])?])
    }

    fn as_mask(&self, parts: &MaskParts<'_>) -> Option<MaskId> {
        let x = *parts.arguments.first().filter(|_| self.dtype == Some(DType::Bool))?;
        let mut pool = parts.pool.borrow_mut();
        Some(if self.number == 0.0 { pool.zeros(x, parts.rank(x)) } else { pool.ones(x, parts.rank(x)) })
    }
}
