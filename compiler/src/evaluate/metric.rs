//! One metric: what is measured, its settings, its name.

mod confusion;
mod curve;
mod f_score;
mod matches;

use ndarray::{ArrayD, Axis};
use serde_json::{Map, Value as Json};

use super::arrays::{each, same_rank, same_shape};
use super::envelope::{self, Unread};
use super::reduce::product;
use super::{Loss, LossError, Scored};
use crate::layer::classes::snake_case;
use crate::layer::{Config, ConfigError};
use confusion::{Count, Counts};
use curve::Curve;
use f_score::FScore;
use matches::Matches;

/// A metric of `keras.metrics` with its settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// What it is called in a report.
    pub name: String,
    function: Function,
}

#[derive(Clone, Debug, PartialEq)]
enum Function {
    /// The mean of a loss, or of its negative.
    Loss {
        loss: Loss,
        sign: f64,
    },
    /// The share of positions that are right.
    Matches(Matches),
    RootMeanSquared,
    Counts(Counts),
    Curve(Curve),
    FScore(FScore),
}

type Read = fn(&mut Config) -> Result<Function, ConfigError>;

/// The metrics that are no losses: class, other names, and how the settings are read.
const METRICS: &[(&str, &[&str], Read)] = &[
    ("AUC", &["auc"], |config| Curve::read(config).map(Function::Curve)),
    ("Accuracy", &[], |_| Ok(Function::Matches(Matches::Equal))),
    ("BinaryAccuracy", &["binary_accuracy"], |config| {
        Ok(Function::Matches(Matches::Binary { threshold: config.number("threshold", 0.5)? }))
    }),
    ("CategoricalAccuracy", &["categorical_accuracy"], |_| Ok(Function::Matches(Matches::Categorical))),
    ("F1Score", &["f1_score"], |config| FScore::read(config, false).map(Function::FScore)),
    ("FBetaScore", &["f_beta_score", "fbeta_score"], |config| {
        FScore::read(config, true).map(Function::FScore)
    }),
    ("FalseNegatives", &["false_negatives"], |config| {
        Counts::read(config, Count::FalseNegatives, false).map(Function::Counts)
    }),
    ("FalsePositives", &["false_positives"], |config| {
        Counts::read(config, Count::FalsePositives, false).map(Function::Counts)
    }),
    ("Precision", &["precision"], |config| {
        Counts::read(config, Count::Precision, true).map(Function::Counts)
    }),
    ("Recall", &["recall"], |config| Counts::read(config, Count::Recall, true).map(Function::Counts)),
    ("RootMeanSquaredError", &["root_mean_squared_error"], |_| Ok(Function::RootMeanSquared)),
    ("SparseCategoricalAccuracy", &["sparse_categorical_accuracy"], |_| {
        Ok(Function::Matches(Matches::Sparse))
    }),
    ("SparseTopKCategoricalAccuracy", &["sparse_top_k_categorical_accuracy"], |config| {
        config.ignore(&["from_sorted_ids"]);
        Ok(Function::Matches(Matches::SparseTop { k: config.integer("k", Some(5))? }))
    }),
    ("TopKCategoricalAccuracy", &["top_k_categorical_accuracy"], |config| {
        Ok(Function::Matches(Matches::CategoricalTop { k: config.integer("k", Some(5))? }))
    }),
    ("TrueNegatives", &["true_negatives"], |config| {
        Counts::read(config, Count::TrueNegatives, false).map(Function::Counts)
    }),
    ("TruePositives", &["true_positives"], |config| {
        Counts::read(config, Count::TruePositives, false).map(Function::Counts)
    }),
];

/// The metrics that are means of losses: class, other names, the loss, and its sign.
const OF_LOSSES: &[(&str, &[&str], &str, f64)] = &[
    ("BinaryCrossentropy", &["binary_crossentropy", "bce", "BCE"], "BinaryCrossentropy", 1.0),
    ("CategoricalCrossentropy", &["categorical_crossentropy"], "CategoricalCrossentropy", 1.0),
    ("CategoricalHinge", &["categorical_hinge"], "CategoricalHinge", 1.0),
    ("CosineSimilarity", &["cosine_similarity"], "CosineSimilarity", -1.0),
    ("Hinge", &["hinge"], "Hinge", 1.0),
    ("KLDivergence", &["kl_divergence", "kld", "KLD"], "KLDivergence", 1.0),
    ("LogCoshError", &["log_cosh_error", "log_cosh", "logcosh"], "LogCosh", 1.0),
    ("MeanAbsoluteError", &["mean_absolute_error", "mae", "MAE"], "MeanAbsoluteError", 1.0),
    (
        "MeanAbsolutePercentageError",
        &["mean_absolute_percentage_error", "mape", "MAPE"],
        "MeanAbsolutePercentageError",
        1.0,
    ),
    ("MeanSquaredError", &["mean_squared_error", "mse", "MSE"], "MeanSquaredError", 1.0),
    (
        "MeanSquaredLogarithmicError",
        &["mean_squared_logarithmic_error", "msle", "MSLE"],
        "MeanSquaredLogarithmicError",
        1.0,
    ),
    ("Poisson", &["poisson"], "Poisson", 1.0),
    (
        "SparseCategoricalCrossentropy",
        &["sparse_categorical_crossentropy"],
        "SparseCategoricalCrossentropy",
        1.0,
    ),
    ("SquaredHinge", &["squared_hinge"], "SquaredHinge", 1.0),
];

impl Metric {
    /// A metric by Keras' name of its class or function, or by its config.
    ///
    /// # Errors
    ///
    /// [`LossError`]: what is not known, and what would need code.
    pub fn from_json(given: &Json) -> Result<Metric, LossError> {
        let (class, mut settings) =
            envelope::read(given, "MeanMetricWrapper").map_err(|unread| match unread {
                Unread::Custom(class) => LossError::CustomMetric(class),
                Unread::Nameless(found) => unknown(&found),
                Unread::Settings(metric, source) => LossError::MetricSetting { metric, source },
            })?;
        let named = settings.remove("name");
        settings.remove("dtype");
        let any_accuracy = given.is_string() && ["accuracy", "acc"].contains(&class.to_lowercase().as_str());
        let function = match any_accuracy {
            true => Function::Matches(Matches::ByShape),
            false => function(&class, settings)?,
        };
        let name = match (given, named) {
            (_, Some(Json::String(name))) => name,
            (Json::String(name), _) => name.clone(),
            _ => snake_case(&class),
        };
        Ok(Metric { name, function })
    }

    /// Does the metric look behind a softmax or sigmoid?
    pub fn wants_logits(&self) -> bool {
        matches!(&self.function, Function::Loss { loss, .. } if loss.wants_logits())
    }

    /// Does the metric leave out what is masked? Keras' means over positions do, its other metrics do not.
    pub fn sees_masks(&self) -> bool {
        matches!(self.function, Function::Loss { .. } | Function::Matches(_))
    }

    /// What is measured over all positions: a number, or a list where the metric gives several. Do the weights count?
    ///
    /// # Errors
    ///
    /// [`LossError`] if predictions, targets, mask and weights do not go together.
    pub fn value(&self, scored: &Scored, weighted: bool) -> Result<Json, LossError> {
        let weights = scored.weights.as_ref().filter(|_| weighted);
        match &self.function {
            Function::Loss { loss, sign } => {
                let (losses, counted) = loss.losses(scored)?;
                let weights = masked(scored.mask.as_ref(), weights)?;
                let weights = match (weights, counted) {
                    (Some(weights), Some(counted)) => masked(Some(&counted), Some(&weights))?,
                    (weights, _) => weights,
                };
                mean(losses * *sign, weights).map(Json::from)
            }
            Function::Matches(matches) => {
                let values = matches.values(scored)?;
                mean(values, masked(scored.mask.as_ref(), weights)?).map(Json::from)
            }
            Function::RootMeanSquared => {
                let (y, p) = same_rank(scored.targets.clone(), scored.predictions.clone());
                same_shape(&y, &p)?;
                let squares = each(&y, &p, |y, p| (p - y) * (p - y));
                mean(squares, weights.cloned()).map(|mean| mean.sqrt().into())
            }
            Function::Counts(counts) => counts.value(&self.name, scored, weights),
            Function::Curve(curve) => curve.value(scored, weights).map(Json::from),
            Function::FScore(score) => score.value(scored, weights),
        }
    }
}

fn function(class: &str, settings: Map<String, Json>) -> Result<Function, LossError> {
    let setting = |source| LossError::MetricSetting { metric: class.to_owned(), source };
    if let Some((.., loss, sign)) =
        OF_LOSSES.iter().find(|(metric, names, ..)| *metric == class || names.contains(&class))
    {
        let loss = Loss::named(loss, settings).map_err(|error| match error {
            LossError::Setting { source, .. } => setting(source),
            other => other,
        })?;
        return Ok(Function::Loss { loss, sign: *sign });
    }
    let found = METRICS.iter().find(|(metric, names, _)| *metric == class || names.contains(&class));
    let (_, _, read) = found.ok_or_else(|| unknown(class))?;
    let mut config = Config::new(settings).map_err(setting)?;
    let function = read(&mut config).map_err(setting)?;
    config.finish().map_err(setting)?;
    Ok(function)
}

/// The weights of positions, with 0 for those that are masked; `None` if all count alike.
fn masked(
    mask: Option<&ArrayD<bool>>,
    weights: Option<&ArrayD<f64>>,
) -> Result<Option<ArrayD<f64>>, LossError> {
    let mask = mask.map(|mask| mask.mapv(|valid| if valid { 1.0 } else { 0.0 }));
    match (mask, weights) {
        (Some(mask), Some(weights)) => {
            let (mask, weights) = same_rank(mask, weights.clone());
            product("sample weights", &mask, weights).map(Some)
        }
        (mask, weights) => Ok(mask.or_else(|| weights.cloned())),
    }
}

/// The weighted mean: of what stands behind a weight, the plain mean counts. 0 of nothing.
fn mean(values: ArrayD<f64>, weights: Option<ArrayD<f64>>) -> Result<f64, LossError> {
    let Some(weights) = weights else { return Ok(quotient(values.sum(), values.len() as f64)) };
    let (mut values, weights) = same_rank(values, weights);
    while values.ndim() > weights.ndim() {
        values = super::arrays::mean(&values, Axis(values.ndim() - 1));
    }
    let ones = ArrayD::ones(values.raw_dim());
    let weights = product("mask or sample weights", &ones, weights)?;
    if weights.shape() != values.shape() {
        return Err(LossError::shape("mask or sample weights", values.shape(), weights.shape()));
    }
    Ok(quotient((values * &weights).sum(), weights.sum()))
}

/// A quotient by 0 is 0.
fn quotient(x: f64, y: f64) -> f64 {
    if y == 0.0 { 0.0 } else { x / y }
}

/// Every prediction with its target as yes or no, and its weight.
fn elements(
    y: &ArrayD<f64>,
    p: &ArrayD<f64>,
    weights: Option<&ArrayD<f64>>,
) -> Result<ArrayD<f64>, LossError> {
    same_shape(y, p)?;
    let Some(weights) = weights else { return Ok(ArrayD::ones(p.raw_dim())) };
    let mut weights = weights.clone();
    if weights.ndim() + 1 == p.ndim() {
        let behind = Axis(weights.ndim());
        weights = weights.insert_axis(behind);
    }
    let spread = weights.broadcast(p.raw_dim()).filter(|_| weights.ndim() == p.ndim());
    spread
        .map(|spread| spread.to_owned())
        .ok_or_else(|| LossError::shape("sample weights", p.shape(), weights.shape()))
}

fn unknown(name: &str) -> LossError {
    let mut known: Vec<&str> = METRICS.iter().map(|(class, ..)| *class).collect();
    known.extend(OF_LOSSES.iter().map(|(class, ..)| *class));
    known.sort_unstable();
    LossError::UnknownMetric { name: name.chars().take(60).collect(), known: known.join(", ") }
}
