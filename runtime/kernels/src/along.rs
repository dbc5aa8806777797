//! Elements along one axis: picked by number, and put in order.
//!
//! A shape is given as `[outer, size, inner]`: the axes before the one in question, that axis, and those behind it.

use crate::gather::OutOfRange;

/// Copies to each place of `out` the element of `x` that the index there names along the axis, which has `size` positions
/// in `x` and `count` in `indices` and `out`.
///
/// # Errors
///
/// The first index outside of the axis; its position is that among all indices.
pub fn gather_along<T: Copy, I: Copy + Into<i64>>(
    x: &[T],
    [outer, size, inner]: [usize; 3],
    indices: &[I],
    count: usize,
    out: &mut [T],
) -> Result<(), OutOfRange> {
    debug_assert!(x.len() == outer * size * inner && out.len() == indices.len());
    debug_assert!(indices.len() == outer * count * inner);
    for o in 0..outer {
        for place in o * count..(o + 1) * count {
            for i in 0..inner {
                let position = place * inner + i;
                let id = indices[position].into();
                let found = usize::try_from(id).ok().filter(|&index| index < size);
                let index = found.ok_or(OutOfRange { id, position, rows: size })?;
                out[position] = x[(o * size + index) * inner + i];
            }
        }
    }
    Ok(())
}

/// Elements that can be put in order.
pub trait Ordered: Copy {
    /// A number that grows with the element; the largest one for NaN.
    fn key(self) -> i64;
}

macro_rules! whole {
    ($($ty:ty),*) => {$(
        impl Ordered for $ty {
            fn key(self) -> i64 {
                self.into()
            }
        }
    )*};
}

whole!(bool, i32, i64);

/// The bits of floats grow with them, and fall with those below 0. Both zeros are one number.
macro_rules! float {
    ($($ty:ty: $int:ty, $shift:literal;)*) => {$(
        impl Ordered for $ty {
            fn key(self) -> i64 {
                if self.is_nan() {
                    return i64::MAX;
                }
                let bits = (self + 0.0).to_bits() as $int;
                i64::from(bits ^ ((bits >> $shift) & <$int>::MAX))
            }
        }
    )*};
}

float! {
    f32: i32, 31;
    f64: i64, 63;
}

/// The positions along the axis by ascending element; equal ones as they stand, NaN at the end.
pub fn order<T: Ordered>(x: &[T], [outer, size, inner]: [usize; 3], out: &mut [i64]) {
    debug_assert!(x.len() == outer * size * inner && out.len() == x.len());
    let mut keys: Vec<(i64, u32)> = Vec::with_capacity(size);
    for first in (0..outer).flat_map(|o| (0..inner).map(move |i| o * size * inner + i)) {
        keys.clear();
        keys.extend((0..size).map(|place| (x[first + place * inner].key(), place as u32)));
        keys.sort_unstable();
        for (place, (_, from)) in keys.iter().enumerate() {
            out[first + place * inner] = i64::from(*from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_index_picks_in_its_own_line() {
        // [2, 2, 2] along the middle axis.
        let x = [0, 1, 2, 3, 4, 5, 6, 7];
        let mut out = [0; 12];
        let ids = [1, 0, 0, 1, 1, 1, 0, 0, 1, 1, 0, 1i64];
        assert_eq!(gather_along(&x, [2, 2, 2], &ids, 3, &mut out), Ok(()));
        assert_eq!(out, [2, 1, 0, 3, 2, 3, 4, 5, 6, 7, 4, 7]);
        let bad = gather_along(&x, [1, 8, 1], &[0, 8i32], 2, &mut [0; 2]);
        assert_eq!(bad, Err(OutOfRange { id: 8, position: 1, rows: 8 }));
        assert_eq!(gather_along::<f32, i32>(&[], [0, 3, 2], &[], 1, &mut []), Ok(()));
    }

    #[test]
    fn order_is_stable_and_nan_comes_last() {
        let x = [f32::NAN, -0.0, 0.0, f32::INFINITY, -1.0, f32::NEG_INFINITY, 1e-40, -1e-40];
        let mut out = [0; 8];
        order(&x, [1, 8, 1], &mut out);
        assert_eq!(out, [5, 4, 7, 1, 2, 6, 3, 0]);
        order(&x.map(f64::from), [1, 8, 1], &mut out);
        assert_eq!(out, [5, 4, 7, 1, 2, 6, 3, 0]);
        let mut out = [0; 6];
        order(&[i64::MAX, 3, i64::MIN, 3, 0, 1], [1, 3, 2], &mut out);
        assert_eq!(out, [1, 2, 2, 0, 0, 1]);
    }
}
