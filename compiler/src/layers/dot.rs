//! `Dot`: for each sample, the product of two tensors along one axis of each.

use masque_ir::ops::{Elementwise, OpError, Shape};
use masque_ir::program::Operand;
use masque_ir::ty::resolve_axis;
use masque_ir::{DType, Dim, Type};
use serde_json::Value as Json;

use super::einsum::{Term, einsum, letters_beside, letters_for};
use super::merging::{converted, listed, several};
use super::operations::unit_length;
use crate::layer::{
    Arguments, CallMasks, Config, ConfigError, Layer, LayerDef, MaskRule, Masking, Scope, ShapeError,
    Signature, Supports, Takes, infer_by_lowering,
};

pub(super) static DOT: LayerDef =
    LayerDef { class: "Dot", supports_masking: Supports::Always, masks: "none", parse };

/// The least length that a vector counts as.
const LEAST_LENGTH: f64 = 1e-7;

#[derive(Debug)]
struct Dot {
    /// The axis of each tensor.
    axes: [i64; 2],
    /// Are the vectors along the axes scaled to length 1?
    normalize: bool,
    /// Are the products, and not the vectors, divided by their lengths, as Keras 1 did? The result has one more axis.
    cosine: bool,
}

fn parse(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let value = config.take("axes").unwrap_or(Json::Null);
    let axes = match &value {
        Json::Array(axes) if axes.len() == 2 => axes[0].as_i64().zip(axes[1].as_i64()),
        axis => axis.as_i64().map(|axis| (axis, axis)),
    };
    let (left, right) =
        axes.ok_or_else(|| ConfigError::new("axes", "an axis, or one for each of two tensors", &value))?;
    config.keep("axes", value);
    let normalize = config.bool("normalize", false)?;
    Ok(Box::new(Dot { axes: [left, right], normalize, cosine: config.bool("cosine_of_keras_1", false)? }))
}

impl Dot {
    /// Both axes from the front; the batch is none of them.
    fn axes(&self, x: &Type, y: &Type) -> Option<[usize; 2]> {
        let axis = |axis: i64, ty: &Type| resolve_axis(axis, ty.rank()).filter(|&axis| axis > 0);
        let axes = [axis(self.axes[0], x)?, axis(self.axes[1], y)?];
        let sizes = [x.shape[axes[0]].known(), y.shape[axes[1]].known()];
        (sizes[0] == sizes[1] || sizes.contains(&None)).then_some(axes)
    }
}

impl Layer for Dot {
    fn signature(&self) -> Signature {
        Signature::of(&["inputs"]).taking(&[("inputs", Takes::Tensors)])
    }

    fn masking(&self) -> Masking {
        Masking::SUPPORTED
    }

    fn call_masks(&self, _: &Arguments<Type>) -> CallMasks {
        MaskRule::Ends.into()
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let inputs = several(arguments)?;
        let [x, y] = inputs else { return Err(ShapeError::new("two tensors", inputs.len())) };
        let alike = !self.cosine || x.shape[1..] == y.shape[1..] && self.axes[0] == self.axes[1];
        if self.axes(x, y).is_none() || !alike {
            let expected = format!(
                "two tensors of one size along their `axes` {:?}, which are no batch axes",
                self.axes
            );
            return Err(ShapeError::new(expected, listed(inputs)));
        }
        infer_by_lowering(self, arguments)
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let mut inputs = converted(scope, arguments.data())?;
        let types: Vec<Type> = inputs.iter().map(|x| scope.builder.type_of(x)).collect();
        let Some(axes) = self.axes(&types[0], &types[1]) else { return Ok(vec![]) };
        if self.cosine {
            return cosine(scope, [&inputs[0], &inputs[1]], axes);
        }
        if self.normalize {
            for (x, axis) in inputs.iter_mut().zip(axes) {
                let float = if scope.builder.type_of(x).dtype.is_float() {
                    x.clone()
                } else {
                    scope.cast(x, DType::F32)?
                };
                *x = unit_length(scope, &float, vec![axis as u32], LEAST_LENGTH)?;
            }
        }
        Ok(vec![product(scope, [&inputs[0], &inputs[1]], axes)?])
    }
}

/// The product of two tensors along one axis of each.
fn product(scope: &mut Scope<'_>, [x, y]: [&Operand; 2], axes: [usize; 2]) -> Result<Operand, OpError> {
    let mut fresh = letters_beside("");
    let left = letters_for(&scope.builder.type_of(x), &mut fresh)?;
    let right = letters_for(&scope.builder.type_of(y), &mut fresh)?;
    // The batch and the axis of the product have the same letters on both sides.
    let (batch, along) = (&left[..1], &left[axes[0]..axes[0] + 1]);
    let right: String = right
        .char_indices()
        .map(|(axis, letter)| match axis {
            0 => batch.to_owned(),
            axis if axis == axes[1] => along.to_owned(),
            _ => letter.to_string(),
        })
        .collect();
    let free = |letters: &str| letters.replace(batch, "").replace(along, "");
    let result = format!("{batch}{}{}", free(&left), free(&right));
    let z = einsum(scope, &[Term::new(x, left.clone()), Term::new(y, right)], &result)?;
    if result.len() > 1 {
        return Ok(z);
    }
    // One number for each sample is a column.
    let shape = vec![scope.builder.type_of(&z).shape[0].clone(), Dim::constant(1)];
    scope.builder.emit(Shape::Reshape { shape: shape.into() }, &[z])
}

/// `dot(x, y) / sqrt(dot(x, x) * dot(y, y))`, with an axis of size 1 after the batch.
fn cosine(scope: &mut Scope<'_>, [x, y]: [&Operand; 2], axes: [usize; 2]) -> Result<Vec<Operand>, OpError> {
    let products = [[x, y], [x, x], [y, y]].map(|pair| product(scope, pair, axes));
    let [both, left, right] = products;
    let squares = scope.builder.emit(Elementwise::Mul, &[left?, right?])?;
    let length = scope.builder.emit(Elementwise::Sqrt, &[squares])?;
    let least = scope.builder.number(&length, LEAST_LENGTH);
    let length = scope.builder.emit(Elementwise::Max, &[length, least])?;
    let z = scope.builder.emit(Elementwise::Div, &[both?, length])?;
    let mut shape = scope.builder.type_of(&z).shape;
    shape.insert(1, Dim::constant(1));
    Ok(vec![scope.builder.emit(Shape::Reshape { shape }, &[z])?])
}
