//! Means over time.

use super::{Elementwise, Family, OpError, OpInfo, OperandTypes, Reduce, family};
use crate::dim::Dim;
use crate::program::{Builder, Operand};
use crate::ty::{DType, Type};

family! {
    /// Means over time.
    Pool {
        /// The mean of `x` `[B, T, …]` over axis 1, of the positions where `mask` `[B, T]` holds; of none: 0/0.
        MeanOverTime = "mean_over_time" ("x", "mask?") {
            /// Does the axis stay, with size 1?
            keep: bool,
        };
    }
}

impl Family for Pool {
    fn info(&self) -> &'static OpInfo {
        self.row()
    }

    fn infer(&self, operands: OperandTypes<'_>) -> Result<Vec<Type>, OpError> {
        let Pool::MeanOverTime { keep } = self;
        let x = operands[0].expect("arity was checked");
        let mask_fits = |mask: &Type| mask.dtype == DType::Bool && super::agree(&mask.shape, &x.shape[..2]);
        if x.rank() < 2 || !x.dtype.is_float() || !operands[1].is_none_or(mask_fits) {
            let mask = operands[1].map_or(String::new(), |mask| format!(" and {mask}"));
            return Err(self.expects("floats [B, T, ...] and a mask [B, T]", format!("{x}{mask}")));
        }
        let mut shape = x.shape.clone();
        if *keep {
            shape[1] = Dim::constant(1);
        } else {
            shape.remove(1);
        }
        Ok(vec![Type { dtype: x.dtype, shape }])
    }

    fn is_composite(&self) -> bool {
        true
    }

    fn decompose(
        &self,
        builder: &mut Builder,
        operands: &[Operand],
    ) -> Option<Result<Vec<Operand>, OpError>> {
        let Pool::MeanOverTime { keep } = self;
        let (x, mask) = (operands[0].clone(), operands[1].clone());
        if mask == Operand::Absent {
            return Some(builder.mean(&x, &[1], *keep).map(|y| vec![y]));
        }
        Some(masked_mean(builder, x, mask, *keep).map(|y| vec![y]))
    }
}

fn masked_mean(builder: &mut Builder, x: Operand, mask: Operand, keep: bool) -> Result<Operand, OpError> {
    let ty = builder.type_of(&x);
    let mask = builder.trail_axes(&mask, ty.rank())?;
    let zero = builder.number(&x, 0.0);
    let valid = builder.emit(Elementwise::Select, &[mask.clone(), x, zero])?;
    let weight = builder.emit(Elementwise::Cast { to: ty.dtype }, &[mask])?;
    let sum = builder.emit(Reduce::Sum { axes: vec![1], keep }, &[valid])?;
    let count = builder.emit(Reduce::Sum { axes: vec![1], keep }, &[weight])?;
    builder.emit(Elementwise::Div, &[sum, count])
}
