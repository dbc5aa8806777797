//! The area under a curve that thresholds from 0 to 1 draw.

use ndarray::{ArrayD, Axis};
use serde_json::Value as Json;

use super::super::arrays::{EPSILON, at_least, same_rank};
use super::super::{LossError, Scored};
use super::confusion::{Sums, thresholds};
use super::{elements, quotient};
use crate::layer::{Config, ConfigError};

/// What is drawn over what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Axes {
    /// Recall over the rate of false positives.
    Roc,
    /// Precision over recall.
    PrecisionRecall,
    /// The same, as gains over always saying yes.
    Gain,
}

/// The height of a strip between two thresholds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Height {
    Mean,
    Least,
    Largest,
}

/// The area under a curve.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Curve {
    axes: Axes,
    height: Height,
    thresholds: Vec<f32>,
    /// Are the thresholds those that divide 0 to 1 evenly? Then predictions are counted by the strip they fall in.
    even: bool,
    /// Has each label a curve of its own?
    labels: bool,
    label_weights: Option<Vec<f64>>,
    from_logits: bool,
}

impl Curve {
    pub(super) fn read(config: &mut Config) -> Result<Curve, ConfigError> {
        let count = config.integer("num_thresholds", Some(200))?;
        if !(2..=100_000).contains(&count) {
            return Err(ConfigError::new("num_thresholds", "a number from 2 to 100000", &count.into()));
        }
        let mut inner: Vec<f64> = match thresholds(config)? {
            // Keras writes all of them down, the ends included.
            Some(given) => given.into_iter().filter(|t| (0.0..=1.0).contains(t)).collect(),
            None => (1..count - 1).map(|place| place as f64 / (count - 1) as f64).collect(),
        };
        inner.sort_by(f64::total_cmp);
        let weights = config.take("label_weights");
        let numbers = weights.as_ref().map(|given| {
            let items = given.as_array().and_then(|items| items.iter().map(Json::as_f64).collect());
            items.ok_or_else(|| ConfigError::new("label_weights", "a list of numbers", given))
        });
        config.ignore(&["num_labels"]);
        Ok(Curve {
            axes: config.word("curve", Axes::Roc, AXES)?,
            height: config.word("summation_method", Height::Mean, HEIGHTS)?,
            even: is_even(&inner),
            thresholds: ends(&inner),
            labels: config.bool("multi_label", false)?,
            label_weights: numbers.transpose()?,
            from_logits: config.bool("from_logits", false)?,
        })
    }

    pub(super) fn value(&self, scored: &Scored, weights: Option<&ArrayD<f64>>) -> Result<f64, LossError> {
        let (p, y) = same_rank(scored.predictions.clone(), scored.targets.clone());
        let mut weights = elements(&y, &p, weights)?;
        let p = if self.from_logits { p.mapv(|x| 1.0 / (1.0 + (-x).exp())) } else { p };
        let last = Axis(p.ndim() - 1);
        if let Some(given) = self.label_weights.as_ref().filter(|given| given.len() != p.len_of(last)) {
            return Err(LossError::shape("label_weights", &[p.len_of(last)], &[given.len()]));
        }
        if self.labels {
            let column = |array: &ArrayD<f64>, label| array.index_axis(last, label).iter().copied().collect();
            let area = |label| self.area(column(&y, label), column(&p, label), column(&weights, label));
            let areas: Vec<f64> = (0..p.len_of(last)).map(area).collect();
            let weights = self.label_weights.clone().unwrap_or_else(|| vec![1.0; areas.len()]);
            let sum = areas.iter().zip(&weights).map(|(area, weight)| area * weight).sum();
            return Ok(quotient(sum, weights.iter().sum()));
        }
        if let Some(given) = &self.label_weights {
            for mut row in weights.lanes_mut(last) {
                row.iter_mut().zip(given).for_each(|(weight, label)| *weight *= label);
            }
        }
        let all = |array: &ArrayD<f64>| array.iter().copied().collect();
        Ok(self.area(all(&y), all(&p), all(&weights)))
    }

    fn area(&self, y: Vec<f64>, p: Vec<f64>, weights: Vec<f64>) -> f64 {
        let sums = self.sums(&y, &p, &weights);
        if (self.axes, self.height) == (Axes::PrecisionRecall, Height::Mean) {
            return sums.windows(2).map(|pair| precision_strip(&pair[0], &pair[1])).sum();
        }
        let points: Vec<(f64, f64)> = sums.iter().map(|sums| self.point(sums)).collect();
        let strip = |pair: &[(f64, f64)]| {
            let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
            let height = match self.height {
                Height::Mean => (y0 + y1) / 2.0,
                Height::Least => y0.min(y1),
                Height::Largest => y0.max(y1),
            };
            (x0 - x1) * height
        };
        points.windows(2).map(strip).sum()
    }

    /// The sums at each threshold. The comparison is Keras' own of 32 bits.
    fn sums(&self, y: &[f64], p: &[f64], weights: &[f64]) -> Vec<Sums> {
        let steps = (self.thresholds.len() - 1) as f32;
        let mut sums = vec![Sums::default(); self.thresholds.len()];
        for ((&y, &p), &weight) in y.iter().zip(p).zip(weights) {
            let p = p as f32;
            for (place, (sums, &threshold)) in sums.iter_mut().zip(&self.thresholds).enumerate() {
                let said = match self.even {
                    true => place == 0 || p.clamp(0.0, 1.0) * steps > place as f32,
                    false => p > threshold,
                };
                sums.add(y != 0.0, said, weight);
            }
        }
        sums
    }

    fn point(&self, sums: &Sums) -> (f64, f64) {
        match self.axes {
            Axes::Roc => {
                let negatives = sums.false_positives + sums.true_negatives;
                (quotient(sums.false_positives, negatives), sums.recall())
            }
            Axes::PrecisionRecall => (sums.recall(), sums.precision()),
            Axes::Gain => {
                let positives = sums.true_positives + sums.false_negatives;
                let scale = quotient(positives, sums.true_negatives + sums.false_positives);
                if sums.true_positives == 0.0 {
                    return (0.0, 1.0);
                }
                let gain = |wrong: f64| 1.0 - scale * quotient(wrong, sums.true_positives);
                (at_least(gain(sums.false_negatives), 0.0), gain(sums.false_positives))
            }
        }
    }
}

const AXES: &[(&str, Axes)] = &[
    ("ROC", Axes::Roc),
    ("roc", Axes::Roc),
    ("PR", Axes::PrecisionRecall),
    ("pr", Axes::PrecisionRecall),
    ("PRGAIN", Axes::Gain),
    ("prgain", Axes::Gain),
];

const HEIGHTS: &[(&str, Height)] = &[
    ("interpolation", Height::Mean),
    ("Interpolation", Height::Mean),
    ("minoring", Height::Least),
    ("Minoring", Height::Least),
    ("majoring", Height::Largest),
    ("Majoring", Height::Largest),
];

/// The strip of a precision-recall curve between two thresholds, along which counts, not quotients, are linear.
fn precision_strip(low: &Sums, high: &Sums) -> f64 {
    let said = |sums: &Sums| sums.true_positives + sums.false_positives;
    let (gained, all) = (low.true_positives - high.true_positives, said(low) - said(high));
    let slope = quotient(gained, all.max(0.0));
    let intercept = high.true_positives - slope * said(high);
    let ratio = if said(low) > 0.0 && said(high) > 0.0 { said(low) / said(high) } else { 1.0 };
    let positives = (high.true_positives + high.false_negatives).max(0.0);
    quotient(slope * (gained + intercept * ratio.ln()), positives)
}

/// The thresholds with one below 0 and one above 1.
fn ends(inner: &[f64]) -> Vec<f32> {
    let inner = inner.iter().map(|&threshold| threshold as f32);
    let (below, above) = (-EPSILON as f32, (1.0 + EPSILON) as f32);
    std::iter::once(below).chain(inner).chain(std::iter::once(above)).collect()
}

/// Do these, with 0 and 1, divide 0 to 1 evenly?
fn is_even(inner: &[f64]) -> bool {
    let steps = (inner.len() + 1) as f64;
    let near = |(place, &threshold): (usize, &f64)| {
        let even = (place + 1) as f64 / steps;
        (threshold - even).abs() <= EPSILON + 1e-5 * even
    };
    !inner.is_empty() && inner.iter().enumerate().all(near)
}
