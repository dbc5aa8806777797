//! `masque explain CODE`

use std::process::ExitCode;

use crate::args::Explain;
use crate::commands;
use crate::report::Failure;

pub(crate) fn run(arguments: &Explain) -> Result<ExitCode, Failure> {
    commands::print(arguments.what.page())?;
    Ok(ExitCode::SUCCESS)
}
