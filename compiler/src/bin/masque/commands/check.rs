//! `masque check MODEL`

use std::process::ExitCode;

use masque::diagnostics::{Severity, UnsupportedMask};
use masque::liveness::Output;
use masque::witness::Witness;
use serde_json::{Value as Json, json};

use crate::args::{Check, Common, TextOrJson};
use crate::commands;
use crate::report::{Failure, Terminal};

pub(crate) fn run(arguments: &Check, common: &Common, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let mut inferred = commands::infer(&arguments.model, common, terminal)?;
    inferred.load_weights()?;
    let policy = UnsupportedMask::from(common.on_unsupported_mask);
    let padding = inferred.padding()?;
    let witnesses = inferred.witnesses(&padding);
    let mut findings = inferred.diagnostics(policy);
    findings.extend(inferred.leaks(&padding));
    for finding in &mut findings {
        if arguments.deny.iter().any(|code| code == finding.code.name()) {
            finding.severity = Severity::Error;
        }
    }
    match arguments.format {
        TextOrJson::Json => {
            let outputs: Vec<Json> =
                padding.outputs.iter().zip(&witnesses).map(|(output, found)| said(output, found)).collect();
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

/// What an output reads of the padding. Without two runs that show it, it is possible, no more.
fn said(output: &Output, witnesses: &[Witness]) -> Json {
    let padding = match (output.reads.any(), witnesses) {
        (false, _) => "clean",
        (true, []) => "possible",
        (true, _) => "leaks",
    };
    let mut said = json!({ "name": output.name, "padding": padding, "reads": output.reads.words() });
    if output.reads.any() {
        said["witness"] = json!(witnesses);
    }
    said
}
