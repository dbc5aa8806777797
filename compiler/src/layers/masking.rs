//! `Masking`: a step all of whose features equal one number is padding; it is zeroed and masked from here on.

use masque_ir::ops::{Elementwise, OpError, Reduce};
use masque_ir::program::Operand;
use masque_ir::{DType, Type};

use crate::layer::{
    Arguments, Birth, CallMasks, Config, ConfigError, Layer, LayerDef, MaskRule, Masking, Scope, ShapeError,
    Supports,
};

pub(super) static MASKING: LayerDef = LayerDef {
    class: "Masking",
    supports_masking: Supports::Always,
    masks: "born: any(inputs != mask_value, -1)",
    parse,
};

#[derive(Debug)]
struct DiffersFrom {
    mask_value: f64,
}

fn parse(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    Ok(Box::new(DiffersFrom { mask_value: config.float("mask_value", 0.0)?.0 }))
}

impl Layer for DiffersFrom {
    fn masking(&self) -> Masking {
        Masking::SUPPORTED
    }

    fn call_masks(&self, _: &Arguments<Type>) -> CallMasks {
        MaskRule::Born(Birth::AnyDiffers(self.mask_value)).into()
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        match arguments.first() {
            Some(x) if x.rank() >= 2 && x.dtype != DType::Str => Ok(vec![x.clone()]),
            Some(x) => Err(ShapeError::new("numbers with at least two axes", x)),
            None => Err(ShapeError::new("a tensor", "none")),
        }
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = arguments.data()[0].clone();
        let b = &mut *scope.builder;
        let axis = b.type_of(&x).rank() as u32 - 1;
        let (differs, zero) = (b.differs(&x, self.mask_value)?, b.number(&x, 0.0));
        let valid = b.emit(Reduce::Any { axes: vec![axis], keep: false }, &[differs])?;
        let valid = b.trail_axes(&valid, axis as usize + 1)?;
        Ok(vec![b.emit(Elementwise::Select, &[valid, x, zero])?])
    }
}
