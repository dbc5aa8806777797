//! What an executable says about itself.

use std::fmt::Write;

use masque_ir::plan::{Plan, PlanValue};

use crate::io::describe;
use crate::quote::one_line;

fn program() -> String {
    let path = std::env::args_os().next().map(std::path::PathBuf::from);
    let name =
        path.as_deref().and_then(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned());
    one_line(&name.unwrap_or_else(|| "model".into()))
}

fn section(text: &mut String, title: &str, lines: impl IntoIterator<Item = String>) {
    let mut lines = lines.into_iter().peekable();
    if lines.peek().is_some() {
        let _ = writeln!(text, "\n{title}:");
        for line in lines {
            let _ = writeln!(text, "  {line}");
        }
    }
}

fn inputs(plan: &Plan) -> impl Iterator<Item = String> {
    plan.input_values().map(|(_, input)| describe(&input.name, &input.ty))
}

fn outputs(plan: &Plan) -> impl Iterator<Item = String> {
    plan.outputs.iter().map(|output| describe(&output.name, &output.ty))
}

pub(super) fn help(plan: &Plan) -> String {
    let program = program();
    let mut text = format!("The model {}, compiled by masque.\n", one_line(&plan.name));
    let _ = write!(
        text,
        "\nUsage: {program} [INPUT] [-o OUTPUT] [--masks FILE] [--header yes|no] [--threads N] [--force]\n"
    );
    section(&mut text, "Inputs", inputs(plan));
    section(&mut text, "Outputs", outputs(plan));
    text.push_str(OPTIONS);
    let example = plan.input_values().map(|(_, input)| example(input)).collect::<Vec<_>>().join(", ");
    section(
        &mut text,
        "Examples",
        [
            format!("echo '{{{example}}}' | {program}"),
            format!("{program} examples.jsonl -o answers.jsonl"),
            format!("{program} batch.npz -o answers.npz --masks masks.npz"),
        ],
    );
    text
}

const OPTIONS: &str = "
Options:
  INPUT, -i, --input FILE   .npz, .npy, .jsonl, .json or .csv; JSON lines on standard input if absent or -
  -o, --output FILE         .npz, .npy or .jsonl; JSON lines on standard output if absent or -
      --masks FILE          write every mask of the model to a .npz file
      --header yes|no       is the first line of a .csv file a header? Guessed if absent
      --force               replace a file that is there, though it is of another kind or read-only
      --threads N           how many threads may work; the answers do not depend on it
      --info                what this program was built from
  -h, --help                this text
  -V, --version             the versions of this program
";

/// An example for an input, as it would stand in a JSON line.
fn example(input: &PlanValue) -> String {
    let element = match input.ty.dtype {
        masque_ir::DType::Str => "\"a text\"",
        masque_ir::DType::Bool => "true",
        dtype if dtype.is_float() => "0.5",
        _ => "1",
    };
    let list = |inner: String, dim: &masque_ir::Dim| match dim.known() {
        Some(size @ 0..=8) => format!("[{}]", vec![inner; size as usize].join(", ")),
        Some(_) => format!("[{inner}, …]"),
        None => format!("[{inner}, {inner}]"),
    };
    let value = input.ty.shape.iter().skip(1).rev().fold(element.to_owned(), list);
    format!("\"{}\": {value}", one_line(&input.name))
}

pub(super) fn version(plan: &Plan) -> String {
    let [name, compiler] = [&plan.name, &plan.provenance.compiler].map(|text| one_line(text));
    format!("{name} ({compiler}, runtime {})\n", env!("CARGO_PKG_VERSION"))
}

pub(super) fn info(plan: &Plan) -> String {
    let mut text = String::new();
    let from = &plan.provenance;
    let weights: u64 = plan.weights.iter().map(|weight| weight.bytes).sum();
    let facts = [
        ("model", one_line(&plan.name)),
        ("file", one_line(&from.file)),
        ("hash", one_line(&from.hash)),
        ("compiler", one_line(&from.compiler)),
        ("runtime", env!("CARGO_PKG_VERSION").to_owned()),
        ("semantics", plan.semantics.to_string()),
        ("weights", format!("{weights} bytes in {} tensors", plan.weights.len())),
        ("steps", plan.steps.len().to_string()),
    ];
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "{name:<10} {value}");
    }
    section(&mut text, "Inputs", inputs(plan));
    section(&mut text, "Outputs", outputs(plan));
    let states =
        plan.states.iter().map(|state| plan.value(state.value)).map(|state| describe(&state.name, &state.ty));
    section(&mut text, "Kept from batch to batch", states);
    section(&mut text, "Masks", from.mask_table.lines().map(printable));
    text
}

/// A line of the mask table: its columns stay where they are, control characters do not reach a terminal.
fn printable(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
