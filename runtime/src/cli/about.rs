//! What an executable says about itself.

use std::fmt::Write;

use masque_ir::plan::{PaddingRead, Plan, PlanOutput, PlanValue};
use serde_json::{Map, Value as Json, json};

use crate::Attached;
use crate::io::present;
use crate::quote::{one_line, typed};
use crate::serve::{FLAGS, Flag};

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
    plan.input_values().map(|(_, input)| typed(&input.name, &input.ty))
}

fn outputs(plan: &Plan) -> impl Iterator<Item = String> {
    plan.outputs.iter().zip(plan.output_names()).map(|(output, name)| typed(name, &output.ty))
}

pub(super) fn help(plan: &Plan) -> String {
    let program = program();
    let mut text = format!("The model {}, compiled by masque.\n", one_line(&plan.name));
    let _ = write!(text, "\nUsage: {program} [OPTIONS] [INPUT]\n");
    section(&mut text, "Inputs", inputs(plan));
    section(&mut text, "Outputs", outputs(plan));
    let shared = |for_records| FLAGS.iter().filter(move |flag| flag.for_records == for_records).map(shown);
    let own = OWN.into_iter().map(|(name, help)| (name.to_owned(), help));
    section(&mut text, "Options", columns(shared(false).chain(own)));
    section(
        &mut text,
        "For records: JSON lines, a table or columns in, JSON lines or columns out",
        columns(shared(true)),
    );
    let example = plan.input_values().map(|(_, input)| example(input)).collect::<Vec<_>>().join(", ");
    section(
        &mut text,
        "Examples",
        [
            format!("echo '{{{example}}}' | {program}"),
            format!("{program} examples.jsonl -o answers.jsonl --keep id --on-error mark"),
            format!("{program} batch.npz -o answers.npz --masks masks.npz"),
        ],
    );
    text
}

/// The options that only an executable has.
const OWN: [(&str, &str); 6] = [
    ("    --masks FILE", "write every mask of the model to a .npz file"),
    ("    --info", "what this program was built from"),
    ("    --format text|json", "the form of --info"),
    (
        "    --self-test",
        "run the example that was stored when this program was built: are the answers the same here, bit for bit? Exit status 1 if not",
    ),
    ("-h, --help", "this text"),
    ("-V, --version", "the versions of this program"),
];

/// An option as it is written, and what it does.
fn shown(flag: &Flag) -> (String, &str) {
    let short = flag.short.map_or("    ".to_owned(), |letter| format!("-{letter}, "));
    let value = flag.value.map_or(String::new(), |value| format!(" {value}"));
    (format!("{short}--{}{value}", flag.name), flag.help)
}

/// Options with what they do, in lines of no more than 100 characters.
fn columns<'a>(options: impl Iterator<Item = (String, &'a str)>) -> Vec<String> {
    /// Where the second column begins, and how wide it is.
    const COLUMNS: (usize, usize) = (32, 64);
    let mut lines = vec![];
    for (name, help) in options {
        let mut line = format!("{name:<width$}", width = COLUMNS.0);
        let mut room = COLUMNS.1;
        for word in help.split(' ') {
            if word.chars().count() > room {
                lines.push(line.trim_end().to_owned());
                (line, room) = (" ".repeat(COLUMNS.0), COLUMNS.1);
            }
            line.push_str(word);
            line.push(' ');
            room = room.saturating_sub(word.chars().count() + 1);
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
}

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

/// What a plan was made from, one fact after the other; those that are not known are empty.
fn facts(plan: &Plan, attached: &Attached) -> [(&'static str, String); 13] {
    let from = &plan.provenance;
    let weights: u64 = plan.weights.iter().map(|weight| weight.bytes).sum();
    let padding = match from.padding {
        PaddingRead::Nothing => "does not show in the answers",
        PaddingRead::Some => "may show in the answers",
        PaddingRead::Unknown => "nothing says what is padding",
    };
    [
        ("model", plan.name.clone()),
        ("file", from.file.clone()),
        ("hash", from.hash.clone()),
        ("compiler", from.compiler.clone()),
        ("runtime", env!("CARGO_PKG_VERSION").to_owned()),
        ("formats", present().collect::<Vec<_>>().join(", ")),
        ("numerics", crate::NUMERICS.to_string()),
        ("semantics", plan.semantics.to_string()),
        ("weights", format!("{weights} bytes in {} tensors", plan.weights.len())),
        ("steps", plan.steps.len().to_string()),
        ("examples", if from.apart { "apart" } else { "may show in each other's answers" }.to_owned()),
        ("padding", padding.to_owned()),
        ("self-test", if attached.example.is_empty() { "" } else { "an example is carried" }.to_owned()),
    ]
}

pub(super) fn info(plan: &Plan, attached: &Attached) -> String {
    let mut text = String::new();
    for (name, value) in facts(plan, attached).iter().filter(|(_, value)| !value.is_empty()) {
        let _ = writeln!(text, "{name:<10} {}", one_line(value));
    }
    section(&mut text, "Inputs", inputs(plan));
    section(&mut text, "Outputs", outputs(plan));
    let states = states(plan).map(|state| typed(&state.name, &state.ty));
    section(&mut text, "Kept from batch to batch", states);
    let labels = |(place, name)| attached.labels.of(place).map(|labels| (name, labels));
    let labels = plan.output_names().enumerate().filter_map(labels);
    section(
        &mut text,
        "Labels",
        labels.map(|(name, labels)| format!("{}: {}", one_line(name), first(labels))),
    );
    let note = |(key, value): &(String, String)| format!("{}: {}", one_line(key), one_line(value));
    section(&mut text, "Notes", attached.notes.iter().map(note));
    section(&mut text, "Masks", plan.provenance.mask_table.lines().map(printable));
    text
}

fn states(plan: &Plan) -> impl Iterator<Item = &PlanValue> {
    plan.states.iter().map(|state| plan.value(state.value))
}

/// The first labels, and how many there are if there are more.
fn first(labels: &[String]) -> String {
    const MOST: usize = 10;
    let first = labels.iter().take(MOST).map(|label| one_line(label)).collect::<Vec<_>>().join(", ");
    match labels.len() > MOST {
        true => format!("{first}, … ({} in all)", labels.len()),
        false => first,
    }
}

/// The same for programs.
pub(super) fn info_json(plan: &Plan, attached: &Attached) -> String {
    let tensor = |name: &str, ty: &masque_ir::Type| {
        let size = |size: &masque_ir::Dim| size.known().map_or_else(|| size.to_string().into(), Json::from);
        let shape: Vec<Json> = ty.shape.iter().map(size).collect();
        json!({"name": name, "dtype": ty.dtype.to_string(), "shape": shape})
    };
    let output = |(place, (output, name)): (usize, (&PlanOutput, &str))| {
        let mut described = tensor(name, &output.ty);
        described["labels"] = json!(attached.labels.of(place));
        described
    };
    let mut info: Map<String, Json> =
        facts(plan, attached).into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    let from = &plan.provenance;
    let weights: u64 = plan.weights.iter().map(|weight| weight.bytes).sum();
    let lists = [
        ("weights", json!({"bytes": weights, "tensors": plan.weights.len()})),
        ("formats", present().collect()),
        ("numerics", crate::NUMERICS.into()),
        ("steps", plan.steps.len().into()),
        ("examples_apart", from.apart.into()),
        ("padding", json!(from.padding)),
        ("inputs", plan.input_values().map(|(_, input)| tensor(&input.name, &input.ty)).collect()),
        ("outputs", plan.outputs.iter().zip(plan.output_names()).enumerate().map(output).collect()),
        (
            "notes",
            attached
                .notes
                .iter()
                .map(|(key, value)| (key.clone(), json!(value)))
                .collect::<Map<_, _>>()
                .into(),
        ),
        ("states", states(plan).map(|state| tensor(&state.name, &state.ty)).collect()),
        ("self_test", (!attached.example.is_empty()).into()),
        ("mask_table", from.mask_table.as_str().into()),
    ];
    info.remove("examples");
    info.remove("self-test");
    info.extend(lists.map(|(name, value)| (name.to_owned(), value)));
    format!("{:#}\n", Json::Object(info))
}

/// A line of the mask table: its columns stay where they are, control characters do not reach a terminal.
fn printable(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
