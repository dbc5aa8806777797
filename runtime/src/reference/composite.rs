//! Composites: their decomposition is their meaning.

use masque_ir::Semantics;
use masque_ir::dim::Bindings;
use masque_ir::ops::Op;
use masque_ir::program::{Builder, Operand};

use super::execute;
use crate::elements::type_of;
use crate::error::OpFailure;
use crate::tensor::{Tensor, TensorView};

/// Takes an operation apart for operands of these sizes and runs what comes out.
pub(super) fn evaluate(op: &Op, operands: &[Option<TensorView<'_>>]) -> Result<Vec<Tensor>, OpFailure> {
    let mut builder = Builder::new(op.info().mnemonic, Semantics::Keras3_15);
    let inputs: Vec<Operand> = operands
        .iter()
        .enumerate()
        .map(|(place, operand)| match operand {
            Some(view) => builder.input(&format!("operand_{place}"), type_of(view)),
            None => Operand::Absent,
        })
        .collect();
    let results = op.decompose(&mut builder, &inputs).ok_or(OpFailure::Given)??;
    for (place, result) in results.into_iter().enumerate() {
        builder.output(format!("result_{place}"), result);
    }
    let present = operands.iter().flatten().map(TensorView::view).collect();
    execute(&builder.finish(), present, &|_| None, Bindings::new())
        .map_err(|error| OpFailure::Within(Box::new(error)))
}
