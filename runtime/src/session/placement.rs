//! Where values lie in the memory of a run.
//!
//! Values whose lives overlap lie apart; the largest are placed first, each as low as it fits. (Greedy by size: Pisarchyk
//! and Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020.) Numbers and truth values have a memory
//! each, since a truth value is a byte.

use std::ops::Range;

use masque_ir::DType;

use super::schedule::Life;

/// Of more values than this those of the first steps are placed first.
const TOGETHER: usize = 1024;

/// The size of a word of the memory for numbers, in bytes.
pub(super) const WORD: usize = 8;

/// Values of numbers begin at a multiple of so many words: a cache line.
const LINE: usize = 8;

/// Where the values of a run lie.
#[derive(Clone, Debug, Default)]
pub(super) struct Placement {
    /// By value: its words or flags; empty for those that lie elsewhere.
    ranges: Vec<Range<usize>>,
    numbers: Memory,
    flags: Memory,
}

/// One of the memories.
#[derive(Clone, Debug, Default)]
struct Memory {
    placed: Vec<(Life, Range<usize>)>,
    size: usize,
}

impl Placement {
    pub(super) fn new(values: usize) -> Placement {
        Placement { ranges: vec![0..0; values], ..Placement::default() }
    }

    /// Places values of these sizes in elements; `None` if they cannot be counted.
    pub(super) fn place(&mut self, lives: &[(Life, DType, usize)]) -> Option<()> {
        for chunk in lives.chunks(TOGETHER) {
            let first = chunk.iter().map(|(life, ..)| life.first).min().unwrap_or(0);
            for memory in [&mut self.numbers, &mut self.flags] {
                memory.placed.retain(|(life, _)| life.last >= first);
            }
            let mut order: Vec<(Life, bool, usize)> = vec![];
            for &(life, dtype, elements) in chunk {
                let flags = dtype == DType::Bool;
                let size = match flags {
                    true => elements,
                    false => {
                        elements.checked_mul(dtype.size()?)?.div_ceil(WORD).checked_next_multiple_of(LINE)?
                    }
                };
                order.push((life, flags, size));
            }
            order.sort_by_key(|(life, _, size)| (std::cmp::Reverse(*size), life.value));
            for (life, flags, size) in order {
                let memory = if flags { &mut self.flags } else { &mut self.numbers };
                self.ranges[life.value as usize] = memory.place(life, size)?;
            }
        }
        Some(())
    }

    /// The words or flags of a value.
    pub(super) fn range(&self, value: u32) -> Range<usize> {
        self.ranges[value as usize].clone()
    }

    /// How many words and how many flags the memories have.
    pub(super) fn sizes(&self) -> [usize; 2] {
        [self.numbers.size, self.flags.size]
    }

    /// The bytes of both memories.
    pub(super) fn bytes(&self) -> u64 {
        let [words, flags] = self.sizes();
        (words as u64).saturating_mul(WORD as u64).saturating_add(flags as u64)
    }
}

impl Memory {
    /// The lowest place that is free for the life of a value.
    fn place(&mut self, life: Life, size: usize) -> Option<Range<usize>> {
        if size == 0 {
            return Some(0..0);
        }
        let mut taken: Vec<&Range<usize>> =
            self.placed.iter().filter(|(other, _)| other.overlaps(&life)).map(|(_, range)| range).collect();
        taken.sort_unstable_by_key(|range| range.start);
        let mut start = 0usize;
        for range in taken {
            if start.checked_add(size)? <= range.start {
                break;
            }
            start = start.max(range.end);
        }
        let range = start..start.checked_add(size)?;
        self.size = self.size.max(range.end);
        self.placed.push((life, range.clone()));
        Some(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(value: u32, first: usize, last: usize) -> Life {
        Life { value, first, last }
    }

    #[test]
    fn values_that_live_at_once_lie_apart() {
        let lives = [
            (life(0, 0, 1), DType::F32, 100),
            (life(1, 1, 2), DType::F32, 300),
            (life(2, 2, 5), DType::I64, 7),
            (life(3, 3, 4), DType::Bool, 1001),
            (life(4, 4, 9), DType::Bool, 3),
            (life(5, 3, 3), DType::F64, 0),
        ];
        let mut placement = Placement::new(6);
        placement.place(&lives).unwrap();
        let apart = |a: usize, b: usize| {
            let (a, b) = (placement.range(lives[a].0.value), placement.range(lives[b].0.value));
            a.end <= b.start || b.end <= a.start
        };
        for a in 0..lives.len() {
            for b in 0..a {
                let kinds = (lives[a].1 == DType::Bool) == (lives[b].1 == DType::Bool);
                assert!(!kinds || !lives[a].0.overlaps(&lives[b].0) || apart(a, b), "{a} and {b}");
            }
        }
        assert_eq!(placement.sizes(), [152 + 56, 1004]);
        assert_eq!(placement.bytes(), 8 * (152 + 56) + 1004);
    }

    #[test]
    fn later_stages_leave_what_is_there() {
        let mut placement = Placement::new(3);
        placement.place(&[(life(0, 0, 7), DType::F32, 16), (life(1, 0, 1), DType::F32, 16)]).unwrap();
        placement.place(&[(life(2, 2, 3), DType::F32, 16)]).unwrap();
        assert_ne!(placement.range(0), placement.range(2));
        assert_eq!(placement.range(1), placement.range(2));
    }

    #[test]
    fn sizes_beyond_counting_are_refused() {
        let mut placement = Placement::new(2);
        assert!(placement.place(&[(life(0, 0, 1), DType::F64, usize::MAX)]).is_none());
        let half = usize::MAX / 2;
        assert!(
            placement
                .place(&[(life(0, 0, 1), DType::Bool, half + 2), (life(1, 0, 1), DType::Bool, half)])
                .is_none()
        );
    }
}
