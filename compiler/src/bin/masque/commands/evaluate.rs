//! `masque evaluate MODEL --input IN --target T [--loss LOSS] [--metric METRIC]`

use std::path::Path;
use std::process::ExitCode;

use masque::evaluate::{ClassWeights, LossError, Metrics, Objective, Scored, numbers};
use masque::session::RunOptions;
use masque::{Inferred, Options, lower};
use masque_runtime::io::Place;
use masque_runtime::serve::Job;
use masque_runtime::{Outputs, Tensor, npz};
use serde_json::{Map, Value as Json};

use crate::args::{self, Common, Evaluate};
use crate::commands;
use crate::report::{Failure, Terminal};

pub(crate) fn run(arguments: &Evaluate, common: &Common, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let inferred = commands::infer(&arguments.model, common, terminal)?;
    let outputs = outputs(&inferred);
    let layers: Vec<&str> = outputs.iter().map(|output| output.layer.as_str()).collect();
    let objective = objective(arguments, &inferred, &layers)?;
    let metrics = metrics(arguments, &inferred, &layers, terminal)?;
    let Some(()) = commands::accept(&arguments.model, &inferred, common, terminal)? else {
        return Ok(ExitCode::from(1));
    };
    for finding in inferred.unmasked_losses(&objective) {
        let code = finding.code;
        terminal.inform(&format!("note: {}; see `masque explain {code}`", finding.message));
    }
    let logits = objective.wants_logits() || metrics.wants_logits();
    let options = Options { mask_outputs: true, logits, ..Options::default() };
    let planned = commands::plan(inferred, common, options, terminal)?;
    let job = Job { threads: common.threads(), ..Job::default() };
    let run = RunOptions { threads: job.threads(), masks: true, ..Default::default() };
    let input = (&Place::File(arguments.input.clone()), args::reading(arguments.header));
    let found = commands::execute(&arguments.model, planned, run, input, terminal)?;
    let report = Report::of(arguments, &objective, &metrics, &outputs, &found, terminal)?;
    commands::print_json(&report.named(&metrics, &layers))?;
    Ok(ExitCode::SUCCESS)
}

/// What is reported.
struct Report {
    /// The whole loss, and that of each output that has one; none if no loss is asked for.
    loss: Option<f64>,
    losses: Map<String, Json>,
    /// By output, in the order of its metrics.
    measured: Vec<Vec<Json>>,
}

impl Report {
    fn of(
        arguments: &Evaluate,
        objective: &Objective,
        metrics: &Metrics,
        outputs: &[Output],
        found: &Outputs,
        terminal: &Terminal,
    ) -> Result<Report, Failure> {
        let targets = arrays(&arguments.target)?;
        let weights = arguments.sample_weights.as_deref().map(arrays).transpose()?.unwrap_or_default();
        let classes = class_weights(arguments, outputs)?;
        let (target, asked) = (arguments.target.display(), (0..outputs.len()).any(|at| objective.scores(at)));
        let mut report = Report { loss: asked.then_some(0.0), losses: Map::new(), measured: vec![] };
        for (place, output) in outputs.iter().enumerate() {
            if !objective.scores(place) && !metrics.measures(place) {
                report.measured.push(vec![]);
                continue;
            }
            let name = &output.name;
            let wanted = array(&targets, name)
                .ok_or_else(|| Failure::Loss(format!("{target}: expected an array `{name}`, found none")))?;
            let fail = |error| Failure::Loss(format!("{target}: {name}: {error}"));
            let mut scored = scored(found, place, output, wanted, array(&weights, name)).map_err(fail)?;
            if let Some(classes) = &classes {
                scored.weights = Some(classes.of_samples(&scored).map_err(fail)?);
            }
            if let Some((value, weighted)) = objective.value(place, &scored).map_err(fail)? {
                report.losses.insert(format!("{}_loss", output.layer), value.into());
                report.loss = report.loss.map(|loss| loss + weighted);
            }
            report.measured.push(metrics.values(place, &scored).map_err(fail)?);
            let blind: Vec<&str> = metrics.blind_to_masks(place).collect();
            if scored.mask.is_some() && !blind.is_empty() {
                let blind = blind.join(", ");
                terminal
                    .inform(&format!("note: {name}: padded positions count in {blind}, as they do in Keras"));
            }
        }
        Ok(report)
    }

    fn named(self, metrics: &Metrics, layers: &[&str]) -> Map<String, Json> {
        let mut report: Map<String, Json> =
            self.loss.map(|loss| ("loss".to_owned(), loss.into())).into_iter().collect();
        report.extend(if self.losses.len() > 1 { self.losses } else { Map::new() });
        report.extend(metrics.report(&self.measured, layers));
        report
    }
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

/// The metrics of the command line, for each output, or else those that the model was compiled with.
fn metrics(
    arguments: &Evaluate,
    inferred: &Inferred,
    layers: &[&str],
    terminal: &Terminal,
) -> Result<Metrics, Failure> {
    let given = [("--metric", &arguments.metric), ("--weighted-metric", &arguments.weighted_metric)];
    let asked = given.iter().any(|(_, metrics)| !metrics.is_empty());
    let [metrics, weighted] = match asked {
        true => {
            let of_all = |(option, metrics): (&str, &Vec<String>)| -> Result<Json, Failure> {
                let each =
                    metrics.iter().map(|text| name_or_json(option, text)).collect::<Result<Json, _>>()?;
                Ok(Json::Array(vec![each; layers.len()]))
            };
            [of_all(given[0])?, of_all(given[1])?]
        }
        false => ["metrics", "weighted_metrics"].map(|key| compiled(inferred, key)),
    };
    let mut metrics =
        Metrics::new(&metrics, &weighted, layers).map_err(|error| Failure::Loss(error.to_string()))?;
    for error in std::mem::take(&mut metrics.unread) {
        if asked {
            return Err(Failure::Loss(error.to_string()));
        }
        let text = format!("note: {}: left out: {error}", arguments.model.display());
        terminal.inform(&masque_runtime::quote::one_line(&text));
    }
    Ok(metrics)
}

fn class_weights(arguments: &Evaluate, outputs: &[Output]) -> Result<Option<ClassWeights>, Failure> {
    let Some(text) = &arguments.class_weights else { return Ok(None) };
    if outputs.len() > 1 {
        let found = outputs.len();
        return Err(Failure::Loss(format!(
            "--class-weights: expected a model with one output, found {found}"
        )));
    }
    let weights = ClassWeights::from_json(&json("--class-weights", text)?);
    weights.map(Some).map_err(|error| Failure::Loss(format!("--class-weights: {error}")))
}

fn compiled(inferred: &Inferred, key: &str) -> Json {
    inferred.compiled().get(key).cloned().unwrap_or(Json::Null)
}

/// The losses of the command line, or else those that the model was compiled with. Metrics that are asked for do without.
fn objective(arguments: &Evaluate, inferred: &Inferred, layers: &[&str]) -> Result<Objective, Failure> {
    let (loss, weights) = match &arguments.loss {
        Some(loss) => {
            let weights = arguments.loss_weights.as_deref().map(|text| json("--loss-weights", text));
            (name_or_json("--loss", loss)?, weights.transpose()?.unwrap_or(Json::Null))
        }
        None => (compiled(inferred, "loss"), compiled(inferred, "loss_weights")),
    };
    if loss.is_null() && !(arguments.metric.is_empty() && arguments.weighted_metric.is_empty()) {
        return Ok(Objective::default());
    }
    if loss.is_null() {
        let model = arguments.model.display();
        return Err(Failure::Loss(format!(
            "{model}: the model was not compiled with a loss; name one with --loss"
        )));
    }
    Objective::new(&loss, &weights, layers).map_err(|error| match (&arguments.loss, error) {
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

/// A name as it stands there, or JSON.
fn name_or_json(option: &str, text: &str) -> Result<Json, Failure> {
    if text.trim_start().starts_with(['{', '[', '"']) { json(option, text) } else { Ok(text.into()) }
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
