//! Which records are computed together, and what they look like then.
//!
//! An answer never depends on the company that its record is in. Records of different lengths are computed together,
//! the shorter ones padded, only if it is proved that padding does not show: of the model, by the compiler; of the
//! record, that it holds no padding of its own, and so has at least one valid position. All others are computed with
//! those of exactly their sizes, or alone.

use masque_ir::ops::Op;
use masque_ir::plan::{PaddingRead, Plan};
use masque_ir::{DType, Type};
use ndarray::{ArrayD, Axis, IxDyn, Slice};

use super::window::Record;
use crate::examples::InputSpec;
use crate::{Tensor, TensorView};

/// Who may be computed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Company {
    /// Records of any lengths.
    Any,
    /// Records of the same sizes.
    Same,
    /// Nobody.
    Alone,
}

/// Records with the same key may be computed together, unless they have to be alone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Any,
    Same(Vec<Vec<usize>>),
    Alone,
}

/// How many axes have a size that is not known before a run, beside the batch.
fn free(ty: &Type) -> usize {
    ty.shape.iter().skip(1).filter(|size| size.known().is_none()).count()
}

/// Do texts become sequences, whose lengths nobody knows before?
fn cuts_texts(plan: &Plan) -> bool {
    let cuts = |op: &Op| matches!(op, Op::Text(_));
    let mut results = plan.steps.iter().filter(|step| cuts(&step.op)).flat_map(|step| &step.results);
    results.any(|&result| free(&plan.value(result).ty) > 0)
}

impl Company {
    /// What a plan allows.
    pub(crate) fn of(plan: &Plan) -> Company {
        let hidden = plan.provenance.padding == PaddingRead::Nothing;
        let fixed = plan.outputs.iter().all(|output| free(&output.ty) == 0);
        let flat = plan.input_values().all(|(_, input)| free(&input.ty) < 2);
        match plan.provenance.apart {
            false => Company::Alone,
            true if hidden && fixed && flat => Company::Any,
            true if cuts_texts(plan) => Company::Alone,
            true => Company::Same,
        }
    }

    /// For people: what keeps records of a plan from being computed together, if it is more than their sizes.
    pub(crate) fn reason(self, plan: &Plan) -> Option<&'static str> {
        let ragged = cuts_texts(plan) || plan.input_values().any(|(_, input)| free(&input.ty) > 0);
        let shows = ragged && plan.provenance.padding != PaddingRead::Nothing;
        match self {
            Company::Alone if !plan.provenance.apart => Some(
                "it is not proved that examples of this model do not show in each other's answers, so every record is \
                 computed by itself",
            ),
            Company::Alone if shows => Some(
                "padding may show in the answers of this model, so every record is computed by itself, without any",
            ),
            Company::Same if shows => Some(
                "padding may show in the answers of this model, so only records of the same lengths are computed \
                 together, without any",
            ),
            _ => None,
        }
    }

    /// The key of a record.
    pub(crate) fn key(self, inputs: &[InputSpec], tensors: &[Tensor]) -> Key {
        let shapes = || tensors.iter().map(|tensor| tensor.shape().to_vec()).collect();
        let texts = inputs.iter().any(|input| input.dtype == DType::Str);
        match self {
            Company::Alone => Key::Alone,
            Company::Same => Key::Same(shapes()),
            Company::Any if inputs.iter().zip(tensors).all(|(input, tensor)| is_plain(input, tensor)) => {
                Key::Any
            }
            Company::Any if texts => Key::Alone,
            Company::Any => Key::Same(shapes()),
        }
    }
}

/// Does an example hold at least one position, and none that is padding? A text that has a letter or a digit has a token.
fn is_plain(input: &InputSpec, tensor: &Tensor) -> bool {
    fn along<T: PartialEq>(array: &ArrayD<T>, axis: usize, pad: &T) -> bool {
        array.len_of(Axis(axis)) > 0
            && array.axis_iter(Axis(axis)).all(|position| position.iter().any(|element| element != pad))
    }
    if let Tensor::Str(texts) = tensor {
        return !texts.is_empty() && texts.iter().all(|text| text.contains(char::is_alphanumeric));
    }
    let Some(axis) = input.shape.iter().position(Option::is_none) else { return true };
    let (axis, pad) = (axis + 1, input.pad);
    match tensor {
        Tensor::F32(array) => along(array, axis, &(pad as f32)),
        Tensor::F64(array) => along(array, axis, &pad),
        Tensor::I32(array) => along(array, axis, &(pad as i32)),
        Tensor::I64(array) => along(array, axis, &(pad as i64)),
        Tensor::Bool(array) => along(array, axis, &(pad != 0.0)),
        Tensor::Str(_) => true,
    }
}

/// About how many tokens an example has: its words or its positions.
pub(crate) fn tokens(inputs: &[InputSpec], tensors: &[Tensor]) -> usize {
    let of = |(input, tensor): (&InputSpec, &Tensor)| match tensor {
        Tensor::Str(texts) => texts.iter().map(|text| text.split_ascii_whitespace().count()).sum(),
        other => {
            let shape = &other.shape()[1..];
            let features = input.dtype.is_float() && input.shape.last().is_some_and(Option::is_some);
            shape[..shape.len() - usize::from(features)].iter().product::<usize>()
        }
    };
    inputs.iter().zip(tensors).map(of).max().unwrap_or(0).max(1)
}

/// How much may be computed together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    pub(crate) records: usize,
    pub(crate) tokens: usize,
}

impl Budget {
    /// As much as keeps two cores busy, and little memory.
    pub(crate) const USUAL: Budget = Budget { records: 256, tokens: 1 << 14 };

    /// Puts records together, by their places: those with one key, the longest first, as many as the budget has room
    /// for once they are padded. No more than a fifth of a batch is padding, so that a long record costs what it costs
    /// alone.
    pub(crate) fn batches(self, records: &[&Record]) -> Vec<Vec<usize>> {
        let mut order: Vec<usize> = (0..records.len()).collect();
        order.sort_by(|&a, &b| {
            let (a, b) = (records[a], records[b]);
            a.key.cmp(&b.key).then(b.tokens.cmp(&a.tokens))
        });
        let mut batches: Vec<Vec<usize>> = vec![];
        let mut sum = 0;
        for place in order {
            let record = records[place];
            let joins = batches.last().filter(|batch| {
                let first = records[batch[0]];
                let (count, padded) = (batch.len() + 1, (batch.len() + 1).saturating_mul(first.tokens));
                record.key != Key::Alone
                    && record.key == first.key
                    && count <= self.records
                    && padded <= self.tokens
                    && padded - (sum + record.tokens) <= padded / 5
            });
            match joins.is_some() {
                true => batches.last_mut().into_iter().for_each(|batch| batch.push(place)),
                false => {
                    batches.push(vec![place]);
                    sum = 0;
                }
            }
            sum += record.tokens;
        }
        batches
    }
}

/// Examples as one batch: the shorter ones are filled up.
pub(crate) fn together(input: &InputSpec, examples: &[&Tensor]) -> Tensor {
    fn fill<'a, T: Clone + 'a>(
        examples: impl Iterator<Item = ndarray::ArrayViewD<'a, T>> + Clone,
        pad: T,
    ) -> ArrayD<T> {
        let mut shape = examples.clone().next().map_or(vec![0], |first| first.shape().to_vec());
        for example in examples.clone() {
            shape.iter_mut().zip(example.shape()).for_each(|(most, &size)| *most = (*most).max(size));
        }
        shape[0] = examples.clone().count();
        let mut batch = ArrayD::from_elem(IxDyn(&shape), pad);
        for (mut room, example) in batch.axis_iter_mut(Axis(0)).zip(examples) {
            let example = example.index_axis_move(Axis(0), 0);
            room.slice_each_axis_mut(|axis| Slice::from(..example.len_of(axis.axis))).assign(&example);
        }
        batch
    }
    macro_rules! of {
        ($variant:ident, $pad:expr) => {{
            let views = examples.iter().filter_map(|tensor| match tensor.view() {
                TensorView::$variant(view) => Some(view),
                _ => None,
            });
            Tensor::$variant(fill(views, $pad))
        }};
    }
    let pad = input.pad;
    match input.dtype {
        DType::F32 => of!(F32, pad as f32),
        DType::F64 => of!(F64, pad),
        DType::I32 => of!(I32, pad as i32),
        DType::I64 => of!(I64, pad as i64),
        DType::Bool => of!(Bool, pad != 0.0),
        DType::Str => of!(Str, String::new()),
    }
}
