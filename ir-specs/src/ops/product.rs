//! Sums of products.

use super::{Family, Notation, OpError, OpInfo, OperandTypes, agree, family};
use crate::ty::Type;

family! {
    /// Sums of products.
    Product {
        /// `[…, M, K]` times `[K, N]` gives `[…, M, N]`; each sum runs along K in order, with fused multiply-add.
        Matmul = "matmul" ("a", "b");
    }
}

impl Family for Product {
    fn info(&self) -> &'static OpInfo {
        self.row()
    }

    fn notation(&self, _: OperandTypes<'_>) -> Notation {
        match self {
            Product::Matmul => Notation::infix("·", r"\cdot", 6),
        }
    }

    fn infer(&self, operands: OperandTypes<'_>) -> Result<Vec<Type>, OpError> {
        let (a, b) = (operands[0].expect("arity was checked"), operands[1].expect("arity was checked"));
        let fits = a.rank() >= 1
            && b.rank() == 2
            && a.dtype == b.dtype
            && a.dtype.is_float()
            && agree(&a.shape[a.rank() - 1..], &b.shape[..1]);
        if !fits {
            return Err(self.expects("floats [..., K] and [K, N]", format!("{a} and {b}")));
        }
        let mut shape = a.shape.clone();
        shape[a.rank() - 1] = b.shape[1].clone();
        Ok(vec![Type { dtype: a.dtype, shape }])
    }
}
