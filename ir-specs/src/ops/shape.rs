//! Elements moved, never computed.

use super::{Family, OpError, OpInfo, OperandTypes, agree, at, family};
use crate::dim::{Dim, Names};
use crate::flow::{Arrangement, Element, Flow, Fold, Joint, Known, Role};
use crate::ty::{DType, Sizes, Type, broadcast};

family! {
    /// Elements moved, never computed.
    Shape {
        /// The same elements in the same order under another shape.
        Reshape = "reshape" ("x") {
            /// The shape of the result.
            shape: Sizes,
        };
        /// Axis `i` of the result is axis `perm[i]` of `x`.
        Transpose = "transpose" ("x") {
            /// A permutation of the axes.
            perm: Vec<u32>,
        };
        /// Copied along new leading axes and along axes of size 1.
        Broadcast = "broadcast" ("x") {
            /// The shape of the result.
            shape: Sizes,
        };
        /// Joined along an axis.
        Concat = "concat" ("parts*") {
            /// Which axis, from the front.
            axis: u32,
        };
        /// Positions `start`, `start + step`, … below `stop` of an axis, all three within its size.
        Slice = "slice" ("x") {
            /// Which axis, from the front.
            axis: u32,
            /// The first position.
            start: Dim,
            /// One behind the last possible position.
            stop: Dim,
            /// The distance between positions, at least 1.
            step: u32,
        };
        /// Surrounded by `value`: each element of an axis gets `spread` values behind it, then `low` values come before the axis and `high` behind it. A negative number takes positions away.
        Pad = "pad" ("x", "value") {
            /// How many values come before, for each axis.
            low: Vec<i64>,
            /// How many values come behind, for each axis.
            high: Vec<i64>,
            /// How many values come behind each element, for each axis.
            spread: Vec<u32>,
        };
        /// The other way round along an axis.
        Reverse = "reverse" ("x") {
            /// Which axis, from the front.
            axis: u32,
        };
        /// 0, 1, 2, … for the positions along an axis, as i64.
        Positions = "positions" ("x") {
            /// Which axis, from the front.
            axis: u32,
        };
        /// The number of positions along some axes together, as one i64.
        Size = "size" ("x") {
            /// Which axes, from the front.
            axes: Vec<u32>,
        };
    }
}

impl Family for Shape {
    fn info(&self) -> &'static OpInfo {
        self.row()
    }

    fn flow(&self, operands: OperandTypes<'_>) -> Flow<'_> {
        let of = operands.first().copied().flatten().map_or(0, Type::rank);
        match self {
            Shape::Reshape { shape } => Flow::Arranged(Arrangement::Reshaped(shape)),
            Shape::Transpose { perm } => {
                let to = |axis: u32| perm.iter().position(|&from| from == axis).unwrap_or(0) as u32;
                let roles = (0..of as u32).map(|axis| Role::At(to(axis))).collect();
                Flow::Joint(Joint { operands: vec![roles], rank: of, fold: Fold::EVERY })
            }
            Shape::Broadcast { shape } => {
                let rank = shape.len();
                let roles = at((rank - of) as u32..rank as u32);
                Flow::Joint(Joint { operands: vec![roles], rank, fold: Fold::EVERY })
            }
            Shape::Concat { axis } => Flow::Arranged(Arrangement::Joined(*axis)),
            Shape::Slice { axis, start, stop, step } => {
                Flow::Arranged(Arrangement::Sliced { axis: *axis, start, stop, step: *step })
            }
            Shape::Pad { low, high, spread } => Flow::Arranged(Arrangement::Padded { low, high, spread }),
            Shape::Reverse { axis } => Flow::Arranged(Arrangement::Reversed(*axis)),
            Shape::Positions { axis } => Flow::Positions(*axis),
            Shape::Size { axes } => Flow::Sizes(axes),
        }
    }

    fn element(&self, _: &[Known]) -> Element {
        Element::Of(0)
    }

    fn renamed(&self, names: &Names) -> Shape {
        let all = |shape: &Sizes| shape.iter().map(|dim| dim.renamed(names)).collect();
        match self {
            Shape::Reshape { shape } => Shape::Reshape { shape: all(shape) },
            Shape::Broadcast { shape } => Shape::Broadcast { shape: all(shape) },
            Shape::Slice { axis, start, stop, step } => Shape::Slice {
                axis: *axis,
                start: start.renamed(names),
                stop: stop.renamed(names),
                step: *step,
            },
            shape => shape.clone(),
        }
    }

    fn infer(&self, operands: OperandTypes<'_>) -> Result<Vec<Type>, OpError> {
        let x = operands
            .first()
            .copied()
            .flatten()
            .ok_or_else(|| self.expects("at least one operand", "none"))?;
        let in_range = |axis: u32| {
            let fits = (axis as usize) < x.rank();
            if fits { Ok(axis as usize) } else { Err(self.expects(format!("an axis of {x}"), axis)) }
        };
        let with = |shape: Sizes| Ok(vec![Type { dtype: x.dtype, shape }]);
        match self {
            Shape::Reshape { shape } => {
                let result = Type { dtype: x.dtype, shape: shape.clone() };
                match (x.known_elements(), result.known_elements()) {
                    (Some(a), Some(b)) if a != b => {
                        Err(self.expects(format!("{a} elements, as in {x}"), result))
                    }
                    _ => Ok(vec![result]),
                }
            }
            Shape::Transpose { perm } => {
                let mut sorted = perm.clone();
                sorted.sort_unstable();
                if sorted.iter().copied().ne(0..x.rank() as u32) {
                    return Err(
                        self.expects(format!("a permutation of the axes of {x}"), format!("{perm:?}"))
                    );
                }
                with(perm.iter().map(|&axis| x.shape[axis as usize].clone()).collect())
            }
            Shape::Broadcast { shape } => {
                let fits = broadcast(shape, &x.shape).is_some_and(|result| agree(&result, shape));
                if fits {
                    with(shape.clone())
                } else {
                    Err(self.expects(
                        format!("a shape that {x} broadcasts to"),
                        format!("{}", Type { dtype: x.dtype, shape: shape.clone() }),
                    ))
                }
            }
            Shape::Concat { axis } => self.concat(in_range(*axis)?, operands),
            Shape::Slice { axis, start, stop, step } => {
                let axis = in_range(*axis)?;
                if *step == 0 {
                    return Err(self.expects("a step of at least 1", 0));
                }
                let mut shape = x.shape.clone();
                shape[axis] =
                    (&(stop - start) + &Dim::constant(i64::from(*step) - 1)).floor_div(i64::from(*step));
                with(shape)
            }
            Shape::Pad { low, high, spread } => self.pad(x, operands[1], [low, high], spread),
            Shape::Reverse { axis } => {
                in_range(*axis)?;
                with(x.shape.clone())
            }
            Shape::Positions { axis } => {
                Ok(vec![Type::new(DType::I64, vec![x.shape[in_range(*axis)?].clone()])])
            }
            Shape::Size { axes } => {
                for &axis in axes {
                    in_range(axis)?;
                }
                Ok(vec![Type::scalar(DType::I64)])
            }
        }
    }
}

impl Shape {
    fn pad(
        &self,
        x: &Type,
        value: Option<&Type>,
        [low, high]: [&[i64]; 2],
        spread: &[u32],
    ) -> Result<Vec<Type>, OpError> {
        let scalar = value.filter(|value| value.dtype == x.dtype && value.rank() == 0);
        if scalar.is_none() || [low.len(), high.len(), spread.len()] != [x.rank(); 3] {
            return Err(self.expects(
                format!("one value like those of {x}, and three numbers for each axis"),
                {
                    format!(
                        "{} for {low:?}, {high:?} and {spread:?}",
                        value.map_or("none".into(), Type::to_string)
                    )
                },
            ));
        }
        let padded = x.shape.iter().enumerate().map(|(axis, size)| {
            let spread = size * &Dim::constant(i64::from(spread[axis]) + 1);
            &spread + &Dim::constant(low[axis].saturating_add(high[axis]))
        });
        let result = Type { dtype: x.dtype, shape: padded.collect() };
        match result.shape.iter().any(|size| size.known().is_some_and(|size| size < 0)) {
            true => Err(self.expects("at least as many positions as it takes away", x)),
            false => Ok(vec![result]),
        }
    }

    fn concat(&self, axis: usize, operands: OperandTypes<'_>) -> Result<Vec<Type>, OpError> {
        let parts: Vec<&Type> = operands.iter().flatten().copied().collect();
        let mut result = parts[0].clone();
        for part in &parts[1..] {
            let mut expected = result.shape.clone();
            let joined = part.shape.get(axis).map(|size| &result.shape[axis] + size);
            if let Some(size) = part.shape.get(axis) {
                expected[axis] = size.clone();
            }
            match joined {
                Some(joined) if part.dtype == result.dtype && agree(&expected, &part.shape) => {
                    result.shape[axis] = joined
                }
                _ => {
                    return Err(self.expects(format!("parts like {} in all axes but {axis}", parts[0]), part));
                }
            }
        }
        Ok(vec![result])
    }
}
