//! Recurrent layers.

use masque_ir::ops::{Op, Recurrent, RecurrentOptions};

use super::gather::out_of_range;
use super::{Call, Matrix, Writes, function};
use crate::data::{Elements, Operand};
use crate::error::OpFailure;
use crate::kernels::activation::Activation as Function;
use crate::kernels::gather::numbers;
use crate::kernels::pack::pack;
use crate::kernels::recurrent::{
    Gru, GruRecurrent, Lstm, Options, Output, Places, Sequences, SimpleRnn, gru, lstm, simple_rnn,
};

#[derive(Debug)]
struct Layer {
    cell: Cell,
    activation: Function,
    options: RecurrentOptions,
}

#[derive(Debug)]
enum Cell {
    SimpleRnn,
    Lstm {
        gates: Function,
    },
    GruAfter {
        gates: Function,
    },
    /// With the columns of the recurrent matrix for the gates and for the candidate, where it is a weight.
    GruBefore {
        gates: Function,
        parts: Option<[Matrix<'static>; 2]>,
    },
}

pub(super) fn prepare(op: &Op, weights: &[Option<Operand<'_>>]) -> Option<Box<dyn Writes>> {
    let Op::Recurrent(op) = op else { return None };
    let cell = match op {
        Recurrent::SimpleRnn { .. } => Cell::SimpleRnn,
        Recurrent::Lstm { recurrent_activation, .. } => Cell::Lstm { gates: function(recurrent_activation)? },
        Recurrent::Gru { recurrent_activation, reset_after: true, .. } => {
            Cell::GruAfter { gates: function(recurrent_activation)? }
        }
        Recurrent::Gru { recurrent_activation, .. } => {
            let parts = weights.get(2).copied().flatten().and_then(|recurrent| cut(&recurrent));
            Cell::GruBefore { gates: function(recurrent_activation)?, parts }
        }
        Recurrent::ConvLstm { .. } => return None,
    };
    let options = op.options().clone();
    Some(Box::new(Layer { cell, activation: function(&options.activation)?, options }))
}

/// The columns of the gates and those of the candidate.
fn cut(recurrent: &Operand<'_>) -> Option<[Matrix<'static>; 2]> {
    let (Elements::F32(elements), &[units, columns]) = (recurrent.elements, recurrent.shape) else {
        return None;
    };
    if columns != units.checked_mul(3)? {
        return None;
    }
    let part = |columns: std::ops::Range<usize>| {
        let rows = elements.chunks_exact((3 * units).max(1));
        let elements: Vec<f32> = rows.flat_map(|row| &row[columns.clone()]).copied().collect();
        Matrix::owned(pack(&elements, units, columns.len()), units, columns.len())
    };
    Some([part(0..2 * units), part(2 * units..3 * units)])
}

impl Writes for Layer {
    fn flops(&self, call: &Call<'_>) -> usize {
        let shape = |place: usize| call.maybe(place).map(|operand| operand.shape);
        let valid = match call.maybe_flags(4) {
            Ok(Some(mask)) => mask.iter().filter(|&&valid| valid).count(),
            _ => shape(0).unwrap_or_default().iter().take(2).product(),
        };
        let matrices = [1, 2].into_iter().filter_map(shape).map(super::elements);
        matrices.sum::<usize>().saturating_mul(2 * valid)
    }

    fn write(&self, call: &mut Call<'_>) -> Result<(), OpFailure> {
        let Op::Recurrent(op) = call.op else { return Err(call.unfit(0)) };
        let rows = rows(op, call)?;
        let (sizes, features) = match (call.operand(0)?.shape, &rows) {
            (&[batch, steps, features], None) => ([batch, steps], features),
            (&[_, features], Some((sizes, _))) => (*sizes, features),
            _ => return Err(call.unfit(0)),
        };
        let places = places(op, call, sizes)?;
        let [batch, steps] = places.as_ref().map_or(sizes, |(whole, _)| *whole);
        let units = call.operand(2)?.shape.first().copied().unwrap_or(0);
        let (x, mask) = (call.floats(0)?, call.maybe_flags(4)?);
        let rows = rows.as_ref().map(|(_, rows)| rows.as_slice());
        let places = places.as_ref().map(|(_, places)| places);
        let input = Sequences { x, rows, batch, steps, features, mask, places };
        let initial = |place: usize| -> Result<Vec<f32>, OpFailure> {
            let h = call.maybe_floats(place)?;
            Ok(h.map_or_else(|| vec![0.0; batch.saturating_mul(units)], <[f32]>::to_vec))
        };
        let mut h = initial(5)?;
        let mut c = if matches!(self.cell, Cell::Lstm { .. }) { initial(6)? } else { vec![] };
        let cell = Weights::of(call)?;
        let output = call.out(0)?;
        let output = if self.options.sequences { Output::Sequences(output) } else { Output::Last(output) };
        self.run(&cell, &input, [&mut h, &mut c], output)?;
        if self.options.states {
            call.out(1)?.copy_from_slice(&h);
            if !c.is_empty() || matches!(self.cell, Cell::Lstm { .. }) {
                call.out(2)?.copy_from_slice(&c);
            }
        }
        Ok(())
    }
}

/// The numbers of the table's rows that the steps are, after their shape, if the input is a table.
type RowNumbers = Option<([usize; 2], Vec<usize>)>;

fn rows(op: &Recurrent, call: &Call<'_>) -> Result<RowNumbers, OpFailure> {
    let Some((place, rows)) = op.rows().and_then(|place| Some((place, call.maybe(place)?))) else {
        return Ok(None);
    };
    let (&[count, _], &[batch, steps]) = (call.operand(0)?.shape, rows.shape) else {
        return Err(call.unfit(place));
    };
    // Of the steps that a mask holds, too: what is wrong there is wrong in the layer before.
    let numbers = match rows.elements {
        Elements::I32(ids) => numbers(ids, count),
        Elements::I64(ids) => numbers(ids, count),
        _ => return Err(call.unfit(place)),
    };
    numbers.map(|numbers| Some(([batch, steps], numbers))).map_err(|error| out_of_range(error, rows.shape))
}

/// The sizes of the mask, and the places, if the steps are at some places; `sizes` are those of the steps.
fn places(
    op: &Recurrent,
    call: &Call<'_>,
    sizes: [usize; 2],
) -> Result<Option<([usize; 2], Places)>, OpFailure> {
    let Some((place, found)) = op.places().and_then(|place| Some((place, call.maybe(place)?))) else {
        return Ok(None);
    };
    let (mask, Some(valid)) = (call.operand(4)?, call.maybe_flags(4)?) else { return Err(call.unfit(4)) };
    let (Elements::I32(places), &[batch, steps]) = (found.elements, mask.shape) else {
        return Err(call.unfit(place));
    };
    match Places::new(places, [batch, steps], valid).filter(|_| sizes == [1, places.len()]) {
        Some(places) => Ok(Some(([batch, steps], places))),
        None => Err(OpFailure::mismatch(
            "rows [1, N, ...] at N places in order, with all of the mask",
            format_args!("{sizes:?} and {} places", places.len()),
        )),
    }
}

/// The operands that all cells have.
struct Weights<'a> {
    kernel: Option<Matrix<'a>>,
    recurrent: Option<Matrix<'a>>,
    raw: Operand<'a>,
    bias: Option<&'a [f32]>,
}

impl<'a> Weights<'a> {
    fn of(call: &Call<'a>) -> Result<Weights<'a>, OpFailure> {
        let raw = call.operand(2)?;
        let before = matches!(call.op, Op::Recurrent(Recurrent::Gru { reset_after: false, .. }));
        Ok(Weights {
            kernel: call.maybe(1).map(|_| call.matrix(1)).transpose()?,
            recurrent: if before { None } else { Some(call.matrix(2)?) },
            raw,
            bias: call.maybe_floats(3)?,
        })
    }

    fn recurrent(&self) -> Result<&Matrix<'a>, OpFailure> {
        self.recurrent.as_ref().ok_or_else(|| OpFailure::mismatch("a recurrent matrix", "none"))
    }
}

impl Layer {
    fn run(
        &self,
        weights: &Weights<'_>,
        input: &Sequences<'_>,
        [h, c]: [&mut [f32]; 2],
        out: Output<'_>,
    ) -> Result<(), OpFailure> {
        let RecurrentOptions { backwards, in_order, zero_masked, .. } = self.options;
        let options = Options { go_backwards: backwards, in_order, zero_output_for_mask: zero_masked };
        let kernel = weights.kernel.as_ref().map(Matrix::packed).transpose()?;
        let (bias, activation) = (weights.bias, self.activation);
        match &self.cell {
            Cell::SimpleRnn => {
                let recurrent = weights.recurrent()?.packed()?;
                simple_rnn(&SimpleRnn { kernel, recurrent, bias, activation }, input, options, h, out);
            }
            Cell::Lstm { gates } => {
                let recurrent = weights.recurrent()?.packed()?;
                let cell = Lstm { kernel, recurrent, bias, activation, recurrent_activation: *gates };
                lstm(&cell, input, options, h, c, out);
            }
            Cell::GruAfter { gates } => {
                let of_input = kernel.map_or(0, |kernel| kernel.n());
                let rows = bias.and_then(|rows| rows.split_at_checked(of_input));
                let (bias, hidden) = rows.map_or((None, None), |(a, b)| (Some(a), Some(b)));
                let recurrent = GruRecurrent::After { weights: weights.recurrent()?.packed()?, bias: hidden };
                let cell = Gru { kernel, bias, recurrent, activation, recurrent_activation: *gates };
                gru(&cell, input, options, h, out);
            }
            Cell::GruBefore { gates, parts } => {
                let now = if parts.is_none() { cut(&weights.raw) } else { None };
                let [update, candidate] = parts.as_ref().or(now.as_ref()).ok_or_else(|| {
                    OpFailure::mismatch("a recurrent matrix [U, 3*U]", format!("{:?}", weights.raw.shape))
                })?;
                let recurrent =
                    GruRecurrent::Before { gates: update.packed()?, candidate: candidate.packed()? };
                let cell = Gru { kernel, bias, recurrent, activation, recurrent_activation: *gates };
                gru(&cell, input, options, h, out);
            }
        }
        Ok(())
    }
}
