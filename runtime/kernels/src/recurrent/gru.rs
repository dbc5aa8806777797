//! GRU: gates z, r, h in this order along the columns, in its two forms.
//!
//! ```text
//! a = x W + b                    reset after                    reset before
//! q = h R + b'                   (default since Keras 2.2)      (b' is none)
//! z, r = rec(a_z + q_z), rec(a_r + q_r)
//! candidate =                    act(a_h + r * q_h)             act(a_h + (r * h) R_h)
//! h' = z * h + (1 - z) * candidate
//! ```

use fearless_simd::Simd;

use super::{Cell, Options, Output, Scratch, Sequences, States, gate, gather_rows, run};
use crate::activation::Activation;
use crate::gemm::{Init, Rows, gemm, gemm_strided};
use crate::lanes::{LANES, fma, load, sigmoid, splat, store, tanh};
use crate::level;
use crate::pack::PackedMatrix;

/// The weights of a GRU of `units` units.
#[derive(Clone, Copy, Debug)]
pub struct Gru<'a> {
    /// W, [features, 3 * units]; without, the input of every step is `x W + b` already, and `bias` not read.
    pub kernel: Option<PackedMatrix<'a>>,
    /// b, of length 3 * units; with reset after, row 0 of Keras' [2, 3 * units].
    pub bias: Option<&'a [f32]>,
    /// R, and with it the form.
    pub recurrent: GruRecurrent<'a>,
    /// `act`, usually tanh.
    pub activation: Activation,
    /// `rec`, usually sigmoid.
    pub recurrent_activation: Activation,
}

/// The state's weights, packed as the form of the GRU wants them.
#[derive(Clone, Copy, Debug)]
pub enum GruRecurrent<'a> {
    /// `reset_after=True`.
    After {
        /// R, [units, 3 * units].
        weights: PackedMatrix<'a>,
        /// b', of length 3 * units: row 1 of Keras' [2, 3 * units].
        bias: Option<&'a [f32]>,
    },
    /// `reset_after=False`.
    Before {
        /// R's columns for z and r, [units, 2 * units].
        gates: PackedMatrix<'a>,
        /// R's columns for the candidate, [units, units].
        candidate: PackedMatrix<'a>,
    },
}

/// Runs a GRU over `input`. `h` is [batch, units]: the initial state before, the final one after.
pub fn gru(cell: &Gru<'_>, input: &Sequences<'_>, options: Options, h: &mut [f32], out: Output<'_>) {
    run(cell, input, options, States { h, c: &mut [] }, out);
}

impl Cell for Gru<'_> {
    fn input(&self) -> Option<(PackedMatrix<'_>, Option<&[f32]>)> {
        self.kernel.map(|kernel| (kernel, self.bias))
    }

    fn units(&self) -> usize {
        match self.recurrent {
            GruRecurrent::After { weights, .. } => weights.k(),
            GruRecurrent::Before { candidate, .. } => candidate.k(),
        }
    }

    fn width(&self) -> usize {
        3 * self.units()
    }

    fn step(&self, gates: &mut [f32], rows: &[usize], states: &mut States<'_>, scratch: &mut Scratch) {
        let units = self.units();
        match self.recurrent {
            GruRecurrent::After { weights, bias } => {
                let h = gather_rows(states.h, rows, units, &mut scratch.gathered);
                let q = &mut scratch.product;
                q.resize(gates.len(), 0.0);
                gemm(h, rows.len(), weights, bias.map_or(Init::Zero, Init::Bias), q);
                if (self.activation, self.recurrent_activation) == (Activation::Tanh, Activation::Sigmoid) {
                    dispatch!(level(), simd => usual(simd, gates, q, rows, units, states.h));
                } else {
                    self.unusual(gates, q, rows, states.h);
                }
            }
            GruRecurrent::Before { gates: weights, candidate } => {
                self.before(gates, rows, states.h, scratch, weights, candidate);
            }
        }
    }
}

impl Gru<'_> {
    /// The rest of a reset-after step for any activations.
    fn unusual(&self, gates: &mut [f32], q: &[f32], rows: &[usize], h: &mut [f32]) {
        let units = self.units();
        let parts = gates.chunks_exact_mut(3 * units).zip(q.chunks_exact(3 * units));
        for (&row, (gates, q)) in rows.iter().zip(parts) {
            let (update_reset, candidate) = gates.split_at_mut(2 * units);
            update_reset.iter_mut().zip(q).for_each(|(a, q)| *a += q);
            self.recurrent_activation.apply(update_reset, units);
            let (update, reset) = update_reset.split_at(units);
            for i in 0..units {
                candidate[i] = reset[i].mul_add(q[2 * units + i], candidate[i]);
            }
            self.activation.apply(candidate, units);
            mix(update, candidate, &mut h[row * units..][..units]);
        }
    }

    fn before(
        &self,
        gates: &mut [f32],
        rows: &[usize],
        h: &mut [f32],
        scratch: &mut Scratch,
        weights: PackedMatrix<'_>,
        candidate: PackedMatrix<'_>,
    ) {
        let units = self.units();
        let a = Rows::new(gather_rows(h, rows, units, &mut scratch.gathered), units);
        gemm_strided(a, rows.len(), weights, Init::Accumulate, gates, 3 * units);
        scratch.product.clear();
        for (&row, gates) in rows.iter().zip(gates.chunks_exact_mut(3 * units)) {
            self.recurrent_activation.apply(&mut gates[..2 * units], units);
            let reset = &gates[units..2 * units];
            scratch.product.extend(reset.iter().zip(&h[row * units..]).map(|(r, h)| r * h));
        }
        let a = Rows::new(&scratch.product, units);
        gemm_strided(a, rows.len(), candidate, Init::Accumulate, &mut gates[2 * units..], 3 * units);
        for (&row, gates) in rows.iter().zip(gates.chunks_exact_mut(3 * units)) {
            let (update, candidate) = gates.split_at_mut(2 * units);
            self.activation.apply(candidate, units);
            mix(&update[..units], candidate, &mut h[row * units..][..units]);
        }
    }
}

/// `h = z * h + (1 - z) * candidate`.
fn mix(update: &[f32], candidate: &[f32], h: &mut [f32]) {
    #[inline(always)]
    fn lanes<S: Simd>(_: S, update: &[f32], candidate: &[f32], h: &mut [f32]) {
        for ((h, z), candidate) in h.iter_mut().zip(update).zip(candidate) {
            *h = z.mul_add(*h, (1.0 - z) * candidate);
        }
    }
    dispatch!(level(), simd => lanes(simd, update, candidate, h));
}

/// The rest of a reset-after step for tanh and sigmoid, in one pass over the gates.
#[inline(always)]
fn usual<S: Simd>(simd: S, gates: &[f32], q: &[f32], rows: &[usize], units: usize, h: &mut [f32]) {
    let parts = gates.chunks_exact(3 * units).zip(q.chunks_exact(3 * units));
    for (&row, (a, q)) in rows.iter().zip(parts) {
        let h = &mut h[row * units..][..units];
        for at in (0..units).step_by(LANES) {
            let end = units.min(at + LANES);
            let update = sigmoid(simd, gate(simd, a, 0, units, at..end) + gate(simd, q, 0, units, at..end));
            let reset = sigmoid(simd, gate(simd, a, 1, units, at..end) + gate(simd, q, 1, units, at..end));
            let candidate =
                tanh(simd, fma(reset, gate(simd, q, 2, units, at..end), gate(simd, a, 2, units, at..end)));
            let kept = (splat(simd, 1.0) - update) * candidate;
            store(fma(update, load(simd, &h[at..end], 0.0), kept), &mut h[at..end]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::pack;
    use crate::testing::{Lcg, bits};

    #[test]
    fn both_ways_to_step_give_the_same_bits() {
        let units = 21;
        let mut lcg = Lcg::new(6);
        let packed = pack(&lcg.floats(units * 3 * units, 1.0), units, 3 * units);
        let weights = PackedMatrix::new(&packed, units, 3 * units).expect("the packed length");
        let cell = Gru {
            kernel: Some(weights),
            bias: None,
            recurrent: GruRecurrent::After { weights, bias: None },
            activation: Activation::Tanh,
            recurrent_activation: Activation::Sigmoid,
        };
        let (a, q) = (lcg.floats(6 * units, 3.0), lcg.floats(6 * units, 3.0));
        let mut one = lcg.floats(3 * units, 1.0);
        let mut other = one.clone();
        dispatch!(level(), simd => usual(simd, &a, &q, &[0, 2], units, &mut one));
        cell.unusual(&mut a.clone(), &q, &[0, 2], &mut other);
        assert_eq!(bits(&one), bits(&other));
    }
}
