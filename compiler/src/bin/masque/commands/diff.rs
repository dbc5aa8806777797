//! `masque diff A B`

use std::process::ExitCode;

use masque::compare::{compare, report};
use serde_json::json;

use crate::args::{Diff, TextOrJson};
use crate::commands;
use crate::report::{Failure, Terminal};

pub(crate) fn run(arguments: &Diff, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let (before, after) = (commands::infer(&arguments.before)?, commands::infer(&arguments.after)?);
    let changes = compare(before.graph(), after.graph());
    match arguments.format {
        TextOrJson::Json => commands::print_json(&json!({ "changes": changes }))?,
        TextOrJson::Text => commands::print(&report(&changes, terminal.styles_output()))?,
    }
    if changes.is_empty() {
        terminal.inform("the same calls, and the same masks");
        return Ok(ExitCode::SUCCESS);
    }
    Ok(ExitCode::from(1))
}
