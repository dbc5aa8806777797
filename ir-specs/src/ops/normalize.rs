//! Normalization over axes of one example.

use super::{Family, OpError, OpInfo, OperandTypes, family};
use crate::float::Float;
use crate::program::{Builder, Operand};
use crate::ty::Type;

family! {
    /// Normalization over axes.
    Normalize {
        /// `(x - mean) / sqrt(variance + epsilon) * gamma + beta`, mean and variance over the last `axes` axes.
        LayerNorm = "layer_norm" ("x", "gamma?", "beta?") {
            /// How many axes at the end are normalized together; `gamma` and `beta` have their shape.
            axes: u32,
            /// Added to the variance.
            epsilon: Float,
        };
    }
}

impl Family for Normalize {
    fn info(&self) -> &'static OpInfo {
        self.row()
    }

    fn infer(&self, operands: OperandTypes<'_>) -> Result<Vec<Type>, OpError> {
        let Normalize::LayerNorm { axes, .. } = self;
        let x = operands[0].expect("arity was checked");
        let axes = *axes as usize;
        if !x.dtype.is_float() || axes == 0 || axes > x.rank() {
            return Err(self.expects("floats with that many axes", x));
        }
        for scale in operands[1..].iter().flatten() {
            if scale.dtype != x.dtype || !super::agree(&scale.shape, &x.shape[x.rank() - axes..]) {
                return Err(self
                    .expects(format!("gamma and beta in the shape of the last {axes} axes of {x}"), scale));
            }
        }
        Ok(vec![x.clone()])
    }

    fn is_composite(&self) -> bool {
        true
    }

    fn decompose(
        &self,
        builder: &mut Builder,
        operands: &[Operand],
    ) -> Option<Result<Vec<Operand>, OpError>> {
        let Normalize::LayerNorm { axes, epsilon } = self;
        Some(layer_norm(builder, operands, *axes as usize, *epsilon).map(|y| vec![y]))
    }
}

fn layer_norm(
    builder: &mut Builder,
    operands: &[Operand],
    axes: usize,
    epsilon: Float,
) -> Result<Operand, OpError> {
    use super::Elementwise::{Add, Div, Mul, Sqrt, Sub};
    let x = operands[0].clone();
    let rank = builder.type_of(&x).rank();
    let folded: Vec<u32> = (rank - axes..rank).map(|axis| axis as u32).collect();
    let mean = builder.mean(&x, &folded, true)?;
    let centred = builder.emit(Sub, &[x.clone(), mean])?;
    let squares = builder.emit(Mul, &[centred.clone(), centred.clone()])?;
    let variance = builder.mean(&squares, &folded, true)?;
    let epsilon = builder.number(&x, epsilon.0);
    let shifted = builder.emit(Add, &[variance, epsilon])?;
    let deviation = builder.emit(Sqrt, &[shifted])?;
    let mut y = builder.emit(Div, &[centred, deviation])?;
    for (scale, op) in operands[1..].iter().zip([Mul, Add]) {
        if *scale != Operand::Absent {
            y = builder.emit(op, &[y, scale.clone()])?;
        }
    }
    Ok(y)
}
