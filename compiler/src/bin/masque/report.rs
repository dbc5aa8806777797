//! What is said to people, on standard error: findings with the lines they speak of, errors of one line.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use masque::diagnostics::{Diagnostic, Severity};
use masque_ir::facts::InferredGraph;
use masque_ir::text::layer_lines;

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
    /// The compiled model can't be run.
    #[error(transparent)]
    Session(#[from] masque::session::SessionError),
    /// Predictions and targets do not go together.
    #[error("{0}")]
    Loss(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// Where people read.
pub(crate) struct Terminal {
    styled: bool,
    quiet: bool,
    verbose: bool,
}

impl Terminal {
    pub(crate) fn new(color: Color, quiet: bool, verbose: bool) -> Terminal {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let styled = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => io::stderr().is_terminal() && !plain,
        };
        Terminal { styled, quiet, verbose }
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

    fn say(&self, text: &str) {
        // There is nobody to tell that nobody listens.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// One line, and the exit status for it.
    pub(crate) fn fail(&self, failure: &Failure) -> ExitCode {
        if let Failure::File(error) = failure
            && masque_runtime::io::is_broken_pipe(error)
        {
            return ExitCode::SUCCESS;
        }
        let (bold, reset) = if self.styled { ("\u{1b}[1;31m", "\u{1b}[0m") } else { ("", "") };
        self.say(&format!("{bold}error{reset}: {}", masque_runtime::quote::one_line(&failure.to_string())));
        ExitCode::from(2)
    }

    /// A comparison of texts, in colours where people see them.
    pub(crate) fn differences(&self, changes: &[masque::diff::Change<'_>]) -> String {
        masque::diff::render(changes, self.styled).trim_end().to_owned()
    }

    /// Findings, each with the lines of the layer graph's text that it speaks of.
    pub(crate) fn findings(&self, file: &str, model: &InferredGraph, findings: &[Diagnostic]) {
        let hidden = |finding: &&Diagnostic| !(self.quiet && finding.severity == Severity::Warning);
        for finding in findings.iter().filter(hidden) {
            self.say(&render(file, model, finding, self.styled));
        }
    }
}

/// A finding as rustc would show it.
fn render(file: &str, model: &InferredGraph, finding: &Diagnostic, styled: bool) -> String {
    let (text, lines) = layer_lines(&model.graph);
    let starts: Vec<usize> = std::iter::once(0)
        .chain(text.char_indices().filter(|(_, c)| *c == '\n').map(|(at, _)| at + 1))
        .collect();
    // The place of a remark is the layer's class on the call's line: `%x = Flatten(…)`.
    let span = |call: masque_ir::layers::CallId| {
        let start = starts.get(lines[call.0 as usize] - 1).copied().unwrap_or(0);
        let line = text[start..].lines().next().unwrap_or_default();
        let class = line.find(" = ").map_or(0, |at| at + 3);
        let end = line[class..].find('(').map_or(line.len(), |at| class + at);
        start + class..start + end
    };
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = format!("{file}, as text");
    let mut snippet = Snippet::source(text.as_str()).path(title.as_str()).fold(true);
    let last = finding.labels.len() - 1;
    for (place, label) in finding.labels.iter().enumerate() {
        let kind = if place == last { AnnotationKind::Primary } else { AnnotationKind::Context };
        snippet = snippet.annotation(kind.span(span(label.call)).label(label.text.as_str()));
    }
    let mut group = level.primary_title(finding.message.as_str()).id(finding.code.name()).element(snippet);
    for note in &finding.notes {
        group = match note.strip_prefix("help: ") {
            Some(help) => group.element(Level::HELP.message(help)),
            None => group.element(Level::NOTE.message(note.as_str())),
        };
    }
    let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
    renderer.decor_style(DecorStyle::Unicode).render(&[group])
}
