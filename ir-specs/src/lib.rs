//! What a masque program is and means.

pub mod ty;
pub use ty::DType;
