//! What only the bodies of described layers call: weights of the layer's own, and the mask of a tensor as a tensor.

use masque_ir::mask::MaskId;
use masque_ir::ops::{OpError, Shape};
use masque_ir::program::{Literal, Operand};
use masque_ir::{DType, Dim, Float, Type};
use serde_json::Value as Json;

use super::def;
use crate::layer::config::LARGEST_SIZE;
use crate::layer::{
    Arguments, Config, ConfigError, Kind, Layer, LayerDef, MaskParts, Scope, ShapeError, Signature, Takes,
    WeightSpec,
};

pub(in crate::layers) static WEIGHT: LayerDef = def("ops.Weight", |config| {
    let expected =
        "a list of sizes; one below zero is that of the argument, along an axis counted from the end";
    let shape = config.take("shape").unwrap_or(Json::Null);
    let size = |size: &Json| size.as_i64().filter(|size| (-64..=LARGEST_SIZE).contains(size));
    let sizes: Option<Vec<i64>> = shape.as_array().and_then(|sizes| sizes.iter().map(size).collect());
    let sizes = sizes.ok_or_else(|| ConfigError::new("shape", expected, &shape))?;
    config.keep("shape", shape);
    Ok(Box::new(Weight { sizes, trained: config.bool("trainable", true)? }))
});

pub(in crate::layers) static MASK_OF: LayerDef =
    LayerDef { masks: "lost, silently", ..def("ops.MaskOf", |_: &mut Config| Ok(Box::new(MaskOf))) };

/// A weight that is none of a layer inside.
#[derive(Debug)]
struct Weight {
    /// Those below zero are of the argument.
    sizes: Vec<i64>,
    trained: bool,
}

impl Weight {
    fn sizes(&self, x: Option<&Type>) -> Result<Vec<i64>, ShapeError> {
        let size = |&size: &i64| {
            let of = |x: &Type| x.shape.get((x.rank() as i64 + size) as usize).and_then(Dim::known);
            match size {
                0.. => Some(size),
                _ => x.filter(|x| x.rank() as i64 + size >= 0).and_then(of),
            }
        };
        let sizes: Option<Vec<i64>> = self.sizes.iter().map(size).collect();
        let expected = "an argument whose sizes are known, for a weight of such a shape";
        sizes.ok_or_else(|| ShapeError::new(expected, x.map_or("none".to_owned(), Type::to_string)))
    }
}

impl Layer for Weight {
    fn kind(&self) -> Kind {
        Kind::Operation
    }

    fn signature(&self) -> Signature {
        Signature::of(&["inputs"]).taking(&[("inputs", Takes::Tensor)])
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let sizes = self.sizes(arguments.first())?;
        Ok(vec![Type::new(DType::F32, sizes.into_iter().map(Dim::from).collect::<Vec<_>>())])
    }

    fn weights(&self, arguments: &Arguments<Type>) -> Result<Vec<WeightSpec>, ShapeError> {
        let spec = WeightSpec::new("value", "", self.sizes(arguments.first())?);
        Ok(vec![if self.trained { spec } else { spec.untrained() }])
    }

    fn lower(&self, scope: &mut Scope<'_>, _: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        Ok(vec![scope.weight("value")])
    }
}

/// The mask that a layer's `mask` argument gets; true everywhere where there is none.
#[derive(Debug)]
struct MaskOf;

/// The axes of positions: all but the last one.
fn axes(x: &Type) -> &[Dim] {
    &x.shape[..x.rank().saturating_sub(1).max(x.rank().min(1))]
}

impl Layer for MaskOf {
    fn kind(&self) -> Kind {
        Kind::Operation
    }

    fn signature(&self) -> Signature {
        Signature::of(&["inputs", "mask"]).taking(&[("inputs", Takes::Tensor), ("mask", Takes::Masks)])
    }

    fn as_mask(&self, parts: &MaskParts<'_>) -> Option<MaskId> {
        let x = *parts.arguments.first()?;
        let ones = || parts.pool.borrow_mut().ones(x, parts.rank(x).saturating_sub(1).max(1));
        Some(parts.used.first().copied().flatten().unwrap_or_else(ones))
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let x = arguments.first().ok_or_else(|| ShapeError::new("a tensor", "none"))?;
        let mask = arguments.mask().map(|mask| mask.with_dtype(DType::Bool));
        Ok(vec![mask.unwrap_or_else(|| Type::new(DType::Bool, axes(x).to_vec()))])
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        if let Some(mask) = arguments.mask() {
            return Ok(vec![mask.clone()]);
        }
        let shape = axes(&scope.builder.type_of(&arguments.data()[0])).to_vec();
        let truth = Operand::Literal(Literal { dtype: DType::Bool, number: Float(1.0) });
        Ok(vec![scope.builder.emit(Shape::Broadcast { shape: shape.into() }, &[truth])?])
    }
}
