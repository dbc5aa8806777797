//! Programs to text. What two stages share stands here: the header, words, JSON's values, types, and how an
//! operation is applied.

mod described;
mod fold;
mod layers;
mod masks;
mod part;
mod plan;
mod program;

use std::ops::Range;

use serde_json::Value as Json;

pub(super) use described::descriptions;
pub use fold::Fold;
pub use layers::layer_lines;
pub(super) use layers::{folded_layers, folded_masks, masks, part_of_layers, part_of_masks, tensor};
pub(super) use plan::plan;
pub(super) use program::{node, part_of_program, program};

use super::{Stage, lexer};
use crate::facts::Facts;
use crate::float::Float;
use crate::layers::LayerGraph;
use crate::mask::MaskId;
use crate::ops::{Arity, Op};
use crate::program::Literal;
use crate::semantics::Semantics;
use crate::ty::{DType, Type};

/// Words that mean something else where a value can stand.
pub(super) const KEYWORDS: [&str; 5] = ["true", "false", "null", "inf", "nan"];

/// Longer words are quoted: they are hashes and sentences.
const LONGEST_WORD: usize = 31;

/// The attributes of an operation that its line shows elsewhere: the type and the block.
pub(super) const ELSEWHERE: [&str; 2] = ["ty", "body"];

/// One mask, written out: `any(ne(%x, 0.0), -1)`.
pub(super) fn mask(graph: &LayerGraph, facts: &Facts, mask: MaskId) -> String {
    masks::MaskPrinter::written_out(graph, facts, mask)
}

/// A text that grows line by line.
#[derive(Default)]
struct Writer {
    text: String,
    lines: usize,
    indent: usize,
    /// The lines of each operation that is in no body.
    nodes: Vec<Range<usize>>,
}

impl Writer {
    /// Begins with the lines that every text begins with.
    fn with_header(stage: Stage, semantics: Semantics, name: &str) -> Writer {
        let mut writer = Writer::default();
        writer.line(&format!("masque {} {stage}", stage.version()));
        writer.line(&format!("semantics {semantics}"));
        writer.line(&format!("model {}", quoted(name)));
        writer
    }

    /// Adds a line and gives its number, from 1.
    fn line(&mut self, line: &str) -> usize {
        if !line.is_empty() {
            self.text.extend(std::iter::repeat_n("  ", self.indent));
        }
        self.text.push_str(line);
        self.text.push('\n');
        self.lines += 1;
        self.lines
    }

    /// Keeps what comes apart from what came.
    fn blank(&mut self) {
        if !self.text.ends_with("\n\n") {
            self.line("");
        }
    }

    /// Adds the line of a node or a step, and its block if it has one.
    fn statement(&mut self, line: &str, op: &Op) {
        let Some(body) = op.body() else {
            self.line(line);
            return;
        };
        self.line(&format!("{line} body {} {{", word(&body.name)));
        self.indent += 1;
        self.nodes(body);
        self.indent -= 1;
        self.line("}");
    }
}

/// A string with quotes, on one line.
fn quoted(text: &str) -> String {
    Json::String(text.to_owned()).to_string()
}

/// A string, without quotes where it is a plain word.
fn word(text: &str) -> String {
    let plain = text.starts_with(lexer::starts_word)
        && text.chars().all(lexer::in_word)
        && text.len() <= LONGEST_WORD
        && !KEYWORDS.contains(&text);
    if plain { text.to_owned() } else { quoted(text) }
}

/// A name behind its sigil, quoted where a plain one would read as something else.
fn name(sigil: char, name: &str) -> String {
    let plain = !name.is_empty() && name.chars().all(lexer::in_name);
    format!("{sigil}{}", if plain { name.to_owned() } else { quoted(name) })
}

/// JSON's values in our words.
pub(super) fn json(value: &Json) -> String {
    match value {
        Json::Null => "null".into(),
        Json::Bool(truth) => truth.to_string(),
        Json::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => Float(float).to_string(),
            _ => number.to_string(),
        },
        Json::String(text) if text.strip_prefix('$').is_some_and(super::parser::is_setting) => text.clone(),
        Json::String(text) => word(text),
        Json::Array(items) => format!("[{}]", items.iter().map(json).collect::<Vec<_>>().join(", ")),
        Json::Object(map) => Float::of_json(value).map_or_else(|| block(map), |number| number.to_string()),
    }
}

/// `{a = 1, b = [2, 3]}`, sorted by key.
fn block<'a>(map: impl IntoIterator<Item = (&'a String, &'a Json)>) -> String {
    let mut entries: Vec<_> = map.into_iter().collect();
    entries.sort_by_key(|(key, _)| *key);
    let entries: Vec<String> =
        entries.into_iter().map(|(key, value)| format!("{} = {}", word(key), json(value))).collect();
    format!("{{{}}}", entries.join(", "))
}

/// ` {a = 1}`, or nothing where there are no settings.
fn settings<'a>(map: impl IntoIterator<Item = (&'a String, &'a Json)>) -> String {
    let block = block(map);
    if block == "{}" { String::new() } else { format!(" {block}") }
}

/// The attributes of an operation that stand in its braces. An absent one is left out.
fn attributes(op: &Op) -> String {
    let Json::Object(mut map) = op.attributes() else { return String::new() };
    map.retain(|key, value| !ELSEWHERE.contains(&key.as_str()) && !value.is_null());
    settings(&map)
}

/// `gather(@table, %ids) {…}`: named operands behind the others, and no parentheses where a row has no operands.
fn application(op: &Op, operands: impl IntoIterator<Item = Option<String>>) -> String {
    let info = op.info();
    let operands: Vec<String> = operands
        .into_iter()
        .enumerate()
        .filter_map(|(place, text)| match info.operands.get(place) {
            Some(row) if info.is_named(place) => text.map(|text| format!("{} = {text}", row.name)),
            Some(row) if row.arity == Arity::Optional => text,
            // The parser refuses this word, as the verifier does what it stands for.
            _ => Some(text.unwrap_or_else(|| "absent".into())),
        })
        .collect();
    let list = if info.operands.is_empty() && operands.is_empty() {
        String::new()
    } else {
        format!("({})", operands.join(", "))
    };
    format!("{}{list}{}", info.mnemonic, attributes(op))
}

/// A number as an element of that type: `0`, `1.5`, `-inf`, `true`.
pub(super) fn number(dtype: DType, number: Float) -> String {
    let whole = number.0.fract() == 0.0 && number.0.abs() <= (1u64 << 53) as f64;
    match dtype {
        DType::Bool if number == Float(0.0) => "false".into(),
        DType::Bool if number == Float(1.0) => "true".into(),
        _ if !dtype.is_float() && whole => format!("{}", number.0),
        _ => number.to_string(),
    }
}

/// `0:i32`, `-inf:f32`, `true:bool`
fn literal(literal: Literal) -> String {
    format!("{}:{}", number(literal.dtype, literal.number), literal.dtype)
}

/// A weight's name and hash: the beginning of its line in the stage `masks`.
fn weight(weight: &str, hash: Option<&str>, ty: &Type) -> String {
    let hash = hash.map_or(String::new(), |hash| format!(" {{hash = {}}}", word(hash)));
    format!("{} = weight{hash} : {ty}", name('@', weight))
}
