//! Keras' metrics, in numbers: `golden/metrics.json` holds predictions and targets, and what Keras measures under masks and
//! weights.

use std::fs;

use masque::evaluate::{Metric, Scored};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::compare;
use crate::losses::Array;

/// A metric, what it is applied to, and what Keras gives.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricCase {
    /// The metric, and what is asked of it.
    pub name: String,
    /// The metric: a name or a config.
    pub metric: Json,
    /// The targets.
    pub y_true: Array,
    /// The predictions.
    pub y_pred: Array,
    /// The predictions' mask.
    pub mask: Option<Array>,
    /// The weights of the samples.
    pub sample_weight: Option<Array>,
    /// What Keras gives: a number, or several.
    pub expected: Json,
}

/// All of them.
///
/// # Panics
///
/// If they can't be read.
pub fn cases() -> Vec<MetricCase> {
    let file = crate::root().join("tests/golden/metrics.json");
    let text = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let cases: Vec<MetricCase> = serde_json::from_slice(&text).expect("metrics.json");
    assert!(cases.len() > 200, "only {} metrics", cases.len());
    cases
}

impl MetricCase {
    /// Holds our numbers against those of Keras.
    ///
    /// # Errors
    ///
    /// Both numbers, or why there are none.
    pub fn check(&self) -> Result<(), String> {
        let optional = |given: &Option<Array>| given.as_ref().map(Array::numbers).transpose();
        let scored = Scored {
            predictions: self.y_pred.numbers()?,
            logits: None,
            targets: self.y_true.numbers()?,
            mask: optional(&self.mask)?.map(|mask| mask.mapv(|valid| valid != 0.0)),
            weights: optional(&self.sample_weight)?,
        };
        let metric = Metric::from_json(&self.metric).map_err(|error| error.to_string())?;
        let found = metric.value(&scored, true).map_err(|error| error.to_string())?;
        let [found, expected] = [&found, &self.expected].map(|value| match value {
            Json::Array(items) => items.clone(),
            number => vec![number.clone()],
        });
        if found.len() != expected.len() {
            return Err(format!("{found:?}, expected {expected:?}"));
        }
        let number = |value: &Json| value.as_f64().unwrap_or(f64::NAN);
        found.iter().zip(&expected).try_for_each(|(x, y)| compare::loss(number(x), number(y)))
    }
}
