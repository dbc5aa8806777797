//! Runs masque plans.

pub mod tensor;
pub use tensor::{Tensor, TensorView};
