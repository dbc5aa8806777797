//! Text to numbers, with a vocabulary that is built once for all runs.

use masque_ir::ops::{Op, OperandTypes, Text, TokenOutput};

use super::{Adapter, Call, Prepared, missing, no_matrices};
use crate::error::OpFailure;
use crate::text::{self, Vocabulary};
use crate::weights::Stored;
use crate::{Tensor, TensorView};

pub(super) const ADAPTER: Adapter = Adapter { takes, matrices: no_matrices, prepare, run };

fn takes(op: &Op, _: OperandTypes<'_>) -> bool {
    matches!(op, Op::Text(_))
}

fn prepare(_: &Op, place: usize, weight: &Stored<'_>) -> Option<Prepared> {
    match weight {
        Stored::Owned(Tensor::Str(tokens)) if place == 1 => {
            Some(Prepared::Vocabulary(Vocabulary::new(tokens.iter().map(String::as_str))))
        }
        _ => None,
    }
}

fn run(call: &Call<'_>) -> Result<Vec<Tensor>, OpFailure> {
    let (Op::Text(op), Some(Prepared::Vocabulary(vocabulary))) = (call.op, call.prepared(1)) else {
        return call.by_reference();
    };
    let Text::Vectorize { output, length, .. } = op;
    let texts = call.tensor(0);
    let Some(TensorView::Str(texts)) = &texts else { return Err(missing(call.op, 0)) };
    // A symbol stands for what only this operation finds out: the length of the longest text.
    let longest = *output == TokenOutput::Int && length.as_symbol().is_some();
    let known = length.eval(call.bindings).and_then(|size| usize::try_from(size).ok());
    if !longest && known.is_none() {
        return Err(OpFailure::UnboundSize { size: length.to_string() });
    }
    let weights = call.tensor(2);
    let length = known.filter(|_| !longest);
    text::vectorize(op, texts, vocabulary, weights.as_ref(), length).map(|numbers| vec![numbers])
}
