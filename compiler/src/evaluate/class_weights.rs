//! Weights by class: how Keras makes weights of samples of them.

use std::collections::BTreeMap;

use ndarray::{ArrayD, Axis};
use serde_json::Value as Json;

use super::{LossError, Scored};
use crate::layer::config::brief;

/// How much the samples of each class count; those of other classes count 1.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassWeights(BTreeMap<i64, f64>);

impl ClassWeights {
    /// Reads an object of weights by class.
    ///
    /// # Errors
    ///
    /// [`LossError::Outputs`] if it is none.
    pub fn from_json(given: &Json) -> Result<ClassWeights, LossError> {
        let wrong =
            || LossError::Outputs { expected: "an object of weights by class".into(), found: brief(given) };
        let entry = |(class, weight): (&String, &Json)| Some((class.parse().ok()?, weight.as_f64()?));
        let weights: Option<BTreeMap<i64, f64>> =
            given.as_object().and_then(|map| map.iter().map(entry).collect());
        weights.map(ClassWeights).ok_or_else(wrong)
    }

    /// The weight of each sample: of the class that its target is or, of several numbers, of the largest one.
    ///
    /// # Errors
    ///
    /// [`LossError::Shape`] if the targets are not one class for each sample.
    pub fn of_samples(&self, scored: &Scored) -> Result<ArrayD<f64>, LossError> {
        let targets = &scored.targets;
        let last = Axis(targets.ndim().saturating_sub(1));
        let classes = match targets.ndim() {
            1 => targets.clone(),
            2 if scored.predictions.ndim() == 2 => targets.map_axis(last, |row| match row.len() {
                1 => row[0],
                _ => {
                    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    row.iter().position(|&number| number == largest).unwrap_or(0) as f64
                }
            }),
            _ => {
                let (what, expected) = ("target", "a class for each sample".to_owned());
                return Err(LossError::Shape { what, expected, found: targets.shape().to_vec() });
            }
        };
        let weight = |class: f64| self.0.get(&(class.round_ties_even() as i64)).copied().unwrap_or(1.0);
        Ok(classes.mapv(weight))
    }
}
