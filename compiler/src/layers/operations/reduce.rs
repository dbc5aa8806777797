//! Folding axes away, of which Keras makes masks: `any`.

use masque_ir::mask::MaskId;
use masque_ir::ops::{Op, OpError, Reduce};
use masque_ir::program::Operand;
use masque_ir::ty::resolve_axis;
use masque_ir::{DType, Type};
use serde_json::Value as Json;

use super::{def, masks_of};
use crate::layer::{
    Arguments, Config, ConfigError, Kind, Layer, LayerDef, MaskParts, Scope, ShapeError, Signature,
};

pub(in crate::layers) static ANY: LayerDef =
    def("ops.Any", |config| Ok(Box::new(Any { axes: axes(config)?, keep: config.bool("keepdims", false)? })));

/// `any(x, axis)`
#[derive(Debug)]
struct Any {
    /// As they are written; none for all.
    axes: Option<Vec<i64>>,
    keep: bool,
}

/// A setting that names an axis, several, or (null) all.
pub(super) fn axes(config: &mut Config) -> Result<Option<Vec<i64>>, ConfigError> {
    let Some(value) = config.take("axis") else { return Ok(None) };
    let axes: Option<Vec<i64>> = match &value {
        Json::Array(axes) => axes.iter().map(Json::as_i64).collect(),
        axis => axis.as_i64().map(|axis| vec![axis]),
    };
    let axes = axes.ok_or_else(|| ConfigError::new("axis", "an axis or a list of axes", &value))?;
    config.keep("axis", value);
    Ok(Some(axes))
}

/// The axes from the front, sorted.
pub(super) fn folded(axes: &Option<Vec<i64>>, rank: usize) -> Option<Vec<u32>> {
    let Some(axes) = axes else { return Some((0..rank as u32).collect()) };
    let resolved = axes.iter().map(|&axis| resolve_axis(axis, rank).map(|axis| axis as u32));
    let mut axes = resolved.collect::<Option<Vec<u32>>>()?;
    axes.sort_unstable();
    axes.dedup();
    Some(axes)
}

impl Layer for Any {
    fn kind(&self) -> Kind {
        Kind::Operation
    }

    fn signature(&self) -> Signature {
        Signature::of(&["x"])
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let x = arguments.first().ok_or_else(|| ShapeError::new("a tensor", "none"))?;
        let axes = folded(&self.axes, x.rank()).ok_or_else(|| {
            ShapeError::new(format!("`axis` to name axes of {x}"), format!("{:?}", self.axes))
        })?;
        Op::from(Reduce::Any { axes, keep: self.keep })
            .infer(&[Some(&x.with_dtype(DType::Bool))])
            .map_err(|error| ShapeError::new(error.expected, error.found))
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = scope.cast(&arguments.data()[0], DType::Bool)?;
        let axes = folded(&self.axes, scope.builder.type_of(&x).rank()).unwrap_or_default();
        Ok(vec![scope.builder.emit(Reduce::Any { axes, keep: self.keep }, &[x])?])
    }

    fn as_mask(&self, parts: &MaskParts<'_>) -> Option<MaskId> {
        let mask = *masks_of(parts)?.first()?;
        let mut pool = parts.pool.borrow_mut();
        let rank = pool.rank(mask);
        let last = folded(&self.axes, rank as usize)? == [rank.checked_sub(1)?];
        (last && !self.keep).then(|| pool.any_last(mask))
    }
}
