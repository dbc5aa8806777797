//! Convolution in which each channel has filters of its own, sixteen channels at a time.

use std::ops::Range;

use fearless_simd::{Level, Simd, f32x16, prelude::*};

use super::{Init, finish};
use crate::gemm::Step;
use crate::gemm::tile::each_row;
use crate::lanes::{LANES, fma, load, splat, store};
use crate::level;
use crate::windows::{Group, Layout, Walk};

/// Windows computed side by side, because one sum alone would wait for each addition.
const SIDE_BY_SIDE: usize = 4;

/// A depthwise convolution, with everything but the memory that it reads and writes.
#[derive(Clone, Copy, Debug)]
pub struct Depthwise<'a> {
    /// Where the windows are.
    pub layout: Layout<'a>,
    /// What [`pack_depthwise`] makes of a kernel.
    pub kernel: &'a [f32],
    /// Channels of the input.
    pub channels: usize,
    /// Filters of a channel; those of the first channel come first in an output row.
    pub multiplier: usize,
    /// What an output element holds before the first product; a bias has one element for each filter.
    pub init: Init<'a>,
    /// What follows the sums, row by row of the output.
    pub steps: &'a [Step<'a>],
}

/// Packs `kernel`, row-major [taps, channels, multiplier], as [multiplier, taps, channels], the channels filled up with
/// zeros to a multiple of 16.
pub fn pack_depthwise(kernel: &[f32], taps: usize, channels: usize, multiplier: usize) -> Vec<f32> {
    debug_assert_eq!(kernel.len(), taps * channels * multiplier);
    let width = channels.next_multiple_of(LANES);
    let mut packed = vec![0.0; multiplier * taps * width];
    for (place, &element) in kernel.iter().enumerate() {
        let (row, filter) = (place / multiplier, place % multiplier);
        packed[(filter * taps + row / channels) * width + row % channels] = element;
    }
    packed
}

/// Computes a depthwise convolution of `x`, rows of channels, into `out`, rows of channels times multiplier.
pub fn depthwise(conv: &Depthwise<'_>, x: &[f32], out: &mut [f32]) {
    depthwise_at(level(), conv, x, out);
}

pub(super) fn depthwise_at(level: Level, conv: &Depthwise<'_>, x: &[f32], out: &mut [f32]) {
    let Depthwise { layout, kernel, channels, multiplier, init, steps } = *conv;
    let (size, filters) = (layout.taps() * channels.next_multiple_of(LANES), channels * multiplier);
    debug_assert_eq!(kernel.len(), multiplier * size);
    Walk::blocks(layout, filters, 2 * filters * layout.taps(), out, |walk, rows, out| {
        if multiplier == 1 {
            plane(level, walk, rows.clone(), Plane { kernel, channels, init }, x, out);
        } else {
            let (mut filter_out, mut bias) = (vec![0.0; out.len() / multiplier], vec![0.0; channels]);
            for (filter, kernel) in kernel.chunks_exact(size).enumerate() {
                gather(out, filter, &mut filter_out);
                let init = match init {
                    Init::Bias(all) => {
                        gather(all, filter, &mut bias);
                        Init::Bias(&bias)
                    }
                    init => init,
                };
                plane(level, walk, rows.clone(), Plane { kernel, channels, init }, x, &mut filter_out);
                out[filter..]
                    .iter_mut()
                    .step_by(multiplier)
                    .zip(&filter_out)
                    .for_each(|(to, from)| *to = *from);
            }
        }
        finish(level, steps, walk.covered(), rows.start, filters, out);
    });
}

/// Takes the elements of a filter, which are evenly spaced.
fn gather(all: &[f32], filter: usize, taken: &mut [f32]) {
    let multiplier = all.len() / taken.len();
    taken.iter_mut().zip(all[filter..].iter().step_by(multiplier)).for_each(|(to, from)| *to = *from);
}

/// One filter of every channel.
#[derive(Clone, Copy)]
struct Plane<'a> {
    kernel: &'a [f32],
    channels: usize,
    init: Init<'a>,
}

fn plane(
    level: Level,
    walk: &mut Walk<'_>,
    rows: Range<usize>,
    plane: Plane<'_>,
    x: &[f32],
    out: &mut [f32],
) {
    let mut taps = Vec::new();
    walk.groups(rows, |windows| {
        let width = plane.channels.next_multiple_of(LANES);
        taps.clear();
        taps.extend(windows.taps().map(|(tap, row)| Tap { kernel: tap * width, row: row * plane.channels }));
        dispatch!(level, simd => plane.windows(simd, windows, &taps, x, out));
    });
}

/// Where a tap's factors are, and its row, from a window's first on.
struct Tap {
    kernel: usize,
    row: usize,
}

impl Plane<'_> {
    #[inline(always)]
    fn windows<S: Simd>(&self, simd: S, windows: &Group<'_>, taps: &[Tap], x: &[f32], out: &mut [f32]) {
        let (inputs, outputs) = (windows.inputs.as_chunks(), windows.outputs.as_chunks());
        let mut channel = 0;
        macro_rules! vectors {
            ($vectors:literal) => {{
                // Not `for_each`: its closures would be compiled without the instruction set.
                for rows in inputs.0.iter().zip(outputs.0) {
                    self.vectors::<S, SIDE_BY_SIDE, $vectors>(simd, channel, rows, taps, x, out);
                }
                for (&input, &output) in inputs.1.iter().zip(outputs.1) {
                    self.vectors::<S, 1, $vectors>(simd, channel, (&[input], &[output]), taps, x, out);
                }
                channel += $vectors * LANES;
            }};
        }
        while channel < self.channels {
            match (self.channels - channel) / LANES {
                4.. => vectors!(4),
                2.. => vectors!(2),
                1 => vectors!(1),
                _ => {
                    for (&input, &output) in windows.inputs.iter().zip(windows.outputs) {
                        self.last_channels(simd, channel, [input, output], taps, x, out);
                    }
                    channel = self.channels;
                }
            }
        }
    }

    /// R windows of V vectors of channels, from `channel` on.
    #[inline(always)]
    fn vectors<S: Simd, const R: usize, const V: usize>(
        &self,
        simd: S,
        channel: usize,
        (inputs, outputs): (&[u32; R], &[u32; R]),
        taps: &[Tap],
        x: &[f32],
        out: &mut [f32],
    ) {
        let reach = taps.last().map_or(0, |tap| tap.row + V * LANES);
        // Without an input no window has taps.
        let row = |row: u32| x.get(row as usize * self.channels + channel..).unwrap_or_default();
        let rows = inputs.map(|input| &row(input)[..reach]);
        let place = |row: u32| row as usize * self.channels + channel;
        let kernel = &self.kernel[channel..];
        let mut acc = [[splat(simd, 0.0); V]; R];
        each_row!(r in R => {
            let start = match self.init {
                Init::Zero => &[[0.0; LANES]; V],
                Init::Bias(bias) => vectors(bias, channel),
                Init::Accumulate => vectors(out, place(outputs[r])),
            };
            each_row!(v in V => { acc[r][v] = f32x16::load_array_ref(simd, &start[v]); });
        });
        for tap in taps {
            let w = vectors::<V>(kernel, tap.kernel);
            each_row!(r in R => {
                let x = vectors::<V>(rows[r], tap.row);
                each_row!(v in V => {
                    let (x, w) = (f32x16::load_array_ref(simd, &x[v]), f32x16::load_array_ref(simd, &w[v]));
                    acc[r][v] = fma(x, w, acc[r][v]);
                });
            });
        }
        each_row!(r in R => {
            let out = &mut out[place(outputs[r])..][..V * LANES];
            each_row!(v in V => { store(acc[r][v], &mut out[v * LANES..][..LANES]); });
        });
    }

    /// The channels from `channel` on of a window, too few for a vector.
    #[inline(always)]
    fn last_channels<S: Simd>(
        &self,
        simd: S,
        channel: usize,
        [input, output]: [u32; 2],
        taps: &[Tap],
        x: &[f32],
        out: &mut [f32],
    ) {
        let out = &mut out[output as usize * self.channels + channel..][..self.channels - channel];
        let mut acc = match self.init {
            Init::Zero => splat(simd, 0.0),
            Init::Bias(bias) => load(simd, &bias[channel..], 0.0),
            Init::Accumulate => load(simd, out, 0.0),
        };
        // The lanes beyond the last channel read the row that follows, where there is one, and are not stored.
        let x = x.get(input as usize * self.channels + channel..).unwrap_or_default();
        if let Some(x) = x.get(..taps.last().map_or(0, |tap| tap.row + LANES)) {
            for tap in taps {
                let [x] = vectors(x, tap.row);
                let [w] = vectors(&self.kernel[channel..], tap.kernel);
                acc = fma(f32x16::load_array_ref(simd, x), f32x16::load_array_ref(simd, w), acc);
            }
        } else {
            for tap in taps {
                let w = load(simd, &self.kernel[channel + tap.kernel..], 0.0);
                acc = fma(load(simd, &x[tap.row..], 0.0), w, acc);
            }
        }
        store(acc, out);
    }
}

/// V vectors' elements from `at` on.
#[inline(always)]
fn vectors<const V: usize>(xs: &[f32], at: usize) -> &[[f32; LANES]; V] {
    xs[at..][..V * LANES].as_chunks().0.as_array().expect("that many vectors")
}
