//! Activation functions: one row each, with the formula that is its meaning.
//!
//! The names and the formulas are those of `keras.activations` (Keras 3.15).

use serde::{Deserialize, Serialize};

use crate::float::Float;

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
}
