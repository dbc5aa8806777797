//! A dense layer over the last axis: `activation(x W + bias)`, the activation applied while the rows are in cache.

use super::activation::Activation;
use super::gemm::{Init, Rows, Step, gemm_with};
use super::pack::PackedMatrix;

/// `out = activation(x w + bias)` for `m` rows: `x` is row-major [m, k], `out` row-major [m, n], `bias` of length n.
pub fn dense(
    x: &[f32],
    m: usize,
    w: PackedMatrix<'_>,
    bias: Option<&[f32]>,
    activation: Activation,
    out: &mut [f32],
) {
    debug_assert!(x.len() == m * w.k() && out.len() == m * w.n());
    let init = bias.map_or(Init::Zero, Init::Bias);
    gemm_with(Rows::new(x, w.k()), m, w, init, &[Step::Activate(activation)], out, w.n());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gemm::gemm;
    use crate::pack::pack;
    use crate::testing::{Lcg, bits, with_threads};

    fn run(x: &[f32], m: usize, w: PackedMatrix<'_>, bias: &[f32], activation: Activation) -> Vec<f32> {
        let mut out = vec![f32::NAN; m * w.n()];
        dense(x, m, w, Some(bias), activation, &mut out);
        out
    }

    #[test]
    fn it_is_the_product_then_the_activation() {
        for (m, k, n) in [(1, 3, 5), (130, 20, 33), (2, 1100, 1500), (250, 120, 130), (0, 2, 2)] {
            let mut lcg = Lcg::new(m as u64);
            let (x, bias) = (lcg.floats(m * k, 1.0), lcg.floats(n, 1.0));
            let packed = pack(&lcg.floats(k * n, 0.3), k, n);
            let w = PackedMatrix::new(&packed, k, n).expect("the packed length");
            for activation in [Activation::Linear, Activation::Relu, Activation::Tanh, Activation::Softmax] {
                let mut want = vec![0.0; m * n];
                gemm(&x, m, w, Init::Bias(&bias), &mut want);
                activation.apply(&mut want, n);
                for threads in [1, 2] {
                    let got = with_threads(threads, || run(&x, m, w, &bias, activation));
                    assert_eq!(bits(&got), bits(&want));
                }
            }
        }
    }
}
