//! Memory whose first element lies at a multiple of 64 bytes, a cache line and the widest vector, and disjoint parts of
//! one memory at the same time.

use std::collections::TryReserveError;
use std::ops::Range;

/// The alignment of the first element, in bytes.
const LINE: usize = 64;

/// Elements of one type, the first at a multiple of 64 bytes.
#[derive(Debug, Default)]
pub(crate) struct Aligned<T> {
    /// The elements, after some that are skipped.
    all: Vec<T>,
    skipped: usize,
}

impl<T: Clone + Default> Aligned<T> {
    /// The elements.
    pub(crate) fn as_slice(&self) -> &[T] {
        &self.all[self.skipped..]
    }

    /// The elements, to be written.
    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.all[self.skipped..]
    }

    /// How many elements there are.
    pub(crate) fn len(&self) -> usize {
        self.all.len() - self.skipped
    }

    /// Makes room for at least so many elements; what was there stays where it was.
    pub(crate) fn grow(&mut self, len: usize) -> Result<(), TryReserveError> {
        if len <= self.len() {
            return Ok(());
        }
        let spare = LINE / size_of::<T>();
        let mut all: Vec<T> = Vec::new();
        all.try_reserve_exact(len.saturating_add(spare))?;
        // Never moves again: the capacity is there.
        let skipped = all.as_ptr().align_offset(LINE).min(spare);
        all.resize(skipped, T::default());
        all.extend_from_slice(self.as_slice());
        all.resize(skipped + len, T::default());
        (self.all, self.skipped) = (all, skipped);
        Ok(())
    }
}

/// Parts to be read, and parts to be written.
pub(crate) type Parts<'a, T> = (Vec<&'a [T]>, Vec<&'a mut [T]>);

/// A part of a memory.
#[derive(Debug)]
pub(crate) enum Part<'a, T> {
    /// To be read.
    Read(&'a [T]),
    /// To be written.
    Write(&'a mut [T]),
}

/// Parts of a memory: those wanted for reading may be asked for twice, those for writing must be disjoint from all
/// others. `None` if they are not, or not within the memory.
pub(crate) fn parts<'a, T>(
    memory: &'a mut [T],
    reads: &[Range<usize>],
    writes: &[Range<usize>],
) -> Option<Parts<'a, T>> {
    let mut order: Vec<(Range<usize>, bool)> = reads.iter().map(|range| (range.clone(), false)).collect();
    order.sort_unstable_by_key(|(range, _)| (range.start, range.end));
    order.dedup();
    order.extend(writes.iter().map(|range| (range.clone(), true)));
    order.sort_by_key(|(range, _)| (range.start, range.end));
    let (mut rest, mut at) = (memory, 0);
    let mut found = Vec::with_capacity(order.len());
    for (range, write) in order {
        let (_, after) = rest.split_at_mut_checked(range.start.checked_sub(at)?)?;
        let (part, after) = after.split_at_mut_checked(range.len())?;
        (rest, at) = (after, range.end);
        found.push((range, if write { Part::Write(part) } else { Part::Read(part) }));
    }
    let read = |range: &Range<usize>| {
        found.iter().find_map(|(known, part)| match part {
            Part::Read(part) if known == range => Some(*part),
            _ => None,
        })
    };
    let reads = reads.iter().map(read).collect::<Option<Vec<_>>>()?;
    let mut written: Vec<(Range<usize>, &mut [T])> = found
        .into_iter()
        .filter_map(|(range, part)| match part {
            Part::Write(part) => Some((range, part)),
            Part::Read(_) => None,
        })
        .collect();
    let mut take = |range: &Range<usize>| {
        let place = written.iter().position(|(known, _)| known == range)?;
        Some(written.swap_remove(place).1)
    };
    let writes = writes.iter().map(&mut take).collect::<Option<Vec<_>>>()?;
    Some((reads, writes))
}

#[cfg(test)]
#[allow(clippy::single_range_in_vec_init, reason = "ranges are what is passed")]
mod tests {
    use super::*;

    #[test]
    fn memory_begins_at_a_line_and_keeps_what_it_holds() {
        let mut memory: Aligned<f32> = Aligned::default();
        for len in [1, 3, 1000] {
            memory.grow(len).unwrap();
            assert_eq!(memory.as_slice().as_ptr().align_offset(LINE), 0);
            assert_eq!(memory.len(), len);
            memory.as_mut_slice()[0] = 7.0;
        }
        memory.grow(2000).unwrap();
        assert_eq!(memory.as_slice()[0], 7.0);
        assert!(memory.grow(usize::MAX / 8).is_err());
    }

    #[test]
    fn parts_are_disjoint_or_refused() {
        let mut memory: Vec<u32> = (0..10).collect();
        let (reads, mut writes) = parts(&mut memory, &[2..4, 7..9, 2..4], &[4..6, 0..1]).unwrap();
        assert_eq!(reads, [&[2, 3][..], &[7, 8], &[2, 3]]);
        writes[1][0] = 9;
        assert_eq!(writes, [&[4, 5][..], &[9]]);
        assert!(parts(&mut memory, &[2..4], &[3..5]).is_none());
        assert!(parts(&mut memory, &[], &[3..5, 3..5]).is_none());
        assert!(parts(&mut memory, &[8..11], &[]).is_none());
        assert_eq!(parts(&mut memory, &[3..3, 10..10], &[3..3]).unwrap().0, [&[0; 0], &[0; 0]]);
    }
}
