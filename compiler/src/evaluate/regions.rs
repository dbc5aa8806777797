//! Losses of sets, of which elements are in or out: Dice, Tversky; and of pairs of embeddings: Circle.

use ndarray::{Array1, ArrayD, Axis, Ix2};

use super::LossError;
use super::arrays::{EPSILON, at_least, axis, each, log_sum_exp, same_shape, softplus};

/// The axes of sums; all of them if none are given.
pub(super) type Axes = Option<Vec<i64>>;

/// `1 - 2 |y ∩ p| / (|y| + |p|)`
pub(super) fn dice(y: &ArrayD<f64>, p: &ArrayD<f64>, axes: &Axes) -> Result<ArrayD<f64>, LossError> {
    same_shape(y, p)?;
    let sum = |x: ArrayD<f64>| sums("dice", x, axes);
    let (common, all) = (sum(y * p)?, sum(y.clone())? + sum(p.clone())?);
    Ok(each(&common, &all, |common, all| 1.0 - 2.0 * common / (all + EPSILON)))
}

/// `1 - |y ∩ p| / (|y ∩ p| + alpha |y \ p| + beta |p \ y|)`
pub(super) fn tversky(
    y: &ArrayD<f64>,
    p: &ArrayD<f64>,
    alpha: f64,
    beta: f64,
    axes: &Axes,
) -> Result<ArrayD<f64>, LossError> {
    same_shape(y, p)?;
    let sum = |x: ArrayD<f64>| sums("tversky", x, axes);
    let common = sum(y * p)?;
    let only_y = sum(each(y, p, |y, p| y * (1.0 - p)))?;
    let only_p = sum(each(y, p, |y, p| p * (1.0 - y)))?;
    let all = &common + only_y * alpha + only_p * beta;
    Ok(each(&common, &all, |common, all| 1.0 - common / (all + EPSILON)))
}

fn sums(loss: &'static str, x: ArrayD<f64>, axes: &Axes) -> Result<ArrayD<f64>, LossError> {
    let rank = x.ndim();
    let mut places: Vec<usize> = match axes {
        None => (0..rank).collect(),
        Some(axes) => axes.iter().map(|&at| Ok(axis(loss, at, rank)?.0)).collect::<Result<_, LossError>>()?,
    };
    places.sort_unstable();
    places.dedup();
    Ok(places.into_iter().rev().fold(x, |x, place| x.sum_axis(Axis(place))))
}

/// What the Circle loss can be told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Circle {
    pub(super) gamma: f64,
    pub(super) margin: f64,
    pub(super) remove_diagonal: bool,
}

impl Circle {
    /// One loss for each embedding, and which of them count: those above 0.
    pub(super) fn losses(
        self,
        y: &ArrayD<f64>,
        p: &ArrayD<f64>,
    ) -> Result<(ArrayD<f64>, ArrayD<bool>), LossError> {
        let wrong = |what, expected: &str, found: &[usize]| LossError::Shape {
            what,
            expected: expected.to_owned(),
            found: found.to_vec(),
        };
        let embeddings = p.view().into_dimensionality::<Ix2>();
        let embeddings = embeddings.map_err(|_| wrong("predictions", "[batch, size]", p.shape()))?;
        let batch = embeddings.nrows();
        let labels: Vec<i64> = y.iter().map(|&label| label as i64).collect();
        if y.shape() != [batch] && y.shape() != [batch, 1] {
            return Err(wrong("target", &format!("[{batch}] or [{batch}, 1]"), y.shape()));
        }
        let distances = embeddings.dot(&embeddings.t()).mapv(|cosine| at_least(1.0 - cosine, 0.0));
        let losses = (0..batch).map(|one| {
            let pairs = || (0..batch).map(|other| (other, distances[[one, other]]));
            let alike = |other: usize| labels[one] == labels[other];
            let counts = |other: usize| !(self.remove_diagonal && one == other);
            let near = pairs().filter(|(other, _)| alike(*other) && counts(*other));
            let far = pairs().filter(|(other, _)| !alike(*other));
            let near = near.map(|(_, d)| -self.gamma * at_least(self.margin + d, 0.0) * (self.margin - d));
            let far =
                far.map(|(_, d)| self.gamma * at_least(1.0 + self.margin - d, 0.0) * (1.0 - self.margin - d));
            softplus(log_sum_exp(near) + log_sum_exp(far))
        });
        let losses = Array1::from_iter(losses).into_dyn();
        let counted = losses.mapv(|loss| loss > 0.0);
        Ok((losses, counted))
    }
}
