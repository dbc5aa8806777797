//! Text to numbers, with a vocabulary looked up once.

use masque_ir::dim::Bindings;
use masque_ir::ops::{Text, TokenOutput};

use super::shape::size;
use crate::error::OpFailure;
use crate::tensor::{Tensor, TensorView};
use crate::text::{Vocabulary, vectorize};

pub(super) fn evaluate(
    op: &Text,
    operands: &[TensorView<'_>],
    bindings: &Bindings,
) -> Result<Tensor, OpFailure> {
    let Text::Vectorize { output, length, .. } = op;
    let (TensorView::Str(texts), TensorView::Str(tokens)) = (&operands[0], &operands[1]) else {
        return Err(OpFailure::ElementType { found: operands[0].dtype() });
    };
    // A symbol stands for what only this operation finds out.
    let longest = *output == TokenOutput::Int && length.as_symbol().is_some();
    let length = if longest { None } else { Some(size(length, bindings)?) };
    let vocabulary = Vocabulary::new(tokens.iter().map(String::as_str));
    vectorize(op, texts, &vocabulary, operands.get(2), length)
}
