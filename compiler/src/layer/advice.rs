//! What a layer has to say to somebody whose mask it cannot take: why, and what to do instead. It stands beside the
//! layer, in its own file, because nobody else knows.

/// Why masks mean nothing to a layer, and how a model that brings one is mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    /// What the layer does that a mask does not survive, in a sentence about the class.
    pub reason: &'static str,
    /// Ways to mend it, the best one first. `{}` stands for the call, `{mask}` for how the mask is computed in Keras,
    /// `{user}` for the first layer behind that uses a mask.
    pub mends: &'static [&'static str],
    /// Does it work position by position, so that padding cannot reach a valid one?
    pub by_position: bool,
}

/// How a mask is passed on by hand, for layers whose outputs it still fits.
pub const BY_HAND: &str = "pass the mask by hand to the layer behind `{}` that needs it: mask = {mask}, then \
                           {user}(y, mask=mask)";

impl Advice {
    /// Of a layer that has nothing special to say.
    pub const GENERAL: Advice = Advice {
        reason: "it neither uses a mask nor says what becomes of one",
        mends: &[
            "put a layer that uses the mask before `{}`, such as GlobalAveragePooling1D or a recurrent layer without \
             return_sequences",
            BY_HAND,
        ],
        by_position: false,
    };

    /// Of a layer whose outputs are at the positions of its inputs, each made of one.
    pub const fn by_position(reason: &'static str, mends: &'static [&'static str]) -> Advice {
        Advice { reason, mends, by_position: true }
    }

    /// Of a layer that mixes or moves positions.
    pub const fn of(reason: &'static str, mends: &'static [&'static str]) -> Advice {
        Advice { reason, mends, by_position: false }
    }
}
