//! SimpleRNN: `h' = activation(x W + b + h R)`.

use super::{Cell, Options, Output, Scratch, Sequences, States, gather_rows, run};
use crate::activation::Activation;
use crate::gemm::{Init, gemm};
use crate::pack::PackedMatrix;

/// The weights of a SimpleRNN of `units` units.
#[derive(Clone, Copy, Debug)]
pub struct SimpleRnn<'a> {
    /// W, [features, units]; without, the input of every step is `x W + b` already, and `bias` not read.
    pub kernel: Option<PackedMatrix<'a>>,
    /// R, [units, units].
    pub recurrent: PackedMatrix<'a>,
    /// b, of length units.
    pub bias: Option<&'a [f32]>,
    /// Usually tanh.
    pub activation: Activation,
}

/// Runs a SimpleRNN over `input`. `h` is [batch, units]: the initial state before, the final one after.
pub fn simple_rnn(
    cell: &SimpleRnn<'_>,
    input: &Sequences<'_>,
    options: Options,
    h: &mut [f32],
    out: Output<'_>,
) {
    run(cell, input, options, States { h, c: &mut [] }, out);
}

impl Cell for SimpleRnn<'_> {
    fn input(&self) -> Option<(PackedMatrix<'_>, Option<&[f32]>)> {
        self.kernel.map(|kernel| (kernel, self.bias))
    }

    fn units(&self) -> usize {
        self.recurrent.k()
    }

    fn width(&self) -> usize {
        self.units()
    }

    fn step(&self, gates: &mut [f32], rows: &[usize], states: &mut States<'_>, scratch: &mut Scratch) {
        let units = self.units();
        let h = gather_rows(states.h, rows, units, &mut scratch.gathered);
        gemm(h, rows.len(), self.recurrent, Init::Accumulate, gates);
        self.activation.apply(gates, units);
        for (&row, new) in rows.iter().zip(gates.chunks_exact(units)) {
            states.h[row * units..][..units].copy_from_slice(new);
        }
    }
}
