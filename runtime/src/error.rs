//! What can go wrong while a program runs.
//!
//! An operation only knows what it was given, so its failure ([`OpFailure`]) names sizes and numbers; whoever runs
//! the program adds where that was ([`RunError`]). Each is one line: names from files are quoted and escaped.

use masque_ir::DType;
use masque_ir::ops::OpError;

/// A program could not be run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RunError {
    /// The caller passed nothing for an input.
    #[error("input {name:?} is missing")]
    MissingInput {
        /// The input.
        name: String,
    },
    /// The caller did not pass exactly the inputs of the model.
    #[error("{problem}; the model expects {expected}")]
    InputNames {
        /// Which input is missing, unknown or there twice.
        problem: String,
        /// All inputs with their types.
        expected: String,
    },
    /// What the caller passed for an input does not have its type.
    #[error("input {name:?}: expected {expected}, found {found}")]
    InputType {
        /// The input.
        name: String,
        /// The declared type, and its sizes as far as other inputs fixed them.
        expected: String,
        /// The type that was passed.
        found: String,
    },
    /// A number that its input cannot hold: one that is not whole, or too large.
    #[error("input {name:?}: expected {expected}, found {found} at {position:?}")]
    InputRange {
        /// The input.
        name: String,
        /// The declared type.
        expected: String,
        /// The number.
        found: String,
        /// Where it stands.
        position: Vec<usize>,
    },
    /// There is no weight of that name.
    #[error("weight {name:?} is missing")]
    MissingWeight {
        /// The weight.
        name: String,
    },
    /// A weight does not have its declared type.
    #[error("weight {name:?}: expected {expected}, found {found}")]
    WeightType {
        /// The weight.
        name: String,
        /// The declared type.
        expected: String,
        /// The type that is there.
        found: String,
    },
    /// The values of the model need more memory than a run may take, or than there is.
    #[error(
        "the values of the model need {bytes} bytes at a time for these inputs, which is above the limit of {limit} bytes"
    )]
    Memory {
        /// What they need.
        bytes: u64,
        /// What is allowed.
        limit: u64,
    },
    /// Inputs of different lengths meet in one layer.
    #[error("inputs of different lengths, which {layer:?} joins: {inputs}; expected the same length")]
    Lengths {
        /// The inputs with their lengths.
        inputs: String,
        /// The layer.
        layer: String,
    },
    /// A step failed.
    #[error("step {step:?} ({op}): {failure}")]
    Step {
        /// The name of the step's first result.
        step: String,
        /// The operation's mnemonic.
        op: &'static str,
        /// What went wrong.
        failure: OpFailure,
    },
}

/// An operation could not be applied to the operands of this run.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum OpFailure {
    /// The operands' sizes or element types do not fit the operation.
    #[error(transparent)]
    Operands(#[from] OpError),
    /// An index names no row of the table.
    #[error("index {index} at {position:?} is outside the table, which has {rows} rows")]
    IndexOutOfRange {
        /// The index.
        index: i64,
        /// How many rows there are.
        rows: usize,
        /// Where the index stands among the indices.
        position: Vec<usize>,
    },
    /// A token is in no list, and has to be.
    #[error("{token} at {position:?} is not in the vocabulary, which has no number for unknown tokens")]
    Unknown {
        /// The token, quoted where it is a text.
        token: String,
        /// Where it stands.
        position: Vec<usize>,
    },
    /// What is counted has to be a number from 0 on.
    #[error("{number} at {position:?}: a negative number cannot be counted")]
    Negative {
        /// The number.
        number: i64,
        /// Where it stands.
        position: Vec<usize>,
    },
    /// Positions outside an axis were asked for.
    #[error("positions {start} to {stop} are not within an axis of size {size}")]
    SliceOutOfRange {
        /// The first position.
        start: usize,
        /// One behind the last position.
        stop: usize,
        /// The size of the axis.
        size: usize,
    },
    /// Sizes contradict each other.
    #[error("expected {expected}, found {found}")]
    ShapeMismatch {
        /// What was needed.
        expected: String,
        /// What was there.
        found: String,
    },
    /// A size depends on a symbol that nothing bound, or is negative or too large in this run.
    #[error("the size `{size}` is unknown, negative or too large in this run")]
    UnboundSize {
        /// The size, as it is written.
        size: String,
    },
    /// A result would need more memory than any result may have.
    #[error("a result of {bytes} bytes is above the limit of {limit} bytes")]
    TooLarge {
        /// What it would need; the largest `u64` if it is more than that.
        bytes: u64,
        /// What is allowed.
        limit: u64,
    },
    /// The operation has no meaning for elements of this type.
    #[error("elements of type {found} cannot be used here")]
    ElementType {
        /// The type found.
        found: DType,
    },
    /// An input or a weight: somebody gives it, nothing computes it.
    #[error("it is given to a program, not computed")]
    Given,
    /// A step of the operation's own program failed: of a loop's body, or of a composite's decomposition.
    #[error("within it, {0}")]
    Within(Box<RunError>),
}

impl OpFailure {
    /// A contradiction between sizes.
    pub(crate) fn mismatch(expected: impl ToString, found: impl ToString) -> OpFailure {
        OpFailure::ShapeMismatch { expected: expected.to_string(), found: found.to_string() }
    }
}
