//! `GlobalAveragePooling1D`: the mean over time, of the valid steps where there is a mask.

use masque_ir::ops::{OpError, Pool, Shape};
use masque_ir::program::Operand;
use masque_ir::{DType, Dim, Type};

use crate::layer::{
    Arguments, CallMasks, Config, ConfigError, Layer, LayerDef, MaskRule, Masking, Scope, ShapeError,
    Signature, Supports,
};

pub(super) static GLOBAL_AVERAGE_POOLING1D: LayerDef =
    LayerDef { class: "GlobalAveragePooling1D", supports_masking: Supports::Always, masks: "ends", parse };

#[derive(Debug)]
struct GlobalAveragePooling1D {
    keepdims: bool,
    channels_first: bool,
}

fn parse(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let formats = [("channels_last", false), ("channels_first", true)];
    Ok(Box::new(GlobalAveragePooling1D {
        keepdims: config.bool("keepdims", false)?,
        channels_first: config.word("data_format", false, &formats)?,
    }))
}

impl Layer for GlobalAveragePooling1D {
    fn signature(&self) -> Signature {
        Signature::of(&["inputs", "mask"])
    }

    fn masking(&self) -> Masking {
        Masking::SUPPORTED
    }

    fn call_masks(&self, _: &Arguments<Type>) -> CallMasks {
        MaskRule::Ends.into()
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let expected = "numbers [batch, steps, features]";
        let x = arguments.first().filter(|x| x.rank() == 3 && x.dtype != DType::Str);
        let x = x.ok_or_else(|| {
            ShapeError::new(expected, arguments.first().map_or("none".into(), Type::to_string))
        })?;
        if let Some(mask) = arguments.mask().filter(|mask| mask.rank() != 2) {
            return Err(ShapeError::new("a mask [batch, steps]", mask));
        }
        let steps = if self.channels_first { 2 } else { 1 };
        let mut shape = x.shape.clone();
        if self.keepdims {
            shape[steps] = Dim::constant(1);
        } else {
            shape.remove(steps);
        }
        Ok(vec![Type::new(DType::F32, shape)])
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let swap = Shape::Transpose { perm: vec![0, 2, 1] };
        let mut x = scope.float(&arguments.data()[0])?;
        if self.channels_first {
            x = scope.builder.emit(swap.clone(), &[x])?;
        }
        let mask = arguments.mask().cloned().unwrap_or(Operand::Absent);
        let mut mean = scope.builder.emit(Pool::MeanOverTime { keep: self.keepdims }, &[x, mask])?;
        if self.channels_first && self.keepdims {
            mean = scope.builder.emit(swap, &[mean])?;
        }
        Ok(vec![mean])
    }
}
