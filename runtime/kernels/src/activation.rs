//! An activation as a value: one variant for each function of [`math`], and the two softmaxes.

use fearless_simd::Level;

use super::lanes::{Block, map_block};
use super::{level, math, softmax};

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
            Self::Softmax => softmax::softmax(xs, width),
            Self::LogSoftmax => softmax::log_softmax(xs, width),
            _ => self.apply_block(level(), Block::row(xs)),
        }
    }

    /// Does the function look at whole rows?
    pub(super) fn is_by_row(self) -> bool {
        matches!(self, Self::Softmax | Self::LogSoftmax)
    }

    /// Applies the function in place to the rows of a block.
    pub(super) fn apply_block(self, level: Level, block: Block<'_>) {
        match self {
            Self::Linear => (),
            Self::Relu => map_block(level, block, math::Relu {}),
            Self::ReluWith { negative_slope, max_value, threshold } => {
                map_block(level, block, math::ReluWith { negative_slope, max_value, threshold })
            }
            Self::LeakyRelu { slope } => map_block(level, block, math::LeakyRelu { slope }),
            Self::Elu { alpha } => map_block(level, block, math::Elu { alpha }),
            Self::Selu => map_block(level, block, math::Selu {}),
            Self::Celu { alpha } => map_block(level, block, math::Celu { alpha }),
            Self::Gelu => map_block(level, block, math::Gelu {}),
            Self::GeluTanh => map_block(level, block, math::GeluTanh {}),
            Self::Silu => map_block(level, block, math::Silu {}),
            Self::Softplus => map_block(level, block, math::Softplus {}),
            Self::Softsign => map_block(level, block, math::Softsign {}),
            Self::Sigmoid => map_block(level, block, math::Sigmoid {}),
            Self::HardSigmoid => map_block(level, block, math::HardSigmoid {}),
            Self::HardSigmoidKeras2 => map_block(level, block, math::HardSigmoidKeras2 {}),
            Self::HardSilu => map_block(level, block, math::HardSilu {}),
            Self::Tanh => map_block(level, block, math::Tanh {}),
            Self::HardTanh => map_block(level, block, math::HardTanh {}),
            Self::Mish => map_block(level, block, math::Mish {}),
            Self::Exponential => map_block(level, block, math::Exp {}),
            Self::LogSigmoid => map_block(level, block, math::LogSigmoid {}),
            Self::TanhShrink => map_block(level, block, math::TanhShrink {}),
            Self::HardShrink { threshold } => map_block(level, block, math::HardShrink { threshold }),
            Self::SoftShrink { threshold } => map_block(level, block, math::SoftShrink { threshold }),
            Self::SparsePlus => map_block(level, block, math::SparsePlus {}),
            Self::SparseSigmoid => map_block(level, block, math::SparseSigmoid {}),
            Self::Squareplus { b } => map_block(level, block, math::Squareplus { b }),
            Self::Threshold { threshold, value } => {
                map_block(level, block, math::Threshold { threshold, value })
            }
            Self::Softmax => block.rows().for_each(|row| softmax::softmax(row, row.len())),
            Self::LogSoftmax => block.rows().for_each(|row| softmax::log_softmax(row, row.len())),
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
