//! The plan: what the runtime does, step by step, and nothing else. It knows no layers and no compiling; it is
//! what a masque executable carries.
//!
//! A plan is in SSA form, as the tensor graph is: every value is written by one step, and its size is that of its type,
//! an expression over the symbols of the inputs. Where values lie follows from their sizes and from the steps that read
//! them last, so it is computed once the sizes are known. A value may lie [over](PlanValue::over) another one: under
//! another shape, or written in place of it. Weights are named, typed and placed: where their bytes start in the weights
//! section, and in which layout.

use serde::{Deserialize, Serialize};

use crate::float::Float;
pub use crate::kernel::{Kernel, Layout};
use crate::ops::Op;
use crate::program::Literal;
use crate::semantics::Semantics;
use crate::ty::{DType, Type};

/// A value of a plan: an input, a state, or a result of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanValue {
    /// The name, unique in the plan.
    pub name: String,
    /// Element type and shape.
    pub ty: Type,
    /// The value, by place, whose memory it takes.
    pub over: Option<u32>,
}

/// A tensor that the caller passes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanInput {
    /// The value, by place.
    pub value: u32,
    /// The number that ragged examples are filled up with.
    pub pad: Float,
}

/// A tensor kept from one run to the next; zeros before the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanState {
    /// The value at the start of a run, by place; all sizes are known.
    pub value: u32,
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
    /// A value, by place.
    Value(u32),
    /// A weight, by place.
    Weight(u32),
    /// A number.
    Literal(Literal),
}

impl Source {
    /// The value, if it is one.
    pub fn value(self) -> Option<u32> {
        match self {
            Source::Value(value) => Some(value),
            _ => None,
        }
    }
}

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What is computed.
    pub op: Op,
    /// By which kernel.
    pub kernel: Kernel,
    /// From what.
    pub operands: Vec<Source>,
    /// The values that it writes, by place.
    pub results: Vec<u32>,
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

/// What answers read of the padding of their examples: of what stands there, or of how much of it there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaddingRead {
    /// Nothing says what is padding.
    #[default]
    Unknown,
    /// Something, or it is not proved that it is nothing.
    Some,
    /// Nothing.
    Nothing,
}

/// What a plan was made from, for people, and what was proved of the model on the way.
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
    /// The names that Keras knows the outputs by, in order; empty where nobody said.
    pub output_names: Vec<String>,
    /// Is it proved that every answer is made of its own example alone?
    pub apart: bool,
    /// What answers read of the padding.
    pub padding: PaddingRead,
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
    /// Every value, in the order in which they are written: inputs, states, results.
    pub values: Vec<PlanValue>,
    /// The steps, in order.
    pub steps: Vec<Step>,
    /// The model's outputs.
    pub outputs: Vec<PlanOutput>,
    /// The masks that were asked for, named after their calls.
    pub masks: Vec<PlanOutput>,
}

impl Plan {
    /// A value by place.
    ///
    /// # Panics
    ///
    /// If there is none: of a plan that the verifier accepts, every place that it names is one.
    pub fn value(&self, place: u32) -> &PlanValue {
        &self.values[place as usize]
    }

    /// The inputs with their values, in the model's order.
    pub fn input_values(&self) -> impl Iterator<Item = (&PlanInput, &PlanValue)> {
        self.inputs.iter().map(|input| (input, self.value(input.value)))
    }

    /// The names of the outputs as people know them: those of the model where it has them.
    pub fn output_names(&self) -> impl Iterator<Item = &str> {
        let known = self.provenance.output_names.iter().map(String::as_str).map(Some);
        let known = known.chain(std::iter::repeat(None));
        self.outputs.iter().zip(known).map(|(output, known)| known.unwrap_or(&output.name))
    }

    /// The value whose memory a value takes, itself where it takes none.
    pub fn root(&self, mut place: u32) -> u32 {
        while let Some(over) = self.value(place).over {
            place = over;
        }
        place
    }
}
