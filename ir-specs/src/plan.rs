//! The plan: what the runtime does, step by step, and nothing else. It knows no layers and no compiling; it is
//! what a masque executable carries.
//!
//! Every value lives in a numbered *slot*; a slot is used again once its value has been read for the last time.
//! Weights are named, typed and placed: where their bytes start in the weights section, and in which layout.

use serde::{Deserialize, Serialize};

use crate::float::Float;
use crate::ops::Op;
use crate::program::Literal;
use crate::semantics::Semantics;
use crate::ty::{DType, Type};

/// How a step is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kernel {
    /// By the operation's own meaning, element by element.
    Reference,
    /// By a kernel made for the operation.
    Native,
}

/// How a weight's bytes are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// Row by row, little-endian.
    Rows,
    /// A matrix in panels of columns, as the matrix product reads it.
    Panels,
    /// Texts: for each its length in bytes (u32), then all bytes.
    Texts,
}

/// A tensor that the caller passes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanInput {
    /// The name.
    pub name: String,
    /// Element type and shape.
    pub ty: Type,
    /// The number that ragged examples are filled up with.
    pub pad: Float,
    /// Where it goes.
    pub slot: u32,
}

/// A tensor kept from one run to the next; zeros before the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanState {
    /// The name.
    pub name: String,
    /// Element type and shape, all sizes known.
    pub ty: Type,
    /// Where it is at the start.
    pub slot: u32,
    /// What is kept at the end.
    pub kept: Source,
}

/// A tensor stored with the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanWeight {
    /// Layer name, `/`, the weight's name.
    pub name: String,
    /// Element type.
    pub dtype: DType,
    /// The size along every axis.
    pub shape: Vec<u64>,
    /// How the bytes are laid out.
    pub layout: Layout,
    /// Where the bytes start in the weights section; a multiple of [`ALIGNMENT`].
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
    /// The content's hash, before it was laid out.
    pub hash: String,
}

/// Every weight starts at a multiple of this many bytes: a cache line, and the widest vector.
pub const ALIGNMENT: u64 = 64;

/// What a step reads in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// Nothing: an optional operand that is not there.
    Absent,
    /// The value in a slot.
    Slot(u32),
    /// A weight, by place.
    Weight(u32),
    /// A number.
    Literal(Literal),
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What is done.
    pub op: Op,
    /// How.
    pub kernel: Kernel,
    /// With what.
    pub sources: Vec<Source>,
    /// Where the results go.
    pub results: Vec<PlanResult>,
    /// Slots whose values are not needed behind this step.
    pub release: Vec<u32>,
}

/// Where a step's result goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanResult {
    /// The value's name, for messages.
    pub name: String,
    /// Element type and shape.
    pub ty: Type,
    /// The slot.
    pub slot: u32,
}

/// A tensor that the plan gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanOutput {
    /// The name.
    pub name: String,
    /// Element type and shape.
    pub ty: Type,
    /// Where it is.
    pub source: Source,
}

/// What a plan was made from, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The model file's name, without folders.
    pub file: String,
    /// The hash of the model file.
    pub hash: String,
    /// The compiler's version.
    pub compiler: String,
    /// The mask table, as text.
    pub mask_table: String,
}

/// A plan; see the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The model's name.
    pub name: String,
    /// The rules it was compiled under.
    pub semantics: Semantics,
    /// What it was made from.
    pub provenance: Provenance,
    /// The inputs, in the model's order.
    pub inputs: Vec<PlanInput>,
    /// What is kept from run to run.
    pub states: Vec<PlanState>,
    /// The weights, in the order of their offsets.
    pub weights: Vec<PlanWeight>,
    /// How many slots there are.
    pub slots: u32,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// The model's outputs.
    pub outputs: Vec<PlanOutput>,
    /// The masks that were asked for, named after their calls.
    pub masks: Vec<PlanOutput>,
}
