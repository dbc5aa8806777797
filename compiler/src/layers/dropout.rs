//! The dropout and noise layers, and `ActivityRegularization`: at inference each gives its very input.

use masque_ir::Type;
use masque_ir::ops::OpError;
use masque_ir::program::Operand;

use crate::layer::{
    Arguments, CallMasks, Config, ConfigError, Effect, Layer, LayerDef, MaskRule, Masking, Scope, ShapeError,
    Signature, Supports,
};

const fn def(class: &'static str) -> LayerDef {
    LayerDef { class, supports_masking: Supports::Always, masks: "keep", parse }
}

pub(super) static ACTIVITY_REGULARIZATION: LayerDef = def("ActivityRegularization");
pub(super) static ALPHA_DROPOUT: LayerDef = def("AlphaDropout");
pub(super) static DROPOUT: LayerDef = def("Dropout");
pub(super) static GAUSSIAN_DROPOUT: LayerDef = def("GaussianDropout");
pub(super) static GAUSSIAN_NOISE: LayerDef = def("GaussianNoise");
pub(super) static SPATIAL_DROPOUT1D: LayerDef = def("SpatialDropout1D");
pub(super) static SPATIAL_DROPOUT2D: LayerDef = def("SpatialDropout2D");
pub(super) static SPATIAL_DROPOUT3D: LayerDef = def("SpatialDropout3D");

#[derive(Debug)]
struct Identity;

fn parse(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    config.ignore(&["data_format", "l1", "l2", "noise_shape", "rate", "stddev"]);
    Ok(Box::new(Identity))
}

impl Layer for Identity {
    fn signature(&self) -> Signature {
        Signature::of(&["inputs", "training"])
    }

    fn masking(&self) -> Masking {
        Masking::SUPPORTED
    }

    fn call_masks(&self, _: &Arguments<Type>) -> CallMasks {
        CallMasks::new(MaskRule::Keep).with_effect(Effect::GivesInputs)
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        arguments.first().map(|x| vec![x.clone()]).ok_or_else(|| ShapeError::new("a tensor", "none"))
    }

    fn lower(&self, _: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        Ok(vec![arguments.data()[0].clone()])
    }
}
