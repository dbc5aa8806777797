//! Losses of numbers: a distance for each element, and their mean over the last axis.

use ndarray::{ArrayD, Axis};

use super::LossError;
use super::arrays::{EPSILON, at_least, axis, each, mean, same_shape, softplus};

/// Which distance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Regression {
    Squared,
    Absolute,
    AbsolutePercentage,
    SquaredLogarithmic,
    Huber { delta: f64 },
    LogCosh,
    Hinge,
    SquaredHinge,
    Poisson,
}

impl Regression {
    pub(super) fn losses(self, y: &ArrayD<f64>, p: &ArrayD<f64>) -> Result<ArrayD<f64>, LossError> {
        same_shape(y, p)?;
        let last = Axis(p.ndim() - 1);
        let signs = match self {
            Regression::Hinge | Regression::SquaredHinge => signs(y),
            _ => y.clone(),
        };
        Ok(mean(&each(&signs, p, |y, p| self.distance(y, p)), last))
    }

    fn distance(self, y: f64, p: f64) -> f64 {
        let error = p - y;
        match self {
            Regression::Squared => error * error,
            Regression::Absolute => error.abs(),
            Regression::AbsolutePercentage => 100.0 * (error / at_least(y.abs(), EPSILON)).abs(),
            Regression::SquaredLogarithmic => {
                let difference = (at_least(p, EPSILON) + 1.0).ln() - (at_least(y, EPSILON) + 1.0).ln();
                difference * difference
            }
            Regression::Huber { delta } if error.abs() <= delta => 0.5 * error * error,
            Regression::Huber { delta } => delta * error.abs() - 0.5 * delta * delta,
            Regression::LogCosh => error + softplus(-2.0 * error) - std::f64::consts::LN_2,
            Regression::Hinge => at_least(1.0 - y * p, 0.0),
            Regression::SquaredHinge => at_least(1.0 - y * p, 0.0).powi(2),
            Regression::Poisson => p - y * (p + EPSILON).ln(),
        }
    }
}

/// Targets that are all 0 or 1 are meant as -1 and 1.
fn signs(y: &ArrayD<f64>) -> ArrayD<f64> {
    let binary = y.iter().all(|&y| y == 0.0 || y == 1.0);
    if binary { y.mapv(|y| 2.0 * y - 1.0) } else { y.clone() }
}

/// `max(0, 1 + max((1 - y) p) - sum(y p))` over the last axis.
pub(super) fn categorical_hinge(y: &ArrayD<f64>, p: &ArrayD<f64>) -> Result<ArrayD<f64>, LossError> {
    same_shape(y, p)?;
    let last = Axis(p.ndim() - 1);
    let right = (y * p).sum_axis(last);
    let others = each(y, p, |y, p| (1.0 - y) * p);
    let wrong = others.fold_axis(last, f64::NEG_INFINITY, |&a, &b| a.max(b));
    Ok(each(&wrong, &right, |wrong, right| at_least(wrong - right + 1.0, 0.0)))
}

/// Minus the cosine of the angle along an axis.
pub(super) fn cosine(y: &ArrayD<f64>, p: &ArrayD<f64>, along: i64) -> Result<ArrayD<f64>, LossError> {
    same_shape(y, p)?;
    let along = axis("cosine_similarity", along, p.ndim())?;
    let unit = |x: &ArrayD<f64>| {
        let norms = (x * x).sum_axis(along).insert_axis(along);
        x * &norms.mapv(|norm| norm.sqrt().recip().min(EPSILON.recip()))
    };
    Ok(-(unit(y) * unit(p)).sum_axis(along))
}

/// `sum(y log(y / p))` over the last axis.
pub(super) fn divergence(y: &ArrayD<f64>, p: &ArrayD<f64>) -> Result<ArrayD<f64>, LossError> {
    same_shape(y, p)?;
    let terms = each(y, p, |y, p| {
        let (y, p) = (y.clamp(EPSILON, 1.0), p.clamp(EPSILON, 1.0));
        y * (y / p).ln()
    });
    Ok(terms.sum_axis(Axis(p.ndim() - 1)))
}
