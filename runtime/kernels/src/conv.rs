//! Convolution: sums of products of windows and a kernel, over one to three spatial axes.
//!
//! A window's rows times the kernel's matrix is one row of a product, so this is [`gemm`](super::gemm) over rows that
//! are not next to each other: its register tiles read each tap's channels where they are, or, for many filters, from a
//! copy of a tile's rows.
//! An output element starts from its initial value and takes the products tap by tap, along each tap's channels, each
//! fused into one rounding. Taps outside of the input are left out. Transposed convolutions are the same with a dilated
//! input: only the taps that meet a row are computed.
//!
//! A convolution in which every channel is a group of its own is [`depthwise`].

mod depthwise;
mod kernel;

pub use depthwise::{Depthwise, depthwise, pack_depthwise};
pub use kernel::{PackedKernel, pack_kernel, packed_kernel_len};

use std::ops::Range;

use fearless_simd::Level;

use super::gemm::{Apart, Init, Product, Rows, Run, Step, epilogue};
use super::lanes::Block;
use super::level;
use super::windows::{Group, Layout, Walk};

/// A convolution, with everything but the memory that it reads and writes.
#[derive(Clone, Copy, Debug)]
pub struct Conv<'a> {
    /// Where the windows are.
    pub layout: Layout<'a>,
    /// What they are multiplied by.
    pub kernel: PackedKernel<'a>,
    /// What an output element holds before the first product; a bias has one element for each filter.
    pub init: Init<'a>,
    /// What follows the sums, row by row of the output.
    pub steps: &'a [Step<'a>],
}

/// Computes a convolution of `x`, rows of channels, into `out`, rows of filters. `x` has less than `2^32` rows.
pub fn conv(conv: &Conv<'_>, x: &[f32], out: &mut [f32]) {
    conv_at(level(), conv, x, out);
}

fn conv_at(level: Level, conv: &Conv<'_>, x: &[f32], out: &mut [f32]) {
    let Conv { layout, kernel, init, steps } = *conv;
    debug_assert_eq!(kernel.taps(), layout.taps());
    let filters = kernel.filters();
    let flops = 2 * filters * kernel.taps() * kernel.depth();
    Walk::blocks(layout, filters, flops, out, |walk, rows, out| {
        let mut runs = Vec::new();
        walk.groups(rows.clone(), |windows| {
            consecutive(windows, [kernel.channels(), kernel.depth()], &mut runs);
            for group in 0..kernel.groups() {
                let (w, column) = (kernel.group(group), group * kernel.group_filters());
                let a = match runs.is_empty() {
                    true => Rows::new(&[], 0),
                    false => Rows::in_order(x, kernel.channels(), windows.inputs)
                        .columns_from(group * kernel.depth()),
                };
                let init = match init {
                    Init::Bias(bias) => Init::Bias(&bias[column..][..w.n()]),
                    init => init,
                };
                let apart = Some(Apart { runs: &runs, outputs: windows.outputs });
                let product =
                    Product { level, a, w, init, steps: &[], by_row: &[], out_stride: filters, apart };
                product.block(0, windows.inputs.len(), &mut out[column..]);
            }
        });
        finish(level, steps, walk.covered(), rows.start, filters, out);
    });
}

/// Takes the steps with those rows of a block that are windows; `first` is the number of its first row.
fn finish(
    level: Level,
    steps: &[Step<'_>],
    covered: &[Range<usize>],
    first: usize,
    filters: usize,
    out: &mut [f32],
) {
    for rows in covered {
        let data = &mut out[rows.start * filters..rows.end * filters];
        let block = Block { data, stride: filters, width: filters };
        epilogue::apply(level, steps, block, [first + rows.start, 0]);
    }
}

/// The parts of a window that are consecutive both in the input and in the kernel: a tap's channels each, or those of
/// several taps without distance.
fn consecutive(windows: &Group<'_>, [channels, depth]: [usize; 2], runs: &mut Vec<Run>) {
    runs.clear();
    for (tap, row) in windows.taps() {
        let run = Run { offset: row * channels, first: tap * depth, len: depth };
        match runs.last_mut() {
            Some(last) if (last.offset + last.len, last.first + last.len) == (run.offset, run.first) => {
                last.len += run.len;
            }
            _ => runs.push(run),
        }
    }
}

#[cfg(test)]
mod tests;
