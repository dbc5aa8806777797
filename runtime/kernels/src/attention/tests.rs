//! Attention against its formula, and the promise that only what is seen shows in the bits.

use super::*;
use crate::testing::{Lcg, assert_close, bits, with_threads};

const HEADS: usize = 4;
const GROUPS: usize = 2;
const DEPTH: usize = 5;
const WIDTH: usize = 3;

/// Sequences of one length after another, with all that they may see.
struct Batch {
    query: Vec<f32>,
    key: Vec<f32>,
    value: Vec<f32>,
    valid: Vec<bool>,
    steps: usize,
}

impl Batch {
    fn random(count: usize, steps: usize, seed: u64) -> Batch {
        let mut lcg = Lcg::new(seed);
        let rows = count * steps;
        Batch {
            query: lcg.floats(rows * HEADS * DEPTH, 2.0),
            key: lcg.floats(rows * GROUPS * DEPTH, 2.0),
            value: lcg.floats(rows * GROUPS * WIDTH, 2.0),
            valid: lcg.bools(rows),
            steps,
        }
    }

    /// The valid rows of one sequence, alone.
    fn alone(&self, sequence: usize) -> Batch {
        let rows = (sequence * self.steps..(sequence + 1) * self.steps).filter(|&row| self.valid[row]);
        let rows: Vec<usize> = rows.collect();
        let taken = |x: &[f32], size: usize| {
            rows.iter().flat_map(|row| &x[row * size..][..size]).copied().collect::<Vec<f32>>()
        };
        Batch {
            query: taken(&self.query, HEADS * DEPTH),
            key: taken(&self.key, GROUPS * DEPTH),
            value: taken(&self.value, GROUPS * WIDTH),
            valid: vec![true; rows.len()],
            steps: rows.len(),
        }
    }

    fn attend(&self, causal: bool, blind: Blind) -> Vec<f32> {
        let count = self.valid.len().checked_div(self.steps).unwrap_or(0);
        let rows = |at: usize| at * self.steps..(at + 1) * self.steps;
        let segments: Vec<Segment> =
            (0..count).map(|at| Segment { query: rows(at), key: rows(at) }).collect();
        let mut out = vec![f32::NAN; self.valid.len() * HEADS * WIDTH];
        let description = Attention {
            query: &self.query,
            key: &self.key,
            value: &self.value,
            segments: &segments,
            heads: HEADS,
            groups: GROUPS,
            depth: DEPTH,
            width: WIDTH,
            queries: Some(&self.valid),
            keys: Some(&self.valid),
            pairs: None,
            scale: 0.5,
            causal,
            within: None,
            blind,
        };
        attention(&description, &mut out);
        out
    }
}

#[test]
fn it_is_the_weighted_mean() {
    let batch = Batch { valid: vec![true; 7], ..Batch::random(1, 7, 1) };
    let mut want = vec![];
    for t in 0..7 {
        for h in 0..HEADS {
            let g = h / (HEADS / GROUPS);
            let weight = |s: usize| {
                let product = |d: usize| {
                    let query = batch.query[(t * HEADS + h) * DEPTH + d];
                    f64::from(query) * f64::from(batch.key[(s * GROUPS + g) * DEPTH + d])
                };
                if s <= t { (0.5 * (0..DEPTH).map(product).sum::<f64>()).exp() } else { 0.0 }
            };
            let all: f64 = (0..7).map(weight).sum();
            let value = |s: usize, e: usize| f64::from(batch.value[(s * GROUPS + g) * WIDTH + e]);
            want.extend((0..WIDTH).map(|e| (0..7).map(|s| weight(s) * value(s, e)).sum::<f64>() / all));
        }
    }
    assert_close(&batch.attend(true, Blind::Nothing), &want, 1e-5);
}

#[test]
fn company_padding_gaps_and_threads_do_not_show() {
    // Longer than a block, and work enough for two threads.
    let batch = Batch::random(3, 3 * BLOCK + 5, 2);
    for causal in [false, true] {
        let together = with_threads(2, || batch.attend(causal, Blind::Mean));
        assert_eq!(bits(&together), bits(&with_threads(1, || batch.attend(causal, Blind::Mean))));
        for sequence in 0..3 {
            let rows = (sequence * batch.steps..(sequence + 1) * batch.steps).filter(|&row| batch.valid[row]);
            let found: Vec<f32> =
                rows.flat_map(|row| &together[row * HEADS * WIDTH..][..HEADS * WIDTH]).copied().collect();
            assert_eq!(bits(&found), bits(&batch.alone(sequence).attend(causal, Blind::Mean)));
        }
    }
}

#[test]
fn a_sequence_alone_is_split_among_threads() {
    let batch = Batch::random(1, 20 * BLOCK + 1, 3);
    let [one, two] = [1, 2].map(|threads| with_threads(threads, || batch.attend(true, Blind::Lowered)));
    assert_eq!(bits(&one), bits(&two));
}

#[test]
fn who_sees_nothing_gets_what_the_rule_says() {
    let batch = Batch { valid: vec![false; 6], ..Batch::random(2, 3, 4) };
    assert!(batch.attend(false, Blind::Nothing).iter().all(|&x| x == 0.0));
    let mean = batch.attend(false, Blind::Mean);
    let of_first: f32 = (0..3).map(|s| batch.value[s * GROUPS * WIDTH]).sum::<f32>() / 3.0;
    assert_eq!(mean[0], of_first);
    // Beside 1e9, scores like these are all the same number.
    let mean: Vec<f64> = mean.into_iter().map(f64::from).collect();
    assert_close(&batch.attend(false, Blind::Lowered), &mean, 1e-5);
}
