//! `Identity`, and models inside models: calls that give what they are given.

use masque_ir::Type;
use masque_ir::ops::OpError;
use masque_ir::program::Operand;

use crate::layer::{
    Arguments, CallMasks, Config, ConfigError, Constants, Effect, Layer, LayerDef, MaskRule, Masking, Scope,
    ShapeError, Signature, Supports, Takes,
};

pub(super) static IDENTITY: LayerDef = LayerDef {
    class: "Identity",
    supports_masking: Supports::Always,
    masks: "keep",
    parse: |config| Ok(Box::new(Identity { is_input: config.bool("is_input", false)? })),
};
pub(super) static FUNCTIONAL: LayerDef = model("Functional");
pub(super) static SEQUENTIAL: LayerDef = model("Sequential");

const fn model(class: &'static str) -> LayerDef {
    LayerDef { class, supports_masking: Supports::Always, masks: "those of its outputs", parse }
}

#[derive(Debug)]
struct Identity {
    /// Is it an input of a model inside a model?
    is_input: bool,
}

impl Layer for Identity {
    /// The inputs of a model inside a model are calls of this layer; a mask may be passed to them by hand.
    fn signature(&self) -> Signature {
        Signature::of(&["inputs", "mask"])
    }

    fn masking(&self) -> Masking {
        Masking::SUPPORTED.in_keras2(self.is_input).used_at_inference(false)
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

/// The end of a model inside a model: its first argument holds the inner outputs, `inputs` what was passed to it.
#[derive(Debug)]
struct Model {
    outputs: u32,
}

/// Reads the end of a model.
pub(super) fn parse(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let outputs = config.size("outputs")?;
    Ok(Box::new(Model { outputs: u32::try_from(outputs).unwrap_or(u32::MAX) }))
}

impl Layer for Model {
    fn signature(&self) -> Signature {
        Signature::of(&["outputs", "inputs"])
            .taking(&[("outputs", Takes::Tensors), ("inputs", Takes::Tensors)])
            .receiving("inputs")
    }

    fn outputs(&self, _: &Constants) -> u32 {
        self.outputs
    }

    fn masking(&self) -> Masking {
        Masking::SUPPORTED
    }

    fn call_masks(&self, arguments: &Arguments<Type>) -> CallMasks {
        CallMasks::new(MaskRule::PerOutput((0..arguments.data().len()).map(MaskRule::KeepOf).collect()))
            .with_effect(Effect::GivesInputs)
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        Ok(arguments.data().to_vec())
    }

    fn lower(&self, _: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        Ok(arguments.data().to_vec())
    }
}
