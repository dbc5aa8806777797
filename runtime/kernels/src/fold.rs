//! Axes folded away, in the order of the elements.

use super::level;
use super::threads::parts;

/// What an element costs, in operations that a thread has to save: mostly memory.
const COST: usize = 16;

/// Rows that are folded side by side where the folded axis is the last one: each is a chain of its own.
const ROWS: usize = 8;

/// How elements become one.
pub trait Fold<T>: Copy + Send + Sync {
    /// What nothing becomes.
    const START: T;

    /// One more element.
    fn step(self, sum: T, x: T) -> T;
}

/// Folds the middle axis of `x` `[outer, n, inner]` away: `out` is `[outer, inner]`. Each result is made of its `n`
/// elements in order, whatever is beside them.
pub fn fold<T: Copy + Send + Sync, F: Fold<T>>(x: &[T], [outer, n, inner]: [usize; 3], f: F, out: &mut [T]) {
    debug_assert!(x.len() == outer * n * inner && out.len() == outer * inner);
    let parts = parts(x.len().saturating_mul(COST)).min(outer.max(1));
    let each = outer.div_ceil(parts.max(1)).max(1);
    if parts < 2 || n * inner == 0 {
        return part(x, [n, inner], f, out);
    }
    rayon::scope(|scope| {
        for (x, out) in x.chunks(each * n * inner).zip(out.chunks_mut(each * inner)) {
            scope.spawn(move |_| part(x, [n, inner], f, out));
        }
    });
}

fn part<T: Copy, F: Fold<T>>(x: &[T], sizes: [usize; 2], f: F, out: &mut [T]) {
    dispatch!(level(), _simd => {
        match sizes {
            [n, 1] => rows(x, n, f, out),
            [n, inner] => columns(x, n, inner, f, out),
        }
    });
}

#[inline(always)]
fn columns<T: Copy, F: Fold<T>>(x: &[T], n: usize, inner: usize, f: F, out: &mut [T]) {
    out.fill(F::START);
    if inner == 0 || n == 0 {
        return;
    }
    for (out, x) in out.chunks_exact_mut(inner).zip(x.chunks_exact(n * inner)) {
        for x in x.chunks_exact(inner) {
            out.iter_mut().zip(x).for_each(|(sum, x)| *sum = f.step(*sum, *x));
        }
    }
}

#[allow(clippy::needless_range_loop, reason = "rows and sums are walked side by side")]
#[inline(always)]
fn rows<T: Copy, F: Fold<T>>(x: &[T], n: usize, f: F, out: &mut [T]) {
    if n == 0 {
        return out.fill(F::START);
    }
    let (groups, rest) = out.as_chunks_mut::<ROWS>();
    let (whole, tail) = x.split_at(groups.len() * ROWS * n);
    for (out, x) in groups.iter_mut().zip(whole.chunks_exact(ROWS * n)) {
        let rows: [&[T]; ROWS] = std::array::from_fn(|row| &x[row * n..][..n]);
        let mut sums = [F::START; ROWS];
        for place in 0..n {
            for row in 0..ROWS {
                sums[row] = f.step(sums[row], rows[row][place]);
            }
        }
        *out = sums;
    }
    for (out, x) in rest.iter_mut().zip(tail.chunks_exact(n)) {
        *out = x.iter().fold(F::START, |sum, x| f.step(sum, *x));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Lcg, bits, with_threads};

    #[derive(Clone, Copy)]
    struct Sum;

    impl Fold<f32> for Sum {
        const START: f32 = 0.0;

        fn step(self, sum: f32, x: f32) -> f32 {
            sum + x
        }
    }

    #[test]
    fn every_result_is_its_elements_in_order() {
        for [outer, n, inner] in
            [[3, 5, 7], [19, 33, 1], [1, 0, 4], [4, 0, 1], [0, 3, 2], [2, 3, 0], [40, 300, 65], [9, 5000, 1]]
        {
            let x = Lcg::new(n as u64).floats(outer * n * inner, 1.0);
            let element = |row: usize, column: usize| {
                (0..n).fold(0.0, |sum, place| sum + x[(row * n + place) * inner + column])
            };
            let want: Vec<f32> =
                (0..outer).flat_map(|row| (0..inner).map(move |column| element(row, column))).collect();
            for threads in [1, 3] {
                let mut out = vec![f32::NAN; outer * inner];
                with_threads(threads, || fold(&x, [outer, n, inner], Sum, &mut out));
                assert_eq!(bits(&out), bits(&want));
            }
        }
    }
}
