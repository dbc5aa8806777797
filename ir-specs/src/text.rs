//! The text form: one syntax for every stage, printed and parsed back.
//!
//! Printing what was parsed, and parsing what was printed, changes nothing: `parse(print(g)) == g` for every
//! program that the [verifier](crate::verify) accepts, and a printed text prints to itself byte for byte. There
//! is one statement a line, so that dumps diff well and a diagnostic can point at a call by its line.
//!
//! Names stand as they are where they are plain, and in quotes where they are not; numbers of JSON's two kinds
//! stay apart (`1` and `1.0`). The grammar is on one page, `spec/text.md`, whose examples are run.
//!
//! The parser reads texts that nobody vouches for: it never panics, reads at most [`MAX_BYTES`], nests at most
//! [`MAX_DEPTH`] deep, and answers with the first [`TextError`]. It checks what the syntax and the names say;
//! whether a program *means* something is the verifier's question.

mod error;
mod lexer;
mod parser;
mod printer;

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

pub use error::{Problem, TextError};
pub use printer::{Fold, layer_lines};

use serde_json::Value as Json;

use crate::described::Description;
use crate::facts::{Facts, InferredGraph};
use crate::float::Float;
use crate::layers::{ArgumentValue, CallId, LayerGraph, TensorRef};
use crate::mask::MaskId;
use crate::plan::Plan;
use crate::program::Program;
use crate::ty::{DType, Type};

/// The longest text that is read.
pub const MAX_BYTES: usize = 64 << 20;

/// How deep brackets and blocks may lie within one another.
pub const MAX_DEPTH: u32 = 64;

/// Which of the compiler's stages a text shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// The layer graph as it was read.
    Layers,
    /// The layer graph with types and masks.
    Masks,
    /// The tensor graph as it was lowered.
    Tensor,
    /// The tensor graph after rewriting.
    Optimized,
    /// The tensor graph without padding.
    Packed,
    /// The plan.
    Plan,
}

impl Stage {
    /// Every stage, in order.
    pub const ALL: [Stage; 6] =
        [Stage::Layers, Stage::Masks, Stage::Tensor, Stage::Optimized, Stage::Packed, Stage::Plan];

    /// The word in the header and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Stage::Layers => "layers",
            Stage::Masks => "masks",
            Stage::Tensor => "tensor",
            Stage::Optimized => "optimized",
            Stage::Packed => "packed",
            Stage::Plan => "plan",
        }
    }

    /// The version of the stage's text form, in its header.
    pub const fn version(self) -> u32 {
        match self {
            Stage::Plan => 2,
            _ => 1,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// No stage has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown stage `{0}`: expected layers, masks, tensor, optimized, packed or plan")]
pub struct UnknownStage(String);

impl FromStr for Stage {
    type Err = UnknownStage;
    fn from_str(name: &str) -> Result<Stage, UnknownStage> {
        let found = Stage::ALL.into_iter().find(|stage| stage.name() == name);
        found.ok_or_else(|| UnknownStage(name.chars().take(40).collect()))
    }
}

/// What one text holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Document {
    /// Stage `layers`.
    Layers(LayerGraph),
    /// Stage `masks`.
    Masks(InferredGraph),
    /// Stages `tensor`, `optimized`, `packed`.
    Program(ProgramStage, Program),
    /// Stage `plan`.
    Plan(Plan),
}

/// A stage whose form is a tensor graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ProgramStage {
    /// As it was lowered.
    Tensor,
    /// After rewriting.
    Optimized,
    /// Without padding.
    Packed,
}

impl From<ProgramStage> for Stage {
    fn from(stage: ProgramStage) -> Stage {
        match stage {
            ProgramStage::Tensor => Stage::Tensor,
            ProgramStage::Optimized => Stage::Optimized,
            ProgramStage::Packed => Stage::Packed,
        }
    }
}

impl Document {
    /// Which stage it shows.
    pub fn stage(&self) -> Stage {
        match self {
            Document::Layers(_) => Stage::Layers,
            Document::Masks(_) => Stage::Masks,
            Document::Program(stage, _) => (*stage).into(),
            Document::Plan(_) => Stage::Plan,
        }
    }
}

/// Reads a text of any stage; what `Display` prints reads back to the same document.
impl FromStr for Document {
    type Err = TextError;
    fn from_str(text: &str) -> Result<Document, TextError> {
        parse(text)
    }
}

/// The document's text.
impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&match self {
            Document::Layers(graph) => print_layers(graph),
            Document::Masks(inferred) => print_masks(inferred),
            Document::Program(stage, program) => print_program(program, *stage),
            Document::Plan(plan) => print_plan(plan),
        })
    }
}

/// Reads a text of any stage. The error is the first place where the text is not what it should be.
pub fn parse(text: &str) -> Result<Document, TextError> {
    parser::document(text)
}

/// Reads the type of a tensor: `f32[B, T, 8]`.
pub fn parse_type(text: &str) -> Result<Type, TextError> {
    parser::tensor_type(text)
}

/// Reads a text of descriptions of layers.
pub fn parse_descriptions(text: &str) -> Result<Vec<Description>, TextError> {
    parser::descriptions(text)
}

/// The text of descriptions of layers.
pub fn print_descriptions(descriptions: &[Description]) -> String {
    printer::descriptions(descriptions)
}

/// The text of stage `layers`.
pub fn print_layers(graph: &LayerGraph) -> String {
    layer_lines(graph).0
}

/// The text of stage `masks`.
pub fn print_masks(inferred: &InferredGraph) -> String {
    printer::masks(inferred)
}

/// The text of stage `layers` with blocks folded. It is for people: its header says `folded`, and it is not read back.
pub fn print_layers_folded(graph: &LayerGraph, fold: &Fold) -> String {
    printer::folded_layers(graph, fold)
}

/// The text of stage `masks` with blocks folded, as [`print_layers_folded`] does it.
pub fn print_masks_folded(inferred: &InferredGraph, fold: &Fold) -> String {
    printer::folded_masks(inferred, fold)
}

/// The lines of stage `layers` that are of these calls, their layers and weights. They are for people: the header says
/// `part`, and they are not read back.
pub fn print_layers_part(graph: &LayerGraph, kept: &BTreeSet<CallId>) -> String {
    printer::part_of_layers(graph, kept)
}

/// The lines of stage `masks` that are of these calls, as [`print_layers_part`] does it.
pub fn print_masks_part(inferred: &InferredGraph, kept: &BTreeSet<CallId>) -> String {
    printer::part_of_masks(inferred, kept)
}

/// The lines of a tensor graph that are of these nodes, as [`print_layers_part`] does it.
pub fn print_program_part(program: &Program, stage: ProgramStage, kept: &BTreeSet<usize>) -> String {
    printer::part_of_program(program, stage.into(), kept)
}

/// One mask as an expression, as the stage `masks` shows it: `any(ne(%x, 0.0), -1)`. A long one ends with `…`.
pub fn print_mask(graph: &LayerGraph, facts: &Facts, mask: MaskId) -> String {
    printer::mask(graph, facts, mask)
}

/// One tensor's name, as a layer graph's text has it: `%gru`, `%dense:1`, `%lstm.2`.
pub fn print_tensor(graph: &LayerGraph, tensor: TensorRef) -> String {
    printer::tensor(graph, tensor)
}

/// A number as an element of that type: `0`, `1.5`, `-inf`, `true`.
pub fn print_number(dtype: DType, number: Float) -> String {
    printer::number(dtype, number)
}

/// A setting of a layer, as the stages `layers` and `masks` show it: `tanh`, `[1, 2]`.
pub fn print_setting(value: &Json) -> String {
    printer::json(value)
}

/// One node of a program on a line, without the body of a loop: `%y = add(%x, 1.0) : f32[B]`.
pub fn print_node(program: &Program, node: usize) -> String {
    program.nodes.get(node).map_or_else(String::new, |node| printer::node(program, node))
}

/// The text of a stage whose form is a tensor graph.
pub fn print_program(program: &Program, stage: ProgramStage) -> String {
    printer::program(program, stage.into())
}

/// The text of stage `plan`.
pub fn print_plan(plan: &Plan) -> String {
    printer::plan(plan)
}

/// How many tensors a call reads as data, by its positional arguments; what `mask_in` has a place for.
fn data_tensors<'a>(positional: impl Iterator<Item = &'a ArgumentValue>) -> usize {
    positional.map(|argument| argument.tensors().len()).sum()
}

/// A value of our own in JSON's terms.
fn tagged(value: &impl serde::Serialize) -> Json {
    serde_json::to_value(value).unwrap_or(Json::Null)
}
