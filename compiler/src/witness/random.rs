//! Numbers that look like chance and are the same every time.

/// A stream of numbers (SplitMix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A whole number from 0 below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// A number between two, in steps of 1/64 so that it prints short.
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        let steps = ((high - low) * 64.0) as usize;
        low + self.below(steps + 1) as f64 / 64.0
    }
}
