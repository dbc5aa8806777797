//! What all attention layers do with their scores: weights along the values, and the weighted sum of the values.
//!
//! Where a mask is false, a value has no weight, and whatever stands there does not show: what no position sees is
//! replaced by 0 before it is multiplied by 0, which would leave NaN as it is. Keras' rules differ in what becomes of
//! a position that sees nothing at all ([`Blind`]).

use serde::{Deserialize, Serialize};

use super::{Activate, Elementwise, OpError, Product, Reduce, Shape};
use crate::activation::Activation;
use crate::contraction::Contraction;
use crate::dim::Dim;
use crate::mask::Band;
use crate::program::{Builder, Operand};
use crate::semantics::Semantics;
use crate::ty::Sizes;

/// What a position does that sees nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blind {
    /// All values have the same weight: the fused path of the multi-head layers.
    Mean,
    /// The values are weighted by their scores all the same, a billion lower: `Attention`.
    Lowered,
    /// No value has a weight: the explicit path of the multi-head layers.
    Nothing,
}

/// What replaces masked scores in the fused path: 0.7 of the most negative number of bfloat16.
const FUSED: f64 = -0.7 * 3.38953e38;

/// How much lower `Attention` sets a masked score.
const LOWERED: f64 = 1e9;

/// What replaces a masked number in a softmax.
const MASKED: f64 = -1e9;

/// Scores, values, and what sees what; axes have letters.
#[derive(Clone, Debug)]
pub struct Attend<'a> {
    /// The scores: axes of the batch, of the heads, of the positions that look, and last of the values.
    pub scores: Operand,
    /// Their letters.
    pub letters: &'a str,
    /// The values.
    pub value: Operand,
    /// Their letters.
    pub value_letters: &'a str,
    /// The letters of the axes of values.
    pub over: &'a str,
    /// The letters of the result.
    pub result: &'a str,
    /// Which position sees which value; broadcasts to the scores from the right.
    pub mask: Option<Operand>,
    /// What a position does that sees nothing.
    pub blind: Blind,
}

impl Attend<'_> {
    /// The weighted sum, and the weights.
    pub fn apply(&self, builder: &mut Builder) -> Result<(Operand, Operand), OpError> {
        let weights = self.weights(builder)?;
        let Some(mask) = &self.mask else {
            return Ok((self.sum(builder, &weights, &self.value)?, weights));
        };
        let rank = builder.type_of(mask).rank();
        let letters = &self.letters[self.letters.len().saturating_sub(rank)..];
        let seen = any_along(builder, mask, letters, self.value_letters)?;
        let zero = builder.number(&self.value, 0.0);
        let value = builder.emit(Elementwise::Select, &[seen, self.value.clone(), zero])?;
        let sum = self.sum(builder, &weights, &value)?;
        let blind = match self.blind {
            Blind::Nothing => return Ok((sum, weights)),
            Blind::Mean => self.mean(builder)?,
            Blind::Lowered => self.sum(builder, &weights, &self.value)?,
        };
        let sees = any_along(builder, mask, letters, &self.without_values(self.result))?;
        let sees = self.arranged(builder, &sees, &self.without_values(self.result), self.result)?;
        Ok((builder.emit(Elementwise::Select, &[sees, sum, blind])?, weights))
    }

    fn without_values(&self, letters: &str) -> String {
        letters
            .chars()
            .filter(|letter| self.letters.contains(*letter) && !self.over.contains(*letter))
            .collect()
    }

    fn sum(&self, builder: &mut Builder, weights: &Operand, value: &Operand) -> Result<Operand, OpError> {
        product(builder, [(weights, self.letters), (value, self.value_letters)], self.result)
    }

    /// The mean of all values, 0 of none, in a shape that broadcasts to the result.
    fn mean(&self, builder: &mut Builder) -> Result<Operand, OpError> {
        let axes: Vec<u32> =
            self.over.chars().filter_map(|c| self.value_letters.find(c)).map(|c| c as u32).collect();
        let mut axes = axes;
        axes.sort_unstable();
        let operand = std::slice::from_ref(&self.value);
        let dtype = builder.type_of(&self.value).dtype;
        let sum = builder.emit(Reduce::Sum { axes: axes.clone(), keep: false }, operand)?;
        let count = builder.emit(Shape::Size { axes }, operand)?;
        let count = builder.emit(Elementwise::Cast { to: dtype }, &[count])?;
        let one = builder.number(&count, 1.0);
        let count = builder.emit(Elementwise::Max, &[count, one])?;
        let mean = builder.emit(Elementwise::Div, &[sum, count])?;
        let left: String = self.value_letters.chars().filter(|letter| !self.over.contains(*letter)).collect();
        self.arranged(builder, &mean, &left, self.result)
    }

    fn arranged(
        &self,
        builder: &mut Builder,
        x: &Operand,
        letters: &str,
        order: &str,
    ) -> Result<Operand, OpError> {
        arranged(builder, x, letters, order)
    }

    /// Softmax along the values.
    fn weights(&self, builder: &mut Builder) -> Result<Operand, OpError> {
        let rank = self.letters.len();
        let axes: Vec<usize> = (rank - self.over.len()..rank).collect();
        let low = |builder: &Builder, number: f64| builder.number(&self.scores, number);
        let scores = match (&self.mask, self.blind) {
            (mask, Blind::Nothing) => {
                return masked_softmax(builder, self.scores.clone(), mask.as_ref(), &axes);
            }
            (None, _) => self.scores.clone(),
            (Some(mask), Blind::Mean) => {
                let low = low(builder, FUSED);
                builder.emit(Elementwise::Select, &[mask.clone(), self.scores.clone(), low])?
            }
            (Some(mask), Blind::Lowered) => {
                let last = builder.type_of(mask).rank() as u32 - 1;
                let any = Reduce::Any { axes: vec![last], keep: true };
                let sees = builder.emit(any, std::slice::from_ref(mask))?;
                let by = low(builder, LOWERED);
                let lowered = builder.emit(Elementwise::Sub, &[self.scores.clone(), by])?;
                // Beside scores that are seen, all of these give an exact 0, and NaN shall as well.
                let low = low(builder, -LOWERED);
                let hidden = builder.emit(Elementwise::Select, &[sees, low, lowered])?;
                builder.emit(Elementwise::Select, &[mask.clone(), self.scores.clone(), hidden])?
            }
        };
        let f = Activation::Softmax { axis: rank as i32 - 1 };
        builder.emit(Activate::Activate { f }, &[scores])
    }
}

/// Where anything is true along the axes of `letters` that `kept` lacks; the axes come in the order of `kept`, those
/// that it alone has with size 1.
fn any_along(builder: &mut Builder, mask: &Operand, letters: &str, kept: &str) -> Result<Operand, OpError> {
    let axes =
        letters.char_indices().filter(|(_, letter)| !kept.contains(*letter)).map(|(axis, _)| axis as u32);
    let axes: Vec<u32> = axes.collect();
    let left: String = letters.chars().filter(|letter| kept.contains(*letter)).collect();
    let any = match axes.is_empty() {
        true => mask.clone(),
        false => builder.emit(Reduce::Any { axes, keep: false }, std::slice::from_ref(mask))?,
    };
    arranged(builder, &any, &left, kept)
}

/// The axes in another order, with size 1 for letters that `x` lacks.
fn arranged(builder: &mut Builder, x: &Operand, letters: &str, order: &str) -> Result<Operand, OpError> {
    let perm: Vec<u32> = order.chars().filter_map(|c| letters.find(c)).map(|axis| axis as u32).collect();
    let x = match perm.is_sorted() {
        true => x.clone(),
        false => builder.emit(Shape::Transpose { perm }, std::slice::from_ref(x))?,
    };
    let mut sizes = builder.type_of(&x).shape.into_iter();
    let one = Dim::constant(1);
    let shape: Sizes = order
        .chars()
        .map(|c| if letters.contains(c) { sizes.next().unwrap_or_else(|| one.clone()) } else { one.clone() })
        .collect();
    match shape == builder.type_of(&x).shape {
        true => Ok(x),
        false => builder.emit(Shape::Reshape { shape }, &[x]),
    }
}

/// Which positions along axis `at` of `query` see which along that of `value`, `[T, S]`.
pub fn band(
    builder: &mut Builder,
    [query, value]: [&Operand; 2],
    at: u32,
    band: Band,
) -> Result<Operand, OpError> {
    let rows = builder.emit(Shape::Positions { axis: at }, std::slice::from_ref(query))?;
    let rows = builder.trail_axes(&rows, 2)?;
    let columns = builder.emit(Shape::Positions { axis: at }, std::slice::from_ref(value))?;
    match band {
        Band::Causal => builder.emit(Elementwise::Ge, &[rows, columns]),
        Band::Within(steps) => {
            let apart = builder.emit(Elementwise::Sub, &[rows, columns])?;
            let apart = builder.emit(Elementwise::Abs, &[apart])?;
            let bound = builder.number(&apart, f64::from(steps));
            builder.emit(Elementwise::Lt, &[apart, bound])
        }
    }
}

/// The sum of the products of two tensors along the letters that the result lacks.
///
/// # Errors
///
/// [`OpError`] if the letters or the sizes do not fit.
pub fn product(
    builder: &mut Builder,
    [(a, a_letters), (b, b_letters)]: [(&Operand, &str); 2],
    result: &str,
) -> Result<Operand, OpError> {
    let axes = Contraction::new(a_letters, b_letters, result).map_err(|error| OpError {
        op: "contract",
        expected: error.to_string(),
        found: format!("{a_letters},{b_letters}->{result}"),
    })?;
    builder.emit(Product::Contract { axes }, &[a.clone(), b.clone()])
}

/// Softmax over some axes; masked numbers count as -1e9 before it, and as 0 behind it. In Keras 2 they are lowered by
/// 1e9 instead, and nothing is done behind it.
pub fn masked_softmax(
    builder: &mut Builder,
    x: Operand,
    mask: Option<&Operand>,
    axes: &[usize],
) -> Result<Operand, OpError> {
    let (low, zero) = (builder.number(&x, MASKED), builder.number(&x, 0.0));
    let lowers = builder.program().semantics == Semantics::Keras2;
    let x = match mask {
        Some(mask) if lowers => {
            let below = builder.emit(Elementwise::Select, &[mask.clone(), zero.clone(), low])?;
            builder.emit(Elementwise::Add, &[x, below])?
        }
        Some(mask) => builder.emit(Elementwise::Select, &[mask.clone(), x, low])?,
        None => x,
    };
    let y = match axes {
        [axis] => {
            let f = Activation::Softmax { axis: *axis as i32 };
            builder.emit(Activate::Activate { f }, &[x])?
        }
        axes => {
            let axes: Vec<u32> = axes.iter().map(|&axis| axis as u32).collect();
            let fold =
                |builder: &mut Builder, op: Reduce, x: &Operand| builder.emit(op, std::slice::from_ref(x));
            let top = fold(builder, Reduce::ReduceMax { axes: axes.clone(), keep: true }, &x)?;
            let shifted = builder.emit(Elementwise::Sub, &[x, top])?;
            let exp = builder.emit(Elementwise::Exp, &[shifted])?;
            let sum = fold(builder, Reduce::Sum { axes, keep: true }, &exp)?;
            builder.emit(Elementwise::Div, &[exp, sum])?
        }
    };
    match mask {
        Some(mask) if !lowers => builder.emit(Elementwise::Select, &[mask.clone(), y, zero]),
        _ => Ok(y),
    }
}
