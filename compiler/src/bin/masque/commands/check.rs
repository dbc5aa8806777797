//! `masque check MODEL`

use std::collections::BTreeSet;
use std::process::ExitCode;

use masque::Inferred;
use masque::diagnostics::{Code, Diagnostic, Severity, UnsupportedMask};
use masque::liveness::verdict::Verdict;
use masque::liveness::view::Reads;
use masque::liveness::{Output, Padding, Together};
use masque::witness::{self, Witness};
use serde_json::{Value as Json, json};

use crate::args::{Check, Common, TextOrJson};
use crate::commands;
use crate::report::{Failure, Terminal};

pub(crate) fn run(arguments: &Check, common: &Common, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let mut inferred = commands::infer(&arguments.model, common, terminal)?;
    inferred.load_weights()?;
    let padding = inferred.padding_of(&together(&inferred, arguments)?)?;
    let witnesses = (arguments.format == TextOrJson::Json).then(|| inferred.witnesses(&padding));
    let shown = match &witnesses {
        Some(witnesses) => witnesses.iter().map(|found| witness::shown(found)).collect(),
        None => inferred.shown(&padding),
    };
    let mut findings = findings(&inferred, &padding, &shown, common);
    for finding in &mut findings {
        if arguments.deny.contains(&finding.code) {
            finding.severity = Severity::Error;
        }
    }
    let unstated = inferred.require_stated();
    match witnesses {
        Some(witnesses) => {
            let outputs = padding.outputs.iter().zip(&witnesses);
            let outputs = outputs.map(|(output, found)| said(&padding, output, found));
            let unknown = inferred.unknown_outputs();
            let unknown =
                unknown.iter().map(|name| json!({ "name": name, "padding": Verdict::Unknown.name() }));
            let outputs: Vec<Json> = outputs.chain(unknown).collect();
            let assumptions = padding.assumptions();
            commands::print_json(
                &json!({ "diagnostics": findings, "outputs": outputs, "assumptions": assumptions }),
            )?;
        }
        None => {
            if unstated.is_err() {
                // The error at the end says it.
                findings.retain(|finding| finding.code != Code::LayerOpaque);
            }
            terminal.findings(&arguments.model.display().to_string(), inferred.graph(), &findings);
            match findings.len() {
                0 if unstated.is_err() => {}
                0 => {
                    terminal.inform(&format!("{}: {}", arguments.model.display(), nothing_found(&padding)));
                }
                many => {
                    terminal.inform(&format!("{}; {}", counted(many, "finding"), more_about(&findings)));
                }
            }
        }
    }
    unstated?;
    let wanting = findings.iter().any(|finding| finding.severity == Severity::Error);
    Ok(if wanting { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// Everything that is found in a model, where it is known which outputs have witnesses.
pub(crate) fn findings(
    inferred: &Inferred,
    padding: &Padding,
    shown: &[Reads],
    common: &Common,
) -> Vec<Diagnostic> {
    let mut findings = inferred.findings(UnsupportedMask::from(common.on_unsupported_mask));
    findings.extend(inferred.leaks_shown(padding, shown));
    inferred.advise(&mut findings);
    findings
}

/// The inputs that callers pad together, as the command line says.
fn together(inferred: &Inferred, arguments: &Check) -> Result<Together, Failure> {
    let graph = &inferred.graph().graph;
    let inputs = graph.calls().filter(|&call| graph.layer_of(call).class == "InputLayer");
    let names: Vec<String> = inputs.map(|input| graph.call_name(input)).collect();
    let groups = arguments.padded_together.iter().map(|group| {
        let group: BTreeSet<String> = group.split(',').map(|name| name.trim().to_owned()).collect();
        match group.iter().find(|name| !names.contains(name)) {
            None => Ok(group),
            Some(other) => Err(Failure::Other(format!(
                "--padded-together {other}: expected inputs of the model: {}",
                names.join(", ")
            ))),
        }
    });
    Ok(Together::Groups(groups.collect::<Result<_, Failure>>()?))
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

/// What is said where nothing is wrong: an all-clear with what it rests on, or none.
fn nothing_found(padding: &Padding) -> String {
    match padding.facts.roots.are_known() {
        true => format!(
            "every mask reaches its use, and no padding reaches an output, as long as {}",
            padding.assumptions().join("; ")
        ),
        false => NOTHING_KNOWN.to_owned(),
    }
}

/// What is said of a model in which nothing is known to be padding.
pub(crate) const NOTHING_KNOWN: &str =
    "there is no mask, so nothing is known to be padding: whatever a caller pads with is data";

/// What an output reads of the padding.
fn said(padding: &Padding, output: &Output, witnesses: &[Witness]) -> Json {
    let verdict = padding.verdict(output, !witnesses.is_empty());
    let mut said = json!({ "name": output.name, "padding": verdict.name(), "reads": output.reads.words() });
    if output.reads.any() {
        said["witness"] = json!(witnesses);
    }
    said
}
