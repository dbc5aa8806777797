//! `masque build MODEL -o FILE`

use std::process::ExitCode;

use masque::Options;
use masque::executable::Runner;
use masque::session::CompiledModel;
use masque_runtime::Attached;
use masque_runtime::example::Example;
use masque_runtime::io::{Kind, label_files, read_labels};

use crate::args::{Build, Common};
use crate::commands;
use crate::report::{Failure, Terminal};

pub(crate) fn run(arguments: &Build, common: &Common, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let mut targets = commands::targets(&arguments.model, common, arguments.force);
    for file in arguments.labels.iter().flat_map(|given| label_files(given)) {
        targets.read(file);
    }
    if let Some(runner) = &arguments.runner {
        targets.read(runner);
    }
    targets.write(&arguments.output, Kind::Executable).check()?;
    check_notes(&arguments.note)?;
    let runner = arguments.runner.as_deref().map_or_else(|| Ok(Runner::carried()), Runner::open);
    let runner = runner.map_err(masque::Error::from)?;
    let inferred = commands::infer(&arguments.model, common, terminal)?;
    let Some(()) = commands::accept(&arguments.model, &inferred, common, terminal)? else {
        return Ok(ExitCode::from(1));
    };
    let given = Options { mask_outputs: true, ..arguments.compiling.options() };
    let planned = commands::plan(inferred, common, given, terminal)?;
    let labels = read_labels(&planned.plan, &arguments.labels)?;
    let compiled = CompiledModel::new(arguments.model.display().to_string(), planned);
    let example = Example::of(&compiled.session()?).and_then(|example| example.encode().ok());
    if example.is_none() {
        terminal.tell("no example fits the model's inputs, so the executable will have no --self-test");
    }
    let attached = Attached { labels, notes: arguments.note.clone(), example: example.unwrap_or_default() };
    let planned = compiled.planned();
    let runner = Some(&runner).filter(|_| !arguments.plan_only);
    let size = planned.write(&arguments.output, runner, &attached).map_err(masque::Error::from)?;
    let weights: u64 = planned.plan.weights.iter().map(|weight| weight.bytes).sum();
    terminal.inform(&format!(
        "{}: {:.1} MB, {:.1} MB of it weights",
        arguments.output.display(),
        size as f64 / 1e6,
        weights as f64 / 1e6
    ));
    Ok(ExitCode::SUCCESS)
}

/// A note is looked up by its key.
fn check_notes(notes: &[(String, String)]) -> Result<(), Failure> {
    let again = |place: &usize| notes[..*place].iter().any(|(key, _)| *key == notes[*place].0);
    match (0..notes.len()).find(again) {
        Some(place) => Err(Failure::Other(format!("--note {:?} is given twice", notes[place].0))),
        None => Ok(()),
    }
}
