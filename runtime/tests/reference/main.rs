//! The reference interpreter against formulas written down independently, and against numbers that Keras gave.

mod activations;
mod layers;
mod lookups;
mod moves;
mod numbers;
mod products;
mod programs;
mod recurrent;
mod texts;

use masque_ir::dim::Bindings;
use masque_ir::ops::Op;
use masque_runtime::reference::evaluate;
use masque_runtime::{OpFailure, Tensor, TensorView};
use ndarray::{ArrayD, IxDyn};

/// A tensor from its elements, row by row.
fn tensor<T>(shape: &[usize], elements: impl IntoIterator<Item = T>) -> Tensor
where
    Tensor: From<ArrayD<T>>,
{
    ArrayD::from_shape_vec(IxDyn(shape), elements.into_iter().collect()).unwrap().into()
}

/// Numbers between -1 and 1 that look random and are always the same.
fn noise(shape: &[usize], seed: u32) -> Tensor {
    let count = shape.iter().product::<usize>() as u32;
    let hash = |place: u32| (place + 1).wrapping_add(seed << 16).wrapping_mul(2_654_435_761) >> 8;
    tensor(shape, (0..count).map(|place| hash(place) as f32 / (1 << 23) as f32 - 1.0))
}

/// One operation, applied without symbols.
fn apply(op: impl Into<Op>, operands: &[Option<&Tensor>]) -> Result<Vec<Tensor>, OpFailure> {
    let views: Vec<Option<TensorView<'_>>> = operands.iter().map(|x| x.map(Tensor::view)).collect();
    evaluate(&op.into(), &views, &Bindings::new())
}

/// The first result of an operation that has all its operands.
fn result(op: impl Into<Op>, operands: &[&Tensor]) -> Tensor {
    let operands: Vec<Option<&Tensor>> = operands.iter().map(|&x| Some(x)).collect();
    apply(op, &operands).unwrap().swap_remove(0)
}

/// The elements of a float tensor, row by row.
fn floats(tensor: &Tensor) -> Vec<f32> {
    tensor.as_f32().expect("floats").iter().copied().collect()
}

/// Equal up to the promise: 1e-5 absolute and 1e-4 relative; NaN is equal to NaN.
#[track_caller]
fn assert_close(found: &Tensor, expected: &[f64]) {
    let found = floats(found);
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for (place, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let (found, same) = (f64::from(found), f64::from(found) == expected);
        let close = (found - expected).abs() <= 1e-5 + 1e-4 * expected.abs();
        assert!(same || close || found.is_nan() && expected.is_nan(), "{place}: {found} is not {expected}");
    }
}
