//! Runs masque plans.
//!
//! What an operation means is [`mod@reference`]; how text becomes numbers is [`text`]; what can go wrong is
//! [`error`].

mod elements;
pub mod error;
pub mod reference;
pub mod tensor;
pub mod text;

pub use elements::MAX_RESULT_BYTES;
pub use error::{OpFailure, RunError};
pub use tensor::{Tensor, TensorView};
