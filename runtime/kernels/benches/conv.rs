//! The speed of convolution, beside what the processor can do at most.
//!
//! `cargo bench -p masque-runtime --bench conv [-- WORD]` measures the shapes whose names contain the word, on one
//! thread. A line is the best of many runs, the operations a second that it makes (taps outside of the input counted
//! in), and their share of those that the processor makes where nothing has to be loaded.

#![allow(clippy::print_stdout, reason = "its result is what it prints")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use fearless_simd::{Simd, dispatch, f32x16, prelude::*};
use masque_kernels::activation::Activation;
use masque_kernels::conv::{Conv, Depthwise, PackedKernel, conv, depthwise, pack_depthwise, pack_kernel};
use masque_kernels::gemm::{Init, Step};
use masque_kernels::level;
use masque_kernels::windows::{Axis, Layout};

/// How long a shape is measured.
const TIME: Duration = Duration::from_millis(300);

fn main() {
    let word = std::env::args().skip(1).find(|word| !word.starts_with('-')).unwrap_or_default();
    let peak = peak();
    println!("{:?}, {:.1} GFLOP/s at most", level(), peak * 1e-9);
    for shape in shapes().iter().filter(|shape| shape.name.contains(&word)) {
        let (seconds, operations) = (shape.seconds(), shape.operations());
        let (speed, share) = (operations / seconds * 1e-9, 100.0 * operations / seconds / peak);
        println!("{:44} {:9.1} us {speed:7.1} GFLOP/s {share:3.0} %", shape.name, seconds * 1e6);
    }
}

/// A layer, and how many examples of which sizes it gets.
struct Shape {
    name: &'static str,
    batch: usize,
    axes: Vec<Axis>,
    channels: usize,
    filters: usize,
    groups: usize,
}

fn shapes() -> Vec<Shape> {
    let valid = |size, window| vec![Axis::padded(size, window, [1, 1, 1], [0, 0])];
    let causal = |dilation: usize| vec![Axis::padded(200, 3, [1, dilation, 1], [2 * dilation as isize, 0])];
    let same = |sizes: &[usize], window, stride| {
        sizes.iter().map(|&size| Axis::same(size, window, [stride, 1])).collect::<Vec<_>>()
    };
    let transposed = vec![Axis::padded(128, 4, [1, 1, 2], [2, 2])];
    let shape = |name, batch, axes, [channels, filters, groups]: [usize; 3]| Shape {
        name,
        batch,
        axes,
        channels,
        filters,
        groups,
    };
    vec![
        shape("characters, 64 to 128, window 7", 32, valid(512, 7), [64, 128, 1]),
        shape("characters, 128 to 128, window 5", 32, valid(506, 5), [128, 128, 1]),
        shape("characters, 128 to 128, window 3", 32, valid(502, 3), [128, 128, 1]),
        shape("characters, one text, 64 to 128, window 7", 1, valid(512, 7), [64, 128, 1]),
        shape("characters, 16 to 32, window 7", 32, valid(512, 7), [16, 32, 1]),
        shape("characters, 32 to 32, window 5", 32, valid(506, 5), [32, 32, 1]),
        shape("characters, 32 to 32, window 3", 32, valid(502, 3), [32, 32, 1]),
        shape("causal, 64 to 64, dilation 1", 32, causal(1), [64, 64, 1]),
        shape("causal, 64 to 64, dilation 8", 32, causal(8), [64, 64, 1]),
        shape("causal, 64 to 64, dilation 32", 32, causal(32), [64, 64, 1]),
        shape("pointwise, 64 to 64", 32, valid(200, 1), [64, 64, 1]),
        shape("same, 128 to 64, window 5", 32, same(&[256], 5, 1), [128, 64, 1]),
        shape("short, 128 to 128, window 3", 32, same(&[8], 3, 1), [128, 128, 1]),
        shape("ConvLSTM1D, inputs, 8 to 64", 160, same(&[32], 3, 1), [8, 64, 1]),
        shape("ConvLSTM1D, state, 16 to 64", 8, same(&[32], 3, 1), [16, 64, 1]),
        shape("signal, 1 to 16, window 16", 1, valid(10_000, 16), [1, 16, 1]),
        shape("signal, 1 to 64, window 7, strides 2", 1, same(&[10_000], 7, 2), [1, 64, 1]),
        shape("signals, 6 to 64, window 9", 32, valid(128, 9), [6, 64, 1]),
        shape("strides 2, 64 to 128, window 4", 8, same(&[512], 4, 2), [64, 128, 1]),
        shape("one filter, 64 to 1, window 7", 8, same(&[512], 7, 1), [64, 1, 1]),
        shape("transposed, 128 to 64, window 4, strides 2", 8, transposed, [128, 64, 1]),
        shape("images, 1 to 32, 3 x 3", 32, same(&[28, 28], 3, 1), [1, 32, 1]),
        shape("images, 32 to 64, 3 x 3", 8, same(&[28, 28], 3, 1), [32, 64, 1]),
        shape("volumes, 16 to 32, 3 x 3 x 3", 2, same(&[8, 16, 16], 3, 1), [16, 32, 1]),
        shape("4 groups, 64 to 64, window 3", 8, same(&[256], 3, 1), [64, 64, 4]),
        shape("depthwise, 128, window 7", 8, same(&[256], 7, 1), [128, 128, 128]),
        shape("depthwise, 60, window 5", 8, same(&[256], 5, 1), [60, 60, 60]),
        shape("depthwise, 64 to 128, window 5", 8, same(&[256], 5, 1), [64, 128, 64]),
    ]
}

impl Shape {
    fn layout(&self) -> Layout<'_> {
        Layout::Dense { batch: self.batch, axes: &self.axes }
    }

    fn rows(&self, size: impl Fn(&Axis) -> usize) -> usize {
        self.batch * self.axes.iter().map(size).product::<usize>()
    }

    fn operations(&self) -> f64 {
        let products =
            self.rows(|axis| axis.count) * self.layout().taps() * self.channels / self.groups * self.filters;
        2.0 * products as f64 / self.axes.iter().map(|axis| axis.input_dilation as f64).product::<f64>()
    }

    /// What the best run takes.
    fn seconds(&self) -> f64 {
        let (layout, channels, depth) = (self.layout(), self.channels, self.channels / self.groups);
        let (taps, multiplier) = (layout.taps(), self.filters / self.groups);
        let (x, kernel) =
            (numbers(self.rows(|axis| axis.size) * channels), numbers(taps * depth * self.filters));
        let bias = numbers(self.filters);
        let mut out = vec![0.0; self.rows(|axis| axis.count) * self.filters];
        let (init, steps) = (Init::Bias(&bias), &[Step::Activate(Activation::Relu)]);
        if depth == 1 && self.groups > 1 {
            let kernel = &pack_depthwise(&kernel, taps, channels, multiplier);
            let call = Depthwise { layout, kernel, channels, multiplier, init, steps };
            best(|| depthwise(&call, &x, &mut out))
        } else {
            let packed = pack_kernel(&kernel, taps, depth, self.filters, self.groups);
            let kernel = PackedKernel::new(&packed, taps, depth, self.filters, self.groups);
            let call = Conv { layout, kernel: kernel.expect("the packed length"), init, steps };
            best(|| conv(&call, &x, &mut out))
        }
    }
}

/// Numbers between -1 and 1, always the same.
fn numbers(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i * 7919 % 2003) as f32 / 1001.5 - 1.0).collect()
}

/// The seconds that the fastest of many calls takes.
fn best(mut call: impl FnMut()) -> f64 {
    let (begin, mut best) = (Instant::now(), f64::INFINITY);
    while begin.elapsed() < TIME {
        let start = Instant::now();
        call();
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}

/// The operations a second of fused multiply-adds in registers.
fn peak() -> f64 {
    const ROUNDS: usize = 20_000;
    let mut each = 0;
    let seconds = best(|| each = dispatch!(level(), simd => multiply_adds(simd, ROUNDS)));
    (2 * ROUNDS * each) as f64 / seconds
}

/// Multiplies and adds in as many registers as there are, and returns how many numbers they hold.
#[inline(always)]
fn multiply_adds<S: Simd>(simd: S, rounds: usize) -> usize {
    #[inline(always)]
    fn sums<S: Simd, const N: usize>(simd: S, rounds: usize) -> usize {
        let (mut sums, x) = ([f32x16::splat(simd, 1.0); N], f32x16::splat(simd, black_box(0.999)));
        for _ in 0..rounds {
            for sum in &mut sums {
                *sum = sum.mul_add(x, x);
            }
        }
        black_box(sums.map(|sum| sum.to_array()));
        N * 16
    }
    if <S::f32s as SimdBase<S>>::LEN >= 16 { sums::<S, 16>(simd, rounds) } else { sums::<S, 6>(simd, rounds) }
}
