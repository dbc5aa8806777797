//! From a loss for each position to one number.
//!
//! With ℓ the losses, m the mask and w the weights of the samples (1 where there are none):
//!
//! | reduction | result |
//! |---|---|
//! | `sum_over_batch_size`, `mean` | Σ ℓ·m·w / Σ m, without a mask the mean of ℓ·w |
//! | `mean_with_sample_weight` | Σ ℓ·m·w / Σ m·w |
//! | `sum` | Σ ℓ·m·w |
//! | none | ℓ·m·w for each position, of which `evaluate` reports the mean |
//!
//! A quotient by 0 is 0: with nothing valid, there is nothing lost.

use ndarray::{ArrayD, Axis};

use super::LossError;
use super::arrays::same_rank;

/// How the losses of all positions become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reduction {
    /// Their mean over what is valid.
    #[default]
    Mean,
    /// Their mean, with the weights' sum as the divisor.
    MeanWithSampleWeight,
    /// Their sum.
    Sum,
    /// Not at all.
    None,
}

impl Reduction {
    /// Keras' words.
    pub(super) const WORDS: &[(&str, Reduction)] = &[
        ("sum_over_batch_size", Reduction::Mean),
        ("mean", Reduction::Mean),
        ("mean_with_sample_weight", Reduction::MeanWithSampleWeight),
        ("sum", Reduction::Sum),
        ("none", Reduction::None),
    ];
}

/// Reduces the losses of all positions.
pub(super) fn reduce(
    losses: ArrayD<f64>,
    mask: Option<&ArrayD<bool>>,
    weights: Option<&ArrayD<f64>>,
    reduction: Reduction,
) -> Result<f64, LossError> {
    let mask = mask.map(|mask| weight_of_mask(mask, reduction));
    let weights = match (weights, mask) {
        (Some(weights), Some(mask)) => {
            let (mask, weights) = same_rank(mask, weights.clone());
            Some(product("sample weights", &mask, weights)?)
        }
        (weights, mask) => mask.or(weights.cloned()),
    };
    let Some(weights) = weights else { return Ok(total(&losses, None, reduction)) };
    let (losses, weights) = same_rank(losses, weights);
    let weighted = product("mask or sample weights", &losses, weights.clone())?;
    Ok(total(&weighted, Some(&weights), reduction))
}

/// What a mask multiplies: valid positions by total / valid where a mean is wanted, so that the mean over all is the
/// mean over what is valid.
fn weight_of_mask(mask: &ArrayD<bool>, reduction: Reduction) -> ArrayD<f64> {
    let valid = mask.iter().filter(|&&valid| valid).count();
    let weight = match reduction {
        Reduction::Mean if valid > 0 => mask.len() as f64 / valid as f64,
        _ => 1.0,
    };
    mask.mapv(|valid| if valid { weight } else { 0.0 })
}

/// The product in the shape of both together: a size of 1 goes with any, a number with everything. What Keras would
/// spread over axes that have nothing to do with each other, because they happen to be of one size, is refused.
pub(super) fn product(what: &'static str, x: &ArrayD<f64>, y: ArrayD<f64>) -> Result<ArrayD<f64>, LossError> {
    let fits = x.ndim() == 0
        || x.ndim() == y.ndim() && x.shape().iter().zip(y.shape()).all(|(&x, &y)| x == y || x == 1 || y == 1);
    if fits { Ok(x * &y) } else { Err(LossError::shape(what, x.shape(), y.shape())) }
}

fn total(losses: &ArrayD<f64>, weights: Option<&ArrayD<f64>>, reduction: Reduction) -> f64 {
    let divisor = match (reduction, weights) {
        (Reduction::Sum, _) => 1.0,
        (Reduction::MeanWithSampleWeight, Some(weights)) => weights.sum(),
        _ => losses.len() as f64,
    };
    // NaN times 0 is NaN here as it is in Keras.
    if divisor == 0.0 { 0.0 } else { losses.sum() / divisor }
}

/// Both masks at once.
pub(super) fn both(one: &ArrayD<bool>, other: &ArrayD<bool>) -> Result<ArrayD<bool>, LossError> {
    let mut other = other.clone();
    while other.ndim() < one.ndim() {
        let behind = Axis(other.ndim());
        other = other.insert_axis(behind);
    }
    let fitted = other.broadcast(one.raw_dim());
    let fitted = fitted.ok_or_else(|| LossError::shape("mask", one.shape(), other.shape()))?;
    Ok(ndarray::Zip::from(one).and(fitted).map_collect(|&one, &other| one && other))
}
