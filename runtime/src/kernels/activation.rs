//! An activation as a value: one variant for each function of [`math`], and the two softmaxes.

use super::{math, softmax};

/// Which function follows a product.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "a variant is the function of its name in `math`, a field its parameter")]
pub enum Activation {
    Linear,
    Relu,
    ReluWith { negative_slope: f32, max_value: Option<f32>, threshold: f32 },
    LeakyRelu { slope: f32 },
    Elu { alpha: f32 },
    Selu,
    Celu { alpha: f32 },
    Gelu,
    GeluTanh,
    Silu,
    Softplus,
    Softsign,
    Sigmoid,
    HardSigmoid,
    HardSigmoidKeras2,
    HardSilu,
    Tanh,
    HardTanh,
    Mish,
    Exponential,
    LogSigmoid,
    TanhShrink,
    HardShrink { threshold: f32 },
    SoftShrink { threshold: f32 },
    SparsePlus,
    SparseSigmoid,
    Squareplus { b: f32 },
    Threshold { threshold: f32, value: f32 },
    Softmax,
    LogSoftmax,
}

impl Activation {
    /// Applies the function in place to `xs`, rows of `width` elements each.
    ///
    /// Only the softmaxes look at more than one element, at the others of its row.
    pub fn apply(self, xs: &mut [f32], width: usize) {
        match self {
            Self::Linear => (),
            Self::Relu => math::relu(xs),
            Self::ReluWith { negative_slope, max_value, threshold } => {
                math::relu_with(xs, negative_slope, max_value, threshold);
            }
            Self::LeakyRelu { slope } => math::leaky_relu(xs, slope),
            Self::Elu { alpha } => math::elu(xs, alpha),
            Self::Selu => math::selu(xs),
            Self::Celu { alpha } => math::celu(xs, alpha),
            Self::Gelu => math::gelu(xs),
            Self::GeluTanh => math::gelu_tanh(xs),
            Self::Silu => math::silu(xs),
            Self::Softplus => math::softplus(xs),
            Self::Softsign => math::softsign(xs),
            Self::Sigmoid => math::sigmoid(xs),
            Self::HardSigmoid => math::hard_sigmoid(xs),
            Self::HardSigmoidKeras2 => math::hard_sigmoid_keras2(xs),
            Self::HardSilu => math::hard_silu(xs),
            Self::Tanh => math::tanh(xs),
            Self::HardTanh => math::hard_tanh(xs),
            Self::Mish => math::mish(xs),
            Self::Exponential => math::exp(xs),
            Self::LogSigmoid => math::log_sigmoid(xs),
            Self::TanhShrink => math::tanh_shrink(xs),
            Self::HardShrink { threshold } => math::hard_shrink(xs, threshold),
            Self::SoftShrink { threshold } => math::soft_shrink(xs, threshold),
            Self::SparsePlus => math::sparse_plus(xs),
            Self::SparseSigmoid => math::sparse_sigmoid(xs),
            Self::Squareplus { b } => math::squareplus(xs, b),
            Self::Threshold { threshold, value } => math::threshold(xs, threshold, value),
            Self::Softmax => softmax::softmax(xs, width),
            Self::LogSoftmax => softmax::log_softmax(xs, width),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_softmax_sees_rows() {
        let mut xs = [1.0, 2.0, 3.0, 4.0];
        Activation::Linear.apply(&mut xs, 2);
        assert_eq!(xs, [1.0, 2.0, 3.0, 4.0]);
        Activation::Softmax.apply(&mut xs, 1);
        assert_eq!(xs, [1.0; 4]);
    }
}
