//! `masque evaluate MODEL --input IN --target T [--loss LOSS]`

use std::path::Path;
use std::process::ExitCode;

use masque::evaluate::{LossError, Objective, Scored, numbers};
use masque::session::RunOptions;
use masque::{Inferred, Options, lower};
use masque_runtime::io::Place;
use masque_runtime::{Outputs, Tensor, npz};
use serde_json::{Map, Value as Json};

use crate::args::{self, Common, Evaluate};
use crate::commands;
use crate::report::{Failure, Terminal};

pub(crate) fn run(arguments: &Evaluate, common: &Common, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let inferred = commands::infer(&arguments.model, common, terminal)?;
    let outputs = outputs(&inferred);
    let objective = objective(arguments, &inferred, &outputs)?;
    let Some(()) = commands::accept(&arguments.model, &inferred, common, terminal) else {
        return Ok(ExitCode::from(1));
    };
    let options = Options { mask_outputs: true, logits: objective.wants_logits(), ..Options::default() };
    let planned = commands::plan(inferred, common, options, terminal)?;
    let run = RunOptions { threads: common.threads.into(), masks: true, ..Default::default() };
    let input = (&Place::File(arguments.input.clone()), args::reading(arguments.header));
    let found = commands::execute(&arguments.model, planned, run, input, terminal)?;
    let targets = arrays(&arguments.target)?;
    let weights = arguments.sample_weights.as_deref().map(arrays).transpose()?.unwrap_or_default();
    let target = arguments.target.display();
    let (mut total, mut each) = (0.0, Map::new());
    for (place, output) in outputs.iter().enumerate().filter(|(place, _)| objective.scores(*place)) {
        let name = &output.name;
        let wanted = array(&targets, name)
            .ok_or_else(|| Failure::Loss(format!("{target}: expected an array `{name}`, found none")))?;
        let fail = |error| Failure::Loss(format!("{target}: {name}: {error}"));
        let scored = scored(&found, place, output, wanted, array(&weights, name)).map_err(fail)?;
        let Some((value, weighted)) = objective.value(place, &scored).map_err(fail)? else { continue };
        each.insert(format!("{}_loss", output.layer), value.into());
        total += weighted;
    }
    let mut report = Map::from_iter([("loss".to_owned(), Json::from(total))]);
    report.extend(if each.len() > 1 { each } else { Map::new() });
    commands::print_json(&report)?;
    Ok(ExitCode::SUCCESS)
}

/// One output of a model: its name, the layer that makes it, the key of its mask.
struct Output {
    name: String,
    layer: String,
    mask: Option<String>,
}

fn outputs(inferred: &Inferred) -> Vec<Output> {
    let graph = &inferred.graph().graph;
    let output = |(output, mask): (&masque_ir::layers::Output, Option<String>)| Output {
        name: output.name.clone(),
        layer: graph.layer(graph.call(output.tensor.call).layer).name.clone(),
        mask,
    };
    graph.outputs().iter().zip(inferred.output_masks()).map(output).collect()
}

/// The losses of the command line, or else those that the model was compiled with.
fn objective(arguments: &Evaluate, inferred: &Inferred, outputs: &[Output]) -> Result<Objective, Failure> {
    let layers: Vec<&str> = outputs.iter().map(|output| output.layer.as_str()).collect();
    let compiled = |key: &str| inferred.compiled().get(key).cloned().unwrap_or(Json::Null);
    let (loss, weights) = match &arguments.loss {
        Some(loss) => {
            let weights = arguments.loss_weights.as_deref().map(|text| json("--loss-weights", text));
            let is_json = loss.trim_start().starts_with(['{', '[', '"']);
            let loss = if is_json { json("--loss", loss)? } else { Json::from(loss.as_str()) };
            (loss, weights.transpose()?.unwrap_or(Json::Null))
        }
        None => (compiled("loss"), compiled("loss_weights")),
    };
    if loss.is_null() {
        let model = arguments.model.display();
        return Err(Failure::Loss(format!(
            "{model}: the model was not compiled with a loss; name one with --loss"
        )));
    }
    Objective::new(&loss, &weights, &layers).map_err(|error| match (&arguments.loss, error) {
        (None, error @ (LossError::Unknown { .. } | LossError::Custom(_))) => {
            let (model, own) = (arguments.model.display(), error.name());
            Failure::Loss(format!(
                "{model}: the loss that the model was compiled with, `{own}`, is not one of Keras' own, and no code in \
                 a model file is run; name a loss of Keras' with --loss, such as --loss mse"
            ))
        }
        (_, error) => Failure::Loss(error.to_string()),
    })
}

fn json(option: &str, text: &str) -> Result<Json, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::Loss(format!("{option}: expected JSON: {error}")))
}

fn arrays(file: &Path) -> Result<Vec<(String, Tensor)>, Failure> {
    let fail = |problem: String| Failure::Other(format!("{}: {problem}", file.display()));
    let bytes = std::fs::read(file).map_err(|error| fail(error.to_string()))?;
    npz::read(&bytes).map_err(|error| fail(error.to_string()))
}

fn array<'a>(arrays: &'a [(String, Tensor)], name: &str) -> Option<&'a Tensor> {
    arrays.iter().find(|(other, _)| other == name).map(|(_, tensor)| tensor)
}

/// What one output gave, and what it should have given.
fn scored(
    found: &Outputs,
    place: usize,
    output: &Output,
    target: &Tensor,
    weights: Option<&Tensor>,
) -> Result<Scored, masque::evaluate::LossError> {
    let logits = array(&found.outputs, &lower::logits::name(place));
    Ok(Scored {
        predictions: numbers("predictions", &found.outputs[place].1)?,
        logits: logits.map(|logits| numbers("logits", logits)).transpose()?,
        targets: numbers("target", target)?,
        mask: output
            .mask
            .as_ref()
            .and_then(|key| array(&found.masks, key))
            .and_then(|mask| mask.as_bool().cloned()),
        weights: weights.map(|weights| numbers("sample weights", weights)).transpose()?,
    })
}
