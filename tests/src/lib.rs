//! What the tests that cross crates share: one reader of the golden models, one way to compile them, and everything
//! that can run what comes out.
//!
//! | module | what |
//! |---|---|
//! | [`corpus`] | the golden models with what Keras says of them, and the list of those that are not done yet |
//! | [`stages`] | a model at every stage of the compiler |
//! | [`engines`] | the ways to run it, slow and fast |
//! | [`formulas`] | the formulas of `explain` as numbers |
//! | [`compare`] | are these the numbers, and the masks, of Keras? |
//! | [`losses`] | Keras' losses, in numbers |
//! | [`metrics`] | Keras' metrics, in numbers |
//! | [`mask_table`] | is this the mask table of Keras? |
//! | [`programs`] | programs in the text form with what is expected of them |
//! | [`schema`] | does a dump in JSON keep to its schema? |
//! | [`browser`] | a real browser, where one is installed |
//! | [`command`] | running programs, and what may be expected of one that refuses |
//! | [`sources`] | the repository's own files |
//!
//! The tests themselves are the files beside this folder, one for each kind of promise.

pub mod browser;
pub mod command;
pub mod compare;
pub mod corpus;
pub mod engines;
pub mod formulas;
pub mod imports;
pub mod losses;
pub mod mask_table;
pub mod metrics;
pub mod programs;
pub mod schema;
pub mod sources;
pub mod stages;

use std::path::{Path, PathBuf};

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}
