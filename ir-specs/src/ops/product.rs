//! Sums of products.

use super::{Elementwise, Family, OpError, OpInfo, OperandTypes, agree, at, family};
use crate::flow::{Element, Flow, Fold, Joint, Known, Role};
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

    fn flow(&self, operands: OperandTypes<'_>) -> Flow<'_> {
        let rank = operands[0].map_or(1, Type::rank) as u32;
        let mut left = at(0..rank.saturating_sub(1));
        left.push(Role::At(rank));
        let right = vec![Role::At(rank), Role::At(rank.saturating_sub(1))];
        Flow::Joint(Joint { operands: vec![left, right], rank: rank as usize, fold: Fold::SUM })
    }

    fn element(&self, operands: &[Known]) -> Element {
        Elementwise::Mul.element(operands)
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
