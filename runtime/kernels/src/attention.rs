//! Attention: one head of one sequence at a time, its scores a block of positions at a time.
//!
//! Positions that nobody may see are left out before anything is computed, so neither their number nor their place shows
//! in the bits of a result: scores are summed along the features, weights along the keys in their order, each product
//! fused into one rounding.

use std::cell::OnceCell;
use std::ops::Range;

use rayon::prelude::*;

use super::gemm::{Init, Rows, Step, gemm_with};
use super::pack::{PackedMatrix, pack, pack_strided};
use super::softmax::softmax;
use super::threads::parts;

/// Positions of a query whose scores are computed together.
const BLOCK: usize = 64;

/// How much lower a score is set with [`Blind::Lowered`].
const LOWERED: f32 = 1e9;

/// What becomes of a position that sees nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blind {
    /// The mean of all values, seen or not; 0 of none.
    Mean,
    /// The values, seen or not, weighted by their scores less 1e9.
    Lowered,
    /// 0.
    Nothing,
}

/// The positions of one sequence that attends to another, as rows of the operands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Rows of the query, and of the result.
    pub query: Range<usize>,
    /// Rows of key and value.
    pub key: Range<usize>,
}

/// Which pairs of positions are allowed.
#[derive(Clone, Copy, Debug)]
pub struct Pairs<'a> {
    /// The truth values.
    pub flags: &'a [bool],
    /// Their distances along segments, heads, positions of the query and positions of the key; 0 where one serves all.
    pub strides: [usize; 4],
}

/// Attention with everything but the result's memory.
#[derive(Clone, Copy, Debug)]
pub struct Attention<'a> {
    /// Rows of `heads` times `depth`.
    pub query: &'a [f32],
    /// Rows of `groups` times `depth`.
    pub key: &'a [f32],
    /// Rows of `groups` times `width`.
    pub value: &'a [f32],
    /// The sequences; their queries ascend, and cover the result.
    pub segments: &'a [Segment],
    /// Heads of the query, a multiple of `groups`.
    pub heads: usize,
    /// Heads of key and value.
    pub groups: usize,
    /// Features of a head of query and key.
    pub depth: usize,
    /// Features of a head of the value.
    pub width: usize,
    /// The rows of the query that see anything; all if absent.
    pub queries: Option<&'a [bool]>,
    /// The rows of the key that are seen; all if absent.
    pub keys: Option<&'a [bool]>,
    /// What else is allowed.
    pub pairs: Option<Pairs<'a>>,
    /// What scores are multiplied by.
    pub scale: f32,
    /// Does a position see only those that are not after it?
    pub causal: bool,
    /// Does it see only those fewer steps away?
    pub within: Option<usize>,
    /// What becomes of a position that sees nothing.
    pub blind: Blind,
}

/// Computes attention into `out`, rows of `heads` times `width`.
pub fn attention(attention: &Attention<'_>, out: &mut [f32]) {
    let (row, heads) = (attention.heads * attention.width, attention.heads);
    if row == 0 {
        return;
    }
    let each = |segment: &Segment| {
        let features = attention.depth + attention.width;
        2 * segment.query.len() * segment.key.len() * heads * features
    };
    let flops: usize = attention.segments.iter().map(each).sum();
    let mut jobs: Vec<(usize, Range<usize>, &mut [f32])> = vec![];
    let (mut rest, parts) = (out, parts(flops));
    for (place, segment) in attention.segments.iter().enumerate() {
        // A sequence alone is split along its positions: each of them is computed by itself.
        let length =
            if attention.segments.len() < parts { segment.query.len().div_ceil(parts) } else { usize::MAX };
        let mut first = 0;
        while first < segment.query.len() {
            let rows = first..segment.query.len().min(first.saturating_add(length));
            let (part, after) = rest.split_at_mut(rows.len() * row);
            rest = after;
            first = rows.end;
            jobs.push((place, rows, part));
        }
    }
    let one = |(place, rows, out): (usize, Range<usize>, &mut [f32])| {
        Sequence { attention, place, rows }.compute(out);
    };
    match parts {
        1 => jobs.into_iter().for_each(one),
        _ => jobs.into_par_iter().for_each(one),
    }
}

/// Some positions of a sequence.
struct Sequence<'a> {
    attention: &'a Attention<'a>,
    place: usize,
    /// Positions within the segment's query.
    rows: Range<usize>,
}

/// Keys and values of one head, as matrices.
struct Head {
    keys: Vec<f32>,
    values: Vec<f32>,
    count: usize,
}

impl Sequence<'_> {
    fn compute(&self, out: &mut [f32]) {
        let Attention { heads, groups, queries, keys, .. } = *self.attention;
        let segment = &self.attention.segments[self.place];
        let [seeing, unseeing] = split(queries, segment.query.start, self.rows.clone());
        let [seen, _] = split(keys, segment.key.start, 0..segment.key.len());
        let (mut scores, mut sums, mut blind) = (vec![], vec![], vec![]);
        for group in 0..groups {
            let head = self.head(group, &seen);
            let rest = Rest { sequence: self, group, mean: OnceCell::new(), head: OnceCell::new() };
            for h in group * (heads / groups)..(group + 1) * (heads / groups) {
                blind.clone_from(&unseeing);
                for block in seeing.chunks(BLOCK) {
                    self.scores(h, &head, block, &mut scores);
                    self.hide(h, block, &seen, &mut scores, &mut blind);
                    self.sums(h, &head, block, &mut scores, &mut sums, out);
                }
                for block in blind.chunks(BLOCK) {
                    rest.fill(h, block, &mut scores, &mut sums, out);
                }
            }
        }
    }

    /// The part of a head in the result at a position.
    fn row<'o>(&self, head: usize, at: u32, out: &'o mut [f32]) -> &'o mut [f32] {
        let Attention { heads, width, .. } = *self.attention;
        &mut out[((at as usize - self.rows.start) * heads + head) * width..][..width]
    }

    /// The keys and values of a head at some positions.
    fn head(&self, group: usize, at: &[u32]) -> Head {
        let Attention { key, value, groups, depth, width, .. } = *self.attention;
        let first = self.attention.segments[self.place].key.start;
        let rows = |x: &[f32], size: usize| {
            let mut rows = Vec::with_capacity(at.len() * size);
            for &at in at {
                rows.extend_from_slice(&x[((first + at as usize) * groups + group) * size..][..size]);
            }
            rows
        };
        let count = at.len();
        Head {
            keys: pack_strided(&rows(key, depth), [depth, count], [1, depth]),
            values: pack(&rows(value, width), count, width),
            count,
        }
    }

    /// The products of some positions with all keys of a head, scaled.
    fn scores(&self, head: usize, of: &Head, at: &[u32], scores: &mut Vec<f32>) {
        let Attention { query, heads, depth, scale, .. } = *self.attention;
        let first = self.attention.segments[self.place].query.start;
        scores.clear();
        scores.resize(at.len() * of.count, 0.0);
        let Some(keys) = PackedMatrix::new(&of.keys, depth, of.count) else { return };
        let rows: Vec<u32> = at.iter().map(|at| first as u32 + at).collect();
        let query = Rows::in_order(&query[head * depth..], heads * depth, &rows);
        gemm_with(query, at.len(), keys, Init::Zero, &[Step::Scale(scale)], scores, of.count);
    }

    /// Gives every score of what a position may not see the value minus infinity; positions that see nothing are noted.
    fn hide(&self, head: usize, at: &[u32], seen: &[u32], scores: &mut [f32], blind: &mut Vec<u32>) {
        let Attention { pairs, causal, within, .. } = *self.attention;
        if seen.is_empty() {
            blind.extend_from_slice(at);
            return;
        }
        if pairs.is_none() && !causal && within.is_none() {
            return;
        }
        for (&position, scores) in at.iter().zip(scores.chunks_exact_mut(seen.len())) {
            let mut any = false;
            for (&other, score) in seen.iter().zip(scores) {
                let allowed = !(causal && other > position)
                    && within.is_none_or(|steps| (position.abs_diff(other) as usize) < steps)
                    && pairs.is_none_or(|pairs| {
                        let [a, b, c, d] = pairs.strides;
                        let place = self.place * a + head * b + position as usize * c + other as usize * d;
                        pairs.flags[place]
                    });
                any |= allowed;
                if !allowed {
                    *score = f32::NEG_INFINITY;
                }
            }
            if !any {
                blind.push(position);
            }
        }
    }

    /// Makes weights of scores, and the weighted sums of the values.
    fn sums(
        &self,
        head: usize,
        of: &Head,
        at: &[u32],
        scores: &mut [f32],
        sums: &mut Vec<f32>,
        out: &mut [f32],
    ) {
        let width = self.attention.width;
        sums.clear();
        sums.resize(at.len() * width, 0.0);
        softmax(scores, of.count);
        if let Some(values) = PackedMatrix::new(&of.values, of.count, width) {
            gemm_with(Rows::new(scores, of.count), at.len(), values, Init::Zero, &[], sums, width);
        }
        for (&at, sum) in at.iter().zip(sums.chunks_exact(width)) {
            self.row(head, at, out).copy_from_slice(sum);
        }
    }
}

/// Positions whose flags, from row `first` on, are true, and those whose flags are false.
fn split(flags: Option<&[bool]>, first: usize, positions: Range<usize>) -> [Vec<u32>; 2] {
    let is_true = |at: &u32| flags.is_none_or(|flags| flags[first + *at as usize]);
    (positions.start as u32..positions.end as u32).partition::<Vec<u32>, _>(is_true).into()
}

/// What positions get that see nothing.
struct Rest<'a> {
    sequence: &'a Sequence<'a>,
    group: usize,
    mean: OnceCell<Vec<f32>>,
    /// All keys and values, seen or not.
    head: OnceCell<Head>,
}

impl Rest<'_> {
    fn fill(&self, head: usize, at: &[u32], scores: &mut Vec<f32>, sums: &mut Vec<f32>, out: &mut [f32]) {
        let sequence = self.sequence;
        match sequence.attention.blind {
            Blind::Nothing => at.iter().for_each(|&at| sequence.row(head, at, out).fill(0.0)),
            Blind::Mean => {
                let mean = self.mean.get_or_init(|| self.mean());
                at.iter().for_each(|&at| sequence.row(head, at, out).copy_from_slice(mean));
            }
            Blind::Lowered => {
                let keys = sequence.attention.segments[sequence.place].key.len() as u32;
                let all = self.head.get_or_init(|| sequence.head(self.group, &(0..keys).collect::<Vec<_>>()));
                sequence.scores(head, all, at, scores);
                scores.iter_mut().for_each(|score| *score -= LOWERED);
                sequence.sums(head, all, at, scores, sums, out);
            }
        }
    }

    /// The mean of all values of a head.
    fn mean(&self) -> Vec<f32> {
        let Attention { value, groups, width, segments, .. } = *self.sequence.attention;
        let rows = &segments[self.sequence.place].key;
        let mut mean = vec![0.0; width];
        for row in rows.clone() {
            let value = &value[(row * groups + self.group) * width..][..width];
            mean.iter_mut().zip(value).for_each(|(sum, x)| *sum += x);
        }
        let count = rows.len().max(1) as f32;
        mean.iter_mut().for_each(|sum| *sum /= count);
        mean
    }
}

#[cfg(test)]
mod tests;
