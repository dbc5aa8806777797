//! Which taps of which windows are inside: an axis as a few stretches of windows that have the same taps.

use super::Axis;

/// The taps of a window along an axis that read a row, evenly spaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Taps {
    /// The first of them.
    pub(crate) first: usize,
    /// From one to the next.
    pub(crate) step: usize,
    /// How many there are.
    pub(crate) count: usize,
    /// From the row that one reads to the row that the next one reads.
    pub(crate) advance: usize,
}

impl Taps {
    /// No taps at all.
    const NONE: Self = Self { first: 0, step: 1, count: 0, advance: 1 };
}

/// Evenly spaced windows that have the same taps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stretch {
    /// The first window.
    pub(crate) first: usize,
    /// From a window to the next.
    pub(crate) step: usize,
    /// How many windows there are.
    pub(crate) count: usize,
    /// The taps of each.
    pub(crate) taps: Taps,
    /// The row that the first window's first tap reads; 0 without taps.
    pub(crate) row: usize,
    /// From that row to the one that the next window's first tap reads.
    pub(crate) advance: usize,
}

impl Axis {
    /// Appends stretches that contain every window once.
    ///
    /// Rows of a dilated input meet only every so many taps, other taps for other windows. The windows that meet the
    /// same ones are a *phase*, and within a phase everything is as on an axis without input dilation.
    pub(super) fn stretches(&self, stretches: &mut Vec<Stretch>) {
        let phases = self.input_dilation / gcd(self.stride, self.input_dilation);
        for phase in 0..phases.min(self.count) {
            let count = (self.count - phase).div_ceil(phases);
            match self.phase(phase) {
                Some(inner) => inner.stretches(self.size as isize, [phase, phases, count], stretches),
                None => {
                    stretches.push(Stretch {
                        first: phase,
                        step: phases,
                        count,
                        taps: Taps::NONE,
                        row: 0,
                        advance: 0,
                    });
                }
            }
        }
    }

    /// The taps of every window of a phase, if they meet rows at all.
    fn phase(&self, phase: usize) -> Option<Phase> {
        let start = (phase * self.stride) as isize - self.before;
        let common = gcd(self.dilation, self.input_dilation);
        let step = self.input_dilation / common;
        let place = |tap: usize| start + (tap * self.dilation) as isize;
        let first = (0..step.min(self.window)).find(|&tap| place(tap) % self.input_dilation as isize == 0)?;
        Some(Phase {
            first,
            step,
            taps: (self.window - first).div_ceil(step),
            row: place(first) / self.input_dilation as isize,
            between_taps: (self.dilation / common) as isize,
            between_windows: (self.stride / gcd(self.stride, self.input_dilation)) as isize,
        })
    }
}

/// The taps that windows of a phase have where none is outside, and the rows that these read.
struct Phase {
    first: usize,
    step: usize,
    taps: usize,
    /// The row of the first window's first tap, which may be outside.
    row: isize,
    between_taps: isize,
    between_windows: isize,
}

impl Phase {
    /// Appends the stretches of the phase's windows: number `i` of `count` is window `first + i * step`.
    fn stretches(&self, size: isize, [first, step, count]: [usize; 3], stretches: &mut Vec<Stretch>) {
        let mut window = 0;
        while window < count {
            let row = self.row + window as isize * self.between_windows;
            let tap_from = |row: isize| ceil_div(row, self.between_taps).clamp(0, self.taps as isize);
            let (inside, outside) = (tap_from(-row), tap_from(size - row));
            // The next window whose taps differ: one more reaches the beginning, or one less the end.
            let window_from = |row: isize| ceil_div(row - self.row, self.between_windows) as usize;
            let mut end = count;
            if inside > 0 {
                end = end.min(window_from((1 - inside) * self.between_taps));
            }
            if outside > 0 {
                end = end.min(window_from(size + (1 - outside) * self.between_taps));
            }
            let taps = Taps {
                first: self.first + inside as usize * self.step,
                step: self.step,
                count: (outside - inside).max(0) as usize,
                advance: self.between_taps as usize,
            };
            let any = taps.count > 0;
            stretches.push(Stretch {
                first: first + window * step,
                step,
                count: end - window,
                taps: if any { taps } else { Taps::NONE },
                row: if any { (row + inside * self.between_taps) as usize } else { 0 },
                advance: if any { self.between_windows as usize } else { 0 },
            });
            window = end;
        }
    }
}

fn ceil_div(a: isize, b: isize) -> isize {
    -(-a).div_euclid(b)
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::plain::along;
    use super::*;

    fn listed(axis: &Axis) -> Vec<Option<Vec<(usize, usize)>>> {
        let mut windows = vec![None; axis.count];
        let mut stretches = Vec::new();
        axis.stretches(&mut stretches);
        assert!(stretches.iter().all(|stretch| stretch.count > 0));
        for Stretch { first, step, count, taps, row, advance } in stretches {
            for i in 0..count {
                let tap = |j: usize| (taps.first + j * taps.step, row + i * advance + j * taps.advance);
                let before = windows[first + i * step].replace((0..taps.count).map(tap).collect());
                assert_eq!(before, None, "every window once");
            }
        }
        windows
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn every_window_has_the_taps_that_are_inside(
            (size, count, window) in (0usize..30, 0usize..40, 1usize..9),
            (stride, dilation, input_dilation) in (1usize..7, 1usize..7, 1usize..7),
            before in -12isize..60,
        ) {
            let axis = Axis { size, count, window, stride, dilation, input_dilation, before };
            let want: Vec<_> = (0..count).map(|window| Some(along(&axis, window))).collect();
            prop_assert_eq!(listed(&axis), want);
        }
    }

    #[test]
    fn long_axes_are_few_stretches() {
        let mut stretches = Vec::new();
        Axis::padded(10_000, 3, [1, 32, 1], [64, 0]).stretches(&mut stretches);
        assert_eq!(stretches.iter().map(|stretch| stretch.count).collect::<Vec<_>>(), [32, 32, 9936]);
    }
}
