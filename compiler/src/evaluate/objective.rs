//! What a model is compiled with: a loss for each output, and how much each counts.

use serde_json::Value as Json;

use super::{Loss, LossError, Reduction, Scored};
use crate::layer::config::brief;

/// The losses of a model's outputs; none by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Objective {
    /// By output; an output without a loss does not count.
    losses: Vec<Option<(Loss, f64)>>,
}

impl Objective {
    /// Reads what Keras' `compile` is given as `loss` and `loss_weights`: one loss for all outputs; or a list, in the
    /// order of the outputs, or an object, by their layers' names (`outputs`), with null where there is none.
    ///
    /// # Errors
    ///
    /// [`LossError`]: a loss that is not known, or losses that are not those of the outputs.
    pub fn new(losses: &Json, weights: &Json, outputs: &[&str]) -> Result<Objective, LossError> {
        let is_loss = losses.get("class_name").is_some() || losses.is_string();
        let each = match is_loss {
            true => vec![losses.clone(); outputs.len()],
            false => for_each("a loss", losses, outputs)?,
        };
        let weights = match weights {
            Json::Null => vec![1.into(); outputs.len()],
            weight @ Json::Number(_) if is_loss => vec![weight.clone(); outputs.len()],
            weights => for_each("a weight", weights, outputs)?,
        };
        let read = |(loss, weight): (&Json, &Json)| {
            if loss.is_null() {
                return Ok(None);
            }
            let wrong =
                || LossError::Outputs { expected: "numbers as loss_weights".into(), found: brief(weight) };
            Ok(Some((Loss::from_json(loss)?, weight.as_f64().ok_or_else(wrong)?)))
        };
        let losses = each.iter().zip(&weights).map(read).collect::<Result<Vec<_>, LossError>>()?;
        let several = losses.iter().flatten().count() > 1;
        if several && losses.iter().flatten().any(|(loss, _)| loss.reduction == Reduction::None) {
            let (expected, found) = ("losses that are reduced, to be added".into(), "reduction none".into());
            return Err(LossError::Outputs { expected, found });
        }
        match losses.iter().flatten().next() {
            Some(_) => Ok(Objective { losses }),
            None => Err(LossError::Outputs { expected: "a loss".into(), found: brief(&each.into()) }),
        }
    }

    /// Does any loss look behind a softmax or sigmoid?
    pub fn wants_logits(&self) -> bool {
        self.losses.iter().flatten().any(|(loss, _)| loss.wants_logits())
    }

    /// Has this output a loss?
    pub fn scores(&self, output: usize) -> bool {
        self.losses.get(output).is_some_and(Option::is_some)
    }

    /// Has this output a loss that is one number for each position, which a mask could leave out?
    pub fn scores_positions(&self, output: usize) -> bool {
        self.losses.get(output).and_then(Option::as_ref).is_some_and(|(loss, _)| loss.is_of_positions())
    }

    /// The loss of one output, and what it adds to the whole; `None` if it has no loss.
    ///
    /// # Errors
    ///
    /// Those of [`Loss::value`].
    pub fn value(&self, output: usize, scored: &Scored) -> Result<Option<(f64, f64)>, LossError> {
        let Some((loss, weight)) = self.losses.get(output).and_then(Option::as_ref) else { return Ok(None) };
        loss.value(scored).map(|value| Some((value, weight * value)))
    }
}

/// One entry for each output, out of a list or an object.
fn for_each(what: &str, given: &Json, outputs: &[&str]) -> Result<Vec<Json>, LossError> {
    let expected = || LossError::Outputs {
        expected: format!("{what} for each of the outputs {}", outputs.join(", ")),
        found: brief(given),
    };
    match given {
        Json::Array(items) if items.len() == outputs.len() => Ok(items.clone()),
        Json::Object(map) if map.keys().all(|key| outputs.contains(&key.as_str())) => {
            Ok(outputs.iter().map(|name| map.get(*name).cloned().unwrap_or(Json::Null)).collect())
        }
        _ => Err(expected()),
    }
}
