//! Random sizes, numbers, masks and options.

use masque_ir::DType;
use masque_ir::activation::Activation;
use masque_ir::float::Float;
use masque_runtime::Tensor;
use ndarray::{ArrayD, IxDyn};

/// A source of decisions (SplitMix64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }

    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    /// Numbers or truth values of a type.
    pub(crate) fn elements(&mut self, dtype: DType, shape: &[usize]) -> Tensor {
        let mut array =
            |f: &mut dyn FnMut(&mut Random) -> i64| ArrayD::from_shape_simple_fn(IxDyn(shape), || f(self));
        let mut whole = |random: &mut Random| random.pick(&[0, 1, -1, 2, 3, -7, 100, 1 << 20]);
        match dtype {
            DType::F32 => self.floats(shape),
            DType::F64 => match self.floats(shape) {
                Tensor::F32(array) => array.mapv(f64::from).into(),
                other => other,
            },
            DType::I32 => array(&mut whole).mapv(|x| x as i32).into(),
            DType::I64 => array(&mut whole).into(),
            DType::Bool => array(&mut |random| random.below(2) as i64).mapv(|x| x == 1).into(),
            DType::Str => unreachable!("no kernel takes texts of random shapes"),
        }
    }

    pub(crate) fn dtype(&mut self) -> DType {
        self.pick(&[DType::F32, DType::F32, DType::F64, DType::I32, DType::I64, DType::Bool])
    }

    pub(crate) fn shape(&mut self, most: usize) -> Vec<usize> {
        (0..self.below(most + 1)).map(|_| self.size()).collect()
    }

    /// A shape that broadcasts to another one.
    pub(crate) fn narrower(&mut self, shape: &[usize]) -> Vec<usize> {
        let from = self.below(shape.len() + 1);
        shape[from..].iter().map(|&size| if self.once_in(4) { 1 } else { size }).collect()
    }

    pub(crate) fn size(&mut self) -> usize {
        self.pick(&[0, 1, 1, 2, 3, 4, 7, 17])
    }

    /// Numbers between -1 and 1; in some tensors also those where functions break. None is large: of a sum of large
    /// numbers, the exponential shows every bit of its rounding.
    pub(crate) fn floats(&mut self, shape: &[usize]) -> Tensor {
        let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0, 4.0, 1e-40];
        let has_odd = self.once_in(4);
        let float = || match has_odd && self.once_in(6) {
            true => self.pick(&odd),
            false => self.below(1 << 20) as f32 / (1 << 19) as f32 - 1.0,
        };
        ArrayD::from_shape_simple_fn(IxDyn(shape), float).into()
    }

    /// Masks with gaps, full ones, and rows without a valid step.
    /// Indices below a size, now and then one that is not.
    pub(crate) fn indices(&mut self, size: usize, shape: &[usize]) -> Tensor {
        let bound = size + usize::from(size == 0 || self.once_in(20));
        ArrayD::from_shape_simple_fn(IxDyn(shape), || self.below(bound) as i64).into()
    }

    pub(crate) fn mask(&mut self, batch: usize, steps: usize) -> Tensor {
        let mut mask = ArrayD::from_elem(IxDyn(&[batch, steps]), true);
        for mut row in mask.rows_mut() {
            match self.below(4) {
                0 => row.fill(false),
                1 => row.iter_mut().for_each(|valid| *valid = self.once_in(2)),
                2 => {
                    let length = self.below(steps + 1);
                    row.iter_mut().skip(length).for_each(|valid| *valid = false);
                }
                _ => {}
            }
        }
        mask.into()
    }

    pub(crate) fn activation(&mut self) -> Activation {
        use Activation::*;
        self.pick(&[
            Linear,
            Activation::RELU,
            Elu { alpha: Float(0.7) },
            Selu,
            Gelu,
            GeluTanh,
            Silu,
            Softplus,
            Softsign,
            Tanh,
            Sigmoid,
            Exponential,
            HardSigmoid,
            HardSilu,
            HardSigmoidKeras2,
            HardTanh,
            Mish,
            LogSigmoid,
            Celu { alpha: Float(0.7) },
            Relu { negative_slope: Float(0.1), max_value: Some(Float(0.3)), threshold: Float(0.1) },
            TanhShrink,
            HardShrink { threshold: Float(0.3) },
            SoftShrink { threshold: Float(0.3) },
            SparsePlus,
            SparseSigmoid,
            Squareplus { b: Float(4.0) },
            Softmax { axis: -1 },
            LogSoftmax { axis: -1 },
        ])
    }

    /// Between 0 and 1: through other gates, a layer multiplies its rounding errors from step to step.
    pub(crate) fn gate(&mut self) -> Activation {
        self.pick(&[Activation::Sigmoid, Activation::HardSigmoid])
    }
}
