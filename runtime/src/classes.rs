//! Outputs that are scores of classes: the best of them in place of all, and the labels of the classes.
//!
//! Scores of classes are floats along the last axis of an output, beside the batch, if that axis has a known size of at
//! least 2. Labels come from a text file with a line for each class, in the order of the axis.

use std::cmp::Ordering;
use std::sync::Arc;

use masque_ir::Type;
use masque_ir::plan::{Plan, PlanOutput};
use serde::{Deserialize, Serialize};

use crate::quote::{quoted, typed};

/// How an output is written in a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// All of it.
    #[default]
    Whole,
    /// Its best classes, at each place of the axes before the last one.
    Best {
        /// How many.
        most: usize,
        /// Their labels; indices are written if there are none.
        labels: Option<Arc<[String]>>,
    },
}

/// Labels are not those of an output's classes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// Labels for an output that has no classes.
    #[error("labels are for scores of classes, floats along a last axis of known size from 2 on, found {0}")]
    NoClasses(String),
    /// Labels for one of several outputs.
    #[error("several outputs have classes: write OUTPUT=FILE, with one of {0} before the file")]
    WhichOutput(String),
    /// Two files of labels for one output.
    #[error("output {0} has the labels of another file already")]
    LabelsTwice(String),
    /// More or fewer labels than classes.
    #[error("expected {expected} labels, one a line, for the classes of {output}, found {found}")]
    LabelCount {
        /// The output with its type.
        output: String,
        /// How many classes it has.
        expected: usize,
        /// The lines of the file.
        found: usize,
    },
}

/// Labels of the classes of each output, in the order of the outputs; `None` where there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels(Vec<Option<Arc<[String]>>>);

impl Labels {
    /// Labels by output.
    pub fn of_outputs(labels: Vec<Option<Arc<[String]>>>) -> Labels {
        Labels(labels)
    }

    /// No labels of a plan's outputs.
    pub(crate) fn none(plan: &Plan) -> Labels {
        Labels(vec![None; plan.outputs.len()])
    }

    /// Takes the lines of a text as the labels of an output, or of the only one with classes.
    pub(crate) fn take(&mut self, plan: &Plan, output: Option<usize>, text: &str) -> Result<(), LabelError> {
        let output = output.map_or_else(|| only(plan), Ok)?;
        let name = || typed(name(plan, output), &plan.outputs[output].ty);
        let expected = classes(&plan.outputs[output].ty).ok_or_else(|| LabelError::NoClasses(name()))?;
        let lines: Arc<[String]> = text.lines().map(str::to_owned).collect();
        if lines.len() != expected {
            return Err(LabelError::LabelCount { output: name(), expected, found: lines.len() });
        }
        match self.0[output].replace(lines) {
            Some(_) => Err(LabelError::LabelsTwice(name())),
            None => Ok(()),
        }
    }

    /// These labels, and for outputs without some the `other` ones.
    pub fn or(&self, other: &Labels) -> Labels {
        let count = self.0.len().max(other.0.len());
        Labels((0..count).map(|output| self.of(output).or(other.of(output)).cloned()).collect())
    }

    /// The labels of an output, by place.
    pub fn of(&self, output: usize) -> Option<&Arc<[String]>> {
        self.0.get(output)?.as_ref()
    }

    /// Are there as many as the outputs have classes?
    pub(crate) fn fit(&self, plan: &Plan) -> bool {
        let fits = |(place, labels): (usize, &Option<Arc<[String]>>)| {
            let classes = plan.outputs.get(place).and_then(|output| classes(&output.ty));
            labels.as_ref().is_none_or(|labels| classes == Some(labels.len()))
        };
        self.0.iter().enumerate().all(fits)
    }
}

/// The only output with classes.
fn only(plan: &Plan) -> Result<usize, LabelError> {
    let with_classes: Vec<usize> =
        (0..plan.outputs.len()).filter(|&place| classes(&plan.outputs[place].ty).is_some()).collect();
    match with_classes[..] {
        [output] => Ok(output),
        [] => Err(LabelError::NoClasses(described(plan))),
        _ => {
            let names: Vec<String> = with_classes.iter().map(|&output| quoted(name(plan, output))).collect();
            Err(LabelError::WhichOutput(names.join(", ")))
        }
    }
}

fn name(plan: &Plan, output: usize) -> &str {
    plan.output_names().nth(output).unwrap_or_default()
}

/// The output of a name: that of the model, or its number.
pub(crate) fn output_of(plan: &Plan, name: &str) -> Option<usize> {
    let numbered = |output: &PlanOutput| output.name == name;
    plan.output_names().position(|known| known == name).or_else(|| plan.outputs.iter().position(numbered))
}

/// For people: all outputs with their types.
pub(crate) fn described(plan: &Plan) -> String {
    let outputs = plan.outputs.iter().zip(plan.output_names());
    outputs.map(|(output, name)| typed(name, &output.ty)).collect::<Vec<_>>().join(", ")
}

/// The number of classes that an output has scores of.
pub fn classes(ty: &Type) -> Option<usize> {
    let last = ty.shape.iter().skip(1).last()?;
    let size = usize::try_from(last.known()?).ok()?;
    (ty.dtype.is_float() && size >= 2).then_some(size)
}

/// The indices of the best scores, the best one first; equal scores by their indices, NaN after all others.
pub(crate) fn best(scores: &[f64], most: usize) -> Vec<usize> {
    let order = |&a: &usize, &b: &usize| {
        let (x, y) = (scores[a], scores[b]);
        let by_score = y.partial_cmp(&x).unwrap_or(Ordering::Equal);
        x.is_nan().cmp(&y.is_nan()).then(by_score).then(a.cmp(&b))
    };
    let mut places: Vec<usize> = (0..scores.len()).collect();
    if most < places.len() {
        places.select_nth_unstable_by(most, order);
        places.truncate(most);
    }
    places.sort_unstable_by(order);
    places
}

#[cfg(test)]
mod tests;
