//! What several losses do with arrays.

use ndarray::{ArrayD, Axis, Zip};

use super::LossError;

/// How far a probability stays away from 0 (`keras.config.epsilon()`).
pub(super) const EPSILON: f64 = 1e-7f32 as f64;

/// How near a probability comes to 1, in 32 bits.
pub(super) const NEARLY_ONE: f64 = (1.0f32 - 1e-7f32) as f64;

/// Two arrays whose numbers of axes differ by one, where the longer one's last axis has size 1: the shorter one gets
/// such an axis if it has but one axis, else the longer one loses it.
pub(super) fn same_rank(x: ArrayD<f64>, y: ArrayD<f64>) -> (ArrayD<f64>, ArrayD<f64>) {
    let trailing = |long: &ArrayD<f64>, short: &ArrayD<f64>| {
        long.ndim() == short.ndim() + 1 && long.shape().last() == Some(&1)
    };
    if trailing(&x, &y) {
        fit(x, y)
    } else if trailing(&y, &x) {
        let (y, x) = fit(y, x);
        (x, y)
    } else {
        (x, y)
    }
}

fn fit(long: ArrayD<f64>, short: ArrayD<f64>) -> (ArrayD<f64>, ArrayD<f64>) {
    if short.ndim() == 1 {
        (long, short.insert_axis(Axis(1)))
    } else {
        let last = Axis(long.ndim() - 1);
        (long.index_axis_move(last, 0), short)
    }
}

/// The targets have to be of the predictions' shape.
pub(super) fn same_shape(targets: &ArrayD<f64>, predictions: &ArrayD<f64>) -> Result<(), LossError> {
    if targets.shape() == predictions.shape() && predictions.ndim() > 0 {
        Ok(())
    } else {
        Err(LossError::shape("target", predictions.shape(), targets.shape()))
    }
}

/// One number for each pair.
pub(super) fn each(y: &ArrayD<f64>, p: &ArrayD<f64>, f: impl Fn(f64, f64) -> f64) -> ArrayD<f64> {
    Zip::from(y).and(p).map_collect(|&y, &p| f(y, p))
}

/// The place of an axis that may be counted from the end.
pub(super) fn axis(loss: &'static str, axis: i64, rank: usize) -> Result<Axis, LossError> {
    let place = if axis < 0 { axis + rank as i64 } else { axis };
    let place = usize::try_from(place).ok().filter(|&place| place < rank);
    place.map(Axis).ok_or(LossError::Axis { loss, rank, axis })
}

/// The means along an axis; 0 of no elements, as nothing is lost.
pub(super) fn mean(array: &ArrayD<f64>, axis: Axis) -> ArrayD<f64> {
    let size = array.len_of(axis).max(1) as f64;
    array.sum_axis(axis) / size
}

/// The larger one; NaN stays.
pub(super) fn at_least(x: f64, least: f64) -> f64 {
    if x < least { least } else { x }
}

/// `log(1 + exp(x))`, without overflow.
pub(super) fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

/// `log(sum(exp(x)))`, without overflow; minus infinity of nothing.
pub(super) fn log_sum_exp(numbers: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = numbers.clone().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    largest + numbers.map(|x| (x - largest).exp()).sum::<f64>().ln()
}

/// `x - log(sum(exp(x)))` along an axis.
pub(super) fn log_softmax(x: &ArrayD<f64>, axis: Axis) -> ArrayD<f64> {
    let mut logs = x.clone();
    for mut lane in logs.lanes_mut(axis) {
        let total = log_sum_exp(lane.iter().copied());
        lane.mapv_inplace(|x| x - total);
    }
    logs
}
