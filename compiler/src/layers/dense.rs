//! `Dense`: a matrix product over the last axis, a bias, an activation function.

use masque_ir::activation::Activation;
use masque_ir::ops::{self, OpError};
use masque_ir::program::Operand;
use masque_ir::{DType, Dim, Type};

use super::activation::Applied;
use crate::layer::{
    Arguments, Config, ConfigError, Layer, LayerDef, Masking, Scope, ShapeError, Signature, Supports,
    WeightSpec,
};

pub(super) static DENSE: LayerDef =
    LayerDef { class: "Dense", supports_masking: Supports::Always, masks: "keep", parse };

#[derive(Debug)]
struct Dense {
    units: i64,
    activation: Applied,
    use_bias: bool,
}

fn parse(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    config.ignore(&["lora_rank", "lora_alpha"]);
    Ok(Box::new(Dense {
        units: config.size("units")?,
        activation: Applied::parse(config)?,
        use_bias: config.bool("use_bias", true)?,
    }))
}

impl Layer for Dense {
    fn signature(&self) -> Signature {
        Signature::of(&["inputs", "training"])
    }

    fn masking(&self) -> Masking {
        Masking::SUPPORTED
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let mut shape = features(arguments)?.0.shape.clone();
        if let Some(last) = shape.last_mut() {
            *last = Dim::constant(self.units);
        }
        Ok(vec![self.activation.infer(&Type::new(DType::F32, shape))?])
    }

    fn weights(&self, arguments: &Arguments<Type>) -> Result<Vec<WeightSpec>, ShapeError> {
        let inputs = features(arguments)?.1;
        let kernel = WeightSpec::new("kernel", "vars/0", [inputs, self.units]);
        let mut weights = vec![kernel.scaled(1 + usize::from(self.use_bias), [1])];
        if self.use_bias {
            weights.push(WeightSpec::new("bias", "vars/1", [self.units]));
        }
        Ok(weights)
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = scope.float(&arguments.data()[0])?;
        let linear = ops::Dense::Dense { activation: Activation::Linear };
        let y = scope.builder.emit(linear, &[x, scope.weight("kernel"), scope.weight("bias")])?;
        self.activation.lower(scope, y).map(|y| vec![y])
    }
}

/// The data and the size of its last axis, which must be known.
fn features(arguments: &Arguments<Type>) -> Result<(&Type, i64), ShapeError> {
    let expected = "numbers with at least two axes, the last of known size";
    let x = arguments.first().ok_or_else(|| ShapeError::new(expected, "none"))?;
    let last = x.shape.last().and_then(Dim::known);
    match last {
        Some(last) if x.dtype != DType::Str && x.rank() >= 2 => Ok((x, last)),
        _ => Err(ShapeError::new(expected, x)),
    }
}
