//! `masque verify EXE`

use std::process::ExitCode;

use masque::executable::Runner;
use masque::executable::verify::verify;

use crate::args::{TextOrJson, Verify};
use crate::commands;
use crate::report::{Failure, Terminal};

pub(crate) fn run(arguments: &Verify, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let runner = arguments.runner.as_deref().map(Runner::open).transpose().map_err(masque::Error::from)?;
    let verdict =
        verify(&arguments.executable, runner.as_ref()).map_err(|error| Failure::Other(error.to_string()))?;
    match arguments.format {
        TextOrJson::Json => commands::print_json(&verdict.json())?,
        TextOrJson::Text => commands::print(&verdict.text())?,
    }
    for problem in &verdict.problems {
        terminal.complain(&format!("{}: {problem}", arguments.executable.display()));
    }
    Ok(ExitCode::from(u8::from(!verdict.is_fine())))
}
