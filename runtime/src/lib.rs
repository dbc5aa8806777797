//! Runs masque plans.
//!
//! What an operation means is [`mod@reference`]; how text becomes numbers is [`text`]; what can go wrong is
//! [`error`].

pub mod csv;
pub mod element;
mod elements;
pub mod error;
pub mod examples;
mod json;
pub mod json_lines;
pub mod kernels;
pub mod npy;
pub mod npz;
pub mod quote;
pub mod reference;
pub mod tensor;
pub mod text;
pub mod zip;

pub use elements::MAX_RESULT_BYTES;
pub use error::{OpFailure, RunError};
pub use tensor::{Tensor, TensorView};
