//! Explanations as text: plain, LaTeX, Markdown.

use super::print::escaped;
use super::{Equation, Explanation, Form};
use crate::diagnostics::render::folded;

/// The longest line.
const WIDTH: usize = 100;

/// The end of a row of LaTeX.
const ROW_END: &str = r" \\";

/// What people ask first.
const MASKS: &str = "A mask is neither zeroed weights nor zeroed inputs. It says which positions count, and works only \
                     where it stands in a formula below; everything else is computed for padding as for any position.";

/// What is true of Keras' fast kernels under a mask.
const KERNEL_UNDER_MASK: &str = "under a mask it takes sequences padded at the end with at least one valid step each, and \
                                 gives zeros at padded steps, where the formula above repeats the step before";

/// Explanations as text, one paragraph for each call.
pub fn text(explanations: &[&Explanation], form: Form) -> String {
    let masked = explanations.iter().any(|explanation| !explanation.row.short.is_empty());
    let mut text = String::new();
    if masked {
        text.push_str(&match form {
            Form::Latex => format!("% {}\n\n", folded(MASKS).replace('\n', "\n% ")),
            _ => format!("{}\n\n", folded(MASKS)),
        });
    }
    let paragraphs: Vec<String> =
        explanations.iter().map(|explanation| paragraph(explanation, form)).collect();
    text.push_str(&paragraphs.join("\n"));
    text
}

fn paragraph(explanation: &Explanation, form: Form) -> String {
    let row = &explanation.row;
    let mask =
        if row.short.is_empty() { String::new() } else { format!("; mask {}: {}", row.status, row.short) };
    let types = row.types.join(", ");
    let heading = match form {
        Form::Plain => wrapped(&format!("{}: {}, {types}{mask}", row.name(), row.class), "", "  "),
        Form::Latex => {
            let name = escaped(&format!("{}: {}", row.name(), row.class));
            wrapped(&format!(r"\paragraph{{{name}}} {}", escaped(&format!("{types}{mask}"))), "", "  ")
        }
        Form::Markdown => format!("## {} ({})\n\n`{types}{mask}`\n\n", row.name(), row.class),
    };
    let nothing = match (explanation.known, row.class.as_str()) {
        (false, _) => "computes what is not known",
        (true, "InputLayer") => "is an input",
        (true, masque_ir::described::WEIGHT) => "is a weight",
        (true, _) => "gives what it takes as it is",
    };
    let mut text = heading + &equations(&explanation.equations, nothing, form);
    let said = explanation.notes.iter().cloned().chain(kernel(explanation));
    for sentence in said {
        text.push_str(&match form {
            Form::Plain => wrapped(&sentence, "  ", "  "),
            Form::Latex => wrapped(&escaped(&sentence), "", ""),
            Form::Markdown => format!("\n{}", wrapped(&sentence, "", "")),
        });
    }
    text
}

/// What is said of Keras' fast kernel.
fn kernel(explanation: &Explanation) -> Option<String> {
    let conditions = explanation.kernel.as_ref()?.iter();
    let failing: Vec<&str> =
        conditions.filter(|condition| !condition.holds).map(|condition| condition.condition).collect();
    if !failing.is_empty() {
        return Some(format!(
            "On a GPU Keras does not take its cuDNN kernel: it needs {}.",
            failing.join(", ")
        ));
    }
    let masked = match (explanation.row.short.is_empty(), explanation.right_padded) {
        (true, _) => String::new(),
        (false, true) => {
            format!("; {KERNEL_UNDER_MASK}. This one is padded at the end whatever the inputs are")
        }
        (false, false) => format!("; {KERNEL_UNDER_MASK}"),
    };
    Some(format!("On a GPU Keras takes its cuDNN kernel{masked}."))
}

fn equations(equations: &[Equation], nothing: &str, form: Form) -> String {
    if equations.is_empty() {
        return match form {
            Form::Plain => format!("  {nothing}\n"),
            _ => format!("{nothing}\n"),
        };
    }
    if form == Form::Plain {
        let lines = equations.iter().flat_map(Equation::plain);
        return lines.map(|line| wrapped(&line, "  ", "      ")).collect();
    }
    let lines: Vec<String> = equations.iter().map(|equation| row(&equation.latex())).collect();
    let lines = lines.join(&format!("{ROW_END}\n"));
    match form {
        Form::Latex => format!("\\begin{{align*}}\n{lines}\n\\end{{align*}}\n"),
        _ => format!("$$\n\\begin{{aligned}}\n{lines}\n\\end{{aligned}}\n$$\n"),
    }
}

/// An equation of LaTeX, with room for the end of the row.
fn row(equation: &str) -> String {
    wrapped_at(WIDTH - ROW_END.len(), equation, "  ", "    ").trim_end().to_owned()
}

/// Text broken between words where a line would be too long, each line with its ending.
fn wrapped(text: &str, indent: &str, hanging: &str) -> String {
    wrapped_at(WIDTH, text, indent, hanging)
}

fn wrapped_at(width: usize, text: &str, indent: &str, hanging: &str) -> String {
    let columns = |text: &str| text.chars().count();
    if columns(text) + columns(indent) <= width {
        return format!("{indent}{text}\n");
    }
    let inner = text.trim_start_matches(' ');
    let margin = &text[..text.len() - inner.len()];
    let (mut lines, mut line) = (String::new(), format!("{indent}{margin}"));
    for word in inner.split(' ') {
        let begins = line.trim().is_empty();
        if !begins && columns(&line) + 1 + columns(word) > width {
            lines.push_str(line.trim_end());
            lines.push('\n');
            line = format!("{hanging}{margin}");
        } else if !begins {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines + line.trim_end() + "\n"
}
