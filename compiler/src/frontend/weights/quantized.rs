//! Weights of quantized layers. In int8 a weight is whole numbers, which scales in another dataset of its group divide.
//! In float8 it is floats as ever, and what training remembers of it is in the datasets following it.

use masque_runtime::Tensor;
use ndarray::{ArrayD, ArrayViewD, IxDyn};

use super::super::hdf5::WeightsError;
use super::files::Files;
use crate::layer::Scales;

/// The shapes of what training in float8 remembers: a scale and a history of inputs, of the weight, of gradients.
const REMEMBERED: [usize; 6] = [0, 1, 0, 1, 0, 1];

/// The paths of the datasets that go with a weight: its scales, or what training remembers; none where it is not
/// quantized.
pub(super) fn beside(files: &Files, path: &str, scales: &Scales) -> Vec<String> {
    let count = match files.dtype(path) {
        Ok(dtype) if dtype.is_int() => 1,
        Ok(_) => REMEMBERED.len(),
        Err(_) => return vec![],
    };
    let paths: Vec<String> = (scales.number..).take(count).map(|number| numbered(path, number)).collect();
    let rank = |path: &String| files.shape(path).ok().map(|shape| shape.len());
    match count == 1 || paths.iter().map(rank).eq(REMEMBERED.map(Some)) {
        true => paths,
        false => vec![],
    }
}

/// A weight, divided by its scales where it is whole numbers.
pub(super) fn dequantized(
    files: &Files,
    path: &str,
    scales: &Scales,
    weight: Tensor,
) -> Result<Tensor, WeightsError> {
    let stored = numbered(path, scales.number);
    if !weight.dtype().is_int() || !files.has_dataset(&stored) {
        return Ok(weight);
    }
    let weight = super::to_f32(weight);
    let found = files.read(&stored)?;
    let shape = found.shape().to_vec();
    let sizes: Vec<usize> = scales.axes.iter().map(|&axis| weight.shape()[axis]).collect();
    let divisors = super::to_f32(found).into_shape_with_order(IxDyn(&sizes));
    let divisors =
        divisors.map_err(|_| WeightsError::Shape { path: stored, expected: sizes, found: shape })?;
    Ok(Tensor::F32(divided(&weight, divisors.view(), &scales.axes)))
}

/// The weight divided along some of its axes, which the divisors have in that order.
fn divided(weight: &ArrayD<f32>, divisors: ArrayViewD<'_, f32>, axes: &[usize]) -> ArrayD<f32> {
    let mut quotient = weight.clone();
    for (position, number) in quotient.indexed_iter_mut() {
        let place: Vec<usize> = axes.iter().map(|&axis| position[axis]).collect();
        *number /= divisors[IxDyn(&place)];
    }
    quotient
}

/// The dataset of that number in the group of another one.
fn numbered(path: &str, number: usize) -> String {
    let group = path.rsplit_once('/').map_or("", |(group, _)| group);
    format!("{group}/{number}")
}

#[cfg(test)]
mod tests {
    use ndarray::{arr2, arr3};

    use super::divided;

    #[test]
    fn each_number_is_divided_by_the_scale_of_its_place() {
        let weight = arr3(&[[[8.0, 6.0], [4.0, 2.0], [2.0, 1.0]]]).into_dyn();
        // Scales along the last axis first.
        let scales = arr2(&[[1.0, 2.0, 4.0], [2.0, 4.0, 8.0]]).into_dyn();
        let quotient = divided(&weight, scales.view(), &[2, 1]);
        assert_eq!(quotient, arr3(&[[[8.0, 3.0], [2.0, 0.5], [0.5, 0.125]]]).into_dyn());
    }
}
