//! The product against f64, and its bits against everything that must not show.

use super::*;
use crate::activation::Activation;
use crate::pack::pack;
use crate::testing::{Lcg, assert_close, bits, levels, with_threads};

struct Case {
    m: usize,
    k: usize,
    n: usize,
    a: Vec<f32>,
    b: Vec<f32>,
    packed: Vec<f32>,
    bias: Vec<f32>,
}

impl Case {
    fn new(m: usize, k: usize, n: usize) -> Self {
        let mut lcg = Lcg::new((m * 1_000_003 + k * 1009 + n) as u64);
        let (a, b, bias) = (lcg.floats(m * k, 1.0), lcg.floats(k * n, 1.0), lcg.floats(n, 1.0));
        Self { m, k, n, a, packed: pack(&b, k, n), b, bias }
    }

    fn w(&self) -> PackedMatrix<'_> {
        PackedMatrix::new(&self.packed, self.k, self.n).expect("the packed length")
    }

    fn with_bias(&self) -> Vec<f32> {
        let mut out = vec![f32::NAN; self.m * self.n];
        gemm(&self.a, self.m, self.w(), Init::Bias(&self.bias), &mut out);
        out
    }

    fn naive(&self, init: impl Fn(usize, usize) -> f32) -> Vec<f64> {
        let element = |i: usize, j: usize| {
            (0..self.k).fold(f64::from(init(i, j)), |sum, p| {
                sum + f64::from(self.a[i * self.k + p]) * f64::from(self.b[p * self.n + j])
            })
        };
        (0..self.m * self.n).map(|at| element(at / self.n, at % self.n)).collect()
    }

    /// The promised order, written down plainly.
    fn in_order(&self) -> Vec<f32> {
        let element = |i: usize, j: usize| {
            (0..self.k)
                .fold(self.bias[j], |sum, p| self.a[i * self.k + p].mul_add(self.b[p * self.n + j], sum))
        };
        (0..self.m * self.n).map(|at| element(at / self.n, at % self.n)).collect()
    }
}

fn awkward() -> Vec<Case> {
    let mut lcg = Lcg::new(17);
    let mut cases: Vec<Case> =
        (0..40).map(|_| Case::new(1 + lcg.below(20), lcg.below(40), 1 + lcg.below(150))).collect();
    cases.extend(
        [(1, 7, 128), (1, 3, 144), (7, 1, 33), (197, 5, 17), (200, 9, 64), (0, 3, 3), (3, 3, 0)]
            .map(|(m, k, n)| Case::new(m, k, n)),
    );
    cases.extend(
        [(1, 1025, 33), (3, 2049, 65), (9, 1100, 20), (193, 1030, 7)].map(|(m, k, n)| Case::new(m, k, n)),
    );
    cases
}

#[test]
fn it_is_the_product() {
    for case in awkward() {
        let tolerance = 1e-5 * (1.0 + case.k as f64 / 300.0);
        let mut out = vec![f32::NAN; case.m * case.n];
        gemm(&case.a, case.m, case.w(), Init::Zero, &mut out);
        assert_close(&out, &case.naive(|_, _| 0.0), tolerance);
        assert_close(&case.with_bias(), &case.naive(|_, j| case.bias[j]), tolerance);
        let before = out.clone();
        gemm(&case.a, case.m, case.w(), Init::Accumulate, &mut out);
        assert_close(&out, &case.naive(|i, j| before[i * case.n + j]), tolerance);
    }
}

#[test]
fn every_element_is_summed_in_the_promised_order() {
    for case in awkward() {
        assert_eq!(bits(&case.with_bias()), bits(&case.in_order()), "{} {} {}", case.m, case.k, case.n);
    }
}

#[test]
fn every_machine_gives_the_same_bits() {
    for case in awkward() {
        let want = bits(&case.with_bias());
        for level in levels() {
            let mut out = vec![f32::NAN; case.m * case.n];
            let a = Rows::new(&case.a, case.k);
            let init = Init::Bias(&case.bias);
            let product = Product {
                level,
                a,
                w: case.w(),
                init,
                steps: &[],
                by_row: &[],
                out_stride: case.n,
                apart: None,
            };
            product.run(case.m, &mut out);
            assert_eq!(bits(&out), want, "{level:?}");
        }
    }
}

#[test]
fn a_row_is_the_same_alone_and_anywhere() {
    let case = Case::new(29, 37, 100);
    let all = case.with_bias();
    for i in 0..case.m {
        let mut alone = vec![0.0; case.n];
        gemm(&case.a[i * case.k..][..case.k], 1, case.w(), Init::Bias(&case.bias), &mut alone);
        assert_eq!(bits(&alone), bits(&all[i * case.n..][..case.n]));
    }
}

#[test]
fn threads_do_not_show() {
    for (m, k, n) in [(300, 128, 200), (3, 1024, 1100), (9, 1200, 330)] {
        let case = Case::new(m, k, n);
        let one = with_threads(1, || case.with_bias());
        assert_eq!(bits(&one), bits(&case.in_order()));
        for threads in [2, 3] {
            assert_eq!(bits(&with_threads(threads, || case.with_bias())), bits(&one));
            let accumulated = |threads| {
                with_threads(threads, || {
                    let mut out = one.clone();
                    gemm(&case.a, m, case.w(), Init::Accumulate, &mut out);
                    bits(&out)
                })
            };
            assert_eq!(accumulated(threads), accumulated(1));
        }
    }
}

#[test]
fn strides_leave_the_gaps_alone() {
    let case = Case::new(11, 6, 40);
    let want = case.with_bias();
    let mut a = vec![f32::NAN; case.m * 9];
    for i in 0..case.m {
        a[i * 9..][..case.k].copy_from_slice(&case.a[i * case.k..][..case.k]);
    }
    let mut out = vec![7.0; case.m * 50 - 10];
    gemm_strided(Rows::new(&a, 9), case.m, case.w(), Init::Bias(&case.bias), &mut out, 50);
    for i in 0..case.m {
        assert_eq!(bits(&out[i * 50..][..40]), bits(&want[i * 40..][..40]));
        assert!(out[i * 50..].iter().skip(40).take(10).all(|&gap| gap == 7.0));
    }
}

#[test]
fn rows_come_in_any_order() {
    let case = Case::new(13, 21, 70);
    let want = case.with_bias();
    for order in [vec![4, 4, 12, 0, 7], (0..13).rev().collect::<Vec<u32>>()] {
        let mut out = vec![0.0; order.len() * case.n];
        let rows = Rows::in_order(&case.a, case.k, &order);
        gemm_strided(rows, order.len(), case.w(), Init::Bias(&case.bias), &mut out, case.n);
        for (row, &i) in out.chunks(case.n).zip(&order) {
            assert_eq!(bits(row), bits(&want[i as usize * case.n..][..case.n]));
        }
    }
}

#[test]
fn steps_are_taken_in_their_order() {
    for (m, k, n) in [(1, 3, 5), (200, 20, 100), (2, 1100, 1500), (250, 120, 130)] {
        let case = Case::new(m, k, n);
        let plain = case.with_bias();
        let other = Lcg::new(3).floats(m * (n + 2), 1.0);
        let add = Step::Add(Rows::new(&other, n + 2));
        let (relu, softmax) = (Activation::Relu, Activation::Softmax);
        let added = |x: &mut [f32]| {
            let rows = x.chunks_mut(n).zip(other.chunks(n + 2));
            rows.for_each(|(x, y)| x.iter_mut().zip(y).for_each(|(x, y)| *x += y));
        };
        let applied = |x: &mut [f32], f: Activation| f.apply(x, n);
        let wanted = |steps: &dyn Fn(&mut [f32])| {
            let mut want = plain.clone();
            steps(&mut want);
            bits(&want)
        };
        let run = |steps: &[Step<'_>], threads| {
            let mut out = vec![0.0; m * n];
            let (a, bias) = (Rows::new(&case.a, k), Init::Bias(&case.bias));
            with_threads(threads, || gemm_with(a, m, case.w(), bias, steps, &mut out, n));
            bits(&out)
        };
        for threads in [1, 2] {
            let act = Step::Activate;
            assert_eq!(
                run(&[act(relu), add], threads),
                wanted(&|x| {
                    applied(x, relu);
                    added(x)
                })
            );
            assert_eq!(
                run(&[add, act(relu)], threads),
                wanted(&|x| {
                    added(x);
                    applied(x, relu)
                })
            );
            let steps = [add, act(softmax), Step::Scale(0.5), add];
            let want = |x: &mut [f32]| {
                added(x);
                applied(x, softmax);
                x.iter_mut().for_each(|x| *x *= 0.5);
                added(x);
            };
            assert_eq!(run(&steps, threads), wanted(&want));
        }
    }
}
