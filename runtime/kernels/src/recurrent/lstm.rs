//! LSTM: gates i, f, c, o in this order along the columns.
//!
//! ```text
//! z = x W + b + h R
//! c' = rec(z_f) * c + rec(z_i) * act(z_c)
//! h' = rec(z_o) * act(c')
//! ```

use fearless_simd::Simd;

use super::{Cell, Options, Output, Scratch, Sequences, States, gate, gather_rows, run};
use crate::activation::Activation;
use crate::gemm::{Init, gemm};
use crate::lanes::{LANES, fma, load, sigmoid, store, tanh};
use crate::level;
use crate::pack::PackedMatrix;

/// The weights of an LSTM of `units` units.
#[derive(Clone, Copy, Debug)]
pub struct Lstm<'a> {
    /// W, [features, 4 * units]; without, the input of every step is `x W + b` already, and `bias` not read.
    pub kernel: Option<PackedMatrix<'a>>,
    /// R, [units, 4 * units].
    pub recurrent: PackedMatrix<'a>,
    /// b, of length 4 * units.
    pub bias: Option<&'a [f32]>,
    /// `act`, usually tanh.
    pub activation: Activation,
    /// `rec`, usually sigmoid.
    pub recurrent_activation: Activation,
}

/// Runs an LSTM over `input`. `h` and `c` are [batch, units]: the initial states before, the final ones after.
pub fn lstm(
    cell: &Lstm<'_>,
    input: &Sequences<'_>,
    options: Options,
    h: &mut [f32],
    c: &mut [f32],
    out: Output<'_>,
) {
    debug_assert_eq!(h.len(), c.len());
    run(cell, input, options, States { h, c }, out);
}

impl Cell for Lstm<'_> {
    fn input(&self) -> Option<(PackedMatrix<'_>, Option<&[f32]>)> {
        self.kernel.map(|kernel| (kernel, self.bias))
    }

    fn units(&self) -> usize {
        self.recurrent.k()
    }

    fn width(&self) -> usize {
        4 * self.units()
    }

    fn step(&self, gates: &mut [f32], rows: &[usize], states: &mut States<'_>, scratch: &mut Scratch) {
        let units = self.units();
        let h = gather_rows(states.h, rows, units, &mut scratch.gathered);
        gemm(h, rows.len(), self.recurrent, Init::Accumulate, gates);
        if (self.activation, self.recurrent_activation) == (Activation::Tanh, Activation::Sigmoid) {
            dispatch!(level(), simd => usual(simd, gates, rows, units, states));
        } else {
            self.unusual(gates, rows, states);
        }
    }
}

impl Lstm<'_> {
    /// The rest of a step for any activations.
    fn unusual(&self, gates: &mut [f32], rows: &[usize], states: &mut States<'_>) {
        let units = self.units();
        for (&row, gates) in rows.iter().zip(gates.chunks_exact_mut(4 * units)) {
            let (h, c) = (&mut states.h[row * units..][..units], &mut states.c[row * units..][..units]);
            let (input_forget, rest) = gates.split_at_mut(2 * units);
            let (candidate, output) = rest.split_at_mut(units);
            self.recurrent_activation.apply(input_forget, units);
            self.recurrent_activation.apply(output, units);
            self.activation.apply(candidate, units);
            let (input, forget) = input_forget.split_at(units);
            for i in 0..units {
                c[i] = forget[i].mul_add(c[i], input[i] * candidate[i]);
            }
            candidate.copy_from_slice(c);
            self.activation.apply(candidate, units);
            for i in 0..units {
                h[i] = output[i] * candidate[i];
            }
        }
    }
}

/// The rest of a step for tanh and sigmoid, in one pass over the gates.
#[inline(always)]
fn usual<S: Simd>(simd: S, gates: &[f32], rows: &[usize], units: usize, states: &mut States<'_>) {
    for (&row, gates) in rows.iter().zip(gates.chunks_exact(4 * units)) {
        let (h, c) = (&mut states.h[row * units..][..units], &mut states.c[row * units..][..units]);
        for at in (0..units).step_by(LANES) {
            let end = units.min(at + LANES);
            let forgotten = sigmoid(simd, gate(simd, gates, 1, units, at..end));
            let added = sigmoid(simd, gate(simd, gates, 0, units, at..end))
                * tanh(simd, gate(simd, gates, 2, units, at..end));
            let new = fma(forgotten, load(simd, &c[at..end], 0.0), added);
            store(new, &mut c[at..end]);
            store(sigmoid(simd, gate(simd, gates, 3, units, at..end)) * tanh(simd, new), &mut h[at..end]);
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
        let packed = pack(&lcg.floats(units * 4 * units, 1.0), units, 4 * units);
        let w = PackedMatrix::new(&packed, units, 4 * units).expect("the packed length");
        let (activation, recurrent_activation) = (Activation::Tanh, Activation::Sigmoid);
        let cell = Lstm { kernel: Some(w), recurrent: w, bias: None, activation, recurrent_activation };
        let (gates, h, c) =
            (lcg.floats(8 * units, 3.0), lcg.floats(3 * units, 1.0), lcg.floats(3 * units, 1.0));
        let (mut h1, mut c1, mut h2, mut c2) = (h.clone(), c.clone(), h, c);
        let mut states = States { h: &mut h1, c: &mut c1 };
        dispatch!(level(), simd => usual(simd, &gates, &[0, 2], units, &mut states));
        cell.unusual(&mut gates.clone(), &[0, 2], &mut States { h: &mut h2, c: &mut c2 });
        assert_eq!((bits(&h1), bits(&c1)), (bits(&h2), bits(&c2)));
    }
}
