//! What activation functions mean, in primitives.

use super::{Elementwise, Op, OpError, Reduce, Shape};
use crate::activation::Activation;
use crate::program::{Builder, Operand};

const SELU_SCALE: f64 = 1.050_700_987_355_480_5;
const SELU_ALPHA: f64 = 1.673_263_242_354_377_2;

impl Activation {
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
    fn map(&mut self, op: impl Into<Op>, x: Operand) -> Result<Operand, OpError> {
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
