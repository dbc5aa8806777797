//! `masque check MODEL`

use std::process::ExitCode;

use masque::diagnostics::{Severity, UnsupportedMask};
use masque::liveness::Output;
use serde_json::{Value as Json, json};

use crate::args::{Check, Common, TextOrJson};
use crate::commands;
use crate::report::{Failure, Terminal};

pub(crate) fn run(arguments: &Check, common: &Common, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let inferred = commands::infer(&arguments.model)?;
    let policy = UnsupportedMask::from(common.on_unsupported_mask);
    let padding = inferred.padding()?;
    let mut findings = inferred.diagnostics(policy);
    findings.extend(inferred.leaks(&padding));
    for finding in &mut findings {
        if arguments.deny.iter().any(|code| code == finding.code.name()) {
            finding.severity = Severity::Error;
        }
    }
    match arguments.format {
        TextOrJson::Json => {
            let outputs: Vec<Json> = padding.outputs.iter().map(output).collect();
            commands::print_json(&json!({ "diagnostics": findings, "outputs": outputs }))?;
        }
        TextOrJson::Text => {
            terminal.findings(&arguments.model.display().to_string(), inferred.graph(), &findings);
            terminal.inform(&match findings.len() {
                0 => format!(
                    "{}: every mask reaches its use, and no padding reaches an output",
                    arguments.model.display()
                ),
                1 => "1 finding".to_owned(),
                many => format!("{many} findings"),
            });
        }
    }
    let wanting = findings.iter().any(|finding| finding.severity == Severity::Error);
    Ok(if wanting { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// What an output reads of the padding.
fn output(output: &Output) -> Json {
    let padding = if output.reads.any() { "leaks" } else { "clean" };
    json!({ "name": output.name, "padding": padding, "reads": output.reads.words() })
}
