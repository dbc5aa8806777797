//! Why a container is refused.

use std::io;
use std::path::Path;

use crate::check::CheckError;
use crate::quote::{one_line, quoted};

/// A file is no sound container. One line, which names the file.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct BundleError {
    /// The file's path, fit for a message.
    pub file: String,
    /// What is wrong with it.
    #[source]
    pub problem: Problem,
}

impl BundleError {
    pub(super) fn new(path: &Path, problem: Problem) -> BundleError {
        BundleError { file: one_line(&path.to_string_lossy()), problem }
    }
}

/// What is wrong with a container.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file cannot be read.
    #[error("{}", one_line(&.0.to_string()))]
    Read(#[from] io::Error),
    /// It is a folder or a device.
    #[error("not a file")]
    NotAFile,
    /// The end of the file is not that of a container.
    #[error(
        "carries no model: not made by `masque build`, cut short, or stripped of what stands behind the code"
    )]
    NoPayload,
    /// Written by another version of masque.
    #[error("its format is version {found}, this program reads version {expected}")]
    Version {
        /// The file's version.
        found: u32,
        /// Ours.
        expected: u32,
    },
    /// The sections do not fit into the file.
    #[error("cut short: the model it carries is not complete")]
    Cut,
    /// A checksum is wrong.
    #[error("damaged: the checksum of its {0} is wrong")]
    Changed(&'static str),
    /// The plan's bytes are no plan.
    #[error("its plan cannot be read: {}", quoted(.0))]
    Encoding(String),
    /// What is attached cannot be read, or is not for this plan.
    #[error("what is attached to its plan cannot be read: {}", quoted(.0))]
    Attached(String),
    /// The plan is not sound.
    #[error("its plan is not sound: {0}")]
    Plan(#[from] CheckError),
}
