//! The layout in which a matrix of weights is kept.
//!
//! A matrix B of k rows and n columns becomes `ceil(n / 16)` panels of 16 columns, one after the other. A panel holds
//! its k rows one after the other, 16 numbers each; columns beyond n are zero:
//!
//! ```text
//! packed[(j / 16) * k * 16 + p * 16 + j % 16] = B[p][j]        0 <= p < k, 0 <= j < n
//! ```
//!
//! So the product of a row with a panel reads memory strictly forward, one cache line a step, and a panel takes no more
//! of a cache than its elements. The layout is the same on every machine: weights are packed when a model is compiled
//! and used as they lie in the file.

/// Columns in a panel.
pub const PANEL: usize = 16;

/// A packed matrix of `k` rows and `n` columns, borrowed from wherever it lies.
#[derive(Clone, Copy, Debug)]
pub struct PackedMatrix<'a> {
    data: &'a [f32],
    k: usize,
    n: usize,
}

impl<'a> PackedMatrix<'a> {
    /// Reads `data` as a packed matrix of `k` rows and `n` columns; `None` if it has not [`packed_len`] elements.
    pub fn new(data: &'a [f32], k: usize, n: usize) -> Option<Self> {
        (data.len() == packed_len(k, n)).then_some(Self { data, k, n })
    }

    /// The panels, one after the other.
    pub fn data(&self) -> &'a [f32] {
        self.data
    }

    /// Rows: the length of what is multiplied by this matrix.
    pub fn k(&self) -> usize {
        self.k
    }

    /// Columns: the length of the result.
    pub fn n(&self) -> usize {
        self.n
    }

    /// Panel `index` as k rows.
    pub(super) fn panel(&self, index: usize) -> &'a [[f32; PANEL]] {
        self.data[index * self.k * PANEL..][..self.k * PANEL].as_chunks().0
    }

    /// The columns from panel `first` up to panel `end`, as a matrix of its own.
    pub(super) fn panels(&self, first: usize, end: usize) -> Self {
        let data = &self.data[first * self.k * PANEL..end * self.k * PANEL];
        Self { data, k: self.k, n: self.n.min(end * PANEL) - first * PANEL }
    }
}

/// The length of a packed matrix of `k` rows and `n` columns.
///
/// Saturates where the true length does not fit, so that no slice can have it.
pub fn packed_len(k: usize, n: usize) -> usize {
    n.div_ceil(PANEL).saturating_mul(PANEL).saturating_mul(k)
}

/// Packs `b`, row-major [k, n].
pub fn pack(b: &[f32], k: usize, n: usize) -> Vec<f32> {
    debug_assert_eq!(b.len(), k * n);
    pack_strided(b, [k, n], [n, 1])
}

/// Packs the matrix of `k` rows and `n` columns whose element `[p][j]` lies at `p * strides[0] + j * strides[1]`.
pub fn pack_strided(b: &[f32], [k, n]: [usize; 2], strides: [usize; 2]) -> Vec<f32> {
    let mut packed = vec![0.0; packed_len(k, n)];
    if k == 0 || n == 0 {
        return packed;
    }
    for (index, panel) in packed.chunks_exact_mut(k * PANEL).enumerate() {
        let columns = index * PANEL..n.min((index + 1) * PANEL);
        match strides {
            [_, 1] => {
                for (p, row) in panel.chunks_exact_mut(PANEL).enumerate() {
                    let from = p * strides[0] + columns.start;
                    row[..columns.len()].copy_from_slice(&b[from..from + columns.len()]);
                }
            }
            _ => {
                for (place, column) in columns.enumerate() {
                    for p in 0..k {
                        panel[p * PANEL + place] = b[p * strides[0] + column * strides[1]];
                    }
                }
            }
        }
    }
    packed
}

/// The row-major [k, n] matrix that [`pack`] was given.
pub fn unpack(packed: &[f32], k: usize, n: usize) -> Vec<f32> {
    debug_assert_eq!(packed.len(), packed_len(k, n));
    let mut b = vec![0.0; k * n];
    if k == 0 || n == 0 {
        return b;
    }
    for (index, panel) in packed.chunks_exact(k * PANEL).enumerate() {
        let columns = index * PANEL..n.min((index + 1) * PANEL);
        for (row, packed_row) in b.chunks_exact_mut(n).zip(panel.chunks_exact(PANEL)) {
            row[columns.clone()].copy_from_slice(&packed_row[..columns.len()]);
        }
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Lcg;

    #[test]
    fn the_layout_is_the_documented_one() {
        let (k, n) = (5, 71);
        let b = Lcg::new(1).floats(k * n, 1.0);
        let packed = pack(&b, k, n);
        assert_eq!(packed.len(), 5 * 16 * k);
        for p in 0..k {
            for j in 0..80 {
                let want = if j < n { b[p * n + j] } else { 0.0 };
                assert_eq!(packed[(j / 16) * k * 16 + p * 16 + j % 16], want);
            }
        }
    }

    #[test]
    fn unpack_undoes_pack() {
        for (k, n) in [(0, 0), (0, 7), (7, 0), (1, 1), (3, 15), (4, 16), (9, 33), (2, 100)] {
            let b = Lcg::new(2).floats(k * n, 1.0);
            assert_eq!(unpack(&pack(&b, k, n), k, n), b);
        }
    }

    #[test]
    fn a_matrix_may_lie_in_any_way() {
        let (k, n) = (5, 71);
        let b = Lcg::new(3).floats(k * n, 1.0);
        let transposed: Vec<f32> = (0..n * k).map(|place| b[place % k * n + place / k]).collect();
        assert_eq!(pack_strided(&transposed, [k, n], [1, k]), pack(&b, k, n));
        let wide: Vec<f32> = b.chunks(n).flat_map(|row| row.iter().copied().chain([9.0; 3])).collect();
        assert_eq!(pack_strided(&wide, [k, n], [n + 3, 1]), pack(&b, k, n));
    }

    #[test]
    fn a_wrong_length_is_no_matrix() {
        assert!(PackedMatrix::new(&[0.0; 64], 2, 30).is_some());
        assert!(PackedMatrix::new(&[0.0; 64], 2, 33).is_none());
        assert!(PackedMatrix::new(&[], usize::MAX, usize::MAX).is_none());
    }
}
