//! The fully connected layer, and activation functions on their own.

use super::{Family, OpError, OpInfo, OperandTypes, Product, agree, family};
use crate::activation::Activation;
use crate::program::{Builder, Operand};
use crate::ty::Type;

family! {
    /// Activation functions.
    Activate {
        /// An activation function of every element, or of every row along an axis.
        Activate = "activate" ("x") {
            /// Which function.
            f: Activation,
        };
    }
}

family! {
    /// The fully connected layer.
    Dense {
        /// `activation(x · kernel + bias)` over the last axis.
        Dense = "dense" ("x", "kernel", "bias?") {
            /// What is applied at the end.
            activation: Activation,
        };
    }
}

impl Family for Activate {
    fn info(&self) -> &'static OpInfo {
        self.row()
    }

    fn infer(&self, operands: OperandTypes<'_>) -> Result<Vec<Type>, OpError> {
        let x = operands[0].expect("arity was checked");
        let Activate::Activate { f } = self;
        if !x.dtype.is_float() {
            return Err(self.expects("floats", x));
        }
        if !f.fits(x.rank()) {
            return Err(self.expects("the axis that the function looks along", x));
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
        let Activate::Activate { f } = self;
        Some(f.decompose(builder, operands[0].clone()).map(|y| vec![y]))
    }
}

impl Family for Dense {
    fn info(&self) -> &'static OpInfo {
        self.row()
    }

    fn infer(&self, operands: OperandTypes<'_>) -> Result<Vec<Type>, OpError> {
        let (x, kernel) = (operands[0].expect("arity was checked"), operands[1].expect("arity was checked"));
        let fits = x.rank() >= 1
            && kernel.rank() == 2
            && x.dtype.is_float()
            && x.dtype == kernel.dtype
            && agree(&x.shape[x.rank() - 1..], &kernel.shape[..1])
            && operands[2].is_none_or(|bias| bias.dtype == x.dtype && agree(&bias.shape, &kernel.shape[1..]));
        if !fits {
            let bias = operands[2].map_or(String::new(), |bias| format!(" and {bias}"));
            return Err(self.expects("floats [..., K], [K, N] and [N]", format!("{x} and {kernel}{bias}")));
        }
        let Dense::Dense { activation } = self;
        if !activation.fits(x.rank()) {
            return Err(self.expects("the axis that the activation looks along", x));
        }
        let mut shape = x.shape.clone();
        shape[x.rank() - 1] = kernel.shape[1].clone();
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
        let Dense::Dense { activation } = self;
        let [x, kernel, bias] = operands else { return None };
        Some((|| {
            let mut y = builder.emit(Product::Matmul, &[x.clone(), kernel.clone()])?;
            if *bias != Operand::Absent {
                y = builder.emit(super::Elementwise::Add, &[y, bias.clone()])?;
            }
            Ok(vec![activation.decompose(builder, y)?])
        })())
    }
}
