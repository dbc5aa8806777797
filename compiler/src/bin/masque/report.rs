//! What is said to people, on standard error: findings with the lines they speak of, errors of one line.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use masque::diagnostics::render::render;
use masque::diagnostics::{Diagnostic, Severity};
use masque_ir::facts::InferredGraph;
use masque_runtime::serve::ServeError;

use crate::args::Color;

/// Why a command ends before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The model can't be compiled.
    #[error(transparent)]
    Model(#[from] masque::Error),
    /// A file can't be read or written.
    #[error(transparent)]
    File(#[from] masque_runtime::io::FileError),
    /// Inputs can't be read, answers can't be written, or the model can't be run on them.
    #[error(transparent)]
    Serve(#[from] masque_runtime::serve::ServeError),
    /// The compiled model can't be run.
    #[error(transparent)]
    Session(#[from] masque::session::SessionError),
    /// What was built before can't be opened.
    #[error(transparent)]
    Bundle(#[from] masque_runtime::bundle::BundleError),
    /// An option says how to compile what is compiled already.
    #[error("{file}: --{option} says how to compile a model, and this file was made by `masque build`")]
    Built {
        /// The file.
        file: String,
        /// The option.
        option: &'static str,
    },
    /// Predictions and targets do not go together.
    #[error("{0}")]
    Loss(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// So many findings are shown with the lines they speak of; nobody reads more.
const MOST_FINDINGS: usize = 100;

/// Where people read.
pub(crate) struct Terminal {
    styled: bool,
    styled_output: bool,
    quiet: bool,
    verbose: bool,
}

impl Terminal {
    pub(crate) fn new(color: Color, quiet: bool, verbose: bool) -> Terminal {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let styled = |terminal: bool| match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && !plain,
        };
        let (err, out) = (io::stderr().is_terminal(), io::stdout().is_terminal());
        Terminal { styled: styled(err), styled_output: styled(out), quiet, verbose }
    }

    /// Is standard output to be in colours, for commands whose data is for people?
    pub(crate) fn styles_output(&self) -> bool {
        self.styled_output
    }

    /// Says how the work goes, to those who want to know.
    pub(crate) fn tell(&self, text: &str) {
        if self.verbose {
            self.say(text);
        }
    }

    /// Says something that people want to know, unless they asked for quiet.
    pub(crate) fn inform(&self, text: &str) {
        if !self.quiet {
            self.say(text);
        }
    }

    /// Says something that people want to know about a run, on one line.
    pub(crate) fn note(&self, text: &str) {
        self.inform(&format!("note: {}", masque_runtime::quote::one_line(text)));
    }

    /// Is nothing to be said but errors?
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet
    }

    fn say(&self, text: &str) {
        // There is nobody to tell that nobody listens.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// One line, and the exit status for it.
    pub(crate) fn fail(&self, failure: &Failure) -> ExitCode {
        if let Failure::File(error) | Failure::Serve(ServeError::File(error)) = failure
            && masque_runtime::io::is_broken_pipe(error)
        {
            return ExitCode::SUCCESS;
        }
        self.complain(&failure.to_string());
        ExitCode::from(2)
    }

    /// An error on a line.
    pub(crate) fn complain(&self, text: &str) {
        let (bold, reset) = if self.styled { ("\u{1b}[1;31m", "\u{1b}[0m") } else { ("", "") };
        self.say(&format!("{bold}error{reset}: {}", masque_runtime::quote::one_line(text)));
    }

    /// A comparison of texts, in colours where people see them.
    pub(crate) fn differences(&self, changes: &[masque::diff::Change<'_>]) -> String {
        masque::diff::render(changes, self.styled).trim_end().to_owned()
    }

    /// Findings, each with the lines of the layer graph's text that it speaks of.
    pub(crate) fn findings(&self, file: &str, model: &InferredGraph, findings: &[Diagnostic]) {
        let hidden = |finding: &&Diagnostic| !(self.quiet && finding.severity == Severity::Warning);
        let shown: Vec<&Diagnostic> = findings.iter().filter(hidden).collect();
        for finding in shown.iter().take(MOST_FINDINGS) {
            self.say(&render(file, model, finding, self.styled));
        }
        if let Some(more) = shown.len().checked_sub(MOST_FINDINGS).filter(|&more| more > 0) {
            self.say(&format!("{more} more findings; `masque check --format json` lists them all"));
        }
    }
}
