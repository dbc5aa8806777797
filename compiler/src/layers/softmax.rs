//! `Softmax`: probabilities along one or several axes. What is masked gets none.

use masque_ir::activation::Activation as Function;
use masque_ir::ops::{Activate, Elementwise, OpError, Reduce};
use masque_ir::program::Operand;
use masque_ir::{DType, Semantics, Type};

use super::axes::{numbers, resolve, take};
use crate::layer::{Arguments, Config, ConfigError, Layer, LayerDef, MaskRule, Scope, ShapeError, Supports};

pub(super) static SOFTMAX: LayerDef =
    LayerDef { class: "Softmax", supports_masking: Supports::Always, masks: "keep", parse };

/// What a masked number is replaced by.
const MASKED: f64 = -1e9;

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

/// Softmax over some axes; masked numbers count as -1e9 before it, and as 0 behind it. In Keras 2 they are lowered by
/// 1e9 instead, and nothing is done behind it.
pub(super) fn masked_softmax(
    scope: &mut Scope<'_>,
    x: Operand,
    mask: Option<&Operand>,
    axes: &[usize],
) -> Result<Operand, OpError> {
    let (low, zero) = (scope.builder.number(&x, MASKED), scope.builder.number(&x, 0.0));
    let lowers = scope.semantics() == Semantics::Keras2;
    let x = match mask {
        Some(mask) if lowers => {
            let below = scope.builder.emit(Elementwise::Select, &[mask.clone(), zero.clone(), low])?;
            scope.builder.emit(Elementwise::Add, &[x, below])?
        }
        Some(mask) => scope.builder.emit(Elementwise::Select, &[mask.clone(), x, low])?,
        None => x,
    };
    let y = match axes {
        [axis] => {
            let f = Function::Softmax { axis: *axis as i32 };
            scope.builder.emit(Activate::Activate { f }, &[x])?
        }
        axes => {
            let axes: Vec<u32> = axes.iter().map(|&axis| axis as u32).collect();
            let fold = |scope: &mut Scope<'_>, op: Reduce, x: &Operand| {
                scope.builder.emit(op, std::slice::from_ref(x))
            };
            let top = fold(scope, Reduce::ReduceMax { axes: axes.clone(), keep: true }, &x)?;
            let shifted = scope.builder.emit(Elementwise::Sub, &[x, top])?;
            let exp = scope.builder.emit(Elementwise::Exp, &[shifted])?;
            let sum = fold(scope, Reduce::Sum { axes, keep: true }, &exp)?;
            scope.builder.emit(Elementwise::Div, &[exp, sum])?
        }
    };
    match mask {
        Some(mask) if !lowers => scope.builder.emit(Elementwise::Select, &[mask.clone(), y, zero]),
        _ => Ok(y),
    }
}

impl Layer for Softmax {
    fn parameters(&self) -> &'static [&'static str] {
        &["inputs", "mask"]
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn mask_rule(&self, _: &Arguments<Type>) -> MaskRule {
        MaskRule::Keep
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
        Ok(vec![masked_softmax(scope, x, arguments.mask(), &axes)?])
    }
}
