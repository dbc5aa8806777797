//! The layout in which a convolution's kernel is kept.
//!
//! Each group of channels has a matrix of its own, of one row for each tap and channel of the group (the channels of a
//! tap are consecutive) and one column for each filter of the group. They are packed as in [`pack`](super::super::pack), one
//! after the other.

use crate::pack::{PackedMatrix, pack_strided, packed_len};

/// A packed kernel, borrowed from wherever it lies.
#[derive(Clone, Copy, Debug)]
pub struct PackedKernel<'a> {
    data: &'a [f32],
    taps: usize,
    depth: usize,
    filters: usize,
    groups: usize,
}

impl<'a> PackedKernel<'a> {
    /// Reads `data` as the kernel of `groups` groups of `depth` channels and `filters / groups` filters.
    ///
    /// `None` if `data` has not [`packed_kernel_len`] elements, or the filters do not fall into so many groups.
    pub fn new(data: &'a [f32], taps: usize, depth: usize, filters: usize, groups: usize) -> Option<Self> {
        let whole = groups > 0 && filters.is_multiple_of(groups);
        let fits = whole && data.len() == packed_kernel_len(taps, depth, filters, groups);
        fits.then_some(Self { data, taps, depth, filters, groups })
    }

    /// Taps of a window, along all axes together.
    pub fn taps(&self) -> usize {
        self.taps
    }

    /// Channels of a group.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// Channels of the input.
    pub fn channels(&self) -> usize {
        self.depth * self.groups
    }

    /// Channels of the output.
    pub fn filters(&self) -> usize {
        self.filters
    }

    /// Groups of channels.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Filters of a group.
    pub(super) fn group_filters(&self) -> usize {
        self.filters / self.groups
    }

    /// The matrix of a group.
    pub(super) fn group(&self, group: usize) -> PackedMatrix<'a> {
        let (k, n) = (self.taps * self.depth, self.group_filters());
        let len = packed_len(k, n);
        PackedMatrix::new(&self.data[group * len..][..len], k, n)
            .expect("a part of the length that was checked")
    }
}

/// The length of a packed kernel; saturates where the true length does not fit, so that no slice can have it.
pub fn packed_kernel_len(taps: usize, depth: usize, filters: usize, groups: usize) -> usize {
    packed_len(taps.saturating_mul(depth), filters / groups.max(1)).saturating_mul(groups)
}

/// Packs `kernel`, row-major [taps, depth, filters], the filters of the groups one after the other.
pub fn pack_kernel(kernel: &[f32], taps: usize, depth: usize, filters: usize, groups: usize) -> Vec<f32> {
    debug_assert_eq!(kernel.len(), taps * depth * filters);
    if kernel.is_empty() {
        return Vec::new();
    }
    let each = filters / groups;
    let pack = |group: usize| pack_strided(&kernel[group * each..], [taps * depth, each], [filters, 1]);
    (0..groups).flat_map(pack).collect()
}
