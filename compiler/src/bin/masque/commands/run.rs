//! `masque run MODEL [INPUT] --output OUT`

use std::process::ExitCode;
use std::sync::Arc;

use masque::Options;
use masque::session::{CompiledModel, SessionError};
use masque_runtime::Session;
use masque_runtime::bundle::{self, Bundle};
use masque_runtime::classes::Labels;
use masque_runtime::io;
use masque_runtime::quote::one_line;
use masque_runtime::serve::{Job, Listener, ServeError, serve};

use crate::args::{Common, Run};
use crate::commands;
use crate::report::{Failure, Terminal};

pub(crate) fn run(arguments: &Run, common: &Common, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let mut job = Job { threads: common.threads(), ..arguments.job.0.clone() };
    let mut targets = commands::targets(&arguments.model, common, job.force);
    job.targets(&mut targets)?;
    if let Some(path) = common.mask_file() {
        targets.write_masks(path)?;
    }
    targets.check()?;
    let session = if bundle::is_bundle(&arguments.model).unwrap_or(false) {
        let (session, labels) = opened(arguments, common)?;
        job.known_labels = labels;
        session
    } else {
        let Some(session) = compiled(arguments, common, terminal)? else {
            return Ok(ExitCode::from(1));
        };
        session
    };
    io::check_outputs(&job.output, job.output_format()?, session.plan())?;
    let mut note = |text: &str| terminal.note(text);
    let mut listener = Listener { note: &mut note, progress: !terminal.is_quiet() };
    let file = arguments.model.display().to_string();
    serve(&session, &job, common.mask_file(), &mut listener).map_err(|error| match error {
        ServeError::Run(source) => SessionError::Run { file, source }.into(),
        other => Failure::from(other),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// A session of a model that is compiled now; none if its masks keep it from that.
fn compiled(arguments: &Run, common: &Common, terminal: &Terminal) -> Result<Option<Session>, Failure> {
    let model = arguments.model.as_path();
    let inferred = commands::infer(model, common, terminal)?;
    let Some(()) = commands::accept(model, &inferred, common, terminal)? else { return Ok(None) };
    let mask_outputs = common.mask_file().is_some();
    let given = Options { mask_outputs, ..arguments.compiling.options() };
    let planned = commands::plan(inferred, common, given, terminal)?;
    Ok(Some(CompiledModel::new(model.display().to_string(), planned).session()?))
}

/// A session of what `masque build` made, an executable, whatever kind of machine it is for, or a plan file; and the labels
/// in it.
fn opened(arguments: &Run, common: &Common) -> Result<(Session, Labels), Failure> {
    let file = arguments.model.as_path();
    if let Some(option) = common.for_compiling().or(arguments.compiling.said()) {
        return Err(Failure::Built { file: one_line(&file.to_string_lossy()), option });
    }
    let bundle = Arc::new(Bundle::open(file)?);
    let labels = bundle.attached().labels.clone();
    let name = file.display().to_string();
    let session = Session::of(bundle).map_err(|source| SessionError::Prepare { file: name, source })?;
    Ok((session, labels))
}
