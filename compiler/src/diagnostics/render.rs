//! Findings as rustc would show them: the lines they speak of, marked, and what follows from them.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use masque_ir::facts::InferredGraph;
use masque_ir::layers::CallId;
use masque_ir::text::layer_lines;

use super::{Diagnostic, Severity, Suggestion};

/// How wide prose is, in columns; what would be wider goes on in the next line.
const WIDTH: usize = 100;

/// A finding as text, in colours if it is styled. `file` is what the model is called there.
pub fn render(file: &str, model: &InferredGraph, finding: &Diagnostic, styled: bool) -> String {
    let (text, lines) = layer_lines(&model.graph);
    let starts: Vec<usize> = std::iter::once(0)
        .chain(text.char_indices().filter(|(_, c)| *c == '\n').map(|(at, _)| at + 1))
        .collect();
    // The place of a remark is the layer's class on the call's line: `%x = Flatten(…)`.
    let span = |call: CallId| {
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
    let last = finding.labels.len().saturating_sub(1);
    for (place, label) in finding.labels.iter().enumerate() {
        let kind = if place == last { AnnotationKind::Primary } else { AnnotationKind::Context };
        snippet = snippet.annotation(kind.span(span(label.call)).label(label.text.as_str()));
    }
    let notes = finding.notes.iter().map(|note| (Level::NOTE, folded(note)));
    let notes: Vec<(Level<'_>, String)> =
        notes.chain(finding.advice.iter().map(|advice| (Level::HELP, said(advice)))).collect();
    let mut group = level.primary_title(finding.message.as_str()).id(finding.code.name()).element(snippet);
    for (level, note) in &notes {
        group = group.element(level.clone().message(note.as_str()));
    }
    let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
    renderer.decor_style(DecorStyle::Unicode).render(&[group])
}

/// A suggestion: its sentence, and below it the lines of code.
fn said(advice: &Suggestion) -> String {
    let code = advice.code.iter().map(|line| format!("\n    {line}"));
    std::iter::once(folded(&advice.text)).chain(code).collect()
}

/// A long sentence on several lines, broken between words.
pub(crate) fn folded(sentence: &str) -> String {
    let (mut text, mut column) = (String::new(), 0);
    for word in sentence.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > WIDTH {
            text.push('\n');
            column = 0;
        }
        if column > 0 {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += length;
    }
    text
}
