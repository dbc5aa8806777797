//! Rows of padded sequences without the padding, and back; and which operations compute rows one by one.

use super::{Activate, Dense, Family, Index, Normalize, Op, OpError, OpInfo, OperandTypes, Product, Shape};
use super::{family, is_elementwise};
use crate::activation::Activation;
use crate::dim::{Dim, Names};
use crate::float::Float;
use crate::ty::{DType, Type};

family! {
    /// Rows without padding. A row is what stands at one position `[b, t]` of a tensor `[B, T, …]`.
    Rows {
        /// The places `b * T + t` where `mask` `[B, T]` is true, in order, as i32.
        Places = "places" ("mask") {
            /// How many there are: a symbol, which only the run knows, or a number.
            count: Dim,
        };
        /// The places `b * T + t` where `mask` `[B, T]` is true, and where a run of false begins within an example, in order, as i32. What is the same all along a run stands there once.
        Runs = "runs" ("mask") {
            /// How many there are: a symbol, which only the run knows, or a number.
            count: Dim,
        };
        /// The rows of `x` `[B, T, …]` at `places` `[N]`, as `[1, N, …]`.
        Pack = "pack" ("x", "places");
        /// The rows of `x` `[1, N, …]` at `places` `[N]` of `[B, T, …]`, the sizes B and T of `like` `[B, T]`.
        Unpack = "unpack" ("x", "places", "like") {
            /// What stands everywhere else.
            fill: Float,
        };
        /// The same, each row at all positions from its place on to the one before the next place; what is before the first place is 0.
        UnpackRuns = "unpack_runs" ("x", "places", "like");
    }
}

impl Family for Rows {
    fn info(&self) -> &'static OpInfo {
        self.row()
    }

    fn renamed(&self, names: &Names) -> Rows {
        match self {
            Rows::Places { count } => Rows::Places { count: count.renamed(names) },
            Rows::Runs { count } => Rows::Runs { count: count.renamed(names) },
            rows => rows.clone(),
        }
    }

    fn infer(&self, operands: OperandTypes<'_>) -> Result<Vec<Type>, OpError> {
        let x = operands[0].expect("arity was checked");
        let places = |place: usize| {
            let places = operands[place].expect("arity was checked");
            match places.shape.as_slice() {
                [count] if places.dtype == DType::I32 => Ok(count.clone()),
                _ => Err(self.expects("places i32[N]", places)),
            }
        };
        if x.dtype == DType::Str || x.rank() < 2 {
            return Err(self.expects("numbers [B, T, ...]", x));
        }
        match self {
            Rows::Places { count } | Rows::Runs { count } => {
                let is_one_name = count.as_symbol().is_some() || count.known().is_some();
                let fits = x.rank() == 2 && x.dtype == DType::Bool && is_one_name;
                match fits {
                    true => Ok(vec![Type::new(DType::I32, [count.clone()])]),
                    false => Err(self
                        .expects("a mask bool[B, T], and a symbol or a number", format!("{x} and {count}"))),
                }
            }
            Rows::Pack => {
                let mut shape = x.shape.clone();
                shape[0] = Dim::constant(1);
                shape[1] = places(1)?;
                Ok(vec![Type { dtype: x.dtype, shape }])
            }
            Rows::Unpack { .. } | Rows::UnpackRuns => {
                let like = operands[2].expect("arity was checked");
                if x.shape[0] != Dim::constant(1) || x.shape[1] != places(1)? || like.rank() != 2 {
                    let found = format!("{x}, {} places and {like}", places(1)?);
                    return Err(self.expects("x [1, N, ...], places i32[N] and a tensor [B, T]", found));
                }
                let mut shape = x.shape.clone();
                shape[0] = like.shape[0].clone();
                shape[1] = like.shape[1].clone();
                Ok(vec![Type { dtype: x.dtype, shape }])
            }
        }
    }
}

impl Op {
    /// The operands `[B, T, …]` of which an operation that gives `[B, T, …]` reads, for each row of its result, that
    /// row alone; `None` if it looks beyond a row. Operands that broadcast may have fewer axes.
    pub fn rows(&self, operands: OperandTypes<'_>) -> Option<Vec<usize>> {
        let rank = |place: usize| operands.get(place).copied().flatten().map_or(0, Type::rank);
        let within = |axis: u32| (axis >= 2).then(|| vec![0]);
        let inner = |f: &Activation| {
            f.axis().is_none_or(|axis| if axis < 0 { rank(0) as i32 + axis >= 2 } else { axis >= 2 })
        };
        match self {
            op if is_elementwise(op) => Some((0..operands.len()).collect()),
            Op::Activate(Activate::Activate { f }) if inner(f) => Some(vec![0]),
            Op::Dense(Dense::Dense { activation }) if rank(0) >= 3 && inner(activation) => Some(vec![0]),
            Op::Normalize(Normalize::LayerNorm { axes, .. }) if rank(0) >= 2 + *axes as usize => {
                Some(vec![0])
            }
            Op::Reduce(op) if op.axes().0.iter().all(|&axis| axis >= 2) => Some(vec![0]),
            Op::Product(Product::Matmul) if rank(0) >= 3 && rank(1) == 2 => Some(vec![0]),
            Op::Index(Index::Gather) if rank(1) >= 2 => Some(vec![1]),
            Op::Shape(Shape::Reshape { shape }) => {
                let x = &operands.first().copied().flatten()?.shape;
                (x.len() >= 2 && shape.len() >= 2 && x[..2] == shape[..2]).then(|| vec![0])
            }
            Op::Shape(Shape::Transpose { perm }) => perm.starts_with(&[0, 1]).then(|| vec![0]),
            Op::Shape(Shape::Slice { axis, .. } | Shape::Reverse { axis }) => within(*axis),
            Op::Shape(Shape::Concat { axis }) => within(*axis).map(|_| (0..operands.len()).collect()),
            _ => None,
        }
    }
}
