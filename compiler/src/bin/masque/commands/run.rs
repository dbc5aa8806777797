//! `masque run MODEL --input IN --output OUT`

use std::process::ExitCode;

use masque::Options;
use masque::session::RunOptions;
use masque_runtime::io::{self, Place};

use crate::args::{self, Common, Run};
use crate::commands;
use crate::report::{Failure, Terminal};

pub(crate) fn run(arguments: &Run, common: &Common, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let place = |path: &Option<std::path::PathBuf>| path.clone().map(Place::from).unwrap_or_default();
    let (input, output) = (place(&arguments.input), place(&arguments.output));
    let mut targets = commands::targets(&arguments.model, common, arguments.force);
    targets.read_inputs(&input).write_outputs(&output)?;
    if let Some(path) = common.mask_file() {
        targets.write_masks(path)?;
    }
    targets.check()?;
    let inferred = commands::infer(&arguments.model, common, terminal)?;
    let Some(()) = commands::accept(&arguments.model, &inferred, common, terminal) else {
        return Ok(ExitCode::from(1));
    };
    let masks = common.mask_file().is_some();
    let given = Options { mask_outputs: masks, ..Options::default() };
    let planned = commands::plan(inferred, common, given, terminal)?;
    io::check_outputs(&output, &planned.plan)?;
    let options = RunOptions { threads: common.threads.into(), masks, ..Default::default() };
    let input = (&input, args::reading(arguments.header));
    let outputs = commands::execute(&arguments.model, planned, options, input, terminal)?;
    io::write_outputs(&output, &outputs.outputs)?;
    if let Some(path) = common.mask_file() {
        io::write_masks(path, &outputs.masks)?;
    }
    Ok(ExitCode::SUCCESS)
}
