//! Runs masque plans.

pub mod kernels;
pub mod tensor;
pub use tensor::{Tensor, TensorView};
