//! Why a file of weights is refused.

use masque_runtime::quote::{one_line, quoted};

/// Why weights cannot be read. Each message is one line and names the dataset, group or attribute.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeightsError {
    /// The bytes are no HDF5 file, or one that is damaged.
    #[error("the weights are not a readable HDF5 file: {problem}")]
    Unreadable {
        /// What is wrong.
        problem: String,
    },
    /// A link, which a file of weights has no use for.
    #[error(
        "the HDF5 weights have {kind} at {}, expected plain groups and datasets; save the model again",
        quoted(path)
    )]
    Link {
        /// Where it is.
        path: String,
        /// What kind of link, and where it leads.
        kind: String,
    },
    /// A dataset whose elements are somewhere else.
    #[error("the weights dataset {} has its elements {place}, expected them in the file", quoted(path))]
    Elsewhere {
        /// The dataset.
        path: String,
        /// Where its elements are.
        place: String,
    },
    /// A name that would make paths ambiguous.
    #[error(
        "the HDF5 weights have an object with the impossible name {} in group {}",
        quoted(name),
        quoted(path)
    )]
    Name {
        /// The group.
        path: String,
        /// The name.
        name: String,
    },
    /// A tree that is too deep or too large.
    #[error("the HDF5 weights {what} at {}, expected at most {limit}", quoted(path))]
    Limit {
        /// Where it was noticed.
        path: String,
        /// What is too much.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// A dataset that claims more than the file can hold.
    #[error(
        "the weights dataset {} claims {claimed} bytes, expected at most {limit} in this file",
        quoted(path)
    )]
    Size {
        /// The dataset.
        path: String,
        /// What it needs, perhaps together with those before it; in words if it has no number.
        claimed: String,
        /// What the file can hold.
        limit: u64,
    },
    /// There is no such object.
    #[error("the weights have no {kind} {}; they have {present}", quoted(path))]
    Missing {
        /// What was looked for.
        path: String,
        /// Dataset, group or object.
        kind: &'static str,
        /// The first few that there are.
        present: String,
    },
    /// A dataset of another shape.
    #[error("the weights dataset {} has shape {found:?}, expected {expected:?}", quoted(path))]
    Shape {
        /// The dataset.
        path: String,
        /// What the model needs.
        expected: Vec<usize>,
        /// What there is.
        found: Vec<usize>,
    },
    /// Text where a variable's numbers should be.
    #[error("the weights dataset {} holds text, expected numbers", quoted(path))]
    Text {
        /// The dataset.
        path: String,
    },
    /// An element type that no tensor has.
    #[error("the weights dataset {} holds {found}, expected numbers, truth values or text", quoted(path))]
    Dtype {
        /// The dataset.
        path: String,
        /// What it holds.
        found: String,
    },
    /// Elements that cannot be read.
    #[error("the weights dataset {} is damaged: {problem}", quoted(path))]
    Content {
        /// The dataset.
        path: String,
        /// What is wrong.
        problem: String,
    },
    /// An attribute that is not the expected text.
    #[error("the HDF5 weights' attribute {} of {} is not readable: {problem}", quoted(name), quoted(path))]
    Attribute {
        /// The group or dataset.
        path: String,
        /// The attribute.
        name: String,
        /// What is wrong.
        problem: String,
    },
}

/// A refusal by the HDF5 library.
pub(super) fn unreadable(error: &hdf5_reader::error::Error) -> WeightsError {
    WeightsError::Unreadable { problem: one_line(&error.to_string()) }
}

pub(super) fn attribute(path: &str, name: &str, problem: String) -> WeightsError {
    WeightsError::Attribute { path: path.to_owned(), name: name.to_owned(), problem }
}
