//! Recurrent layers.

use masque_ir::ops::{Op, OperandTypes, Recurrent, RecurrentOptions};

use super::{Adapter, Call, Matrix, Prepared, all_f32, dense::function, elements, missing, tensor};
use crate::Tensor;
use crate::error::OpFailure;
use crate::kernels::activation::Activation as Function;
use crate::kernels::pack::pack;
use crate::kernels::recurrent::{
    Gru, GruRecurrent, Lstm, Options, Output, Sequences, SimpleRnn, gru, lstm, simple_rnn,
};
use crate::weights::Stored;

pub(super) const ADAPTER: Adapter = Adapter { takes, matrices, prepare, run };

fn takes(op: &Op, operands: OperandTypes<'_>) -> bool {
    let Op::Recurrent(op) = op else { return false };
    let own_row = |activation: &masque_ir::activation::Activation| activation.axis().is_none();
    let gates = match op {
        Recurrent::Lstm { recurrent_activation, .. } | Recurrent::Gru { recurrent_activation, .. } => {
            own_row(recurrent_activation)
        }
        Recurrent::SimpleRnn { .. } => true,
        Recurrent::ConvLstm { .. } => false,
    };
    all_f32(operands) && gates && own_row(&op.options().activation)
}

fn resets_before(op: &Op) -> bool {
    matches!(op, Op::Recurrent(Recurrent::Gru { reset_after: false, .. }))
}

/// A GRU that resets before the product multiplies two parts of its matrix at different times, and gets them cut.
fn matrices(op: &Op) -> &'static [usize] {
    if resets_before(op) { &[1] } else { &[1, 2] }
}

fn prepare(op: &Op, place: usize, weight: &Stored<'_>) -> Option<Prepared> {
    match weight.to_tensor() {
        Tensor::F32(array) if place == 2 && resets_before(op) => {
            let &[units, columns] = array.shape() else { return None };
            let elements: Vec<f32> = array.iter().copied().collect();
            (columns == units.checked_mul(3)?).then(|| Prepared::Matrices(cut(&elements, units)))
        }
        _ => None,
    }
}

/// The columns of the gates and those of the candidate.
fn cut(recurrent: &[f32], units: usize) -> Vec<Matrix<'static>> {
    let part = |columns: std::ops::Range<usize>| {
        let rows = recurrent.chunks_exact((3 * units).max(1));
        let elements: Vec<f32> = rows.flat_map(|row| &row[columns.clone()]).copied().collect();
        Matrix { data: pack(&elements, units, columns.len()).into(), k: units, n: columns.len() }
    };
    vec![part(0..2 * units), part(2 * units..3 * units)]
}

fn run(call: &Call<'_>) -> Result<Vec<Tensor>, OpFailure> {
    let Op::Recurrent(op) = call.op else { return call.by_reference() };
    let &[batch, steps, features] = call.shape(0) else { return Err(missing(call.op, 0)) };
    let units = call.shape(2).first().copied().unwrap_or(0);
    let options = op.options();
    let (x, mask) = (call.required(0)?, call.flags(4));
    let input = Sequences { x: &x, batch, steps, features, mask: mask.as_deref() };
    let initial =
        |place: usize| call.floats(place).map_or_else(|| vec![0.0; batch * units], |h| h.into_owned());
    let mut states: Vec<Vec<f32>> = (0..op.states()).map(|state| initial(5 + state)).collect();
    let shape: &[usize] = if options.sequences { &[batch, steps, units] } else { &[batch, units] };
    let mut out = vec![0.0; elements(shape)];
    let output = if options.sequences { Output::Sequences(&mut out) } else { Output::Last(&mut out) };
    layer(call, op, &input, &mut states, output)?;
    let mut results = vec![tensor(shape, out)?];
    if options.states {
        for state in states {
            results.push(tensor(&[batch, units], state)?);
        }
    }
    Ok(results)
}

fn layer(
    call: &Call<'_>,
    op: &Recurrent,
    input: &Sequences<'_>,
    states: &mut [Vec<f32>],
    out: Output<'_>,
) -> Result<(), OpFailure> {
    let f = |activation| function(activation, 2).ok_or_else(|| missing(call.op, 0));
    let options = walk(op.options());
    let activation = f(&op.options().activation)?;
    match (op, states) {
        (Recurrent::Gru { recurrent_activation, .. }, [h]) => {
            run_gru(call, input, options, [activation, f(recurrent_activation)?], h, out)
        }
        (Recurrent::Lstm { recurrent_activation, .. }, [h, c]) => {
            let (kernel, recurrent, bias) = (call.matrix(1)?, call.matrix(2)?, call.floats(3));
            let cell = Lstm {
                kernel: kernel.packed()?,
                recurrent: recurrent.packed()?,
                bias: bias.as_deref(),
                activation,
                recurrent_activation: f(recurrent_activation)?,
            };
            lstm(&cell, input, options, h, c, out);
            Ok(())
        }
        (Recurrent::SimpleRnn { .. }, [h]) => {
            let (kernel, recurrent, bias) = (call.matrix(1)?, call.matrix(2)?, call.floats(3));
            let bias = bias.as_deref();
            let cell =
                SimpleRnn { kernel: kernel.packed()?, recurrent: recurrent.packed()?, bias, activation };
            simple_rnn(&cell, input, options, h, out);
            Ok(())
        }
        _ => Err(missing(call.op, 0)),
    }
}

fn walk(options: &RecurrentOptions) -> Options {
    Options { go_backwards: options.backwards, zero_output_for_mask: options.zero_masked }
}

fn run_gru(
    call: &Call<'_>,
    input: &Sequences<'_>,
    options: Options,
    [activation, recurrent_activation]: [Function; 2],
    h: &mut [f32],
    out: Output<'_>,
) -> Result<(), OpFailure> {
    let kernel = call.matrix(1)?;
    let bias = call.floats(3);
    let kernel = kernel.packed()?;
    if !resets_before(call.op) {
        let recurrent = call.matrix(2)?;
        let (bias, hidden) = match bias.as_deref() {
            Some(rows) => rows.split_at_checked(kernel.n()).map_or((None, None), |(a, b)| (Some(a), Some(b))),
            None => (None, None),
        };
        let recurrent = GruRecurrent::After { weights: recurrent.packed()?, bias: hidden };
        gru(&Gru { kernel, bias, recurrent, activation, recurrent_activation }, input, options, h, out);
        return Ok(());
    }
    let now;
    let parts = match call.prepared(2) {
        Some(Prepared::Matrices(parts)) => parts,
        _ => {
            now = cut(&call.required(2)?, call.shape(2)[0]);
            &now
        }
    };
    let recurrent = GruRecurrent::Before { gates: parts[0].packed()?, candidate: parts[1].packed()? };
    let cell = Gru { kernel, bias: bias.as_deref(), recurrent, activation, recurrent_activation };
    gru(&cell, input, options, h, out);
    Ok(())
}
