//! Front ends: they read and check what a model file says, and nothing else.

pub mod hdf5;
