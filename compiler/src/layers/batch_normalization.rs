//! `BatchNormalization` at inference: numbers are scaled by what was learned of each channel. The mask is one of
//! training only.

use masque_ir::ops::{Elementwise, OpError};
use masque_ir::program::Operand;
use masque_ir::{DType, Type};

use super::axes::{along, inverse_root, numbers, resolve, sizes};
use crate::layer::{
    Arguments, Config, ConfigError, Layer, LayerDef, Masking, Scope, ShapeError, Signature, Supports,
    WeightSpec,
};

pub(super) static BATCH_NORMALIZATION: LayerDef =
    LayerDef { class: "BatchNormalization", supports_masking: Supports::Always, masks: "keep", parse };

#[derive(Debug)]
struct BatchNormalization {
    axis: i64,
    epsilon: f64,
    center: bool,
    scale: bool,
}

fn parse(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    config.ignore(&["momentum", "synchronized", "renorm", "renorm_clipping", "renorm_momentum"]);
    // Keras 2 writes the axis as a list of one.
    let axes = super::axes::take(config, &[-1])?;
    let [axis] = axes[..] else { return Err(ConfigError::new("axis", "one axis", &axes.into())) };
    Ok(Box::new(BatchNormalization {
        axis,
        epsilon: config.number("epsilon", 0.001)?,
        center: config.bool("center", true)?,
        scale: config.bool("scale", true)?,
    }))
}

impl Layer for BatchNormalization {
    fn signature(&self) -> Signature {
        Signature::of(&["inputs", "training", "mask"])
    }

    fn masking(&self) -> Masking {
        Masking::SUPPORTED.used_at_inference(false)
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let x = numbers(arguments)?;
        resolve(&[self.axis], x)?;
        match arguments.mask().filter(|mask| mask.rank() + 1 != x.rank()) {
            Some(mask) => Err(ShapeError::new(format!("a mask of all axes of {x} but one"), mask)),
            None => Ok(vec![x.with_dtype(DType::F32)]),
        }
    }

    fn weights(&self, arguments: &Arguments<Type>) -> Result<Vec<WeightSpec>, ShapeError> {
        let x = numbers(arguments)?;
        let channels = sizes(&resolve(&[self.axis], x)?, x)?;
        let wanted =
            [(self.scale, "gamma"), (self.center, "beta"), (true, "moving_mean"), (true, "moving_variance")];
        let present = wanted.into_iter().filter(|(wanted, _)| *wanted).enumerate();
        Ok(present
            .map(|(place, (_, name))| {
                let spec = WeightSpec::new(name, &format!("vars/{place}"), channels.clone());
                if name.starts_with("moving") { spec.untrained() } else { spec }
            })
            .collect())
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = scope.float(&arguments.data()[0])?;
        let ty = scope.builder.type_of(&x);
        let axes = resolve(&[self.axis], &ty).unwrap_or_default();
        let mut factor = inverse_root(scope, scope.weight("moving_variance"), self.epsilon)?;
        if self.scale {
            factor = scope.builder.emit(Elementwise::Mul, &[factor, scope.weight("gamma")])?;
        }
        let moved = scope.builder.emit(Elementwise::Mul, &[scope.weight("moving_mean"), factor.clone()])?;
        let offset = match self.center {
            true => scope.builder.emit(Elementwise::Sub, &[scope.weight("beta"), moved])?,
            false => scope.builder.emit(Elementwise::Neg, &[moved])?,
        };
        let factor = along(scope, &factor, &axes, &ty)?;
        let offset = along(scope, &offset, &axes, &ty)?;
        let scaled = scope.builder.emit(Elementwise::Mul, &[x, factor])?;
        Ok(vec![scope.builder.emit(Elementwise::Add, &[scaled, offset])?])
    }
}
