//! What a masque program is and means: the ground that the compiler and the runtime stand on.
//!
//! Three programs, one after the other, each with data, a text form and a verifier:
//!
//! | program | what it is | where |
//! |---|---|---|
//! | layer graph | calls of Keras layers, as a model file names them; beside it what was inferred | [`layers`], [`facts`] |
//! | tensor graph | operations on tensors, masks among them | [`program`], [`ops`] |
//! | plan | what the runtime does, step by step | [`plan`], [`kernel`] |
//!
//! The text form of all three is [`text`] (feature `text`, on by default), the verifiers are [`verify`].
//!
//! Below them lie sizes ([`dim`]), types ([`ty`]), symbolic masks ([`mask`]) and the declared rules
//! ([`semantics`]).

pub mod activation;
pub mod by_value;
pub mod contraction;
pub mod described;
pub mod dim;
pub mod facts;
pub mod float;
pub mod flow;
pub mod kernel;
pub mod layers;
pub mod mask;
pub mod ops;
pub mod plan;
pub mod program;
pub mod semantics;
#[cfg(feature = "text")]
pub mod text;
pub mod ty;
pub mod verify;

pub use dim::Dim;
pub use float::Float;
pub use semantics::Semantics;
pub use ty::{DType, Sizes, Type};
