//! Products with packed weights, and batches of products of what is computed, in floating-point operations a
//! nanosecond (GFLOP/s), on one thread.
//!
//! `cargo bench -p masque-runtime --bench gemm -- [PART OF A NAME]`

#[path = "support/timing.rs"]
mod timing;

use masque_kernels::batch::{Layout, Matrices, Products};
use masque_kernels::gemm::{Init, gemm};
use masque_kernels::pack::{PackedMatrix, pack};
use timing::{Case, measure};

/// Rows, terms and columns: encoders of widths 256 and 768, recurrent steps of few rows.
const SHAPES: [[usize; 3]; 16] = [
    [1023, 256, 256],
    [1023, 256, 1024],
    [1023, 1024, 256],
    [4096, 256, 1024],
    [255, 768, 768],
    [255, 768, 3072],
    [1024, 3072, 768],
    [32, 128, 384],
    [12, 128, 384],
    [8, 128, 384],
    [4, 128, 384],
    [1, 128, 384],
    [32, 256, 1024],
    [12, 256, 1024],
    [4, 256, 1024],
    [1, 256, 1024],
];

/// Numbers without meaning, the same in every run.
fn numbers(len: usize) -> Vec<f32> {
    (0..len).map(|i| (i.wrapping_mul(2_654_435_761) % 2048) as f32 / 1024.0 - 1.0).collect()
}

fn product([m, k, n]: [usize; 3]) -> Case<'static> {
    let (a, packed, bias) = (numbers(m * k), pack(&numbers(k * n), k, n), numbers(n));
    let mut out = vec![0.0; m * n];
    Case::new(format!("{m} x {k} x {n}"), 2.0 * (m * k * n) as f64, move || {
        let w = PackedMatrix::new(&packed, k, n).expect("the packed length");
        gemm(&a, m, w, Init::Bias(&bias), &mut out);
    })
}

/// Batch, positions, heads and width of a head.
const HEADS: [[usize; 4]; 3] = [[8, 128, 8, 32], [2, 128, 12, 64], [32, 20, 4, 16]];

/// The scores of all heads, and their weighted sums.
fn heads([batch, steps, heads, width]: [usize; 4]) -> [Case<'static>; 2] {
    let [x, y, weights] = [width, width, steps].map(|columns| numbers(batch * steps * heads * columns));
    let (mut scores, mut sums) = (weights.clone(), x.clone());
    let work = 2.0 * (batch * heads * steps * steps * width) as f64;
    let name = |what: &str| format!("{what} {batch} x {steps} x {heads} x {width}");
    let row = heads * width;
    let values = y.clone();
    let score = move || {
        let [a, b] = [&x, &y].map(|data| Matrices { data, batch: [steps * row, width], stride: row });
        let (shape, layout) = ([steps, width, steps], Layout::Transposed);
        let products = Products { counts: [batch, heads], shape, a, b, layout, steps: &[] };
        products.run(&mut scores, [heads * steps * steps, steps * steps], steps);
    };
    let sum = move || {
        let a = Matrices { data: &weights, batch: [heads * steps * steps, steps * steps], stride: steps };
        let b = Matrices { data: &values, batch: [steps * row, width], stride: row };
        let (shape, layout) = ([steps, steps, width], Layout::Straight);
        let products = Products { counts: [batch, heads], shape, a, b, layout, steps: &[] };
        products.run(&mut sums, [steps * row, width], row);
    };
    [Case::new(name("scores"), work, score), Case::new(name("sums"), work, sum)]
}

fn main() {
    measure(SHAPES.map(product).into_iter().chain(HEADS.into_iter().flat_map(heads)).collect());
}
