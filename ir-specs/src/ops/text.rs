//! Text to numbers. A primitive: it has no meaning in terms of arithmetic.

use serde::{Deserialize, Serialize};

use super::{Family, OpError, OpInfo, OperandTypes, at, family};
use crate::dim::{Dim, Names};
use crate::flow::{Flow, Fold, Joint, Role};
use crate::ty::{DType, Type};

/// What is done to a text before it is split. Only ASCII is touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standardize {
    /// Nothing.
    Keep,
    /// ASCII letters to lower case.
    Lower,
    /// The 32 ASCII punctuation characters removed.
    StripPunctuation,
    /// Both.
    LowerAndStripPunctuation,
}

/// Where a text is cut into tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Nowhere: the whole text is one token.
    Whole,
    /// At runs of ASCII white space.
    Whitespace,
    /// Between code points.
    Character,
}

/// Which runs of neighbouring tokens count as tokens; the widths in order.
pub type NgramWidths = Vec<u32>;

/// What is made of the tokens' numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenOutput {
    /// The numbers in the text's order: 0 is padding, 1 an unknown token.
    Int,
    /// Which tokens occur; 0 is an unknown one.
    MultiHot,
    /// How often each token occurs; 0 is an unknown one.
    Count,
    /// How often each token occurs, times its weight; 0 is an unknown one.
    TfIdf,
}

family! {
    /// Text to numbers.
    Text {
        /// Texts cut into tokens and looked up in a vocabulary. `vocabulary` holds the tokens that have a number of
        /// their own, `weights` one weight for each number (for `tf_idf`). Of several axes, the last one holds the
        /// texts of one row: a single one, unless they are not cut.
        Vectorize = "vectorize" ("text", "vocabulary", "weights?") {
            /// What is done before splitting.
            standardize: Standardize,
            /// Where the text is cut.
            split: Split,
            /// Which runs of tokens count as tokens; empty: the tokens themselves.
            ngrams: NgramWidths,
            /// What is made of the numbers.
            output: TokenOutput,
            /// The size of the last axis: for `int` the fixed length or a symbol for that of the longest text of the
            /// batch, otherwise the number of columns.
            length: Dim,
            /// The element type of the result.
            to: DType,
        };
    }
}

impl Family for Text {
    fn info(&self) -> &'static OpInfo {
        self.row()
    }

    fn flow(&self, operands: OperandTypes<'_>) -> Flow<'_> {
        let of = operands[0].map_or(0, Type::rank) as u32;
        let rank = if of > 1 { of } else { of + 1 };
        let mut text = at(0..rank - 1);
        // Several axes: the last one holds the texts of one row.
        text.extend((of > 1).then_some(Role::Scattered(rank - 1)));
        let rest =
            operands[1..].iter().map(|operand| operand.map_or(vec![], |_| vec![Role::Scattered(rank - 1)]));
        let operands = std::iter::once(text).chain(rest).collect();
        Flow::Joint(Joint { operands, rank: rank as usize, fold: Fold::EVERY })
    }

    fn renamed(&self, names: &Names) -> Text {
        let mut renamed = self.clone();
        let Text::Vectorize { length, .. } = &mut renamed;
        *length = length.renamed(names);
        renamed
    }

    /// A token has a number from 1, but an empty one has that of padding: what is split has none of these.
    fn fills(&self) -> Option<f64> {
        let Text::Vectorize { split, output, .. } = self;
        (*output == TokenOutput::Int && *split != Split::Whole).then_some(0.0)
    }

    fn infer(&self, operands: OperandTypes<'_>) -> Result<Vec<Type>, OpError> {
        let Text::Vectorize { split, output, length, to, .. } = self;
        let (text, vocabulary) =
            (operands[0].expect("arity was checked"), operands[1].expect("arity was checked"));
        if text.dtype != DType::Str || vocabulary.dtype != DType::Str || vocabulary.rank() != 1 {
            return Err(self.expects("texts and a vocabulary str[N]", format!("{text} and {vocabulary}")));
        }
        if *to == DType::Str {
            return Err(self.expects("an element type for numbers", to));
        }
        let weights_fit = |weights: &Type| weights.rank() == 1 && weights.dtype.is_float();
        if *output == TokenOutput::TfIdf && !operands[2].is_some_and(weights_fit) {
            let found = operands[2].map_or("none".to_owned(), Type::to_string);
            return Err(self.expects("weights, floats [N], for tf_idf", found));
        }
        let mut shape = text.shape.clone();
        if shape.len() > 1 {
            let each = shape.pop().and_then(|size| size.known());
            if *split != Split::Whole && each.is_some_and(|each| each != 1) {
                return Err(self.expects("one text in each row, to cut it into tokens", text));
            }
        }
        shape.push(length.clone());
        Ok(vec![Type { dtype: *to, shape }])
    }
}
