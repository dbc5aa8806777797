//! `masque run MODEL [INPUT] --output OUT`

use std::process::ExitCode;

use masque::Options;
use masque::session::{CompiledModel, SessionError};
use masque_runtime::io;
use masque_runtime::serve::{Job, Listener, ServeError, serve};

use crate::args::{Common, Run};
use crate::commands;
use crate::report::{Failure, Terminal};

pub(crate) fn run(arguments: &Run, common: &Common, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let job = Job { threads: common.threads(), ..arguments.job.0.clone() };
    let mut targets = commands::targets(&arguments.model, common, job.force);
    job.targets(&mut targets)?;
    if let Some(path) = common.mask_file() {
        targets.write_masks(path)?;
    }
    targets.check()?;
    let inferred = commands::infer(&arguments.model, common, terminal)?;
    let Some(()) = commands::accept(&arguments.model, &inferred, common, terminal)? else {
        return Ok(ExitCode::from(1));
    };
    let given = Options { mask_outputs: common.mask_file().is_some(), ..Options::default() };
    let planned = commands::plan(inferred, common, given, terminal)?;
    io::check_outputs(&job.output, &planned.plan)?;
    let session = CompiledModel::new(arguments.model.display().to_string(), planned).session()?;
    let mut note = |text: &str| terminal.note(text);
    let mut listener = Listener { note: &mut note, progress: !terminal.is_quiet() };
    let file = arguments.model.display().to_string();
    serve(&session, &job, common.mask_file(), &mut listener).map_err(|error| match error {
        ServeError::Run(source) => SessionError::Run { file, source }.into(),
        other => Failure::from(other),
    })?;
    Ok(ExitCode::SUCCESS)
}
