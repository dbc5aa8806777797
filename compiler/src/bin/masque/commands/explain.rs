//! `masque explain MODEL [CALL]`, `masque explain MODEL --padding OUTPUT`, `masque explain CODE`, `masque explain WORD`

use std::process::ExitCode;

use masque::diagnostics::Code;
use masque::liveness::derivation::Derivation;
use masque::mathematics::{self, Explanation, Form};
use masque::{Error, Inferred};

use crate::args::{Common, Explain, MathFormat};
use crate::commands;
use crate::report::{Failure, Terminal};
use crate::words;

pub(crate) fn run(arguments: &Explain, common: &Common, terminal: &Terminal) -> Result<ExitCode, Failure> {
    if let (Some(code), None, None) = (code(arguments), &arguments.call, &arguments.padding) {
        commands::print(code.page())?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(word) = arguments.what.to_str().filter(|word| !arguments.what.exists() && is_word(word)) {
        if let (Some(meaning), None, None) = (words::meaning(word), &arguments.call, &arguments.padding) {
            commands::print(&format!("{word}: {meaning}\n"))?;
            return Ok(ExitCode::SUCCESS);
        }
        let codes: Vec<&str> = Code::ALL.iter().map(|code| code.name()).collect();
        let (codes, words) = (codes.join(", "), words::all().collect::<Vec<_>>().join(", "));
        return Err(Failure::Other(format!(
            "{word}: neither a file nor a code nor a word; the codes are {codes}; the words are {words}"
        )));
    }
    let inferred = commands::infer(&arguments.what, common, terminal)?;
    let file = arguments.what.display().to_string();
    if let Some(output) = &arguments.padding {
        return derivation(&inferred, output, &file);
    }
    let explained =
        mathematics::explain(&inferred).map_err(|source| Error::Lower { file: file.clone(), source })?;
    let wanted: Vec<&Explanation> = match &arguments.call {
        Some(call) => explained.iter().filter(|explanation| explanation.row.name() == *call).collect(),
        None => explained.iter().collect(),
    };
    if let (Some(call), []) = (&arguments.call, wanted.as_slice()) {
        let names: Vec<String> = explained.iter().map(|explanation| explanation.row.name()).collect();
        let message = format!("{file}: there is no call `{call}`; there are {}", names.join(", "));
        return Err(Failure::Other(message));
    }
    let form = match arguments.format {
        MathFormat::Text => Form::Plain,
        MathFormat::Latex => Form::Latex,
        MathFormat::Markdown => Form::Markdown,
    };
    commands::print(&mathematics::text(&wanted, form))?;
    let findings = inferred.findings(Default::default()).len();
    if findings > 0 {
        terminal
            .inform(&format!("{}: see `masque check {file}`", commands::check::counted(findings, "finding")));
    }
    Ok(ExitCode::SUCCESS)
}

/// What an output reads of the padding, and why.
fn derivation(inferred: &Inferred, output: &str, file: &str) -> Result<ExitCode, Failure> {
    let padding = inferred.padding()?;
    if inferred.unknown_outputs().iter().any(|name| name == output) {
        let calls = inferred.opaque();
        let graph = &inferred.graph().graph;
        let calls: Vec<String> =
            calls.into_iter().map(|call| format!("`{}`", graph.call_name(call))).collect();
        let calls = calls.join(", ");
        let message =
            format!("{file}: what `{output}` reads of the padding is not known: it depends on {calls}");
        return Err(Failure::Other(message));
    }
    let Some(derivation) = Derivation::of(&padding, output) else {
        let names: Vec<&str> = padding.outputs.iter().map(|output| output.name.as_str()).collect();
        let message = format!("{file}: there is no output `{output}`; there are {}", names.join(", "));
        return Err(Failure::Other(message));
    };
    commands::print(&derivation.to_string())?;
    Ok(ExitCode::SUCCESS)
}

/// Does this look like a word, and not like the name of a model?
fn is_word(text: &str) -> bool {
    !text.contains(['.', '/', '\\'])
}

/// The code that is asked for, if it is one and no file is called so.
fn code(arguments: &Explain) -> Option<Code> {
    if arguments.what.exists() {
        return None;
    }
    arguments.what.to_str().and_then(|word| word.parse().ok())
}
