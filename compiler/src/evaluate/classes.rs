//! Crossentropies.
//!
//! Where the predictions are the output of a softmax or sigmoid, Keras goes back to what it was applied to, and computes
//! without the rounding to 0 and 1; so does this, if it is given these logits. Otherwise probabilities are kept away
//! from 0 and 1.

use ndarray::{ArrayD, Axis, Zip};

use super::LossError;
use super::arrays::{EPSILON, NEARLY_ONE, axis, each, log_softmax, mean, same_shape, softplus};

/// What all crossentropies can be told.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Options {
    /// Are the predictions logits?
    pub(super) from_logits: bool,
    /// How much of the targets is spread evenly over the classes.
    pub(super) label_smoothing: f64,
    /// The axis of the classes; of yes and no, the axis whose mean is taken.
    pub(super) axis: i64,
}

/// How much less a focal loss counts what is right already.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Focus {
    pub(super) gamma: f64,
    /// For yes and no, the weight of yes; else the weight of all classes, or of each.
    pub(super) alpha: Vec<f64>,
}

/// Predictions, and what the last activation made them of.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    pub(super) predictions: &'a ArrayD<f64>,
    pub(super) logits: Option<&'a ArrayD<f64>>,
}

impl<'a> Given<'a> {
    fn logits(&self, from_logits: bool) -> Option<&'a ArrayD<f64>> {
        self.logits.or(from_logits.then_some(self.predictions))
    }
}

fn probability(p: f64) -> f64 {
    p.clamp(EPSILON, NEARLY_ONE)
}

/// Yes or no for each element; the mean along an axis.
pub(super) fn binary(
    y: &ArrayD<f64>,
    given: Given<'_>,
    options: Options,
    focus: Option<(&Focus, bool)>,
) -> Result<ArrayD<f64>, LossError> {
    same_shape(y, given.predictions)?;
    let along = axis("binary_crossentropy", options.axis, y.ndim())?;
    let smoothing = options.label_smoothing;
    let y = y.mapv(|y| y * (1.0 - smoothing) + 0.5 * smoothing);
    let losses = match given.logits(options.from_logits) {
        Some(logits) => each(&y, logits, |y, x| softplus(x) - y * x),
        None => each(&y, given.predictions, |y, p| {
            let p = probability(p);
            -(y * p.ln() + (1.0 - y) * (1.0 - p).ln())
        }),
    };
    let Some((focus, balanced)) = focus else { return Ok(mean(&losses, along)) };
    let sigmoid = |x: f64| if options.from_logits { (-softplus(-x)).exp() } else { x };
    let alpha = focus.alpha.first().copied().unwrap_or(1.0);
    let factors = each(&y, given.predictions, |y, p| {
        let p = sigmoid(p);
        let right = y * p + (1.0 - y) * (1.0 - p);
        let weight = if balanced { y * alpha + (1.0 - y) * (1.0 - alpha) } else { 1.0 };
        weight * (1.0 - right).powf(focus.gamma)
    });
    Ok(mean(&(losses * factors), along))
}

/// A share of each class.
pub(super) fn categorical(
    y: &ArrayD<f64>,
    given: Given<'_>,
    options: Options,
) -> Result<ArrayD<f64>, LossError> {
    let (y, along) = shares(y, given.predictions, options)?;
    let logs = match given.logits(options.from_logits) {
        Some(logits) => log_softmax(logits, along),
        None => normalized(given.predictions, along).mapv(f64::ln),
    };
    Ok(-(y * logs).sum_axis(along))
}

/// The same, counting less what is right already.
pub(super) fn categorical_focal(
    y: &ArrayD<f64>,
    given: Given<'_>,
    options: Options,
    focus: &Focus,
) -> Result<ArrayD<f64>, LossError> {
    let (y, along) = shares(y, given.predictions, options)?;
    let p = match options.from_logits {
        true => log_softmax(given.predictions, along).mapv(f64::exp),
        false => given.predictions.clone(),
    };
    let mut losses = each(&y, &normalized(&p, along), |y, p| -y * p.ln() * (1.0 - p).powf(focus.gamma));
    let classes = losses.shape()[losses.ndim() - 1];
    if ![1, classes].contains(&focus.alpha.len()) {
        return Err(LossError::shape("alpha", &[classes], &[focus.alpha.len()]));
    }
    for mut lane in losses.lanes_mut(Axis(y.ndim() - 1)) {
        lane.iter_mut().zip(focus.alpha.iter().cycle()).for_each(|(loss, alpha)| *loss *= alpha);
    }
    Ok(losses.sum_axis(along))
}

/// The targets, smoothed, and the axis of the classes.
fn shares(y: &ArrayD<f64>, p: &ArrayD<f64>, options: Options) -> Result<(ArrayD<f64>, Axis), LossError> {
    same_shape(y, p)?;
    let along = axis("categorical_crossentropy", options.axis, y.ndim())?;
    let (smoothing, classes) = (options.label_smoothing, y.shape()[y.ndim() - 1] as f64);
    Ok((y.mapv(|y| y * (1.0 - smoothing) + smoothing / classes), along))
}

/// Shares that sum to 1, kept away from 0 and 1.
fn normalized(p: &ArrayD<f64>, along: Axis) -> ArrayD<f64> {
    let sums = p.sum_axis(along).insert_axis(along);
    (p / &sums).mapv(probability)
}

/// The number of the right class; without `ignored` ones, which are masked. Also gives the mask of what is not ignored.
pub(super) fn sparse(
    y: &ArrayD<f64>,
    given: Given<'_>,
    options: Options,
    ignored: Option<i64>,
) -> Result<(ArrayD<f64>, Option<ArrayD<bool>>), LossError> {
    let p = given.predictions;
    let (y, last) = class_numbers(y, p)?;
    if axis("sparse_categorical_crossentropy", options.axis, p.ndim())? != last {
        let rank = p.ndim();
        return Err(LossError::Axis { loss: "sparse_categorical_crossentropy", rank, axis: options.axis });
    }
    // What is put in the place of an ignored prediction is no output of a softmax any more.
    let logits = given.logits(options.from_logits).filter(|_| ignored.is_none() || options.from_logits);
    let logs = match logits {
        Some(_) if ignored.is_some() => log_softmax(p, last),
        Some(logits) => log_softmax(logits, last),
        None => log_softmax(&p.mapv(|p| probability(p).ln()), last),
    };
    let valid = ignored.map(|ignored| y.mapv(|y| y != ignored as f64));
    let mut losses = ArrayD::zeros(y.raw_dim());
    let mut classes = y.clone();
    if let Some(valid) = &valid {
        classes.zip_mut_with(valid, |class, &valid| *class = if valid { *class } else { 0.0 });
    }
    for ((loss, &class), row) in losses.iter_mut().zip(&classes).zip(logs.lanes(last)) {
        *loss = -row[place_of(class, row.len())?];
    }
    if let Some(valid) = &valid {
        Zip::from(&mut losses)
            .and(valid)
            .for_each(|loss: &mut f64, &valid| *loss = if valid { *loss } else { 0.0 });
    }
    Ok((losses, valid))
}

/// The targets without a last axis of size 1, and the predictions' last axis.
pub(super) fn class_numbers(y: &ArrayD<f64>, p: &ArrayD<f64>) -> Result<(ArrayD<f64>, Axis), LossError> {
    let last = axis("sparse_categorical_crossentropy", -1, p.ndim())?;
    let front = &p.shape()[..p.ndim() - 1];
    let trailing = y.ndim() == p.ndim() && y.shape().last() == Some(&1);
    let y = if trailing { y.index_axis(last, 0).to_owned() } else { y.clone() };
    if y.shape() == front { Ok((y, last)) } else { Err(LossError::shape("target", front, y.shape())) }
}

/// A class by its number, whose fraction does not count.
pub(super) fn place_of(class: f64, classes: usize) -> Result<usize, LossError> {
    let whole = class.trunc();
    if (0.0..classes as f64).contains(&whole) {
        Ok(whole as usize)
    } else {
        Err(LossError::Class { last: classes.saturating_sub(1), found: class.to_string() })
    }
}

/// `(1 - p^q) / q`, with p the probability of the right class.
pub(super) fn generalized(y: &ArrayD<f64>, p: &ArrayD<f64>, q: f64) -> Result<ArrayD<f64>, LossError> {
    let (y, last) = class_numbers(y, p)?;
    let mut losses = ArrayD::zeros(y.raw_dim());
    for ((loss, &class), row) in losses.iter_mut().zip(&y).zip(p.lanes(last)) {
        *loss = (1.0 - row[place_of(class, row.len())?].powf(q)) / q;
    }
    Ok(losses)
}
