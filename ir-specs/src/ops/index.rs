//! Elements picked by number.

use super::{Family, OpError, OpInfo, OperandTypes, family};
use crate::ty::Type;

family! {
    /// Elements picked by number.
    Index {
        /// Row `indices[…]` of the table for every index; a number outside the table is an error of the run.
        Gather = "gather" ("table", "indices");
    }
}

impl Family for Index {
    fn info(&self) -> &'static OpInfo {
        self.row()
    }

    fn infer(&self, operands: OperandTypes<'_>) -> Result<Vec<Type>, OpError> {
        let (table, indices) =
            (operands[0].expect("arity was checked"), operands[1].expect("arity was checked"));
        if table.rank() == 0 || !indices.dtype.is_int() {
            return Err(self.expects("a table and integers", format!("{table} and {indices}")));
        }
        let shape = indices.shape.iter().chain(&table.shape[1..]).cloned().collect::<Vec<_>>();
        Ok(vec![Type { dtype: table.dtype, shape }])
    }
}
