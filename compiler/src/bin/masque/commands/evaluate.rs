//! `masque evaluate MODEL --input IN --target T --loss NAME`

use std::process::ExitCode;

use masque::evaluate::{self, Loss, LossError};
use masque_runtime::io::Place;
use masque_runtime::npz;
use serde_json::json;

use crate::args::{Common, Evaluate};
use crate::commands;
use crate::report::{Failure, Terminal};

pub(crate) fn run(arguments: &Evaluate, common: &Common, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let loss: Loss = arguments.loss.parse().map_err(|error: LossError| Failure::Loss(error.to_string()))?;
    let inferred = commands::infer(&arguments.model, common, terminal)?;
    let Some(()) = commands::accept(&arguments.model, &inferred, common, terminal) else {
        return Ok(ExitCode::from(1));
    };
    let keys: Vec<String> = inferred
        .graph()
        .graph
        .outputs()
        .iter()
        .map(|output| masque::lower::mask_key(&inferred.graph().graph, output.tensor))
        .collect();
    let planned = commands::plan(inferred, common, true, terminal)?;
    let input = Place::File(arguments.input.clone());
    let outputs = commands::execute(&arguments.model, planned, common, true, &input)?;
    let target = arguments.target.display().to_string();
    let targets = std::fs::read(&arguments.target)
        .map_err(|error| Failure::Other(format!("{target}: {error}")))
        .and_then(|bytes| npz::read(&bytes).map_err(|error| Failure::Other(format!("{target}: {error}"))))?;
    let mut total = 0.0;
    for ((name, predictions), key) in outputs.outputs.iter().zip(&keys) {
        let wanted = targets.iter().find(|(other, _)| other == name).map(|(_, tensor)| tensor);
        let wanted = wanted
            .ok_or_else(|| Failure::Loss(format!("{target}: expected an array `{name}`, found none")))?;
        let mask = outputs.masks.iter().find(|(other, _)| other == key).and_then(|(_, mask)| mask.as_bool());
        total += evaluate::loss(loss, predictions, wanted, mask)
            .map_err(|error| Failure::Loss(format!("{target}: {name}: {error}")))?;
    }
    commands::print_json(&json!({ "loss": total }))?;
    Ok(ExitCode::SUCCESS)
}
