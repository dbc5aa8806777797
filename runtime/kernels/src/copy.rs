//! Elements moved: copies between memories whose axes lie in any order.

/// One axis of what is copied: how many positions, and how far neighbours lie apart on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axis {
    /// The number of positions.
    pub size: usize,
    /// The distance where it is read; 0 repeats one element, negative distances run backwards.
    pub from: isize,
    /// The distance where it is written.
    pub to: isize,
}

/// The width of the squares in which axes change places.
const TILE: usize = 16;

/// Copies `from` to `to` along some axes, beginning at an element of each. Elements of `to` that no position reaches stay
/// as they are; every position lies within both.
pub fn copy<T: Copy>(from: &[T], start: usize, to: &mut [T], target: usize, axes: &[Axis]) {
    if axes.iter().any(|axis| axis.size == 0) {
        return;
    }
    let axes = merged(axes);
    walk(from, start, to, target, &axes);
}

/// Axes of one position are left out, and neighbours that are one on both sides become one. The last axis is the one
/// whose elements are written side by side.
fn merged(axes: &[Axis]) -> Vec<Axis> {
    let mut sorted: Vec<Axis> = axes.iter().copied().filter(|axis| axis.size > 1).collect();
    sorted.sort_by_key(|axis| std::cmp::Reverse(axis.to.unsigned_abs()));
    let mut merged: Vec<Axis> = Vec::with_capacity(sorted.len());
    for axis in sorted {
        let whole = |outer: isize, inner: isize| outer == inner * axis.size as isize;
        match merged.last_mut() {
            Some(outer) if whole(outer.from, axis.from) && whole(outer.to, axis.to) => {
                *outer = Axis { size: outer.size * axis.size, ..axis };
            }
            _ => merged.push(axis),
        }
    }
    merged
}

fn walk<T: Copy>(from: &[T], start: usize, to: &mut [T], target: usize, axes: &[Axis]) {
    match axes {
        [] => to[target] = from[start],
        [axis] => run(from, start, to, target, *axis),
        // Reading along the first axis is side by side, writing along the second one.
        [rows, columns] if rows.from == 1 && columns.to == 1 && columns.from != 1 => {
            turned(from, start, to, target, *rows, *columns);
        }
        [axis, rest @ ..] => {
            for place in 0..axis.size {
                walk(from, at(start, place, axis.from), to, at(target, place, axis.to), rest);
            }
        }
    }
}

fn at(start: usize, place: usize, distance: isize) -> usize {
    start.wrapping_add_signed(place as isize * distance)
}

fn run<T: Copy>(from: &[T], start: usize, to: &mut [T], target: usize, axis: Axis) {
    match axis {
        Axis { size, from: 1, to: 1 } => to[target..][..size].copy_from_slice(&from[start..][..size]),
        Axis { size, from: 0, to: 1 } => to[target..][..size].fill(from[start]),
        Axis { size, from: -1, to: 1 } => {
            let source = from[at(start, size - 1, -1)..][..size].iter().rev();
            to[target..][..size].iter_mut().zip(source).for_each(|(to, from)| *to = *from);
        }
        Axis { size, .. } => {
            for place in 0..size {
                to[at(target, place, axis.to)] = from[at(start, place, axis.from)];
            }
        }
    }
}

/// Square by square, so that both sides stay in cache.
fn turned<T: Copy>(from: &[T], start: usize, to: &mut [T], target: usize, rows: Axis, columns: Axis) {
    for row in (0..rows.size).step_by(TILE) {
        for column in (0..columns.size).step_by(TILE) {
            for row in row..rows.size.min(row + TILE) {
                let (start, target) = (at(start, row, rows.from), at(target, row, rows.to));
                for column in column..columns.size.min(column + TILE) {
                    to[target + column] = from[at(start, column, columns.from)];
                }
            }
        }
    }
}

/// The distances of the axes of a shape whose elements lie row by row.
pub fn strides(shape: &[usize]) -> Vec<isize> {
    let mut strides = vec![1isize; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis] as isize);
    }
    strides
}

#[cfg(test)]
mod tests {
    use ndarray::{ArrayView, IxDyn};

    use super::*;
    use crate::testing::Lcg;

    /// Copies element by element.
    fn plain(from: &[u32], start: usize, to: &mut [u32], target: usize, axes: &[Axis]) {
        let mut place = vec![0; axes.len()];
        loop {
            let offset = |side: fn(&Axis) -> isize| -> isize {
                place.iter().zip(axes).map(|(&place, axis)| place as isize * side(axis)).sum()
            };
            to[target.wrapping_add_signed(offset(|axis| axis.to))] =
                from[start.wrapping_add_signed(offset(|axis| axis.from))];
            let Some(axis) = (0..axes.len()).rev().find(|&axis| place[axis] + 1 < axes[axis].size) else {
                return;
            };
            place[axis] += 1;
            place[axis + 1..].fill(0);
        }
    }

    #[test]
    fn every_order_of_axes_is_copied() {
        let mut lcg = Lcg::new(3);
        let mut below =
            |bound: usize| (lcg.floats(1, 0.5)[0] + 0.5).mul_add(bound as f32, 0.0) as usize % bound;
        for _ in 0..2000 {
            let rank = below(5);
            let shape: Vec<usize> = (0..rank).map(|_| [1, 2, 3, 17, 5][below(5)]).collect();
            let from: Vec<u32> = (0..shape.iter().product::<usize>() as u32).collect();
            let mut perm: Vec<usize> = (0..rank).collect();
            for axis in (1..rank).rev() {
                perm.swap(axis, below(axis + 1));
            }
            let wide: Vec<usize> = perm.iter().map(|&axis| shape[axis]).collect();
            let (ins, outs) = (strides(&shape), strides(&wide));
            let mut start = 0;
            let mut axes: Vec<Axis> = (0..rank)
                .map(|axis| Axis { size: wide[axis], from: ins[perm[axis]], to: outs[axis] })
                .collect();
            for axis in &mut axes {
                match below(4) {
                    0 => axis.from = 0,
                    1 => {
                        start += (axis.size - 1) * axis.from as usize;
                        axis.from = -axis.from;
                    }
                    _ => {}
                }
            }
            let (mut found, mut expected) = (vec![u32::MAX; from.len()], vec![u32::MAX; from.len()]);
            copy(&from, start, &mut found, 0, &axes);
            plain(&from, start, &mut expected, 0, &axes);
            assert_eq!(found, expected, "{axes:?}");
        }
    }

    #[test]
    fn axes_change_places() {
        let shape = [3, 40, 33];
        let from: Vec<u32> = (0..3 * 40 * 33).collect();
        let mut to = vec![0; from.len()];
        let axes = [
            Axis { size: 3, from: 40 * 33, to: 40 * 33 },
            Axis { size: 33, from: 1, to: 40 },
            Axis { size: 40, from: 33, to: 1 },
        ];
        copy(&from, 0, &mut to, 0, &axes);
        let view = ArrayView::from_shape(IxDyn(&shape), &from).unwrap().permuted_axes(IxDyn(&[0, 2, 1]));
        assert_eq!(to, view.iter().copied().collect::<Vec<_>>());
    }

    #[test]
    fn nothing_is_copied_along_an_axis_of_nothing() {
        let mut to = [7];
        copy(&[1], 0, &mut to, 0, &[Axis { size: 0, from: 1, to: 1 }]);
        assert_eq!(to, [7]);
        copy(&[1], 0, &mut to, 0, &[]);
        assert_eq!(to, [1]);
    }
}
