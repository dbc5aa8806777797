//! Text to numbers: Keras' `TextVectorization`.
//!
//! A text is standardized, cut into tokens, the tokens joined to n-grams, each looked up in a vocabulary; then the
//! numbers are lined up in the order of the text, or counted. Only ASCII is ever looked at: letters and
//! punctuation beyond it stay as they are, and only ASCII white space separates.
//!
//! | | padding | unknown | the first token of the vocabulary |
//! |---|---|---|---|
//! | `int` | 0 | 1 | 2 |
//! | `multi_hot`, `count`, `tf_idf` | – | 0 | 1 |
//!
//! The empty token is no token: it is padding among the numbers, and is not counted.

mod tokens;
mod vocabulary;

pub use vocabulary::Vocabulary;

use masque_ir::ops::{Split, Text, TokenOutput};
use ndarray::{ArrayD, ArrayViewD};

use crate::cast::cast;
use crate::elements::{Element, MAX_RESULT_BYTES, collect, demand, too_large};
use crate::error::OpFailure;
use crate::tensor::{Tensor, TensorView};
use tokens::Tokenizer;

/// Texts to numbers. A text of its own is a row of the result; with several axes, the texts along the last one
/// make a row together.
///
/// `length` is the size of the result's last axis; without one it is that of the longest row (for `int`) or the
/// number of tokens with the unknown one. Rows are filled up and cut on the right.
///
/// # Errors
/// [`OpFailure`]: several texts in a row that is to be cut into tokens, fewer columns or weights than tokens, no
/// weights for `tf_idf`, an element type that holds no numbers, or a result that is too large.
pub fn vectorize(
    op: &Text,
    texts: &ArrayViewD<'_, String>,
    vocabulary: &Vocabulary,
    weights: Option<&TensorView<'_>>,
    length: Option<usize>,
) -> Result<Tensor, OpFailure> {
    let Text::Vectorize { standardize, split, ngrams, output, to, .. } = op;
    let (shape, each) = match texts.shape() {
        [outer @ .., each] if !outer.is_empty() => (outer.to_vec(), *each),
        shape => (shape.to_vec(), 1),
    };
    if *split != Split::Whole && each != 1 {
        return Err(OpFailure::mismatch("one text in each row", format!("texts {:?}", texts.shape())));
    }
    let rows = shape.iter().product::<usize>();
    let mut texts = texts.iter();
    let mut tokenizer = Tokenizer::new(*standardize, *split, ngrams);
    let mut visit = |visit: &mut dyn FnMut(&str)| {
        tokenizer.row(texts.by_ref().take(each).map(String::as_str), visit);
    };
    let numbers = match output {
        TokenOutput::Int => Tensor::I64(lined_up(rows, shape, vocabulary, length, &mut visit)?),
        TokenOutput::MultiHot | TokenOutput::Count | TokenOutput::TfIdf => {
            let counts = counted(rows, shape, vocabulary, length, &mut visit)?;
            shown(counts, *output, weights, vocabulary)?
        }
    };
    cast(&numbers.view(), *to)
}

/// Visits the tokens of the next row.
type NextRow<'a> = &'a mut dyn FnMut(&mut dyn FnMut(&str));

/// The numbers of the tokens in their order, one row after the other.
fn lined_up(
    rows: usize,
    mut shape: Vec<usize>,
    vocabulary: &Vocabulary,
    length: Option<usize>,
    next_row: NextRow<'_>,
) -> Result<ArrayD<i64>, OpFailure> {
    const PADDING: i64 = 0;
    const TOO_MANY: u64 = MAX_RESULT_BYTES / size_of::<i64>() as u64 + 1;
    demand::<Vec<i64>>(&shape)?;
    demand::<i64>(&[shape.as_slice(), &[length.unwrap_or(0)]].concat())?;
    let mut left = TOO_MANY as usize;
    let mut numbers: Vec<Vec<i64>> = Vec::with_capacity(rows);
    for _ in 0..rows {
        let mut row = vec![];
        let most = length.unwrap_or(usize::MAX).min(left);
        next_row(&mut |token| {
            if row.len() < most {
                row.push(if token.is_empty() { PADDING } else { vocabulary.number(token) + 1 });
            }
        });
        left -= row.len();
        numbers.push(row);
        if left == 0 {
            return Err(too_large(TOO_MANY * size_of::<i64>() as u64));
        }
    }
    let length = length.unwrap_or_else(|| numbers.iter().map(Vec::len).max().unwrap_or(0));
    shape.push(length);
    let padded =
        numbers.iter().flat_map(|row| row.iter().copied().chain(std::iter::repeat(PADDING)).take(length));
    collect(&shape, padded)
}

/// How often each token of the vocabulary occurs, one row after the other.
fn counted(
    rows: usize,
    mut shape: Vec<usize>,
    vocabulary: &Vocabulary,
    length: Option<usize>,
    next_row: NextRow<'_>,
) -> Result<ArrayD<i64>, OpFailure> {
    let columns = length.unwrap_or(vocabulary.numbers());
    if columns < vocabulary.numbers() {
        let expected = format!("at least {} columns, one for each token", vocabulary.numbers());
        return Err(OpFailure::mismatch(expected, columns));
    }
    shape.push(columns);
    let mut counts = collect(&shape, std::iter::repeat_n(0, rows.saturating_mul(columns)))?;
    let mut row_counts = counts.rows_mut().into_iter();
    for _ in 0..rows {
        let mut row = row_counts.next();
        next_row(&mut |token| {
            if let (Some(row), false) = (&mut row, token.is_empty()) {
                row[vocabulary.number(token) as usize] += 1;
            }
        });
    }
    Ok(counts)
}

/// What is shown of the counts.
fn shown(
    mut counts: ArrayD<i64>,
    output: TokenOutput,
    weights: Option<&TensorView<'_>>,
    vocabulary: &Vocabulary,
) -> Result<Tensor, OpFailure> {
    match (output, weights) {
        (TokenOutput::Int | TokenOutput::Count, _) => Ok(Tensor::I64(counts)),
        (TokenOutput::MultiHot, _) => {
            counts.mapv_inplace(|count| count.min(1));
            Ok(Tensor::I64(counts))
        }
        (TokenOutput::TfIdf, Some(TensorView::F32(weights))) => {
            weighted(&counts, weights, vocabulary, |count, weight| count as f32 * weight)
        }
        (TokenOutput::TfIdf, Some(TensorView::F64(weights))) => {
            weighted(&counts, weights, vocabulary, |count, weight| count as f64 * weight)
        }
        (TokenOutput::TfIdf, Some(other)) => Err(OpFailure::ElementType { found: other.dtype() }),
        (TokenOutput::TfIdf, None) => Err(OpFailure::mismatch("weights for tf_idf", "none")),
    }
}

/// Counts times weights; columns behind the vocabulary hold 0.
fn weighted<T: Element + Copy + Default>(
    counts: &ArrayD<i64>,
    weights: &ArrayViewD<'_, T>,
    vocabulary: &Vocabulary,
    product: impl Fn(i64, T) -> T,
) -> Result<Tensor, OpFailure>
where
    Tensor: From<ArrayD<T>>,
{
    if weights.ndim() != 1 || weights.len() < vocabulary.numbers() {
        let expected = format!("{} weights", vocabulary.numbers());
        return Err(OpFailure::mismatch(expected, format!("{:?}", weights.shape())));
    }
    let weights: Vec<T> = weights.iter().copied().collect();
    let columns = counts.shape().last().copied().unwrap_or(0);
    let products = counts
        .iter()
        .enumerate()
        .map(|(place, &count)| product(count, weights.get(place % columns).copied().unwrap_or_default()));
    Ok(collect(counts.shape(), products)?.into())
}
