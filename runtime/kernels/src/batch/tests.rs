//! Products of matrices as they lie, against the packed product of the same matrices, bit for bit.

use super::*;
use crate::activation::Activation;
use crate::gemm::gemm_with;
use crate::pack::pack;
use crate::testing::{Lcg, assert_close, bits, with_threads};

/// The batches of `bthd,bshd` and of `bhts,bshd`: axes in an order that no product has.
struct Case {
    counts: [usize; 2],
    shape: [usize; 3],
    layout: Layout,
    a: Vec<f32>,
    b: Vec<f32>,
}

impl Case {
    fn new(counts: [usize; 2], shape: [usize; 3], layout: Layout) -> Self {
        let mut lcg = Lcg::new(shape.iter().sum::<usize>() as u64);
        let ([m, k, n], all) = (shape, counts[0] * counts[1]);
        Self { counts, shape, layout, a: lcg.floats(all * m * k, 1.0), b: lcg.floats(all * k * n, 1.0) }
    }

    /// The matrices side by side: row r of matrix `[i, j]` is part j of row r of group i.
    fn side_by_side<'a>(&self, data: &'a [f32], [rows, width]: [usize; 2]) -> Matrices<'a> {
        let stride = self.counts[1] * width;
        Matrices { data, batch: [rows * stride, width], stride }
    }

    fn b_size(&self) -> [usize; 2] {
        let [_, k, n] = self.shape;
        if self.layout == Layout::Straight { [k, n] } else { [n, k] }
    }

    fn run(&self, steps: &[Step<'_>]) -> Vec<f32> {
        let [m, k, n] = self.shape;
        let a = self.side_by_side(&self.a, [m, k]);
        let b = self.side_by_side(&self.b, self.b_size());
        let mut out = vec![7.0; self.counts[0] * self.counts[1] * m * n];
        let products = Products { counts: self.counts, shape: self.shape, a, b, layout: self.layout, steps };
        products.run(&mut out, [self.counts[1] * m * n, n], self.counts[1] * n);
        out
    }

    /// Each product on its own, with a packed right matrix.
    fn packed(&self, steps: &[Step<'_>]) -> Vec<f32> {
        let ([m, k, n], [_, inner]) = (self.shape, self.counts);
        let mut out = vec![7.0; self.counts[0] * inner * m * n];
        let (a, b) = (self.side_by_side(&self.a, [m, k]), self.side_by_side(&self.b, self.b_size()));
        for at in 0..self.counts[0] * inner {
            let begin = |x: &Matrices<'_>| at / inner * x.batch[0] + at % inner * x.batch[1];
            let element = |p: usize, j: usize| match self.layout {
                Layout::Straight => b.data[begin(&b) + p * b.stride + j],
                Layout::Transposed => b.data[begin(&b) + j * b.stride + p],
            };
            let straight: Vec<f32> = (0..k * n).map(|at| element(at / n, at % n)).collect();
            let panels = pack(&straight, k, n);
            let w = PackedMatrix::new(&panels, k, n).expect("the packed length");
            let out = &mut out[at / inner * inner * m * n + at % inner * n..];
            let a = Rows::new(&a.data[begin(&a)..], a.stride);
            gemm_with(a, m, w, Init::Zero, steps, out, inner * n);
        }
        out
    }
}

fn cases() -> Vec<Case> {
    let mut cases = vec![];
    for layout in [Layout::Straight, Layout::Transposed] {
        for (counts, shape) in [
            ([2, 3], [5, 4, 6]),
            ([1, 1], [1, 1, 1]),
            ([2, 2], [3, 40, 100]),
            ([1, 4], [1, 300, 70]),
            ([3, 1], [17, 600, 33]),
            ([1, 1], [40, 16, 64]),
            ([1, 3], [4, 33, 64]),
            ([2, 1], [9, 1, 31]),
        ] {
            cases.push(Case::new(counts, shape, layout));
        }
    }
    cases
}

#[test]
fn it_is_the_packed_product_bit_for_bit() {
    for case in cases() {
        let residual = Lcg::new(1).floats(case.shape[0] * case.shape[2], 1.0);
        let add = Step::Add(Rows::new(&residual, case.shape[2]));
        let softmax = Step::Activate(Activation::Softmax);
        for steps in [&[][..], &[Step::Scale(0.3), add], &[Step::Scale(2.0), softmax, add]] {
            assert_eq!(
                bits(&case.run(steps)),
                bits(&case.packed(steps)),
                "{:?} {:?} {steps:?}",
                case.shape,
                case.layout
            );
        }
    }
}

#[test]
fn it_is_the_product() {
    let case = Case::new([2, 3], [7, 20, 40], Layout::Transposed);
    let (a, b) = (case.side_by_side(&case.a, [7, 20]), case.side_by_side(&case.b, [40, 20]));
    let element = |i: usize, j: usize, row: usize, column: usize| -> f64 {
        let a = &a.data[i * a.batch[0] + j * a.batch[1] + row * a.stride..];
        let b = &b.data[i * b.batch[0] + j * b.batch[1] + column * b.stride..];
        a.iter().zip(b).take(20).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    };
    let places = (0..2 * 7 * 3 * 40).map(|at| element(at / 840, at / 40 % 3, at / 120 % 7, at % 40));
    assert_close(&case.run(&[]), &places.collect::<Vec<_>>(), 1e-6);
}

#[test]
fn threads_do_not_show() {
    for counts in [[4, 2], [1, 4], [1, 1]] {
        for layout in [Layout::Straight, Layout::Transposed] {
            let case = Case::new(counts, [150, 120, 250], layout);
            let one = with_threads(1, || case.run(&[Step::Scale(0.5)]));
            for threads in [2, 3] {
                assert_eq!(bits(&with_threads(threads, || case.run(&[Step::Scale(0.5)]))), bits(&one));
            }
        }
    }
}

#[test]
fn gaps_between_results_stay() {
    let (a, b) = (vec![1.0; 6], vec![2.0; 6]);
    let left = Matrices { data: &a, batch: [0, 0], stride: 3 };
    let right = Matrices { data: &b, batch: [0, 0], stride: 2 };
    let products = Products {
        counts: [2, 2],
        shape: [2, 3, 2],
        a: left,
        b: right,
        layout: Layout::Straight,
        steps: &[],
    };
    let mut out = vec![9.0; 40];
    products.run(&mut out, [20, 3], 10);
    for (i, &x) in out.iter().enumerate() {
        let inside = i % 10 < 2 || (3..5).contains(&(i % 10));
        assert_eq!(x, if inside { 6.0 } else { 9.0 }, "{i}");
    }
}
