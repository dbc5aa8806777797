//! What a layer has to say about a mask that it cannot take: why, and which ways out there are. It is beside the layer,
//! in its own file, because nothing else knows.

use super::Way;

/// Why masks mean nothing to a layer, and how a model that brings one is fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    /// What the layer does that a mask does not survive, in a sentence about the class.
    pub reason: &'static str,
    /// Ways to fix it, the best one first; each is suggested only where it works.
    pub ways: &'static [Way],
    /// Does it work position by position, so that padding cannot reach a valid one?
    pub by_position: bool,
}

impl Advice {
    /// Advice of a layer that has nothing special to say.
    pub const GENERAL: Advice = Advice {
        reason: "it neither uses a mask nor says what becomes of one",
        ways: &[Way::EachStep, Way::Zero],
        by_position: false,
    };

    /// Advice of a layer whose outputs are at the positions of its inputs, each made of one.
    pub const fn by_position(reason: &'static str, ways: &'static [Way]) -> Advice {
        Advice { reason, ways, by_position: true }
    }

    /// Advice of a layer that mixes or moves positions.
    pub const fn of(reason: &'static str, ways: &'static [Way]) -> Advice {
        Advice { reason, ways, by_position: false }
    }
}
