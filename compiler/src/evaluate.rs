//! Losses, as `Model.evaluate` of Keras 3.15 computes them.
//!
//! An [`Objective`] is what a model is compiled with: a [`Loss`] for each output, by name or as a config, and their
//! weights. A loss compares predictions with targets position by position, and `reduce` makes one number of what it
//! finds, under the mask that the predictions carry when the model runs and the weights of the samples.
//!
//! A [`Metric`] says how good predictions are, without being trained on; [`Metrics`] are those of a model. Which of them
//! see the mask, Keras says: means over positions do, everything else counts padded positions.
//!
//! Everything is computed in 64 bits; where Keras keeps a probability away from 0 and 1, the bounds are its own of 32
//! bits, since their logarithms show.

mod arrays;
mod class_weights;
mod classes;
mod ctc;
mod envelope;
mod loss;
mod metric;
mod metrics;
mod objective;
mod reduce;
mod regions;
mod regression;

use ndarray::ArrayD;

pub use class_weights::ClassWeights;
pub use loss::Loss;
pub use metric::Metric;
pub use metrics::Metrics;
pub use objective::Objective;
pub use reduce::Reduction;

/// What one output gave, and what it should have given.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// The predictions.
    pub predictions: ArrayD<f64>,
    /// What the last activation made them of, where Keras looks behind it: a softmax or sigmoid that is the output's
    /// last step. There a crossentropy is computed without the probabilities' rounding.
    pub logits: Option<ArrayD<f64>>,
    /// The targets.
    pub targets: ArrayD<f64>,
    /// The mask of the predictions, as it was when the model ran.
    pub mask: Option<ArrayD<bool>>,
    /// How much each sample, or each position, counts.
    pub weights: Option<ArrayD<f64>>,
}

/// A loss that is not known, or predictions and targets that do not go together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LossError {
    /// No loss has this name.
    #[error("unknown loss `{name}`: expected one of {known}")]
    Unknown {
        /// The name.
        name: String,
        /// Those there are.
        known: String,
    },
    /// A class of somebody's own.
    #[error("the loss `{0}` is a class or function of somebody's own, and nothing in a model file is run")]
    Custom(String),
    /// A setting is not what the loss expects.
    #[error("loss `{loss}`: setting {source}")]
    Setting {
        /// The loss.
        loss: String,
        /// The setting.
        source: crate::layer::ConfigError,
    },
    /// No metric has this name.
    #[error("unknown metric `{name}`: expected one of {known}")]
    UnknownMetric {
        /// The name.
        name: String,
        /// Those there are.
        known: String,
    },
    /// A metric of somebody's own.
    #[error("the metric `{0}` is a class or function of somebody's own, and nothing in a model file is run")]
    CustomMetric(String),
    /// A setting is not what the metric expects.
    #[error("metric `{metric}`: setting {source}")]
    MetricSetting {
        /// The metric.
        metric: String,
        /// The setting.
        source: crate::layer::ConfigError,
    },
    /// A class that is asked for, and is none of the predictions'.
    #[error("metric `{metric}`: expected classes from 0 to {last}, found {found}")]
    MetricClass {
        /// The metric.
        metric: String,
        /// The last class.
        last: i64,
        /// What is asked for.
        found: i64,
    },
    /// The losses are not one for each output.
    #[error("losses: expected {expected}, found {found}")]
    Outputs {
        /// What goes with the model's outputs.
        expected: String,
        /// What was given.
        found: String,
    },
    /// Predictions and targets do not go together.
    #[error("{what}: expected shape {expected}, found {found:?}")]
    Shape {
        /// Which of them.
        what: &'static str,
        /// What goes with the others.
        expected: String,
        /// What was given.
        found: Vec<usize>,
    },
    /// An axis that the predictions do not have.
    #[error("loss `{loss}`: expected an axis of {rank}, found {axis}")]
    Axis {
        /// The loss.
        loss: &'static str,
        /// How many axes there are.
        rank: usize,
        /// The axis.
        axis: i64,
    },
    /// Texts are no targets.
    #[error("{0}: expected numbers, found texts")]
    Text(&'static str),
    /// A label that no path through the steps spells.
    #[error("target: the label of example {example} {problem}")]
    Label {
        /// The example.
        example: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A class that the predictions do not have.
    #[error("target: expected classes from 0 to {last}, found {found}")]
    Class {
        /// The last class.
        last: usize,
        /// What was given.
        found: String,
    },
}

impl LossError {
    /// Name of the loss that is not known; empty for every other error.
    pub fn name(&self) -> &str {
        match self {
            LossError::Unknown { name, .. } | LossError::Custom(name) => name,
            _ => "",
        }
    }

    fn shape(what: &'static str, expected: &[usize], found: &[usize]) -> LossError {
        LossError::Shape { what, expected: format!("{expected:?}"), found: found.to_vec() }
    }
}

/// A tensor of numbers, in 64 bits.
///
/// # Errors
///
/// [`LossError::Text`]; `what` says which tensor.
pub fn numbers(what: &'static str, tensor: &masque_runtime::Tensor) -> Result<ArrayD<f64>, LossError> {
    tensor.numbers().ok_or(LossError::Text(what))
}

#[cfg(test)]
mod tests;
