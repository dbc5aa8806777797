//! `masque build MODEL -o FILE`

use std::process::ExitCode;

use masque::Options;
use masque::executable::Runner;
use masque_runtime::io::Kind;

use crate::args::{Build, Common};
use crate::commands;
use crate::report::{Failure, Terminal};

pub(crate) fn run(arguments: &Build, common: &Common, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let mut targets = commands::targets(&arguments.model, common, arguments.force);
    if let Some(runner) = &arguments.runner {
        targets.read(runner);
    }
    targets.write(&arguments.output, Kind::Executable).check()?;
    let runner = arguments.runner.as_deref().map_or_else(|| Ok(Runner::carried()), Runner::open);
    let runner = runner.map_err(masque::Error::from)?;
    let inferred = commands::infer(&arguments.model, common, terminal)?;
    let Some(()) = commands::accept(&arguments.model, &inferred, common, terminal)? else {
        return Ok(ExitCode::from(1));
    };
    let given = Options { mask_outputs: true, ..Options::default() };
    let planned = commands::plan(inferred, common, given, terminal)?;
    let size = match arguments.plan_only {
        true => planned.write_plan_file(&arguments.output),
        false => planned.write_executable_with(&runner, &arguments.output),
    };
    let size = size.map_err(masque::Error::from)?;
    let weights: u64 = planned.plan.weights.iter().map(|weight| weight.bytes).sum();
    terminal.inform(&format!(
        "{}: {:.1} MB, {:.1} MB of it weights",
        arguments.output.display(),
        size as f64 / 1e6,
        weights as f64 / 1e6
    ));
    Ok(ExitCode::SUCCESS)
}
