//! `masque check MODEL`

use std::collections::BTreeSet;
use std::process::ExitCode;

use masque::diagnostics::{Code, Diagnostic, Severity, UnsupportedMask};
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
    let mut findings = inferred.findings(policy);
    findings.extend(inferred.leaks(&padding));
    inferred.advise(&mut findings);
    for finding in &mut findings {
        if arguments.deny.contains(&finding.code) {
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
                many => format!("{}; {}", counted(many, "finding"), more_about(&findings)),
            });
        }
    }
    let wanting = findings.iter().any(|finding| finding.severity == Severity::Error);
    Ok(if wanting { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// Where the codes of the findings are explained.
fn more_about(findings: &[Diagnostic]) -> String {
    let codes: BTreeSet<Code> = findings.iter().map(|finding| finding.code).collect();
    let commands: Vec<String> = codes.iter().map(|code| format!("`masque explain {code}`")).collect();
    let verb = if commands.len() == 1 { "says" } else { "say" };
    format!("{} {verb} more", commands.join(" and "))
}

/// `1 finding`, `2 findings`
pub(crate) fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
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
