//! Many matrix products of one shape, side by side: what a contraction of two tensors comes to.
//!
//! Each product is one [`gemm`], whose sums run from the first to the last term: neither the number of products nor
//! the threads that share them show in the bits.

use rayon::prelude::*;

use super::gemm::{Init, gemm};
use super::pack::PackedMatrix;
use super::threads::parts;

/// `out[i] = a[i] w(i)` for every i: `a` holds row-major [rows, k] matrices one after the other, `out` row-major
/// [rows, n] ones.
pub fn contract<W: AsRef<[f32]>>(
    a: &[f32],
    [rows, k, n]: [usize; 3],
    w: impl Fn(usize) -> W + Sync,
    out: &mut [f32],
) {
    if rows == 0 || n == 0 {
        return;
    }
    let product = |(i, out): (usize, &mut [f32])| {
        let panels = w(i);
        let w = PackedMatrix::new(panels.as_ref(), k, n);
        debug_assert!(w.is_some());
        if let Some(w) = w {
            gemm(&a[i * rows * k..][..rows * k], rows, w, Init::Zero, out);
        }
    };
    if parts(out.len().saturating_mul(2 * k)) == 1 {
        out.chunks_exact_mut(rows * n).enumerate().for_each(product);
    } else {
        out.par_chunks_exact_mut(rows * n).enumerate().for_each(product);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::pack;
    use crate::testing::{Lcg, bits, with_threads};

    #[test]
    fn every_product_is_the_one_alone_on_any_number_of_threads() {
        for (count, rows, k, n) in
            [(1, 3, 4, 5), (7, 2, 9, 33), (3, 150, 120, 130), (40, 1, 300, 300), (2, 3, 0, 4), (3, 0, 2, 2)]
        {
            let mut lcg = Lcg::new(count as u64);
            let a = lcg.floats(count * rows * k, 1.0);
            let b: Vec<Vec<f32>> = (0..count).map(|_| pack(&lcg.floats(k * n, 1.0), k, n)).collect();
            let mut want = vec![0.0; count * rows * n];
            for i in 0..count {
                let w = PackedMatrix::new(&b[i], k, n).expect("the packed length");
                gemm(
                    &a[i * rows * k..][..rows * k],
                    rows,
                    w,
                    Init::Zero,
                    &mut want[i * rows * n..][..rows * n],
                );
            }
            for threads in [1, 3] {
                let mut got = vec![f32::NAN; count * rows * n];
                with_threads(threads, || contract(&a, [rows, k, n], |i| &b[i], &mut got));
                assert_eq!(bits(&got), bits(&want));
            }
        }
    }
}
