//! Keras' losses, in numbers: `golden/losses.json` holds predictions and targets, and what Keras makes of them under each
//! kind of mask, weights and reduction.

use std::fs;

use masque::evaluate::{Loss, Scored};
use ndarray::{ArrayD, IxDyn};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::compare;

/// A loss, what it is applied to, and what Keras gives.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossCase {
    /// The loss, and what is asked of it.
    pub name: String,
    /// The loss: a name or a config.
    pub loss: Json,
    /// The targets.
    pub y_true: Array,
    /// The predictions.
    pub y_pred: Array,
    /// What the last activation made the predictions of.
    pub logits: Option<Array>,
    /// The predictions' mask.
    pub mask: Option<Array>,
    /// The weights of the samples.
    pub sample_weight: Option<Array>,
    /// What Keras gives.
    pub expected: f64,
}

/// Numbers, the last axis fastest.
#[derive(Clone, Debug, Deserialize)]
pub struct Array {
    shape: Vec<usize>,
    data: Vec<f64>,
}

impl Array {
    /// The numbers in their shape.
    ///
    /// # Errors
    ///
    /// They are not as many as the shape says.
    pub fn numbers(&self) -> Result<ArrayD<f64>, String> {
        ArrayD::from_shape_vec(IxDyn(&self.shape), self.data.clone()).map_err(|error| error.to_string())
    }
}

/// All of them.
///
/// # Panics
///
/// If they can't be read.
pub fn cases() -> Vec<LossCase> {
    let file = crate::root().join("tests/golden/losses.json");
    let text = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let cases: Vec<LossCase> = serde_json::from_slice(&text).expect("losses.json");
    assert!(cases.len() > 60, "only {} losses", cases.len());
    cases
}

impl LossCase {
    /// Holds our number against that of Keras.
    ///
    /// # Errors
    ///
    /// Both numbers, or why there is none.
    pub fn check(&self) -> Result<(), String> {
        let optional = |given: &Option<Array>| given.as_ref().map(Array::numbers).transpose();
        let scored = Scored {
            predictions: self.y_pred.numbers()?,
            logits: optional(&self.logits)?,
            targets: self.y_true.numbers()?,
            mask: optional(&self.mask)?.map(|mask| mask.mapv(|valid| valid != 0.0)),
            weights: optional(&self.sample_weight)?,
        };
        let loss = Loss::from_json(&self.loss).map_err(|error| error.to_string())?;
        compare::loss(loss.value(&scored).map_err(|error| error.to_string())?, self.expected)
    }
}
