//! Elements picked by number.

use super::{Family, OpError, OpInfo, OperandTypes, agree, at, family};
use crate::flow::{Flow, Fold, Joint, Role};
use crate::ty::{DType, Type};

family! {
    /// Elements picked by number.
    Index {
        /// Row `indices[…]` of the table for every index; a number outside the table is an error of the run.
        Gather = "gather" ("table", "indices");
        /// Along an axis, the element of `x` that each index there names; the other axes stand side by side. A
        /// number outside the axis is an error of the run.
        GatherAlong = "gather_along" ("x", "indices") {
            /// Which axis, from the front.
            axis: u32,
        };
        /// The positions along an axis by ascending element, as i64; equal ones as they stand, NaN at the end.
        Order = "order" ("x") {
            /// Which axis, from the front.
            axis: u32,
        };
    }
}

impl Family for Index {
    fn info(&self) -> &'static OpInfo {
        self.row()
    }

    fn flow(&self, operands: OperandTypes<'_>) -> Flow<'_> {
        let rank = |place: usize| operands.get(place).copied().flatten().map_or(0, Type::rank) as u32;
        let along = |axis: u32, role: Role| {
            (0..rank(0)).map(|at| if at == axis { role } else { Role::At(at) }).collect::<Vec<_>>()
        };
        let (roles, rank) = match self {
            Index::Gather => {
                let (picked, rest) = (rank(1), rank(0).saturating_sub(1));
                let table = std::iter::once(Role::Picked).chain((picked..picked + rest).map(Role::At));
                (vec![table.collect(), at(0..picked)], picked + rest)
            }
            Index::GatherAlong { axis } => (vec![along(*axis, Role::Picked), at(0..rank(1))], rank(1)),
            Index::Order { axis } => (vec![along(*axis, Role::Scattered(*axis))], rank(0)),
        };
        Flow::Joint(Joint { operands: roles, rank: rank as usize, fold: Fold::EVERY })
    }

    fn infer(&self, operands: OperandTypes<'_>) -> Result<Vec<Type>, OpError> {
        let x = operands[0].expect("arity was checked");
        match self {
            Index::Gather => self.gather(x, operands[1].expect("arity was checked")),
            Index::GatherAlong { axis } => {
                self.gather_along(x, operands[1].expect("arity was checked"), *axis as usize)
            }
            Index::Order { axis } => match (*axis as usize) < x.rank() && x.dtype != DType::Str {
                true => Ok(vec![x.with_dtype(DType::I64)]),
                false => Err(self.expects(format!("numbers with an axis {axis}"), x)),
            },
        }
    }
}

impl Index {
    fn gather(&self, table: &Type, indices: &Type) -> Result<Vec<Type>, OpError> {
        if table.rank() == 0 || !indices.dtype.is_int() {
            return Err(self.expects("a table and integers", format!("{table} and {indices}")));
        }
        let shape = indices.shape.iter().chain(&table.shape[1..]).cloned().collect();
        Ok(vec![Type { dtype: table.dtype, shape }])
    }

    fn gather_along(&self, x: &Type, indices: &Type, axis: usize) -> Result<Vec<Type>, OpError> {
        let mut expected = x.shape.clone();
        if let (Some(size), Some(found)) = (expected.get_mut(axis), indices.shape.get(axis)) {
            *size = found.clone();
        }
        if axis >= x.rank() || !indices.dtype.is_int() || !agree(&expected, &indices.shape) {
            let expected = format!("integers like {x} in all axes but {axis}");
            return Err(self.expects(expected, indices));
        }
        Ok(vec![Type { dtype: x.dtype, shape: expected }])
    }
}
