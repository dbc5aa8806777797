//! Activation functions: one row each, with the formula that is its meaning.
//!
//! The names and the formulas are those of `keras.activations` (Keras 3.15).

use serde::{Deserialize, Serialize};

use crate::float::Float;
use crate::ops::{Elementwise, OpError, Reduce, Shape};
use crate::program::{Builder, Operand};

/// An activation function with its parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Activation {
    /// `x`
    Linear,
    /// `x` above `threshold`, between 0 and `max_value` if there is one; else `negative_slope * (x - threshold)`.
    Relu {
        /// The factor below the threshold.
        negative_slope: Float,
        /// The largest result; none if absent.
        max_value: Option<Float>,
        /// Where the function bends.
        threshold: Float,
    },
    /// `x` above 0, else `alpha * (exp(x) - 1)`
    Elu {
        /// The factor below 0.
        alpha: Float,
    },
    /// `max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0)`
    Celu {
        /// Where the function levels out below 0.
        alpha: Float,
    },
    /// `1.0507… * elu(x, 1.6733…)`
    Selu,
    /// `x * (1 + erf(x / sqrt(2))) / 2`
    Gelu,
    /// `x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) / 2`
    GeluTanh,
    /// `x * sigmoid(x)`
    Silu,
    /// `log(exp(x) + 1)`
    Softplus,
    /// `x / (abs(x) + 1)`
    Softsign,
    /// The hyperbolic tangent.
    Tanh,
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// `exp(x)`
    Exponential,
    /// `relu(x + 3, max_value = 6) / 6`
    HardSigmoid,
    /// `x / 5 + 1 / 2` between 0 and 1: what Keras 2 called `hard_sigmoid`
    HardSigmoidKeras2,
    /// `x * hard_sigmoid(x)`
    HardSilu,
    /// `x` between -1 and 1
    HardTanh,
    /// `x * tanh(softplus(x))`
    Mish,
    /// `-softplus(-x)`
    LogSigmoid,
    /// `x - tanh(x)`
    TanhShrink,
    /// `x` where `abs(x) > threshold`, else 0
    HardShrink {
        /// How far from 0 the result begins.
        threshold: Float,
    },
    /// `x - threshold` above it, `x + threshold` below its negative, else 0
    SoftShrink {
        /// How far from 0 the result begins.
        threshold: Float,
    },
    /// 0 up to -1, `x` from 1 on, `(x + 1)^2 / 4` between
    SparsePlus,
    /// 0 up to -1, 1 from 1 on, `(x + 1) / 2` between
    SparseSigmoid,
    /// `(x + sqrt(x^2 + b)) / 2`
    Squareplus {
        /// How smooth the bend is.
        b: Float,
    },
    /// `exp(x - max) / sum(exp(x - max))` along an axis.
    Softmax {
        /// The axis; negative ones count from the end.
        axis: i32,
    },
    /// `max(x - t, 0)` along an axis, with the `t` that Keras computes.
    Sparsemax {
        /// The axis; negative ones count from the end.
        axis: i32,
    },
    /// `x - max - log(sum(exp(x - max)))` along an axis.
    LogSoftmax {
        /// The axis; negative ones count from the end.
        axis: i32,
    },
}

const SELU_SCALE: f64 = 1.050_700_987_355_480_5;
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;

impl Activation {
    /// Keras' `relu`.
    pub const RELU: Activation =
        Activation::Relu { negative_slope: Float(0.0), max_value: None, threshold: Float(0.0) };

    /// The axis along which elements are looked at together; none where every element is on its own.
    pub fn axis(&self) -> Option<i32> {
        match self {
            Activation::Softmax { axis }
            | Activation::Sparsemax { axis }
            | Activation::LogSoftmax { axis } => Some(*axis),
            _ => None,
        }
    }

    /// Has a tensor of that rank the axis that the function looks along?
    pub fn fits(&self, rank: usize) -> bool {
        self.axis().is_none_or(|axis| crate::ty::resolve_axis(i64::from(axis), rank).is_some())
    }

    /// Builds the function of `x` in primitives.
    pub fn decompose(&self, builder: &mut Builder, x: Operand) -> Result<Operand, OpError> {
        use Elementwise::*;
        let mut formula = Formula { builder, x: x.clone() };
        let f = &mut formula;
        match *self {
            Activation::Linear => Ok(x),
            Activation::Relu { negative_slope, max_value, threshold } => {
                let relu = Relu {
                    negative_slope: negative_slope.0,
                    max_value: max_value.map(|m| m.0),
                    threshold: threshold.0,
                };
                f.relu(x, relu)
            }
            Activation::Elu { alpha } => f.elu(alpha.0),
            Activation::Celu { alpha } => f.celu(alpha.0),
            Activation::Selu => {
                let elu = f.elu(SELU_ALPHA)?;
                f.with(Mul, elu, SELU_SCALE)
            }
            Activation::Gelu => {
                let scaled = f.with(Mul, x, std::f64::consts::FRAC_1_SQRT_2)?;
                let erf = f.map(Erf, scaled)?;
                f.half_gate(erf)
            }
            Activation::GeluTanh => {
                let cube = f.with(Pow, x.clone(), 3.0)?;
                let cube = f.with(Mul, cube, 0.044_715)?;
                let sum = f.zip(Add, x, cube)?;
                let inner = f.with(Mul, sum, (2.0 / std::f64::consts::PI).sqrt())?;
                let tanh = f.map(Tanh, inner)?;
                f.half_gate(tanh)
            }
            Activation::Silu => {
                let gate = f.sigmoid(x.clone())?;
                f.zip(Mul, x, gate)
            }
            Activation::Softplus => f.softplus(x),
            Activation::Softsign => {
                let abs = f.map(Abs, x.clone())?;
                let below = f.with(Add, abs, 1.0)?;
                f.zip(Div, x, below)
            }
            Activation::Tanh => f.map(Tanh, x),
            Activation::Sigmoid => f.sigmoid(x),
            Activation::Exponential => f.map(Exp, x),
            Activation::HardSigmoid => f.hard_sigmoid(x),
            Activation::HardSigmoidKeras2 => {
                let scaled = f.with(Mul, x, 0.2)?;
                let line = f.with(Add, scaled, 0.5)?;
                let above = f.with(Max, line, 0.0)?;
                f.with(Min, above, 1.0)
            }
            Activation::HardSilu => {
                let gate = f.hard_sigmoid(x.clone())?;
                f.zip(Mul, x, gate)
            }
            Activation::HardTanh => {
                let above = f.with(Max, x, -1.0)?;
                f.with(Min, above, 1.0)
            }
            Activation::Mish => {
                let soft = f.softplus(x.clone())?;
                let gate = f.map(Tanh, soft)?;
                f.zip(Mul, x, gate)
            }
            Activation::LogSigmoid => {
                let negative = f.map(Neg, x)?;
                let soft = f.softplus(negative)?;
                f.map(Neg, soft)
            }
            Activation::TanhShrink => {
                let tanh = f.map(Tanh, x.clone())?;
                f.zip(Sub, x, tanh)
            }
            Activation::HardShrink { threshold } => {
                let far = f.beyond(threshold.0)?;
                let zero = f.builder.number(&f.x, 0.0);
                f.builder.emit(Select, &[far, x, zero])
            }
            Activation::SoftShrink { threshold } => f.soft_shrink(threshold.0),
            Activation::SparsePlus => {
                let shifted = f.with(Add, x.clone(), 1.0)?;
                let square = f.zip(Mul, shifted.clone(), shifted)?;
                let between = f.with(Mul, square, 0.25)?;
                f.sparse(between, x)
            }
            Activation::SparseSigmoid => {
                let shifted = f.with(Add, x, 1.0)?;
                let between = f.with(Mul, shifted, 0.5)?;
                let one = f.builder.number(&f.x, 1.0);
                f.sparse(between, one)
            }
            Activation::Squareplus { b } => {
                let square = f.zip(Mul, x.clone(), x.clone())?;
                let sum = f.with(Add, square, b.0)?;
                let root = f.map(Sqrt, sum)?;
                let sum = f.zip(Add, x, root)?;
                f.with(Mul, sum, 0.5)
            }
            Activation::Sparsemax { axis } => f.sparsemax(axis),
            Activation::Softmax { axis } => {
                let (shifted, axes) = f.below_max(axis)?;
                let exp = f.map(Exp, shifted)?;
                let sum = f.map(Reduce::Sum { axes, keep: true }, exp.clone())?;
                f.zip(Div, exp, sum)
            }
            Activation::LogSoftmax { axis } => {
                let (shifted, axes) = f.below_max(axis)?;
                let exp = f.map(Exp, shifted.clone())?;
                let sum = f.map(Reduce::Sum { axes, keep: true }, exp)?;
                let log = f.map(Log, sum)?;
                f.zip(Sub, shifted, log)
            }
        }
    }
}

/// Writes formulas of one tensor.
struct Formula<'a> {
    builder: &'a mut Builder,
    x: Operand,
}

struct Relu {
    negative_slope: f64,
    max_value: Option<f64>,
    threshold: f64,
}

impl Formula<'_> {
    fn map(&mut self, op: impl Into<crate::ops::Op>, x: Operand) -> Result<Operand, OpError> {
        self.builder.emit(op, &[x])
    }

    fn zip(&mut self, op: Elementwise, a: Operand, b: Operand) -> Result<Operand, OpError> {
        self.builder.emit(op, &[a, b])
    }

    fn with(&mut self, op: Elementwise, a: Operand, number: f64) -> Result<Operand, OpError> {
        let number = self.builder.number(&self.x, number);
        self.builder.emit(op, &[a, number])
    }

    fn sigmoid(&mut self, x: Operand) -> Result<Operand, OpError> {
        let negative = self.map(Elementwise::Neg, x)?;
        let exp = self.map(Elementwise::Exp, negative)?;
        let below = self.with(Elementwise::Add, exp, 1.0)?;
        let one = self.builder.number(&self.x, 1.0);
        self.zip(Elementwise::Div, one, below)
    }

    /// `max(x, 0) + log(1 + exp(-abs(x)))`, which does not overflow.
    fn softplus(&mut self, x: Operand) -> Result<Operand, OpError> {
        use Elementwise::*;
        let positive = self.with(Max, x.clone(), 0.0)?;
        let abs = self.map(Abs, x)?;
        let negative = self.map(Neg, abs)?;
        let exp = self.map(Exp, negative)?;
        let sum = self.with(Add, exp, 1.0)?;
        let log = self.map(Log, sum)?;
        self.zip(Add, positive, log)
    }

    fn hard_sigmoid(&mut self, x: Operand) -> Result<Operand, OpError> {
        let shifted = self.with(Elementwise::Add, x, 3.0)?;
        let relu6 = self.relu(shifted, Relu { negative_slope: 0.0, max_value: Some(6.0), threshold: 0.0 })?;
        self.with(Elementwise::Div, relu6, 6.0)
    }

    fn relu(&mut self, x: Operand, parameters: Relu) -> Result<Operand, OpError> {
        use Elementwise::*;
        let Relu { negative_slope, max_value, threshold } = parameters;
        if negative_slope == 0.0 && threshold == 0.0 {
            let positive = self.with(Max, x, 0.0)?;
            return max_value.map_or(Ok(positive.clone()), |max| self.with(Min, positive.clone(), max));
        }
        let above = self.with(Gt, x.clone(), threshold)?;
        let capped = match max_value {
            Some(max) => {
                let positive = self.with(Max, x.clone(), 0.0)?;
                self.with(Min, positive, max)?
            }
            None => x.clone(),
        };
        let shifted = self.with(Sub, x, threshold)?;
        let below = self.with(Mul, shifted, negative_slope)?;
        self.builder.emit(Select, &[above, capped, below])
    }

    fn elu(&mut self, alpha: f64) -> Result<Operand, OpError> {
        use Elementwise::*;
        let x = self.x.clone();
        let above = self.with(Gt, x.clone(), 0.0)?;
        let exp = self.map(Exp, x.clone())?;
        let shifted = self.with(Sub, exp, 1.0)?;
        let below = self.with(Mul, shifted, alpha)?;
        self.builder.emit(Select, &[above, x, below])
    }

    fn celu(&mut self, alpha: f64) -> Result<Operand, OpError> {
        use Elementwise::*;
        let x = self.x.clone();
        let positive = self.with(Max, x.clone(), 0.0)?;
        let scaled = self.with(Div, x, alpha)?;
        let exp = self.map(Exp, scaled)?;
        let shifted = self.with(Sub, exp, 1.0)?;
        let below = self.with(Mul, shifted, alpha)?;
        let below = self.with(Min, below, 0.0)?;
        self.zip(Add, positive, below)
    }

    /// `abs(x) > threshold`
    fn beyond(&mut self, threshold: f64) -> Result<Operand, OpError> {
        let abs = self.map(Elementwise::Abs, self.x.clone())?;
        self.with(Elementwise::Gt, abs, threshold)
    }

    fn soft_shrink(&mut self, threshold: f64) -> Result<Operand, OpError> {
        use Elementwise::*;
        let x = self.x.clone();
        let (lower, upper) = (self.with(Sub, x.clone(), threshold)?, self.with(Add, x.clone(), threshold)?);
        let (above, below) = (self.with(Gt, x.clone(), threshold)?, self.with(Lt, x, -threshold)?);
        let zero = self.builder.number(&self.x, 0.0);
        let rest = self.builder.emit(Select, &[below, upper, zero])?;
        self.builder.emit(Select, &[above, lower, rest])
    }

    /// 0 up to -1, `above` from 1 on, `between` elsewhere.
    fn sparse(&mut self, between: Operand, above: Operand) -> Result<Operand, OpError> {
        use Elementwise::*;
        let x = self.x.clone();
        let (low, high) = (self.with(Le, x.clone(), -1.0)?, self.with(Ge, x, 1.0)?);
        let zero = self.builder.number(&self.x, 0.0);
        let inner = self.builder.emit(Select, &[high, above, between])?;
        self.builder.emit(Select, &[low, zero, inner])
    }

    /// With the elements sorted, the largest first, and `s_k` the sum of the first `k`: the `k`-th is part of the
    /// result where `1 + k * x_k > s_k`. Keras then takes for `t` not `(s_n - 1) / n` (Martins and Astudillo, 2016),
    /// with `n` parts, but `(s_1 + … + s_n - 1) / n`, and that is what is computed.
    fn sparsemax(&mut self, axis: i32) -> Result<Operand, OpError> {
        use Elementwise::*;
        let (x, ty) = (self.x.clone(), self.builder.type_of(&self.x));
        let axis = self.resolve(axis)?;
        let before = self.not_behind(axis)?;
        let among = vec![axis + 1];
        let (_, other) = self.pairs(&x, axis)?;
        let zero = self.builder.number(&self.x, 0.0);
        let kept = self.builder.emit(Select, &[before.clone(), other, zero.clone()])?;
        let sum = self.map(Reduce::Sum { axes: among.clone(), keep: false }, kept)?;
        let ones = self.map(Cast { to: ty.dtype }, before)?;
        let place = self.map(Reduce::Sum { axes: among, keep: false }, ones)?;
        let excess = self.with(Sub, sum.clone(), 1.0)?;
        let level = self.zip(Div, excess, place)?;
        let above = self.zip(Sub, x.clone(), level)?;
        let part = self.with(Gt, above, 0.0)?;
        let sums = self.builder.emit(Select, &[part.clone(), sum, zero])?;
        let total = self.map(Reduce::Sum { axes: vec![axis], keep: true }, sums)?;
        let ones = self.map(Cast { to: ty.dtype }, part)?;
        let parts = self.map(Reduce::Sum { axes: vec![axis], keep: true }, ones)?;
        let excess = self.with(Sub, total, 1.0)?;
        let level = self.zip(Div, excess, parts)?;
        let above = self.zip(Sub, x, level)?;
        self.with(Max, above, 0.0)
    }

    /// Every element of `x` along an axis beside every other: `[…, n, 1, …]` and `[…, 1, n, …]`.
    fn pairs(&mut self, x: &Operand, axis: u32) -> Result<(Operand, Operand), OpError> {
        let mut shaped = |place: usize| {
            let mut shape = self.builder.type_of(x).shape;
            shape.insert(place, crate::dim::Dim::constant(1));
            self.builder.emit(Shape::Reshape { shape }, std::slice::from_ref(x))
        };
        Ok((shaped(axis as usize + 1)?, shaped(axis as usize)?))
    }

    /// For every pair: does the second not come behind the first when sorted, the largest first, equals in order?
    fn not_behind(&mut self, axis: u32) -> Result<Operand, OpError> {
        use Elementwise::*;
        let x = self.x.clone();
        let places = self.map(Shape::Positions { axis }, x.clone())?;
        let behind = self.builder.type_of(&x).rank() - axis as usize;
        let places = self.builder.trail_axes(&places, behind)?;
        let (place, other_place) = self.pairs(&places, 0)?;
        let (each, other) = self.pairs(&x, axis)?;
        let (larger, equal) = (self.zip(Gt, other.clone(), each.clone())?, self.zip(Eq, other, each)?);
        let earlier = self.zip(Le, other_place, place)?;
        let tied = self.zip(And, equal, earlier)?;
        self.zip(Or, larger, tied)
    }

    fn resolve(&self, axis: i32) -> Result<u32, OpError> {
        let ty = self.builder.type_of(&self.x);
        let resolved = crate::ty::resolve_axis(i64::from(axis), ty.rank());
        resolved.map(|axis| axis as u32).ok_or_else(|| OpError {
            op: "activate",
            expected: format!("an axis of {ty}"),
            found: axis.to_string(),
        })
    }

    /// `x * (1 + gate) / 2`
    fn half_gate(&mut self, gate: Operand) -> Result<Operand, OpError> {
        let sum = self.with(Elementwise::Add, gate, 1.0)?;
        let half = self.with(Elementwise::Mul, sum, 0.5)?;
        self.zip(Elementwise::Mul, self.x.clone(), half)
    }

    /// `x` less its largest element along an axis, and that axis.
    fn below_max(&mut self, axis: i32) -> Result<(Operand, Vec<u32>), OpError> {
        let axes = vec![self.resolve(axis)?];
        let max = self.map(Reduce::ReduceMax { axes: axes.clone(), keep: true }, self.x.clone())?;
        let shifted = self.zip(Elementwise::Sub, self.x.clone(), max)?;
        Ok((shifted, axes))
    }
}
