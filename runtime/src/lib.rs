//! Runs masque plans.

pub mod csv;
pub mod element;
pub mod examples;
mod json;
pub mod json_lines;
pub mod kernels;
pub mod npy;
pub mod npz;
pub mod quote;
pub mod tensor;
pub mod zip;
pub use tensor::{Tensor, TensorView};
