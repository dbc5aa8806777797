//! Decisions and tensors that look random and are always the same.

use masque_ir::dim::Bindings;
use masque_ir::{DType, Type};
use masque_runtime::Tensor;
use ndarray::{ArrayD, IxDyn};

/// A source of decisions (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below a bound.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// True once in that many times.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    /// Elements of every kind that a type has: the odd ones are frequent.
    pub(crate) fn tensor(&mut self, ty: &Type, sizes: &Bindings) -> Tensor {
        let shape = ty.eval(sizes).expect("all sizes are given");
        let shape = IxDyn(&shape);
        match ty.dtype {
            DType::F32 => ArrayD::from_shape_simple_fn(shape, || self.float() as f32).into(),
            DType::F64 => ArrayD::from_shape_simple_fn(shape, || self.float()).into(),
            DType::I32 => ArrayD::from_shape_simple_fn(shape, || self.integer(i32::MIN.into()) as i32).into(),
            DType::I64 => ArrayD::from_shape_simple_fn(shape, || self.integer(i64::MIN)).into(),
            DType::Bool => ArrayD::from_shape_simple_fn(shape, || self.once_in(2)).into(),
            DType::Str => ArrayD::from_shape_simple_fn(shape, || self.below(3).to_string()).into(),
        }
    }

    fn float(&mut self) -> f64 {
        let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1.0, -1.0, 1e-42];
        if self.once_in(3) { self.pick(&odd) } else { self.below(1 << 20) as f64 / f64::from(1 << 18) - 2.0 }
    }

    fn integer(&mut self, least: i64) -> i64 {
        let odd = [least, !least, 0, 1, -1];
        if self.once_in(3) { self.pick(&odd) } else { self.below(9) as i64 - 4 }
    }
}
