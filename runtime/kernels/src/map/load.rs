//! Operands of a block: elements that lie as the results do are read where they are, others are gathered into a register.

use super::{BLOCK, Kind};

/// One axis of the results as an operand has it: how many positions, and how far neighbours lie apart in the operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    /// The number of positions.
    pub size: usize,
    /// The distance; 0 where one element serves all positions.
    pub stride: usize,
}

/// An operand.
#[derive(Clone, Debug)]
pub struct Input<'a> {
    /// Its elements.
    pub elements: Elements<'a>,
    /// The axes of the results, the last one first; none if it lies as they do.
    axes: Vec<Axis>,
}

/// The elements of an operand.
#[derive(Clone, Copy, Debug)]
pub enum Elements<'a> {
    /// Elements of type `f32`.
    F32(&'a [f32]),
    /// Elements of type `f64`.
    F64(&'a [f64]),
    /// Elements of type `i32`.
    I32(&'a [i32]),
    /// Elements of type `i64`.
    I64(&'a [i64]),
    /// Elements of type `bool`.
    Bool(&'a [bool]),
}

impl<'a> Input<'a> {
    /// An operand of a shape that broadcasts to that of the results.
    pub fn new(elements: Elements<'a>, shape: &[usize], results: &[usize]) -> Input<'a> {
        Input { elements, axes: axes(shape, results) }
    }

    /// Does it lie as the results do?
    pub fn is_direct(&self) -> bool {
        self.axes.is_empty()
    }

    /// Does one element serve all positions?
    pub(super) fn is_uniform(&self) -> bool {
        !self.axes.is_empty() && self.axes.iter().all(|axis| axis.stride == 0)
    }

    /// The element type.
    pub(super) fn kind(&self) -> Kind {
        match self.elements {
            Elements::F32(_) => Kind::F32,
            Elements::F64(_) => Kind::F64,
            Elements::I32(_) => Kind::I32,
            Elements::I64(_) => Kind::I64,
            Elements::Bool(_) => Kind::Bool,
        }
    }

    /// Gathers the elements for positions of the results from `start` on.
    pub(super) fn load<T: Copy>(&self, elements: &[T], start: usize, to: &mut [T]) {
        let [inner, outer @ ..] = self.axes.as_slice() else { return };
        let (mut left, mut place) = (start / inner.size, start % inner.size);
        let mut done = 0;
        while done < to.len() {
            let mut offset = 0;
            let mut rest = left;
            for axis in outer {
                offset += rest % axis.size * axis.stride;
                rest /= axis.size;
            }
            let count = (inner.size - place).min(to.len() - done);
            let to = &mut to[done..done + count];
            let from = offset + place * inner.stride;
            match inner.stride {
                0 => to.fill(elements[from]),
                1 => to.copy_from_slice(&elements[from..from + count]),
                stride => {
                    let from = elements[from..].iter().step_by(stride);
                    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
                }
            }
            (left, place, done) = (left + 1, 0, done + count);
        }
    }
}

/// The axes of the results in the operand, neighbours that are one being one; none if the operand lies as they do.
fn axes(shape: &[usize], results: &[usize]) -> Vec<Axis> {
    let (mut axes, mut stride): (Vec<Axis>, usize) = (vec![], 1);
    let own = |axis: usize| (axis + shape.len()).checked_sub(results.len()).map_or(1, |own| shape[own]);
    for axis in (0..results.len()).rev().filter(|&axis| results[axis] != 1) {
        let (size, own) = (results[axis], own(axis));
        let distance = if own == 1 { 0 } else { stride };
        stride *= own;
        match axes.last_mut() {
            Some(inner) if distance == inner.stride * inner.size => inner.size *= size,
            _ => axes.push(Axis { size, stride: distance }),
        }
    }
    match axes.as_slice() {
        [Axis { stride: 1, .. }] => vec![],
        // All results are one element, or there are none.
        [] if results.iter().product::<usize>() == 1 => vec![],
        [] => vec![Axis { size: BLOCK, stride: 0 }],
        _ => axes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(shape: &[usize], results: &[usize], start: usize, count: usize) -> Vec<i32> {
        let elements: Vec<i32> = (0..shape.iter().product::<usize>() as i32).collect();
        let input = Input::new(Elements::I32(&elements), shape, results);
        if input.is_direct() {
            return elements[start..start + count].to_vec();
        }
        let mut to = vec![-1; count];
        input.load(&elements, start, &mut to);
        to
    }

    #[test]
    fn operands_broadcast_from_the_right() {
        assert_eq!(loaded(&[3], &[2, 3], 1, 5), [1, 2, 0, 1, 2]);
        assert_eq!(loaded(&[2, 1], &[2, 3], 0, 6), [0, 0, 0, 1, 1, 1]);
        assert_eq!(loaded(&[2, 1, 2], &[2, 2, 2], 1, 6), [1, 0, 1, 2, 3, 2]);
        assert_eq!(loaded(&[], &[2, 3], 2, 4), [0; 4]);
        assert_eq!(loaded(&[1, 1], &[1, 1], 0, 1), [0]);
        assert_eq!(loaded(&[2, 3], &[2, 3], 2, 3), [2, 3, 4]);
        assert_eq!(loaded(&[1, 2, 3], &[2, 3], 2, 3), [2, 3, 4]);
    }

    #[test]
    fn neighbouring_axes_become_one() {
        assert_eq!(axes(&[4, 5, 6], &[4, 5, 6]), []);
        assert_eq!(axes(&[5, 6], &[4, 5, 6]), [Axis { size: 30, stride: 1 }, Axis { size: 4, stride: 0 }]);
        assert_eq!(axes(&[4, 1, 1], &[4, 5, 6]), [Axis { size: 30, stride: 0 }, Axis { size: 4, stride: 1 }]);
    }
}
