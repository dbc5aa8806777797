//! Runs masque plans.
//!
//! What an operation means is [`mod@reference`]; how text becomes numbers is [`text`]; what can go wrong is
//! [`error`]. The fast way to the same numbers is [`kernels`], which [`exec`] chooses. A plan and its weights
//! come in a [`bundle`], a [`session`] runs them, and [`cli`] is the program around both.

pub mod attached;
pub mod bundle;
mod cast;
pub mod check;
pub mod classes;
pub mod cli;
pub mod csv;
mod data;
pub mod element;
mod elements;
pub mod error;
pub mod example;
pub mod examples;
pub mod exec;
pub mod hash;
pub mod io;
mod json;
pub mod json_lines;
mod keep;
pub use masque_kernels as kernels;
pub mod lookup;
mod memory;
pub mod npy;
pub mod npz;
pub mod quote;
pub mod reference;
pub mod serve;
pub mod session;
pub mod tensor;
#[cfg(test)]
mod testing;
pub mod text;
pub mod weights;
pub mod zip;

pub use ndarray;

pub use attached::Attached;
pub use bundle::Bundle;
pub use elements::MAX_RESULT_BYTES;
pub use error::{OpFailure, RunError};
pub use session::{Options, Outputs, Session, State};
pub use tensor::{Tensor, TensorView};
pub use weights::Section;

/// The epoch of the numbers: it goes up when any bit of any answer may change, because of a kernel, a rewriting or an
/// order. Every container has the one it was built under.
pub const NUMERICS: u32 = 1;

/// The examples of a page for users, to be run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/anywhere.md")]
struct Anywhere;
