//! `UnitNormalization` and `RMSNormalization`: numbers divided by their length, or by their root mean square.

use masque_ir::ops::{Elementwise, OpError, Reduce};
use masque_ir::program::Operand;
use masque_ir::{DType, Type};

use super::axes::{along, inverse_root, numbers, resolve, sizes, take};
use crate::layer::{
    Advice, Arguments, Layer, LayerDef, Masking, Scope, ShapeError, Supports, Way, WeightSpec,
};

pub(super) static RMS_NORMALIZATION: LayerDef = LayerDef {
    class: "RMSNormalization",
    supports_masking: Supports::Never,
    masks: "lost",
    parse: |config| {
        Ok(Box::new(RmsNormalization {
            axes: take(config, &[-1])?,
            epsilon: config.number("epsilon", 1e-6)?,
        }))
    },
};
pub(super) static UNIT_NORMALIZATION: LayerDef = LayerDef {
    class: "UnitNormalization",
    supports_masking: Supports::Always,
    masks: "keep",
    parse: |config| Ok(Box::new(UnitNormalization { axes: take(config, &[-1])? })),
};

/// The largest factor that a vector is scaled with: nothing at all stays nothing.
const LARGEST_FACTOR: f64 = 1e12;

#[derive(Debug)]
struct UnitNormalization {
    axes: Vec<i64>,
}

/// `x / sqrt(sum(x^2))` over some axes.
pub(super) fn unit(scope: &mut Scope<'_>, x: &Operand, axes: &[usize]) -> Result<Operand, OpError> {
    let axes = axes.iter().map(|&axis| axis as u32).collect();
    let squares = scope.builder.emit(Elementwise::Mul, &[x.clone(), x.clone()])?;
    let sum = scope.builder.emit(Reduce::Sum { axes, keep: true }, &[squares])?;
    let inverse = inverse_root(scope, sum, 0.0)?;
    let largest = scope.builder.number(x, LARGEST_FACTOR);
    let factor = scope.builder.emit(Elementwise::Min, &[inverse, largest])?;
    scope.builder.emit(Elementwise::Mul, &[x.clone(), factor])
}

impl Layer for UnitNormalization {
    fn masking(&self) -> Masking {
        Masking::SUPPORTED
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let x = numbers(arguments)?;
        resolve(&self.axes, x)?;
        Ok(vec![x.with_dtype(DType::F32)])
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = scope.float(&arguments.data()[0])?;
        let axes = resolve(&self.axes, &scope.builder.type_of(&x)).unwrap_or_default();
        Ok(vec![unit(scope, &x, &axes)?])
    }
}

#[derive(Debug)]
struct RmsNormalization {
    axes: Vec<i64>,
    epsilon: f64,
}

impl Layer for RmsNormalization {
    fn masking(&self) -> Masking {
        Masking::UNSUPPORTED.advised(Advice::by_position(
            "Keras does not let it carry masks, though it scales every position by itself",
            &[Way::EachStep, Way::Normalize, Way::Zero],
        ))
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let x = numbers(arguments)?;
        resolve(&self.axes, x)?;
        Ok(vec![x.with_dtype(DType::F32)])
    }

    fn weights(&self, arguments: &Arguments<Type>) -> Result<Vec<WeightSpec>, ShapeError> {
        let x = numbers(arguments)?;
        Ok(vec![WeightSpec::new("scale", "vars/0", sizes(&resolve(&self.axes, x)?, x)?)])
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = scope.float(&arguments.data()[0])?;
        let ty = scope.builder.type_of(&x);
        let axes = resolve(&self.axes, &ty).unwrap_or_default();
        let folded: Vec<u32> = axes.iter().map(|&axis| axis as u32).collect();
        let squares = scope.builder.emit(Elementwise::Mul, &[x.clone(), x.clone()])?;
        let mean = scope.builder.mean(&squares, &folded, true)?;
        let inverse = inverse_root(scope, mean, self.epsilon)?;
        let unit = scope.builder.emit(Elementwise::Mul, &[x, inverse])?;
        let scale = along(scope, &scope.weight("scale"), &axes, &ty)?;
        Ok(vec![scope.builder.emit(Elementwise::Mul, &[unit, scale])?])
    }
}
