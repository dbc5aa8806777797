//! The metrics of a model: by output, with the names that Keras reports them under.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::{LossError, Metric, Scored};
use crate::layer::config::brief;

/// The metrics of a model's outputs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// By output: each metric, and whether it counts the weights of samples.
    each: Vec<Vec<(Metric, bool)>>,
    /// What of the metrics is not known, and left out.
    pub unread: Vec<LossError>,
}

impl Metrics {
    /// Reads what Keras' `compile` is given as `metrics` and `weighted_metrics`: for one output, metrics in whatever
    /// lists; for several, a list with an entry for each, or an object by their layers' names (`outputs`).
    ///
    /// # Errors
    ///
    /// [`LossError::Outputs`] if they are not those of the outputs.
    pub fn new(metrics: &Json, weighted: &Json, outputs: &[&str]) -> Result<Metrics, LossError> {
        let mut read = Metrics { each: vec![vec![]; outputs.len()], unread: vec![] };
        for (given, weighted) in [(metrics, false), (weighted, true)] {
            for (output, given) in for_each(given, outputs)?.into_iter().enumerate() {
                for metric in given.into_iter().map(Metric::from_json) {
                    match metric {
                        Ok(metric) => read.each[output].push((metric, weighted)),
                        Err(error) => read.unread.push(error),
                    }
                }
            }
        }
        Ok(read)
    }

    /// Does any metric look behind a softmax or sigmoid?
    pub fn wants_logits(&self) -> bool {
        self.each.iter().flatten().any(|(metric, _)| metric.wants_logits())
    }

    /// Is this output measured?
    pub fn measures(&self, output: usize) -> bool {
        self.each.get(output).is_some_and(|metrics| !metrics.is_empty())
    }

    /// The metrics of this output that count padded positions, as Keras does.
    pub fn blind_to_masks(&self, output: usize) -> impl Iterator<Item = &str> {
        let metrics = self.each.get(output).into_iter().flatten();
        metrics.filter(|(metric, _)| !metric.sees_masks()).map(|(metric, _)| metric.name.as_str())
    }

    /// What is measured at one output, in the order of its metrics.
    ///
    /// # Errors
    ///
    /// Those of [`Metric::value`].
    pub fn values(&self, output: usize, scored: &Scored) -> Result<Vec<Json>, LossError> {
        let metrics = self.each.get(output).into_iter().flatten();
        metrics.map(|(metric, weighted)| metric.value(scored, *weighted)).collect()
    }

    /// The values of all outputs ([`values`](Metrics::values)), under the names of Keras' report and in its order.
    pub fn report(&self, values: &[Vec<Json>], outputs: &[&str]) -> Vec<(String, Json)> {
        let (mut report, mut times) = (vec![], HashMap::new());
        for of_weights in [false, true] {
            for (output, metrics) in self.each.iter().enumerate() {
                let prefix = if outputs.len() > 1 { format!("{}_", outputs[output]) } else { String::new() };
                for ((metric, weighted), value) in metrics.iter().zip(&values[output]) {
                    if *weighted != of_weights {
                        continue;
                    }
                    let mut name = format!("{prefix}{}", metric.name);
                    if of_weights && times.contains_key(&name) {
                        name = format!("{prefix}weighted_{}", metric.name);
                    }
                    let before = times.entry(name.clone()).or_insert(0);
                    let again = std::mem::replace(before, *before + 1);
                    let name = if again == 0 { name } else { format!("{name}_{again}") };
                    report.push((name, value.clone()));
                }
            }
        }
        report
    }
}

/// The metrics of each output.
fn for_each<'a>(given: &'a Json, outputs: &[&str]) -> Result<Vec<Vec<&'a Json>>, LossError> {
    let leaves = |given: &'a Json| {
        let mut found = vec![];
        flatten(given, &mut found);
        found
    };
    match given {
        Json::Null => Ok(vec![vec![]; outputs.len()]),
        given if outputs.len() == 1 => Ok(vec![leaves(given)]),
        Json::Array(items) if items.is_empty() => Ok(vec![vec![]; outputs.len()]),
        Json::Array(items) if items.len() == outputs.len() => Ok(items.iter().map(leaves).collect()),
        Json::Object(map) if map.keys().all(|key| outputs.contains(&key.as_str())) => {
            Ok(outputs.iter().map(|name| map.get(*name).map_or(vec![], leaves)).collect())
        }
        _ => Err(LossError::Outputs {
            expected: format!("metrics for each of the outputs {}", outputs.join(", ")),
            found: brief(given),
        }),
    }
}

/// Names and configs, in whatever lists and objects.
fn flatten<'a>(given: &'a Json, found: &mut Vec<&'a Json>) {
    match given {
        Json::Null => {}
        Json::Array(items) => items.iter().for_each(|item| flatten(item, found)),
        Json::Object(map) if !map.contains_key("class_name") => {
            map.values().for_each(|item| flatten(item, found));
        }
        metric => found.push(metric),
    }
}
