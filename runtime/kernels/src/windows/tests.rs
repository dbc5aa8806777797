//! Pooling against plain loops, bit for bit, and against everything that must not show.

use std::ops::Range;

use fearless_simd::Level;
use proptest::collection::vec;
use proptest::prelude::*;

use super::plain::{axis, product, segments, taps};
use super::pool::{global_at, pool_at};
use super::spread::spread_at;
use super::*;
use crate::level;
use crate::testing::{Lcg, bits, levels, with_threads};

const POOLS: [Pool; 2] = [Pool::Max, Pool::Mean];

/// Numbers among which there are NaNs of both signs, infinities and negative zeros.
fn numbers(len: usize) -> Vec<f32> {
    let mut lcg = Lcg::new(len as u64);
    let strange = [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, -0.0];
    let number = |x| if lcg.below(6) == 0 { strange[lcg.below(6)] } else { x };
    Lcg::new(3).floats(len, 9.0).into_iter().map(number).collect()
}

/// What becomes of a window, element by element.
fn fold(pool: Pool, elements: impl Iterator<Item = f32> + Clone) -> f32 {
    match pool {
        Pool::Max => elements.fold(f32::NEG_INFINITY, |max, x| if x.is_nan() || x > max { x } else { max }),
        Pool::Mean => elements.clone().fold(0.0, |sum, x| sum + x) / elements.count() as f32,
    }
}

/// The bits, all NaNs of a mean being one: which of two a sum keeps is the processor's choice.
fn comparable(pool: Pool, xs: &[f32]) -> Vec<u32> {
    let one = |x: &f32| if pool == Pool::Mean && x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() };
    xs.iter().map(one).collect()
}

fn plain(pool: Pool, batch: usize, axes: &[Axis], channels: usize, x: &[f32]) -> Vec<f32> {
    let rows = batch * product(axes, |axis| axis.count);
    let window = |row: usize| {
        let taps = taps(axes, row);
        (0..channels)
            .map(|channel| fold(pool, taps.iter().map(|(_, row)| x[row * channels + channel])))
            .collect::<Vec<_>>()
    };
    (0..rows).flat_map(window).collect()
}

fn pooled(level: Level, pool: Pool, layout: Layout<'_>, channels: usize, x: &[f32], out: usize) -> Vec<f32> {
    let mut out = vec![0.5; out * channels];
    pool_at(level, pool, layout, channels, x, &mut out);
    out
}

proptest! {
    #[test]
    fn every_window_is_folded_in_order(
        batch in 0usize..4,
        axes in vec(axis(), 1..4),
        channels in prop_oneof![0usize..20, Just(64), Just(101)],
    ) {
        let x = numbers(batch * product(&axes, |axis| axis.size) * channels);
        let rows = batch * product(&axes, |axis| axis.count);
        for pool in POOLS {
            let want = comparable(pool, &plain(pool, batch, &axes, channels, &x));
            for level in levels() {
                let got = pooled(level, pool, Layout::Dense { batch, axes: &axes }, channels, &x, rows);
                prop_assert_eq!(comparable(pool, &got), want.clone(), "{:?}", level);
            }
        }
    }

    #[test]
    fn a_packed_sequence_is_the_same_alone(
        axis in axis(),
        lengths in vec(0usize..12, 0..12),
        channels in 1usize..40,
    ) {
        let (segments, [input, output]) = segments(axis, &lengths);
        let x = numbers(input * channels);
        for pool in POOLS {
            let got = pooled(level(), pool, Layout::Packed { segments: &segments, axis }, channels, &x, output);
            let mut want = vec![0.5; output * channels];
            for Segment { input, output } in &segments {
                let axes = [Axis { size: input.len(), count: output.len(), ..axis }];
                let x = &x[input.start * channels..input.end * channels];
                let alone = pooled(level(), pool, Layout::Dense { batch: 1, axes: &axes }, channels, x, output.len());
                want[output.start * channels..output.end * channels].copy_from_slice(&alone);
            }
            prop_assert_eq!(bits(&got), bits(&want));
        }
    }

    #[test]
    fn an_axis_is_covered_evenly(
        (before, length, after) in (0usize..4, 0usize..12, prop_oneof![0usize..40, Just(64)]),
        size in 0usize..6,
    ) {
        let x = numbers(before * length * after);
        let covered = |i: usize| i * length / size..((i + 1) * length).div_ceil(size);
        for pool in POOLS {
            let window = |place: usize| {
                let (row, column) = (place / after, place % after);
                let first = row / size * length;
                fold(pool, covered(row % size).map(|at| x[(first + at) * after + column]))
            };
            let want: Vec<f32> = (0..before * size * after).map(window).collect();
            for level in levels() {
                let mut got = vec![0.5; before * size * after];
                spread_at(level, pool, [before, length, after], size, &x, &mut got);
                prop_assert_eq!(comparable(pool, &got), comparable(pool, &want), "{:?}", level);
            }
        }
    }

    #[test]
    fn everything_is_folded_in_order(lengths in vec(0usize..12, 0..6), channels in 0usize..70) {
        let x = numbers(lengths.iter().sum::<usize>() * channels);
        let mut end = 0;
        let segments: Vec<Range<usize>> = lengths.iter().map(|length| {
            end += length;
            end - length..end
        }).collect();
        for pool in POOLS {
            let one = |segment: &Range<usize>| {
                let element = |channel: usize| fold(pool, segment.clone().map(|row| x[row * channels + channel]));
                (0..channels).map(element).collect::<Vec<_>>()
            };
            let want: Vec<f32> = segments.iter().flat_map(one).collect();
            for level in levels() {
                let mut got = vec![0.5; segments.len() * channels];
                global_at(level, pool, &segments, channels, &x, &mut got);
                prop_assert_eq!(comparable(pool, &got), comparable(pool, &want), "{:?}", level);
            }
        }
    }
}

#[test]
fn threads_do_not_show() {
    let axes = [Axis::same(4000, 3, [2, 1])];
    let (batch, channels) = (40, 33);
    let x = numbers(batch * 4000 * channels);
    let segments: Vec<Range<usize>> =
        (0..batch).map(|example| example * 4000..(example + 1) * 4000).collect();
    let all = || {
        let windows =
            pooled(level(), Pool::Max, Layout::Dense { batch, axes: &axes }, channels, &x, batch * 2000);
        let mut whole = vec![0.0; batch * channels];
        global(Pool::Max, &segments, channels, &x, &mut whole);
        let mut spread = vec![0.0; batch * 7 * channels];
        super::spread(Pool::Max, [batch, 4000, channels], 7, &x, &mut spread);
        [windows, whole, spread].map(|out| bits(&out))
    };
    let one = with_threads(1, all);
    for threads in [2, 3] {
        assert!(one == with_threads(threads, all));
    }
}
