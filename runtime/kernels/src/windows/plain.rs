//! Windows tap by tap, for the tests.

use proptest::prelude::*;

use super::{Axis, Segment};
use crate::testing::Lcg;

/// The taps of a window along an axis that read a row, with their rows.
pub(super) fn along(axis: &Axis, window: usize) -> Vec<(usize, usize)> {
    let row = |tap: usize| {
        let place = (window * axis.stride + tap * axis.dilation) as isize - axis.before;
        let place = usize::try_from(place).ok().filter(|place| place.is_multiple_of(axis.input_dilation))?;
        Some(place / axis.input_dilation).filter(|&row| row < axis.size)
    };
    (0..axis.window).filter_map(|tap| Some((tap, row(tap)?))).collect()
}

pub(crate) fn product(axes: &[Axis], f: impl Fn(&Axis) -> usize) -> usize {
    axes.iter().map(f).product()
}

/// The taps of an output row that read a row: their numbers in the window, and their rows of the whole input.
pub(crate) fn taps(axes: &[Axis], row: usize) -> Vec<(usize, usize)> {
    let (mut example, mut windows) = (row, Vec::new());
    for axis in axes.iter().rev() {
        windows.push(example % axis.count);
        example /= axis.count;
    }
    let mut taps = vec![(0, example)];
    for (axis, window) in axes.iter().zip(windows.into_iter().rev()) {
        let next = |(tap, row): (usize, usize)| {
            let here = along(axis, window).into_iter();
            here.map(move |(t, r)| (tap * axis.window + t, row * axis.size + r)).collect::<Vec<_>>()
        };
        taps = taps.into_iter().flat_map(next).collect();
    }
    taps
}

prop_compose! {
    /// Any axis, of those that a layer may have and of others.
    pub(crate) fn axis()(
        size in prop_oneof![0usize..4, Just(7), Just(13)],
        window in 1usize..5,
        (stride, dilation, input_dilation) in (1usize..4, 1usize..4, 1usize..4),
        (before, after) in (-1isize..7, -1isize..7),
        same: bool,
    ) -> Axis {
        if same {
            Axis::same(size, window, [stride, dilation])
        } else {
            Axis::padded(size, window, [stride, dilation, input_dilation], [before, after])
        }
    }
}

/// Segments of these lengths with an axis' windows, in an input and an output with rows between them, and the lengths
/// of both.
pub(crate) fn segments(axis: Axis, lengths: &[usize]) -> (Vec<Segment>, [usize; 2]) {
    let (mut lcg, mut ends) = (Lcg::new(lengths.len() as u64), [0, 0]);
    let segment = |&length: &usize| {
        let [input, output] = ends.map(|end| end + lcg.below(2));
        let counts = Axis { size: length, ..axis };
        let reach = (counts.size * counts.input_dilation) as isize + counts.before - counts.reach() as isize;
        let count = usize::try_from(reach).unwrap_or(0).div_ceil(counts.stride);
        ends = [input + length, output + count];
        Segment { input: input..ends[0], output: output..ends[1] }
    };
    (lengths.iter().map(segment).collect(), ends)
}
