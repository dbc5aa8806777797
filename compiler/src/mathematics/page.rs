//! Explanations as text: plain, LaTeX, Markdown.

use super::{Equation, Explanation};
use crate::diagnostics::render::folded;

/// How mathematics is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Plain text.
    Plain,
    /// Aligned equations in LaTeX.
    Latex,
    /// Markdown with LaTeX in it.
    Markdown,
}

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
    let heading = format!("{}: {}, {}{mask}", row.name(), row.class, row.types.join(", "));
    let kernel = explanation.kernel.as_ref().map(|conditions| {
        let failing: Vec<&str> = conditions
            .iter()
            .filter(|condition| !condition.holds)
            .map(|condition| condition.condition)
            .collect();
        let masked = match (row.short.is_empty(), explanation.right_padded) {
            (true, _) => String::new(),
            (false, true) => {
                format!("; {KERNEL_UNDER_MASK}. This one is padded at the end whatever the inputs are")
            }
            (false, false) => format!("; {KERNEL_UNDER_MASK}"),
        };
        match failing.as_slice() {
            [] => format!("On a GPU Keras takes its cuDNN kernel{masked}."),
            failing => {
                format!("On a GPU Keras does not take its cuDNN kernel: it needs {}.", failing.join(", "))
            }
        }
    });
    let kernel = kernel.unwrap_or_default();
    let equations = equations(&explanation.equations, form);
    match form {
        Form::Plain => {
            let kernel = if kernel.is_empty() {
                kernel
            } else {
                format!("  {}\n", folded(&kernel).replace('\n', "\n  "))
            };
            format!("{heading}\n{equations}{kernel}")
        }
        Form::Latex => {
            let kernel = if kernel.is_empty() {
                kernel
            } else {
                format!("% {}\n", folded(&kernel).replace('\n', "\n% "))
            };
            format!("% {heading}\n{equations}{kernel}")
        }
        Form::Markdown => {
            let kernel = if kernel.is_empty() { kernel } else { format!("\n{}\n", folded(&kernel)) };
            let rest = format!("{}{mask}", row.types.join(", "));
            format!("## {} ({})\n\n`{rest}`\n\n{equations}{kernel}", row.name(), row.class)
        }
    }
}

fn equations(equations: &[Equation], form: Form) -> String {
    let nothing = "is given as it is".to_owned();
    let lines = |write: fn(&Equation) -> String| equations.iter().map(write).collect::<Vec<_>>();
    match (form, equations) {
        (Form::Plain, []) => format!("  {nothing}\n"),
        (Form::Latex, []) => format!("% {nothing}\n"),
        (Form::Markdown, []) => format!("{nothing}\n"),
        (Form::Plain, _) => lines(Equation::plain).iter().map(|line| format!("  {line}\n")).collect(),
        (Form::Latex, _) => {
            let lines: Vec<String> = lines(Equation::latex).iter().map(|line| format!("  {line}")).collect();
            format!("\\begin{{align*}}\n{}\n\\end{{align*}}\n", lines.join(" \\\\\n"))
        }
        (Form::Markdown, _) => {
            let lines: Vec<String> = lines(Equation::latex).iter().map(|line| format!("  {line}")).collect();
            format!("$$\n\\begin{{aligned}}\n{}\n\\end{{aligned}}\n$$\n", lines.join(" \\\\\n"))
        }
    }
}
