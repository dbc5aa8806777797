//! `LayerNormalization`: every example on its own, over the given axes.

use masque_ir::float::Float;
use masque_ir::ops::{Normalize, OpError, Shape};
use masque_ir::program::Operand;
use masque_ir::ty::resolve_axis;
use masque_ir::{DType, Dim, Type};
use serde_json::Value as Json;

use crate::layer::{
    Arguments, Config, ConfigError, Layer, LayerDef, Masking, Scope, ShapeError, Supports, WeightSpec,
};

pub(super) static LAYER_NORMALIZATION: LayerDef =
    LayerDef { class: "LayerNormalization", supports_masking: Supports::Always, masks: "keep", parse };

#[derive(Debug)]
struct LayerNormalization {
    axes: Vec<i64>,
    epsilon: f64,
    center: bool,
    scale: bool,
}

fn parse(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let axis = config.take("axis").unwrap_or_else(|| (-1).into());
    let axes = match &axis {
        Json::Array(axes) => axes.iter().map(Json::as_i64).collect(),
        axis => axis.as_i64().map(|axis| vec![axis]),
    };
    let axes: Vec<i64> = axes
        .filter(|axes: &Vec<i64>| !axes.is_empty())
        .ok_or_else(|| ConfigError::new("axis", "an axis or a list of axes", &axis))?;
    if axes != [-1] {
        config.keep("axis", axis);
    }
    if config.bool("rms_scaling", false)? {
        return Err(ConfigError::new("rms_scaling", "false", &true.into()));
    }
    Ok(Box::new(LayerNormalization {
        axes,
        epsilon: config.number("epsilon", 0.001)?,
        center: config.bool("center", true)?,
        scale: config.bool("scale", true)?,
    }))
}

impl LayerNormalization {
    /// The normalized axes from the front, in the order of the settings: that of the weights' axes.
    fn resolved(&self, x: &Type) -> Result<Vec<usize>, ShapeError> {
        let axes: Option<Vec<usize>> = self.axes.iter().map(|&axis| resolve_axis(axis, x.rank())).collect();
        let distinct = |axes: &Vec<usize>| (1..axes.len()).all(|place| !axes[..place].contains(&axes[place]));
        axes.filter(distinct)
            .ok_or_else(|| ShapeError::new(format!("`axis` to name axes of {x}"), format!("{:?}", self.axes)))
    }

    /// The permutation that brings the normalized axes to the end, in their own order.
    fn to_end(axes: &[usize], rank: usize) -> Vec<u32> {
        let (kept, normalized): (Vec<usize>, Vec<usize>) = (0..rank).partition(|axis| !axes.contains(axis));
        kept.into_iter().chain(normalized).map(|axis| axis as u32).collect()
    }
}

impl Layer for LayerNormalization {
    fn masking(&self) -> Masking {
        Masking::SUPPORTED
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let x = arguments
            .first()
            .filter(|x| x.dtype != DType::Str)
            .ok_or_else(|| ShapeError::new("numbers", "none"))?;
        self.resolved(x)?;
        Ok(vec![x.with_dtype(DType::F32)])
    }

    fn weights(&self, arguments: &Arguments<Type>) -> Result<Vec<WeightSpec>, ShapeError> {
        let Some(x) = arguments.first() else { return Ok(vec![]) };
        let sizes: Option<Vec<i64>> = self.resolved(x)?.iter().map(|&axis| x.shape[axis].known()).collect();
        let sizes = sizes.ok_or_else(|| ShapeError::new("known sizes along the normalized axes", x))?;
        let wanted = [(self.scale, "gamma"), (self.center, "beta")];
        let present = wanted.into_iter().filter(|(wanted, _)| *wanted).map(|(_, name)| name);
        Ok(present
            .enumerate()
            .map(|(place, name)| WeightSpec::new(name, &format!("vars/{place}"), sizes.iter().copied()))
            .collect())
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = scope.float(&arguments.data()[0])?;
        let ty = scope.builder.type_of(&x);
        let axes = self.resolved(&ty).unwrap_or_default();
        let perm = LayerNormalization::to_end(&axes, ty.rank());
        let moved = !perm.iter().copied().eq(0..ty.rank() as u32);
        let mut sorted = axes.clone();
        sorted.sort_unstable();
        let shape: Vec<Dim> = sorted.iter().map(|&axis| ty.shape[axis].clone()).collect();
        let x = if moved { scope.builder.emit(Shape::Transpose { perm: perm.clone() }, &[x])? } else { x };
        let mut operands = vec![x];
        for name in ["gamma", "beta"] {
            // The weights' axes stand in the order of the settings; Keras reshapes them into that of the input.
            operands.push(match scope.weight(name) {
                weight if weight != Operand::Absent && axes != sorted => {
                    scope.builder.emit(Shape::Reshape { shape: shape.clone().into() }, &[weight])?
                }
                weight => weight,
            });
        }
        let op = Normalize::LayerNorm { axes: axes.len() as u32, epsilon: Float(self.epsilon) };
        let y = scope.builder.emit(op, &operands)?;
        if !moved {
            return Ok(vec![y]);
        }
        let mut back = vec![0; perm.len()];
        perm.iter().enumerate().for_each(|(place, &axis)| back[axis as usize] = place as u32);
        Ok(vec![scope.builder.emit(Shape::Transpose { perm: back }, &[y])?])
    }
}
