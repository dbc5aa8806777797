//! `LayerNormalization`: every example on its own, over the given axes.

use masque_ir::float::Float;
use masque_ir::ops::{Normalize, OpError};
use masque_ir::program::Operand;
use masque_ir::ty::resolve_axis;
use masque_ir::{DType, Dim, Type};
use serde_json::Value as Json;

use crate::layer::{
    Arguments, Config, ConfigError, Layer, LayerDef, MaskRule, Scope, ShapeError, Supports, WeightSpec,
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
    /// How many axes at the end are normalized. Others than the last ones have no kernel and no use yet.
    fn trailing(&self, x: &Type) -> Result<usize, ShapeError> {
        let found =
            || ShapeError::new(format!("`axis` to name the last axes of {x}"), format!("{:?}", self.axes));
        let mut axes: Vec<usize> = self
            .axes
            .iter()
            .map(|&axis| resolve_axis(axis, x.rank()))
            .collect::<Option<_>>()
            .ok_or_else(found)?;
        axes.sort_unstable();
        let first = x.rank() - axes.len().min(x.rank());
        if axes.into_iter().eq(first..x.rank()) && first > 0 { Ok(x.rank() - first) } else { Err(found()) }
    }
}

impl Layer for LayerNormalization {
    fn supports_masking(&self) -> bool {
        true
    }

    fn mask_rule(&self, _: &Arguments<Type>) -> MaskRule {
        MaskRule::Keep
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let x = arguments
            .first()
            .filter(|x| x.dtype != DType::Str)
            .ok_or_else(|| ShapeError::new("numbers", "none"))?;
        self.trailing(x)?;
        Ok(vec![x.with_dtype(DType::F32)])
    }

    fn weights(&self, arguments: &Arguments<Type>) -> Result<Vec<WeightSpec>, ShapeError> {
        let Some(x) = arguments.first() else { return Ok(vec![]) };
        let axes = self.trailing(x)?;
        let sizes: Option<Vec<i64>> = x.shape[x.rank() - axes..].iter().map(Dim::known).collect();
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
        let axes = self.axes.len() as u32;
        let op = Normalize::LayerNorm { axes, epsilon: Float(self.epsilon) };
        let operands = [x, scope.weight("gamma"), scope.weight("beta")];
        Ok(vec![scope.builder.emit(op, &operands)?])
    }
}
