//! Axes folded away. Sums run along the folded axes in storage order, so that a result never depends on what
//! stands beside it.

use super::{Family, OpError, OpInfo, OperandTypes, family};
use crate::dim::Dim;
use crate::flow::{Element, Flow, Fold, Joint, Known, Role};
use crate::ty::{DType, Type};

family! {
    /// Axes folded away.
    Reduce {
        /// The sum; 0 of nothing.
        Sum = "sum" ("x") {
            /// Which axes, from the front, sorted.
            axes: Vec<u32>,
            /// Do they stay, with size 1?
            keep: bool,
        };
        /// The product; 1 of nothing.
        Product = "product" ("x") {
            /// Which axes, from the front, sorted.
            axes: Vec<u32>,
            /// Do they stay, with size 1?
            keep: bool,
        };
        /// The largest element; NaN if any is.
        ReduceMax = "reduce_max" ("x") {
            /// Which axes, from the front, sorted.
            axes: Vec<u32>,
            /// Do they stay, with size 1?
            keep: bool,
        };
        /// The smallest element; NaN if any is.
        ReduceMin = "reduce_min" ("x") {
            /// Which axes, from the front, sorted.
            axes: Vec<u32>,
            /// Do they stay, with size 1?
            keep: bool,
        };
        /// Is any element true?
        Any = "any" ("x") {
            /// Which axes, from the front, sorted.
            axes: Vec<u32>,
            /// Do they stay, with size 1?
            keep: bool,
        };
        /// Are all elements true?
        All = "all" ("x") {
            /// Which axes, from the front, sorted.
            axes: Vec<u32>,
            /// Do they stay, with size 1?
            keep: bool,
        };
    }
}

impl Reduce {
    /// The folded axes, and whether they stay with size 1.
    pub fn axes(&self) -> (&[u32], bool) {
        match self {
            Reduce::Sum { axes, keep }
            | Reduce::Product { axes, keep }
            | Reduce::ReduceMax { axes, keep }
            | Reduce::ReduceMin { axes, keep }
            | Reduce::Any { axes, keep }
            | Reduce::All { axes, keep } => (axes, *keep),
        }
    }
}

impl Family for Reduce {
    fn info(&self) -> &'static OpInfo {
        self.row()
    }

    fn flow(&self, operands: OperandTypes<'_>) -> Flow<'_> {
        let of = operands[0].map_or(0, Type::rank);
        let (axes, keep) = self.axes();
        let rank = if keep { of } else { of.saturating_sub(axes.len()) };
        let (mut kept, mut folded) = (0, rank as u32);
        let role = |axis: usize| {
            let letter = if axes.contains(&(axis as u32)) { &mut folded } else { &mut kept };
            *letter += 1;
            let role = Role::At(*letter - 1);
            kept += u32::from(keep && axes.contains(&(axis as u32)));
            role
        };
        let fold = match self {
            Reduce::Sum { .. } => Fold::SUM,
            Reduce::Product { .. } => Fold::PRODUCT,
            Reduce::ReduceMax { .. } => Fold::LARGEST,
            Reduce::ReduceMin { .. } => Fold::SMALLEST,
            Reduce::Any { .. } => Fold::ANY,
            Reduce::All { .. } => Fold::ALL,
        };
        Flow::Joint(Joint { operands: vec![(0..of).map(role).collect()], rank, fold })
    }

    fn element(&self, operands: &[Known]) -> Element {
        operands[0].into()
    }

    fn infer(&self, operands: OperandTypes<'_>) -> Result<Vec<Type>, OpError> {
        let x = operands[0].expect("arity was checked");
        let (axes, keep) = self.axes();
        if !axes.is_sorted_by(|a, b| a < b) || axes.iter().any(|&axis| axis as usize >= x.rank()) {
            return Err(self.expects(format!("sorted axes of {x}"), format!("{axes:?}")));
        }
        let fits = match self {
            Reduce::Any { .. } | Reduce::All { .. } => x.dtype == DType::Bool,
            _ => x.dtype.is_float() || x.dtype.is_int(),
        };
        if !fits {
            return Err(self.expects("truth values for any and all, numbers otherwise", x));
        }
        let folded = |axis: usize| axes.contains(&(axis as u32));
        let shape = x.shape.iter().enumerate().filter_map(|(axis, dim)| match (folded(axis), keep) {
            (false, _) => Some(dim.clone()),
            (true, true) => Some(Dim::constant(1)),
            (true, false) => None,
        });
        Ok(vec![Type { dtype: x.dtype, shape: shape.collect() }])
    }
}
