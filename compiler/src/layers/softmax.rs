//! `Softmax`: probabilities along one or several axes. What is masked gets none.

use masque_ir::ops::OpError;
use masque_ir::ops::attend::masked_softmax;
use masque_ir::program::Operand;
use masque_ir::{DType, Type};

use super::axes::{numbers, resolve, take};
use crate::layer::{
    Arguments, Config, ConfigError, Layer, LayerDef, MaskFit, Masking, Scope, ShapeError, Signature, Supports,
};

pub(super) static SOFTMAX: LayerDef =
    LayerDef { class: "Softmax", supports_masking: Supports::Always, masks: "keep", parse };

#[derive(Debug)]
struct Softmax {
    axes: Vec<i64>,
}

fn parse(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    Ok(Box::new(Softmax { axes: take(config, &[-1])? }))
}

/// A mask fits numbers if it broadcasts to them from the right; sizes that are not known fit.
fn check_mask(mask: &Type, x: &Type) -> Result<(), ShapeError> {
    let fits = mask.rank() <= x.rank()
        && mask.shape.iter().rev().zip(x.shape.iter().rev()).all(|(mask, size)| {
            match (mask.known(), size.known()) {
                (Some(mask), Some(size)) => mask == 1 || mask == size,
                _ => true,
            }
        });
    let expected = || format!("a mask that broadcasts to {x} from the right");
    if fits { Ok(()) } else { Err(ShapeError::new(expected(), mask)) }
}

impl Layer for Softmax {
    fn signature(&self) -> Signature {
        Signature::of(&["inputs", "mask"])
    }

    fn masking(&self) -> Masking {
        Masking::SUPPORTED.fitting(MaskFit::Broadcast)
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let x = numbers(arguments)?;
        if resolve(&self.axes, x)?.is_empty() {
            return Err(ShapeError::new("at least one `axis`", "none"));
        }
        if let Some(mask) = arguments.mask() {
            check_mask(mask, x)?;
        }
        Ok(vec![x.with_dtype(DType::F32)])
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = scope.float(&arguments.data()[0])?;
        let axes = resolve(&self.axes, &scope.builder.type_of(&x)).unwrap_or_default();
        Ok(vec![masked_softmax(scope.builder, x, arguments.mask(), &axes)?])
    }
}
