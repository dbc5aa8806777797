//! The masque command.
fn main() {}
