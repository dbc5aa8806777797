//! Counts of what is right and wrong where the answer is yes or no, and the quotients of such counts.

use ndarray::{ArrayD, Axis};
use serde_json::Value as Json;

use super::super::arrays::same_rank;
use super::super::{LossError, Scored};
use super::{elements, quotient};
use crate::layer::{Config, ConfigError};

/// What stands in for a prediction that is not among the largest.
const NONE: f64 = -1e10;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    TruePositives,
    FalsePositives,
    TrueNegatives,
    FalseNegatives,
    Precision,
    Recall,
}

/// Which predictions count, and from where on one is a yes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Selection {
    pub(super) thresholds: Vec<f64>,
    pub(super) top_k: Option<i64>,
    pub(super) class: Option<i64>,
}

/// A count at each threshold.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Counts {
    count: Count,
    selection: Selection,
}

/// The sums of weights at one threshold.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub(super) true_positives: f64,
    pub(super) false_positives: f64,
    pub(super) true_negatives: f64,
    pub(super) false_negatives: f64,
}

impl Sums {
    /// Adds one element: what it is, what it is taken for, how much it counts.
    pub(super) fn add(&mut self, is: bool, said: bool, weight: f64) {
        *match (is, said) {
            (true, true) => &mut self.true_positives,
            (false, true) => &mut self.false_positives,
            (false, false) => &mut self.true_negatives,
            (true, false) => &mut self.false_negatives,
        } += weight;
    }

    pub(super) fn precision(&self) -> f64 {
        quotient(self.true_positives, self.true_positives + self.false_positives)
    }

    pub(super) fn recall(&self) -> f64 {
        quotient(self.true_positives, self.true_positives + self.false_negatives)
    }
}

impl Counts {
    pub(super) fn read(config: &mut Config, count: Count, selects: bool) -> Result<Counts, ConfigError> {
        let whole = |config: &mut Config, key: &str| {
            let given = config.take(key).filter(|_| selects);
            let number = |given: &Json| given.as_i64().filter(|&number| number >= 0);
            let wrong = |given: &Json| ConfigError::new(key, "a number from 0 on", given);
            given.map(|given| number(&given).ok_or_else(|| wrong(&given))).transpose()
        };
        let (top_k, class) = (whole(config, "top_k")?, whole(config, "class_id")?);
        let default = if top_k.is_some() { NONE } else { 0.5 };
        let thresholds = thresholds(config)?.unwrap_or_else(|| vec![default]);
        Ok(Counts { count, selection: Selection { thresholds, top_k, class } })
    }

    pub(super) fn value(
        &self,
        name: &str,
        scored: &Scored,
        weights: Option<&ArrayD<f64>>,
    ) -> Result<Json, LossError> {
        let sums = self.selection.sums(name, scored, weights)?;
        let mut values = sums.iter().map(|sums| match self.count {
            Count::TruePositives => sums.true_positives,
            Count::FalsePositives => sums.false_positives,
            Count::TrueNegatives => sums.true_negatives,
            Count::FalseNegatives => sums.false_negatives,
            Count::Precision => sums.precision(),
            Count::Recall => sums.recall(),
        });
        Ok(match (sums.len(), values.next()) {
            (1, Some(value)) => value.into(),
            (_, first) => first.into_iter().chain(values).collect(),
        })
    }
}

/// The thresholds of a config: one, or a list.
pub(super) fn thresholds(config: &mut Config) -> Result<Option<Vec<f64>>, ConfigError> {
    let Some(given) = config.take("thresholds") else { return Ok(None) };
    let numbers: Option<Vec<f64>> = match &given {
        Json::Array(items) => items.iter().map(Json::as_f64).collect(),
        number => number.as_f64().map(|number| vec![number]),
    };
    let inside = |numbers: &Vec<f64>| !numbers.is_empty() && numbers.iter().all(|t| (0.0..=1.0).contains(t));
    let found = numbers.filter(inside);
    found.map(Some).ok_or_else(|| ConfigError::new("thresholds", "numbers from 0 to 1", &given))
}

impl Selection {
    /// The sums at each threshold.
    fn sums(
        &self,
        metric: &str,
        scored: &Scored,
        weights: Option<&ArrayD<f64>>,
    ) -> Result<Vec<Sums>, LossError> {
        let (p, y) = same_rank(scored.predictions.clone(), scored.targets.clone());
        let weights = elements(&y, &p, weights)?;
        let last = Axis(p.ndim() - 1);
        let p = match self.top_k {
            Some(k) => top(&p, k),
            None => p,
        };
        let (y, p, weights) = match self.class {
            None => (y, p, weights),
            Some(class) => {
                let classes = p.len_of(last) as i64;
                if class >= classes {
                    let metric = metric.to_owned();
                    return Err(LossError::MetricClass { metric, last: classes - 1, found: class });
                }
                let only = |array: &ArrayD<f64>| array.index_axis(last, class as usize).to_owned();
                (only(&y), only(&p), only(&weights))
            }
        };
        let at = |threshold: &f64| {
            let (mut sums, threshold) = (Sums::default(), f64::from(*threshold as f32));
            for ((&y, &p), &weight) in y.iter().zip(&p).zip(&weights) {
                sums.add(y != 0.0, p > threshold, weight);
            }
            sums
        };
        Ok(self.thresholds.iter().map(at).collect())
    }
}

/// The `k` largest of each row; of equal ones the first.
fn top(p: &ArrayD<f64>, k: i64) -> ArrayD<f64> {
    let mut kept = p.clone();
    for mut row in kept.lanes_mut(Axis(p.ndim() - 1)) {
        let numbers = row.to_vec();
        let mut order: Vec<usize> = (0..numbers.len()).collect();
        order.sort_by(|&a, &b| numbers[b].total_cmp(&numbers[a]));
        order.iter().skip(k as usize).for_each(|&place| row[place] = NONE);
    }
    kept
}
