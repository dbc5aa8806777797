//! The end of a custom layer that is described: its body stands before it, its outputs are what the body gives.
//!
//! Keras' order of things: the mask of what the layer is called on is remembered, the body runs, and outputs that have no
//! mask by then get the one that `compute_mask` gives. (`Layer.__call__` of Keras 3.15.)

use masque_ir::Type;
use masque_ir::ops::OpError;
use masque_ir::program::Operand;
use serde_json::{Map, Value as Json};

use crate::layer::{
    Advice, Arguments, CallMasks, Config, ConfigError, Constants, Effect, Kind, Layer, MaskRule, Masking,
    Reads, Scope, ShapeError, Signature, Takes,
};

/// What becomes of masks, where the body leaves outputs without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Masks {
    /// They are lost.
    Lost,
    /// Those of the first argument.
    Keep,
    /// There are none, and rightly.
    Ends,
    /// Those passed as `mask`.
    Given,
}

#[derive(Debug)]
struct Described {
    outputs: u32,
    masks: Masks,
    /// How many of the tensors that it is called on are of its first argument.
    first: usize,
}

/// Is that what the settings of such a layer look like?
pub(crate) fn is_described(settings: &Map<String, Json>) -> bool {
    settings.contains_key("outputs")
        && settings.keys().all(|key| ["config", "first", "masks", "outputs"].contains(&&**key))
}

pub(crate) fn parse(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let outputs = config.size("outputs")?;
    let words =
        [("lost", Masks::Lost), ("keep", Masks::Keep), ("ends", Masks::Ends), ("given", Masks::Given)];
    let masks = config.word("masks", Masks::Lost, &words)?;
    let first = config.integer("first", Some(i64::MAX))?;
    if let Some(own) = config.take("config") {
        config.keep("config", own);
    }
    Ok(Box::new(Described {
        outputs: u32::try_from(outputs).unwrap_or(u32::MAX),
        masks,
        first: usize::try_from(first).unwrap_or(0),
    }))
}

impl Layer for Described {
    fn kind(&self) -> Kind {
        Kind::Described
    }

    fn signature(&self) -> Signature {
        Signature::of(&["outputs", "inputs", "mask"])
            .taking(&[("outputs", Takes::Tensors), ("inputs", Takes::Tensors)])
            .receiving("inputs")
    }

    fn outputs(&self, _: &Constants) -> u32 {
        self.outputs
    }

    /// The calls of the body read masks, and the `mask` here is what becomes of them.
    fn masking(&self) -> Masking {
        Masking::supported(self.masks != Masks::Lost)
            .reading(Reads::Nothing)
            .answering_for(self.first)
            .advised(Advice::of("it sets no `supports_masking` and has no `compute_mask`", &[]))
    }

    fn call_masks(&self, arguments: &Arguments<Type>) -> CallMasks {
        let outputs = 0..arguments.data().len();
        let received = |output: usize| match output < self.first {
            true => MaskRule::Received(output),
            false => MaskRule::Ends,
        };
        let rule = match self.masks {
            Masks::Lost => MaskRule::Lost,
            Masks::Ends => MaskRule::Ends,
            Masks::Keep if arguments.explicit_masks().is_none() => {
                MaskRule::PerOutput(outputs.map(received).collect())
            }
            Masks::Keep | Masks::Given => MaskRule::PerOutput(outputs.map(MaskRule::KeepOf).collect()),
        };
        CallMasks::new(rule).with_effect(Effect::Wraps)
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        Ok(arguments.data().to_vec())
    }

    fn lower(&self, _: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        Ok(arguments.data().to_vec())
    }
}
