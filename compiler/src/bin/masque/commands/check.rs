//! `masque check MODEL`

use std::process::ExitCode;

use masque::diagnostics::{Severity, UnsupportedMask};
use serde_json::json;

use crate::args::{Check, Common, TextOrJson};
use crate::commands;
use crate::report::{Failure, Terminal};

pub(crate) fn run(arguments: &Check, common: &Common, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let inferred = commands::infer(&arguments.model, common, terminal)?;
    let policy = UnsupportedMask::from(common.on_unsupported_mask);
    let mut findings = inferred.diagnostics(policy);
    for finding in &mut findings {
        if arguments.deny.iter().any(|code| code == finding.code.name()) {
            finding.severity = Severity::Error;
        }
    }
    match arguments.format {
        TextOrJson::Json => commands::print_json(&json!({ "diagnostics": findings }))?,
        TextOrJson::Text => {
            terminal.findings(&arguments.model.display().to_string(), inferred.graph(), &findings);
            terminal.inform(&match findings.len() {
                0 => format!("{}: every mask reaches its use", arguments.model.display()),
                1 => "1 finding".to_owned(),
                many => format!("{many} findings"),
            });
        }
    }
    let wanting = findings.iter().any(|finding| finding.severity == Severity::Error);
    Ok(if wanting { ExitCode::from(1) } else { ExitCode::SUCCESS })
}
