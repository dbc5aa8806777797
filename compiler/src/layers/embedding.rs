//! `Embedding`: a row of a table for every integer. With `mask_zero` the integer 0 is padding; its row is an
//! ordinary row all the same.

use masque_ir::ops::{Index, OpError};
use masque_ir::program::Operand;
use masque_ir::{DType, Dim, Type};

use crate::layer::{
    Advice, Arguments, Birth, CallMasks, Config, ConfigError, Layer, LayerDef, MaskRule, Masking, Scope,
    ShapeError, Supports, Way, WeightSpec,
};

pub(super) static EMBEDDING: LayerDef = LayerDef {
    class: "Embedding",
    supports_masking: Supports::If("mask_zero"),
    masks: "born: inputs != 0, if mask_zero; else lost",
    parse,
};

#[derive(Debug)]
pub(super) struct Embedding {
    pub(super) rows: i64,
    pub(super) columns: i64,
    mask_zero: bool,
}

fn parse(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    Ok(Box::new(settings(config)?))
}

/// Reads the settings.
pub(super) fn settings(config: &mut Config) -> Result<Embedding, ConfigError> {
    config.ignore(&["input_length", "lora_rank", "lora_alpha"]);
    Ok(Embedding {
        rows: config.size("input_dim")?,
        columns: config.size("output_dim")?,
        mask_zero: config.bool("mask_zero", false)?,
    })
}

impl Layer for Embedding {
    fn masking(&self) -> Masking {
        Masking::supported(self.mask_zero).advised(Advice::by_position(
            "without mask_zero it makes no mask, and does not carry that of its ids",
            &[Way::MaskZero, Way::Zero],
        ))
    }

    fn call_masks(&self, _: &Arguments<Type>) -> CallMasks {
        let rule = if self.mask_zero { MaskRule::Born(Birth::NonZero) } else { MaskRule::Lost };
        rule.into()
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let ids = arguments.first().filter(|ids| ids.dtype != DType::Str);
        let ids = ids.ok_or_else(|| ShapeError::new("numbers", "text"))?;
        let mut shape = ids.shape.clone();
        shape.push(Dim::constant(self.columns));
        Ok(vec![Type::new(DType::F32, shape)])
    }

    fn weights(&self, _: &Arguments<Type>) -> Result<Vec<WeightSpec>, ShapeError> {
        Ok(vec![WeightSpec::new("embeddings", "vars/0", [self.rows, self.columns]).scaled(1, [0])])
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let mut ids = arguments.data()[0].clone();
        if !scope.builder.type_of(&ids).dtype.is_int() {
            ids = scope.cast(&ids, DType::I32)?;
        }
        Ok(vec![scope.builder.emit(Index::Gather, &[scope.weight("embeddings"), ids])?])
    }
}
