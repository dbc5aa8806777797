//! Outputs that are scores of classes: the best of them in place of all, and the labels of the classes.
//!
//! Scores of classes are floats along the last axis of an output, beside the batch, if that axis has a known size of at
//! least 2. Labels come from a text file with a line for each class, in the order of the axis.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use masque_ir::Type;
use masque_ir::plan::{Plan, PlanOutput};
use serde::{Deserialize, Serialize};

use crate::io::{FileError, FileProblem, describe, read_text};
use crate::quote::quoted;

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

/// Labels of the classes of each output, in the order of the outputs; `None` where there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels(Vec<Option<Arc<[String]>>>);

impl Labels {
    /// Labels by output.
    pub fn of_outputs(labels: Vec<Option<Arc<[String]>>>) -> Labels {
        Labels(labels)
    }

    /// Reads what stands behind each `--labels`: `FILE`, or `OUTPUT=FILE` where several outputs have classes.
    ///
    /// # Errors
    ///
    /// [`FileError`], naming the file: it cannot be read, is no text, has more or fewer lines than the output has
    /// classes, or it is not clear which output it is for.
    pub fn read(plan: &Plan, given: &[PathBuf]) -> Result<Labels, FileError> {
        let mut labels = Labels(vec![None; plan.outputs.len()]);
        for given in given {
            let (output, path) = target(plan, given);
            let taken = read_text(path).and_then(|text| labels.take(plan, output, &text));
            taken.map_err(|problem| FileError::at(path, problem))?;
        }
        Ok(labels)
    }

    fn take(&mut self, plan: &Plan, output: Option<usize>, text: &str) -> Result<(), FileProblem> {
        let output = output.map_or_else(|| only(plan), Ok)?;
        let name = || describe(name(plan, output), &plan.outputs[output].ty);
        let expected = classes(&plan.outputs[output].ty).ok_or_else(|| FileProblem::NoClasses(name()))?;
        let lines: Arc<[String]> = text.lines().map(str::to_owned).collect();
        if lines.len() != expected {
            return Err(FileProblem::LabelCount { output: name(), expected, found: lines.len() });
        }
        match self.0[output].replace(lines) {
            Some(_) => Err(FileProblem::LabelsTwice(name())),
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

/// The file, and the output that stands before it, if what does is the name of one.
fn target<'p>(plan: &Plan, given: &'p Path) -> (Option<usize>, &'p Path) {
    let named = split(given).and_then(|(name, path)| Some((output_of(plan, name)?, path)));
    named.map_or((None, given), |(output, path)| (Some(output), path))
}

/// The files that a `--labels` may mean, before it is known which names outputs have.
pub fn files(given: &Path) -> impl Iterator<Item = &Path> {
    std::iter::once(given).chain(split(given).map(|(_, path)| path))
}

/// What stands before and behind the first `=`.
fn split(given: &Path) -> Option<(&str, &Path)> {
    let (name, path) = given.to_str()?.split_once('=')?;
    Some((name, Path::new(OsStr::new(path))))
}

/// The only output with classes.
fn only(plan: &Plan) -> Result<usize, FileProblem> {
    let with_classes: Vec<usize> =
        (0..plan.outputs.len()).filter(|&place| classes(&plan.outputs[place].ty).is_some()).collect();
    match with_classes[..] {
        [output] => Ok(output),
        [] => Err(FileProblem::NoClasses(described(plan))),
        _ => {
            let names: Vec<String> = with_classes.iter().map(|&output| quoted(name(plan, output))).collect();
            Err(FileProblem::WhichOutput(names.join(", ")))
        }
    }
}

fn name(plan: &Plan, output: usize) -> &str {
    plan.output_names().nth(output).unwrap_or_default()
}

/// The output of a name: that of the model, or its number.
fn output_of(plan: &Plan, name: &str) -> Option<usize> {
    let numbered = |output: &PlanOutput| output.name == name;
    plan.output_names().position(|known| known == name).or_else(|| plan.outputs.iter().position(numbered))
}

/// For people: all outputs with their types.
pub(crate) fn described(plan: &Plan) -> String {
    let outputs = plan.outputs.iter().zip(plan.output_names());
    outputs.map(|(output, name)| describe(name, &output.ty)).collect::<Vec<_>>().join(", ")
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
