//! Placeholder.

pub mod frontend;
