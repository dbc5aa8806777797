//! `masque diff A B`

use std::process::ExitCode;

use masque::compare::{compare, report};
use serde_json::json;

use crate::args::{Common, Diff, TextOrJson};
use crate::commands;
use crate::report::{Failure, Terminal};

pub(crate) fn run(arguments: &Diff, common: &Common, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let infer = |model: &std::path::Path| commands::infer(model, common, terminal);
    let (before, after) = (infer(&arguments.before)?, infer(&arguments.after)?);
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
