//! One file for each command, and what several of them do.

pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod dump;
pub(crate) mod evaluate;
pub(crate) mod layers;
pub(crate) mod masks;
pub(crate) mod run;

use std::io::{self, Write};
use std::path::Path;

use masque::{Inferred, Model, Options};
use masque_runtime::io::Named;
use masque_runtime::session::{self, Outputs};
use masque_runtime::{Session, Tensor};

use crate::args::Common;
use crate::report::{Failure, Terminal};

/// Reads a model and infers its masks.
fn infer(model: &Path) -> Result<Inferred, Failure> {
    Ok(Model::open(model)?.infer()?)
}

/// Says what is wrong with the masks. `None` if that keeps the model from being compiled.
fn accept(model: &Path, inferred: &Inferred, common: &Common, terminal: &Terminal) -> Option<()> {
    let findings = inferred.diagnostics(common.on_unsupported_mask.into());
    terminal.findings(&model.display().to_string(), inferred.graph(), &findings);
    let refused = findings.iter().any(|finding| finding.severity == masque::diagnostics::Severity::Error);
    (!refused).then_some(())
}

/// Compiles as far as the plan.
fn plan(
    mut inferred: Inferred,
    common: &Common,
    mask_outputs: bool,
    terminal: &Terminal,
) -> Result<masque::Planned, Failure> {
    inferred.load_weights()?;
    let options = Options { on_unsupported_mask: common.on_unsupported_mask.into(), mask_outputs };
    let lowered = inferred.lower(options)?;
    terminal.tell(&format!("lowered to {} operations", lowered.program().nodes.len()));
    let optimized = lowered.optimize();
    let report = optimized.report();
    terminal.tell(&format!("rewritten in {} rounds", report.iterations));
    for (rule, times) in &report.applied {
        terminal.tell(&format!("  {rule}: {times}"));
    }
    Ok(optimized.plan()?)
}

/// Runs a plan; `inputs` are read once it is known what the plan wants.
fn execute(
    model: &Path,
    planned: &masque::Planned,
    common: &Common,
    masks: bool,
    inputs: impl FnOnce() -> Result<Named, Failure>,
) -> Result<Outputs, Failure> {
    let file = model.display().to_string();
    let section = planned.section();
    let mut session = Session::new(&planned.plan, &section)
        .map_err(|source| Failure::Session { file: file.clone(), source })?;
    let inputs: Vec<(String, Tensor)> = inputs()?;
    let options = session::Options { threads: common.threads.into(), masks, ..Default::default() };
    session.run(&inputs, options).map_err(|source| Failure::Run { file, source })
}

/// Writes data to standard output. A reader that has gone away has read enough.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Other(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Writes a value as JSON.
fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::Other(error.to_string()))?;
    print(&format!("{text}\n"))
}
