//! The way through the windows: block by block of output rows, and in a block group by group.

use std::ops::Range;

use rayon::prelude::*;

use super::stretch::{Stretch, Taps};
use super::{Axis, Layout, Segment};
use crate::threads::parts;

/// Output rows in a block: enough to keep the weights' traffic low and to have full register tiles of the groups of
/// short axes, few enough for the input's rows to stay in cache.
const ROW_BLOCK: usize = 96;

/// Windows that have the same taps.
pub(crate) struct Group<'a> {
    /// The taps along each axis.
    taps: [Taps; 3],
    /// From a row to the next along each axis.
    rows: [usize; 3],
    /// From a tap to the next along each axis.
    windows: [usize; 3],
    /// The row that each window's first tap reads; 0 without taps.
    pub(crate) inputs: &'a [u32],
    /// Each window's output row, from the first row of the block on.
    pub(crate) outputs: &'a [u32],
}

impl Group<'_> {
    /// Every tap in order: its number in the window, and the distance of its row from the first tap's.
    pub(crate) fn taps(&self) -> impl Iterator<Item = (usize, usize)> {
        let along = |axis: usize| {
            let (taps, tap, row) = (self.taps[axis], self.windows[axis], self.rows[axis]);
            (0..taps.count).map(move |i| ((taps.first + i * taps.step) * tap, i * taps.advance * row))
        };
        along(0).flat_map(move |a| {
            along(1).flat_map(move |b| along(2).map(move |c| (a.0 + b.0 + c.0, a.1 + b.1 + c.1)))
        })
    }
}

/// The layout of a call, with what its lines share.
struct Grid<'a> {
    layout: Layout<'a>,
    axes: [Axis; 3],
    /// For each window along the first two axes: its taps, and the row of the first.
    outer: [Vec<(Taps, usize)>; 2],
}

/// A line of windows along the last axis.
struct Line {
    /// Its number of rows and of windows.
    size: [usize; 2],
    taps: [Taps; 2],
    /// The input's row that row 0 of the axis is.
    input: usize,
    /// Its output rows.
    output: Range<usize>,
}

impl<'a> Grid<'a> {
    fn new(layout: Layout<'a>) -> Self {
        let axes = layout.axes();
        let outer = [axes[0], axes[1]].map(|axis| {
            let mut stretches = Vec::new();
            axis.stretches(&mut stretches);
            let mut windows = vec![None; axis.count];
            for stretch in stretches {
                for i in 0..stretch.count {
                    let window = (stretch.taps, stretch.row + i * stretch.advance);
                    windows[stretch.first + i * stretch.step] = Some(window);
                }
            }
            windows.into_iter().flatten().collect()
        });
        Self { layout, axes, outer }
    }

    /// Output rows, those between segments included.
    fn rows(&self) -> usize {
        match self.layout {
            Layout::Dense { batch, .. } => batch * self.axes.iter().map(|axis| axis.count).product::<usize>(),
            Layout::Packed { segments, .. } => segments.last().map_or(0, |segment| segment.output.end),
        }
    }

    /// The lines that have some of these output rows, by their numbers.
    fn lines(&self, rows: &Range<usize>) -> Range<usize> {
        match self.layout {
            Layout::Dense { .. } => rows.start / self.axes[2].count..rows.end.div_ceil(self.axes[2].count),
            Layout::Packed { segments, .. } => {
                let first = segments.partition_point(|segment| segment.output.end <= rows.start);
                first..segments.partition_point(|segment| segment.output.start < rows.end).max(first)
            }
        }
    }

    fn line(&self, line: usize) -> Line {
        let [a, b, c] = &self.axes;
        match self.layout {
            Layout::Dense { .. } => {
                let (example, i, j) = (line / (a.count * b.count), line / b.count % a.count, line % b.count);
                let ((taps_a, row_a), (taps_b, row_b)) = (self.outer[0][i], self.outer[1][j]);
                Line {
                    size: [c.size, c.count],
                    taps: [taps_a, taps_b],
                    input: ((example * a.size + row_a) * b.size + row_b) * c.size,
                    output: line * c.count..(line + 1) * c.count,
                }
            }
            Layout::Packed { segments, .. } => {
                let Segment { input, output } = &segments[line];
                let taps = [self.outer[0][0].0, self.outer[1][0].0];
                Line { size: [input.len(), output.len()], taps, input: input.start, output: output.clone() }
            }
        }
    }
}

/// A part of a line: windows that have the same taps.
struct Strand {
    taps: [Taps; 3],
    /// The row that the first window's first tap reads, and from it to the next window's.
    input: [usize; 2],
    /// The first window's output row, from the first row of the block on, and from it to the next window's.
    output: [usize; 2],
    count: usize,
}

/// A thread's way through blocks, with the memory that it needs.
pub(crate) struct Walk<'a> {
    grid: &'a Grid<'a>,
    /// The stretches of the last line, whose size they depend on.
    stretches: Vec<Stretch>,
    stretched: Option<[usize; 2]>,
    strands: Vec<Strand>,
    inputs: Vec<u32>,
    outputs: Vec<u32>,
    covered: Vec<Range<usize>>,
}

impl<'a> Walk<'a> {
    /// Calls `compute` for every block of output rows: with their numbers, and with `width` elements of `out` for each.
    ///
    /// `flops` are those of a row; they decide about threads.
    pub(crate) fn blocks(
        layout: Layout<'_>,
        width: usize,
        flops: usize,
        out: &mut [f32],
        compute: impl Fn(&mut Walk<'_>, Range<usize>, &mut [f32]) + Sync,
    ) {
        let grid = Grid::new(layout);
        let rows = grid.rows();
        if rows == 0 || width == 0 {
            return;
        }
        let out = &mut out[..rows * width];
        let part = |first: usize, out: &mut [f32]| {
            let mut walk = Walk::new(&grid);
            for (i, out) in out.chunks_mut(ROW_BLOCK * width).enumerate() {
                let first = first + i * ROW_BLOCK;
                compute(&mut walk, first..first + out.len() / width, out);
            }
        };
        let each = rows.div_ceil(parts(rows.saturating_mul(flops)));
        if each == rows {
            part(0, out);
        } else {
            out.par_chunks_mut(each * width).enumerate().for_each(|(i, out)| part(i * each, out));
        }
    }

    fn new(grid: &'a Grid<'a>) -> Self {
        let (stretches, strands, inputs, outputs, covered) = Default::default();
        Self { grid, stretches, stretched: None, strands, inputs, outputs, covered }
    }

    /// Calls `compute` for every group of windows among these output rows.
    pub(crate) fn groups(&mut self, rows: Range<usize>, mut compute: impl FnMut(&Group<'_>)) {
        self.strands(&rows);
        self.strands.sort_unstable_by_key(|strand| strand.taps);
        let [_, b, c] = &self.grid.axes;
        for strands in self.strands.chunk_by(|one, other| one.taps == other.taps) {
            self.inputs.clear();
            self.outputs.clear();
            for Strand { input, output, count, .. } in strands {
                let every = |[first, step]: [usize; 2]| (0..*count).map(move |i| (first + i * step) as u32);
                self.inputs.extend(every(*input));
                self.outputs.extend(every(*output));
            }
            compute(&Group {
                taps: strands[0].taps,
                rows: [b.size * c.size, c.size, 1],
                windows: [b.window * c.window, c.window, 1],
                inputs: &self.inputs,
                outputs: &self.outputs,
            });
        }
    }

    /// Those of the last block's output rows that are windows, from its first row on.
    pub(crate) fn covered(&self) -> &[Range<usize>] {
        &self.covered
    }

    fn strands(&mut self, rows: &Range<usize>) {
        self.strands.clear();
        self.covered.clear();
        for line in self.grid.lines(rows) {
            let line = self.grid.line(line);
            if self.stretched != Some(line.size) {
                let [size, count] = line.size;
                self.stretches.clear();
                Axis { size, count, ..self.grid.axes[2] }.stretches(&mut self.stretches);
                self.stretched = Some(line.size);
            }
            let here = rows.start.max(line.output.start)..rows.end.min(line.output.end);
            let covered = here.start - rows.start..here.end - rows.start;
            match self.covered.last_mut().filter(|last| last.end == covered.start) {
                Some(last) => last.end = covered.end,
                None => self.covered.push(covered),
            }
            for stretch in &self.stretches {
                let number = |row: usize| {
                    (row - line.output.start)
                        .saturating_sub(stretch.first)
                        .div_ceil(stretch.step)
                        .min(stretch.count)
                };
                let (start, end) = (number(here.start), number(here.end));
                if start == end {
                    continue;
                }
                let output = line.output.start + stretch.first + start * stretch.step - rows.start;
                let taps = [line.taps[0], line.taps[1], stretch.taps];
                let input = [line.input + stretch.row + start * stretch.advance, stretch.advance];
                let none = taps.iter().any(|taps| taps.count == 0);
                self.strands.push(Strand {
                    taps,
                    input: if none { [0; 2] } else { input },
                    output: [output, stretch.step],
                    count: end - start,
                });
            }
        }
    }
}
