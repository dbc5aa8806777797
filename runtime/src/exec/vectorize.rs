//! Text to numbers, with a vocabulary that is read once for all runs.

use masque_ir::ops::{Op, Text, TokenOutput};

use super::{Call, Gives, reference::Reference};
use crate::data::{Elements, Operand};
use crate::error::OpFailure;
use crate::text::{self, Vocabulary};
use crate::{Tensor, TensorView};

#[derive(Debug)]
struct Vectorize(Vocabulary);

pub(super) fn prepare(op: &Op, weights: &[Option<Operand<'_>>]) -> Box<dyn Gives> {
    match (op, weights.get(1).copied().flatten().map(|tokens| tokens.elements)) {
        (Op::Text(_), Some(Elements::Str(tokens))) => {
            Box::new(Vectorize(Vocabulary::new(tokens.iter().map(String::as_str))))
        }
        _ => Box::new(Reference),
    }
}

impl Gives for Vectorize {
    fn give(&self, call: &Call<'_>) -> Result<Vec<Tensor>, OpFailure> {
        let Op::Text(op) = call.op else { return Err(call.unfit(0)) };
        let Text::Vectorize { output, length, .. } = op;
        let texts = call.operand(0)?.view();
        let Some(TensorView::Str(texts)) = &texts else { return Err(call.unfit(0)) };
        // A symbol stands for what only this operation finds out: the length of the longest text.
        let longest = *output == TokenOutput::Int && length.as_symbol().is_some();
        let known = length.eval(call.bindings).and_then(|size| usize::try_from(size).ok());
        if !longest && known.is_none() {
            return Err(OpFailure::UnboundSize { size: length.to_string() });
        }
        let weights = call.maybe(2).and_then(|weights| weights.view());
        let length = known.filter(|_| !longest);
        text::vectorize(op, texts, &self.0, weights.as_ref(), length).map(|numbers| vec![numbers])
    }
}
