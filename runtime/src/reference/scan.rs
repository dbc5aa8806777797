//! A loop over time: the body is a program, run once for every position.

use masque_ir::dim::Bindings;
use masque_ir::ops::{OpError, Scan};
use masque_ir::program::Program;
use ndarray::Axis;

use super::shape::{concat, sizes};
use super::{execute, leaf};
use crate::error::OpFailure;
use crate::tensor::{Tensor, TensorView};

pub(super) fn evaluate(
    op: &Scan,
    operands: &[TensorView<'_>],
    bindings: &Bindings,
) -> Result<Vec<Tensor>, OpFailure> {
    let Scan::Scan { carried, sequences, body } = op;
    let (carried, sequences) = (*carried as usize, *sequences as usize);
    let (inputs, outputs) = (body.inputs().count(), body.output_types().len());
    let needed = carried.saturating_add(sequences.max(1));
    if operands.len() < needed || operands.len() != inputs || outputs < carried {
        let expected = format!("{inputs} operands, {needed} of them carried or sequences");
        return Err(OpError { op: "scan", expected, found: operands.len().to_string() }.into());
    }
    let (state, rest) = operands.split_at(carried);
    let (sequences, constants) = rest.split_at(sequences);
    let steps = steps(sequences)?;
    let mut state = state.iter().map(TensorView::to_owned).collect::<Vec<_>>();
    let mut collected: Vec<Vec<Tensor>> = vec![vec![]; outputs - carried];
    for step in 0..steps {
        let positions = sequences.iter().map(|sequence| position(sequence, step));
        let constants = constants.iter().map(TensorView::view);
        let passed = state.iter().map(Tensor::view).chain(positions).chain(constants).collect();
        let mut results = execute(body, passed, &|_| None, bindings.clone())
            .map_err(|error| OpFailure::Within(Box::new(error)))?;
        for (all, one) in collected.iter_mut().zip(results.drain(carried..)) {
            all.push(one);
        }
        state = results;
    }
    let stacks = collected.into_iter().enumerate().map(|(place, parts)| {
        if parts.is_empty() { empty(body, carried + place, bindings) } else { stack(parts) }
    });
    state.into_iter().map(Ok).chain(stacks).collect()
}

/// How many positions the sequences have, all the same number.
fn steps(sequences: &[TensorView<'_>]) -> Result<usize, OpFailure> {
    let sizes: Vec<Option<usize>> = sequences.iter().map(|view| view.shape().get(1).copied()).collect();
    match sizes.first() {
        Some(&Some(steps)) if sizes.iter().all(|size| *size == Some(steps)) => Ok(steps),
        _ => {
            let shapes: Vec<&[usize]> = sequences.iter().map(TensorView::shape).collect();
            Err(OpFailure::mismatch("sequences with one number of steps", format!("{shapes:?}")))
        }
    }
}

/// One position of a sequence, without axis 1.
fn position<'v>(sequence: &'v TensorView<'_>, step: usize) -> TensorView<'v> {
    match sequence {
        TensorView::F32(x) => TensorView::F32(x.index_axis(Axis(1), step)),
        TensorView::F64(x) => TensorView::F64(x.index_axis(Axis(1), step)),
        TensorView::I32(x) => TensorView::I32(x.index_axis(Axis(1), step)),
        TensorView::I64(x) => TensorView::I64(x.index_axis(Axis(1), step)),
        TensorView::Bool(x) => TensorView::Bool(x.index_axis(Axis(1), step)),
        TensorView::Str(x) => TensorView::Str(x.index_axis(Axis(1), step)),
    }
}

/// What the steps gave, side by side along a new axis 1.
fn stack(parts: Vec<Tensor>) -> Result<Tensor, OpFailure> {
    let mut shape = parts[0].shape().to_vec();
    if shape.is_empty() {
        return Err(OpFailure::mismatch("collected values with a batch axis", "a number"));
    }
    shape.insert(1, 1);
    let parts = parts
        .into_iter()
        .map(|part| {
            let found = format!("{:?}", part.shape());
            part.reshaped(&shape).ok_or_else(|| OpFailure::mismatch(format!("{shape:?}"), found))
        })
        .collect::<Result<Vec<_>, _>>()?;
    concat(&parts.iter().map(Tensor::view).collect::<Vec<_>>(), 1)
}

/// What no step gave: the declared type with an axis 1 of size 0.
fn empty(body: &Program, output: usize, bindings: &Bindings) -> Result<Tensor, OpFailure> {
    let ty = &body.output_types()[output];
    let mut shape = sizes(&ty.shape, bindings)?;
    shape.insert(shape.len().min(1), 0);
    leaf::numbers(&shape, std::iter::empty(), ty.dtype)
}
