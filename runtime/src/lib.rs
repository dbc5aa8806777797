//! Runs masque plans.

pub mod bundle;
pub mod check;
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
#[cfg(test)]
mod testing;
pub mod weights;
pub mod zip;

pub use bundle::Bundle;
pub use tensor::{Tensor, TensorView};
