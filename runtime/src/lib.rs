//! Runs masque plans.

pub mod quote;
pub mod tensor;
pub mod zip;
pub use tensor::{Tensor, TensorView};
