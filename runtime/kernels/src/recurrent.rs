//! Recurrent layers over padded batches, as Keras runs them: GRU, LSTM and SimpleRNN.
//!
//! The cells differ only in their step (`Cell`); the loop around it (`run`) is shared:
//! - the input's share of the gates, `x W + b`, is one large product for many steps at once, in chunks of bounded
//!   memory. Only valid steps take part, laid out step by step. A cell without W is given these shares;
//! - a step computes only the rows that are valid at it. The others hold their state, so masked steps cost nothing;
//! - a row that has met a valid step puts out its state `h` at masked steps (Keras repeats the previous output, which
//!   is the same) or zeros with `zero_output_for_mask`. Before its first valid step it puts out zeros, even when it
//!   has an initial state;
//! - rows are independent, so threads take whole rows.
//!
//! States are passed in and out in place: `h` (and `c`) hold the initial state before a call, zeros if there is none,
//! and the final state after it. With `go_backwards` inputs and mask are read from the last step to the first, and
//! outputs stay in that order, unless they are wanted `in_order`. With `places` inputs and outputs are rows of what is
//! whole otherwise, without those in between.

mod gru;
mod lstm;
mod places;
mod simple;

pub use gru::{Gru, GruRecurrent, gru};
pub use lstm::{Lstm, lstm};
pub use places::Places;
pub use simple::{SimpleRnn, simple_rnn};

use std::ops::Range;

use fearless_simd::{Simd, f32x16};

use super::gemm::{Init, gemm};
use super::lanes::load;
use super::pack::PackedMatrix;
use super::threads::parts;

/// Elements of gathered input and gates that a chunk of steps may take, if it has more than one step.
const CHUNK: usize = 128 * 1024;

/// A batch of sequences, padded to one length.
#[derive(Clone, Copy, Debug)]
pub struct Sequences<'a> {
    /// Row-major [batch, steps, features], with `places` the features of each of them, or rows of a table.
    pub x: &'a [f32],
    /// For a table: the number of the row that is the step, [batch, steps], with `places` one for each of them.
    pub rows: Option<&'a [usize]>,
    /// Number of sequences.
    pub batch: usize,
    /// Length of each, padding included.
    pub steps: usize,
    /// Numbers in a step.
    pub features: usize,
    /// [batch, steps], true where a step is valid; without a mask all are.
    pub mask: Option<&'a [bool]>,
    /// The places of all steps that are there, if not all are.
    pub places: Option<&'a Places>,
}

impl Sequences<'_> {
    /// Which of the steps that are there a step is, counted through all sequences.
    fn at(&self, row: usize, step: usize) -> Option<usize> {
        let position = row * self.steps + step;
        self.places.map_or(Some(position), |places| places.number(position))
    }

    /// How many steps are there before those of a row.
    fn before(&self, row: usize) -> usize {
        self.places.map_or(row * self.steps, |places| places.before(row))
    }

    fn valid(&self, row: usize, step: usize) -> bool {
        self.mask.is_none_or(|mask| mask[row * self.steps + step])
    }

    fn valid_steps(&self, row: usize) -> usize {
        self.mask.map_or(self.steps, |mask| {
            mask[row * self.steps..][..self.steps].iter().filter(|&&valid| valid).count()
        })
    }
}

/// How a recurrent layer walks its input.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// From the last step to the first.
    pub go_backwards: bool,
    /// Outputs in the order of the input's steps, backwards as well.
    pub in_order: bool,
    /// Zeros at masked steps, instead of the previous output.
    pub zero_output_for_mask: bool,
}

/// Where the output goes.
#[derive(Debug)]
pub enum Output<'a> {
    /// Every step's, row-major [batch, steps, units], in the order of processing; with `places` the units of each of them.
    Sequences(&'a mut [f32]),
    /// The last processed step's, row-major [batch, units].
    Last(&'a mut [f32]),
}

/// One step of a recurrent layer.
trait Cell: Sync {
    /// The input's weights, [features, width], and their bias; `None` if the input is that product already.
    fn input(&self) -> Option<(PackedMatrix<'_>, Option<&[f32]>)>;

    /// The length of the state.
    fn units(&self) -> usize;

    /// The length of all gates together.
    fn width(&self) -> usize;

    /// Advances the given rows of the states by a step. `gates` holds their input's share, row by row, and may be
    /// overwritten.
    fn step(&self, gates: &mut [f32], rows: &[usize], states: &mut States<'_>, scratch: &mut Scratch);
}

/// The states of a group of rows, [rows, units] each; `c` is empty where the cell has none.
struct States<'a> {
    h: &'a mut [f32],
    c: &'a mut [f32],
}

/// Buffers that a cell's steps share.
#[derive(Default)]
struct Scratch {
    gathered: Vec<f32>,
    product: Vec<f32>,
}

/// Some elements of gate number `index` of a row, whose gates have `units` elements each.
#[inline(always)]
fn gate<S: Simd>(simd: S, gates: &[f32], index: usize, units: usize, at: Range<usize>) -> f32x16<S> {
    load(simd, &gates[index * units..][at], 0.0)
}

/// The given rows of `h`, without gaps: `h` itself when it is all of them.
fn gather_rows<'a>(h: &'a [f32], rows: &[usize], units: usize, buffer: &'a mut Vec<f32>) -> &'a [f32] {
    if rows.len() * units == h.len() {
        return h;
    }
    buffer.clear();
    rows.iter().for_each(|&row| buffer.extend_from_slice(&h[row * units..][..units]));
    buffer
}

/// Rows `first .. first + rows` of a batch, with the memory that is theirs.
struct Group<'a> {
    first: usize,
    rows: usize,
    states: States<'a>,
    out: Output<'a>,
}

impl<'a> Group<'a> {
    /// The first rows, which have so many steps, and the others.
    fn split_at(self, rows: usize, units: usize, steps: usize) -> (Self, Self) {
        let States { h, c } = self.states;
        let (h, h_rest) = h.split_at_mut(rows * units);
        let (c, c_rest) = c.split_at_mut(if c.is_empty() { 0 } else { rows * units });
        let (out, out_rest) = match self.out {
            Output::Sequences(out) => {
                let (out, rest) = out.split_at_mut(steps * units);
                (Output::Sequences(out), Output::Sequences(rest))
            }
            Output::Last(out) => {
                let (out, rest) = out.split_at_mut(rows * units);
                (Output::Last(out), Output::Last(rest))
            }
        };
        (
            Self { first: self.first, rows, states: States { h, c }, out },
            Self {
                first: self.first + rows,
                rows: self.rows - rows,
                states: States { h: h_rest, c: c_rest },
                out: out_rest,
            },
        )
    }
}

/// Runs a cell over a batch, on several threads if that is worth it.
fn run<C: Cell>(cell: &C, input: &Sequences<'_>, options: Options, states: States<'_>, out: Output<'_>) {
    let multiplied = cell.input().map_or(0, |(w, _)| w.k());
    debug_assert_eq!(input.features, cell.input().map_or(cell.width(), |(w, _)| w.k()));
    debug_assert!(input.rows.is_some() || input.x.len() == input.before(input.batch) * input.features);
    let in_order = !options.go_backwards || options.in_order || matches!(out, Output::Last(_));
    debug_assert!(in_order || input.places.is_none());
    debug_assert_eq!(states.h.len(), input.batch * cell.units());
    if cell.units() == 0 {
        return;
    }
    let costs: Vec<usize> = (0..input.batch).map(|row| input.valid_steps(row)).collect();
    let flops = 2 * costs.iter().sum::<usize>() * (multiplied + cell.units()) * cell.width();
    let walk = Walk { cell, input, options, costs: &costs };
    walk.split(Group { first: 0, rows: input.batch, states, out }, parts(flops).min(input.batch / 2).max(1));
}

/// What all groups of a batch share.
struct Walk<'a, C> {
    cell: &'a C,
    input: &'a Sequences<'a>,
    options: Options,
    costs: &'a [usize],
}

/// Consecutive steps whose input is projected together.
#[derive(Default)]
struct Chunk {
    /// The rows valid at each step, steps one after the other.
    rows: Vec<usize>,
    /// Where in `rows` each step ends.
    ends: Vec<usize>,
    x: Vec<f32>,
    gates: Vec<f32>,
}

impl<C: Cell> Walk<'_, C> {
    /// Cuts the rows into `parts` groups of about equal cost, one for each thread.
    fn split(&self, group: Group<'_>, parts: usize) {
        if parts <= 1 || group.rows < 2 {
            return self.group(group);
        }
        let costs = &self.costs[group.first..][..group.rows];
        let share = costs.iter().sum::<usize>() * (parts / 2) / parts;
        let mut sum = 0;
        let cut = costs.iter().take_while(|&&cost| {
            sum += cost;
            sum <= share
        });
        let cut = cut.count().clamp(1, group.rows - 1);
        let steps = self.input.before(group.first + cut) - self.input.before(group.first);
        let (left, right) = group.split_at(cut, self.cell.units(), steps);
        rayon::join(|| self.split(left, parts / 2), || self.split(right, parts - parts / 2));
    }

    /// The input's step that is processed as number `step`.
    fn source(&self, step: usize) -> usize {
        if self.options.go_backwards { self.input.steps - 1 - step } else { step }
    }

    /// The output's step that is computed as number `step`.
    fn target(&self, step: usize) -> usize {
        if self.options.in_order { self.source(step) } else { step }
    }

    fn group(&self, mut group: Group<'_>) {
        let units = self.cell.units();
        let before = self.input.before(group.first);
        let mut seen = vec![false; group.rows];
        let mut scratch = Scratch::default();
        let mut chunk = Chunk::default();
        let mut step = 0;
        while step < self.input.steps {
            self.plan(&mut chunk, step, &group);
            self.project(&mut chunk);
            let width = self.cell.width();
            let mut begin = 0;
            for &end in &chunk.ends {
                let rows = &chunk.rows[begin..end];
                if !rows.is_empty() {
                    let gates = &mut chunk.gates[begin * width..end * width];
                    self.cell.step(gates, rows, &mut group.states, &mut scratch);
                    rows.iter().for_each(|&row| seen[row] = true);
                }
                if let Output::Sequences(out) = &mut group.out {
                    let h = &*group.states.h;
                    for row in 0..group.rows {
                        let at = self.input.at(group.first + row, self.target(step));
                        let Some(at) = at else { continue };
                        let y = &mut out[(at - before) * units..][..units];
                        self.output(group.first + row, step, seen[row], &h[row * units..][..units], y);
                    }
                }
                begin = end;
                step += 1;
            }
        }
        if let Output::Last(out) = group.out {
            for (row, &seen) in seen.iter().enumerate() {
                let (h, y) = (&group.states.h[row * units..][..units], &mut out[row * units..][..units]);
                self.output(group.first + row, self.input.steps.saturating_sub(1), seen, h, y);
            }
        }
    }

    /// Writes what a row puts out after processing step number `step`.
    fn output(&self, row: usize, step: usize, seen: bool, h: &[f32], y: &mut [f32]) {
        if seen && (!self.options.zero_output_for_mask || self.input.valid(row, self.source(step))) {
            y.copy_from_slice(h);
        } else {
            y.fill(0.0);
        }
    }

    /// Takes steps from `step` on until the chunk is full: which rows are valid at each?
    fn plan(&self, chunk: &mut Chunk, mut step: usize, group: &Group<'_>) {
        let features = self.input.features;
        chunk.rows.clear();
        chunk.ends.clear();
        while step < self.input.steps {
            let source = self.source(step);
            let valid = |&row: &usize| self.input.valid(group.first + row, source);
            chunk.rows.extend((0..group.rows).filter(valid));
            chunk.ends.push(chunk.rows.len());
            step += 1;
            if (chunk.rows.len() + group.rows) * (features + self.cell.width()) > CHUNK {
                break;
            }
        }
        // What is the product already needs no other place.
        let x = if self.cell.input().is_some() { &mut chunk.x } else { &mut chunk.gates };
        x.clear();
        let mut begin = 0;
        for (i, &end) in chunk.ends.iter().enumerate() {
            let source = self.source(step - chunk.ends.len() + i);
            for row in &chunk.rows[begin..end] {
                let step = self.input.at(group.first + row, source).unwrap_or_default();
                let at = self.input.rows.map_or(step, |rows| rows[step]) * features;
                x.extend_from_slice(&self.input.x[at..at + features]);
            }
            begin = end;
        }
    }

    /// The input's share of the gates for all valid rows of all steps of the chunk.
    fn project(&self, chunk: &mut Chunk) {
        let Some((w, bias)) = self.cell.input() else { return };
        chunk.gates.resize(chunk.rows.len() * w.n(), 0.0);
        gemm(&chunk.x, chunk.rows.len(), w, bias.map_or(Init::Zero, Init::Bias), &mut chunk.gates);
    }
}

#[cfg(test)]
mod tests;
