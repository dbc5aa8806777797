//! When Keras would take a fast kernel on a GPU in place of what a layer means.

/// One condition of a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelCondition {
    /// The condition, in Keras' words.
    pub condition: &'static str,
    /// Does this layer fulfil it?
    pub holds: bool,
}

impl KernelCondition {
    /// A condition, and whether it holds.
    pub const fn new(condition: &'static str, holds: bool) -> KernelCondition {
        KernelCondition { condition, holds }
    }
}
