//! `Activation`: an activation function on its own.

use masque_ir::activation::Activation as Function;
use masque_ir::ops::{Activate, OpError};
use masque_ir::program::Operand;
use masque_ir::{DType, Type};

use crate::layer::{Arguments, Config, ConfigError, Layer, LayerDef, MaskRule, Scope, ShapeError, Supports};

pub(super) static ACTIVATION: LayerDef =
    LayerDef { class: "Activation", supports_masking: Supports::Always, masks: "keep", parse };

#[derive(Debug)]
struct Activation {
    function: Function,
}

fn parse(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    Ok(Box::new(Activation { function: config.activation("activation", Function::Linear)? }))
}

impl Layer for Activation {
    fn supports_masking(&self) -> bool {
        true
    }

    fn mask_rule(&self, _: &Arguments<Type>) -> MaskRule {
        MaskRule::Keep
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        match arguments.first() {
            Some(x) if x.dtype != DType::Str && (self.function.axis().is_none() || x.rank() > 0) => {
                Ok(vec![if self.function == Function::Linear { x.clone() } else { x.with_dtype(DType::F32) }])
            }
            Some(x) => Err(ShapeError::new("numbers", x)),
            None => Err(ShapeError::new("a tensor", "none")),
        }
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        Ok(vec![lower(scope, self.function, arguments.data()[0].clone())?])
    }
}

/// Applies an activation function; `linear` is nothing.
pub(super) fn lower(scope: &mut Scope<'_>, function: Function, x: Operand) -> Result<Operand, OpError> {
    if function == Function::Linear {
        return Ok(x);
    }
    let x = scope.float(&x)?;
    scope.builder.emit(Activate::Activate { f: function }, &[x])
}
