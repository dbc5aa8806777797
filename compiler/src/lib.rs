//! A compiler for sequence models on padded batches.

pub mod diagnostics;
pub mod frontend;
pub mod infer;
pub mod layer;
pub mod layers;
pub mod lower;
pub mod masks;
pub mod rewrite;
