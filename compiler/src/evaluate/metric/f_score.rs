//! The weighted harmonic mean of precision and recall.

use ndarray::{ArrayD, Axis};
use serde_json::Value as Json;

use super::super::arrays::{EPSILON, same_shape};
use super::super::{LossError, Scored};
use super::confusion::Sums;
use crate::layer::{Config, ConfigError};

/// How the scores of the classes become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Average {
    None,
    Micro,
    Macro,
    Weighted,
}

/// The score.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FScore {
    average: Average,
    beta: f64,
    threshold: Option<f64>,
}

impl FScore {
    pub(super) fn read(config: &mut Config, any_beta: bool) -> Result<FScore, ConfigError> {
        let beta = if any_beta { config.number("beta", 1.0)? } else { 1.0 };
        if beta <= 0.0 {
            return Err(ConfigError::new("beta", "a number above 0", &beta.into()));
        }
        const AVERAGES: &[(&str, Average)] = &[
            ("none", Average::None),
            ("micro", Average::Micro),
            ("macro", Average::Macro),
            ("weighted", Average::Weighted),
        ];
        config.name_null("average", "none");
        let average = config.word("average", Average::None, AVERAGES)?;
        Ok(FScore { average, beta, threshold: config.optional_number("threshold")? })
    }

    pub(super) fn value(&self, scored: &Scored, weights: Option<&ArrayD<f64>>) -> Result<Json, LossError> {
        let (y, p) = (&scored.targets, &scored.predictions);
        same_shape(y, p)?;
        if p.ndim() != 2 {
            let found = p.shape().to_vec();
            let (what, expected) = ("predictions", "[samples, classes]".to_owned());
            return Err(LossError::Shape { what, expected, found });
        }
        if let Some(weights) = weights.filter(|weights| weights.shape() != &p.shape()[..1]) {
            return Err(LossError::shape("sample weights", &p.shape()[..1], weights.shape()));
        }
        let mut sums = vec![Sums::default(); p.shape()[1]];
        for (sample, (y, p)) in y.lanes(Axis(1)).into_iter().zip(p.lanes(Axis(1))).enumerate() {
            let weight = weights.map_or(1.0, |weights| weights[[sample]]);
            let largest = p.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            for ((sums, &y), &p) in sums.iter_mut().zip(y).zip(p) {
                let said = match self.threshold {
                    Some(threshold) => p > f64::from(threshold as f32),
                    None => p >= largest && p.abs() > 1e-9,
                };
                // Targets between 0 and 1 count in part.
                sums.add(true, said, weight * y);
                sums.add(false, said, weight * (1.0 - y));
            }
        }
        Ok(self.averaged(&sums))
    }

    fn averaged(&self, sums: &[Sums]) -> Json {
        let scores: Vec<f64> = sums.iter().map(|sums| self.score(sums)).collect();
        let positives = |sums: &Sums| sums.true_positives + sums.false_negatives;
        match self.average {
            Average::None => scores.into(),
            Average::Macro => (scores.iter().sum::<f64>() / scores.len().max(1) as f64).into(),
            Average::Micro => {
                let mut all = Sums::default();
                for sums in sums {
                    all.true_positives += sums.true_positives;
                    all.false_positives += sums.false_positives;
                    all.false_negatives += sums.false_negatives;
                }
                self.score(&all).into()
            }
            Average::Weighted => {
                let total: f64 = sums.iter().map(positives).sum::<f64>() + EPSILON;
                sums.iter()
                    .zip(&scores)
                    .map(|(sums, score)| score * positives(sums) / total)
                    .sum::<f64>()
                    .into()
            }
        }
    }

    fn score(&self, sums: &Sums) -> f64 {
        let precision = sums.true_positives / (sums.true_positives + sums.false_positives + EPSILON);
        let recall = sums.true_positives / (sums.true_positives + sums.false_negatives + EPSILON);
        let square = self.beta * self.beta;
        precision * recall / (square * precision + recall + EPSILON) * (1.0 + square)
    }
}
