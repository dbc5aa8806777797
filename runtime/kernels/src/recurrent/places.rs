//! Which steps of padded sequences are there.

/// Of all positions [batch, steps] those that are there, and their numbers.
#[derive(Clone, Debug)]
pub struct Places {
    /// By position: the number of the place, [`NOWHERE`] if it is none.
    numbers: Vec<u32>,
    /// By sequence: the places before it; and all places.
    before: Vec<usize>,
}

const NOWHERE: u32 = u32::MAX;

impl Places {
    /// The places `b * steps + t`, in order. `None` if they are not in order, not among the positions, or a position is
    /// none at which the mask [batch, steps] is true.
    pub fn new(places: &[i32], [batch, steps]: [usize; 2], mask: &[bool]) -> Option<Places> {
        let count = batch.checked_mul(steps).filter(|&count| count == mask.len())?;
        let mut numbers = vec![NOWHERE; count];
        let mut last = None;
        for (number, &place) in (0..).zip(places) {
            let place = usize::try_from(place).ok().filter(|&place| last.is_none_or(|last| last < place))?;
            *numbers.get_mut(place)? = number;
            last = Some(place);
        }
        if numbers.iter().zip(mask).any(|(&number, &valid)| valid && number == NOWHERE) {
            return None;
        }
        let before = (0..=batch).map(|row| places.partition_point(|&place| (place as usize) < row * steps));
        Some(Places { before: before.collect(), numbers })
    }

    pub(super) fn number(&self, position: usize) -> Option<usize> {
        Some(self.numbers[position]).filter(|&number| number != NOWHERE).map(|number| number as usize)
    }

    pub(super) fn before(&self, row: usize) -> usize {
        self.before[row]
    }
}
