//! What all attention layers do with their scores: weights along the values, and the weighted sum of the values.
//!
//! Where a mask is false, a value has no weight, and whatever stands there does not show: what no position sees is
//! replaced by 0 before it is multiplied by 0, which would leave NaN as it is. Keras' rules differ in what becomes of
//! a position that sees nothing at all ([`Blind`]).

use masque_ir::activation::Activation;
use masque_ir::mask::Band;
use masque_ir::ops::{Activate, Elementwise, OpError, Reduce, Shape};
use masque_ir::program::{Builder, Operand};
use masque_ir::{DType, Dim, Sizes};

use super::einsum::{Term, einsum};
use super::softmax::masked_softmax;
use crate::layer::{Arguments, Passed, Scope, ShapeError};

/// What a position does that sees nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Blind {
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

/// Scores, values, and what sees what; axes have letters.
pub(super) struct Attend<'a> {
    /// The scores: axes of the batch, of the heads, of the positions that look, and last of the values.
    pub(super) scores: Operand,
    /// Their letters.
    pub(super) letters: &'a str,
    /// The values.
    pub(super) value: Operand,
    /// Their letters.
    pub(super) value_letters: &'a str,
    /// The letters of the axes of values.
    pub(super) over: &'a str,
    /// The letters of the result.
    pub(super) result: &'a str,
    /// Which position sees which value; broadcasts to the scores from the right.
    pub(super) mask: Option<Operand>,
    /// What a position does that sees nothing.
    pub(super) blind: Blind,
}

impl Attend<'_> {
    /// The weighted sum, and the weights.
    pub(super) fn apply(&self, scope: &mut Scope<'_>) -> Result<(Operand, Operand), OpError> {
        let weights = self.weights(scope)?;
        let Some(mask) = &self.mask else {
            return Ok((self.sum(scope, &weights, &self.value)?, weights));
        };
        let rank = scope.builder.type_of(mask).rank();
        let letters = &self.letters[self.letters.len().saturating_sub(rank)..];
        let seen = any_along(scope, mask, letters, self.value_letters)?;
        let zero = scope.builder.number(&self.value, 0.0);
        let value = scope.builder.emit(Elementwise::Select, &[seen, self.value.clone(), zero])?;
        let sum = self.sum(scope, &weights, &value)?;
        let blind = match self.blind {
            Blind::Nothing => return Ok((sum, weights)),
            Blind::Mean => self.mean(scope)?,
            Blind::Lowered => self.sum(scope, &weights, &self.value)?,
        };
        let sees = any_along(scope, mask, letters, &self.without_values(self.result))?;
        let sees = self.arranged(scope, &sees, &self.without_values(self.result), self.result)?;
        Ok((scope.builder.emit(Elementwise::Select, &[sees, sum, blind])?, weights))
    }

    fn without_values(&self, letters: &str) -> String {
        letters
            .chars()
            .filter(|letter| self.letters.contains(*letter) && !self.over.contains(*letter))
            .collect()
    }

    fn sum(&self, scope: &mut Scope<'_>, weights: &Operand, value: &Operand) -> Result<Operand, OpError> {
        einsum(scope, &[Term::new(weights, self.letters), Term::new(value, self.value_letters)], self.result)
    }

    /// The mean of all values, 0 of none, in a shape that broadcasts to the result.
    fn mean(&self, scope: &mut Scope<'_>) -> Result<Operand, OpError> {
        let axes: Vec<u32> =
            self.over.chars().filter_map(|c| self.value_letters.find(c)).map(|c| c as u32).collect();
        let mut axes = axes;
        axes.sort_unstable();
        let operand = std::slice::from_ref(&self.value);
        let sum = scope.builder.emit(Reduce::Sum { axes: axes.clone(), keep: false }, operand)?;
        let count = scope.builder.emit(Shape::Size { axes }, operand)?;
        let count = scope.cast(&count, DType::F32)?;
        let one = scope.builder.number(&count, 1.0);
        let count = scope.builder.emit(Elementwise::Max, &[count, one])?;
        let mean = scope.builder.emit(Elementwise::Div, &[sum, count])?;
        let left: String = self.value_letters.chars().filter(|letter| !self.over.contains(*letter)).collect();
        self.arranged(scope, &mean, &left, self.result)
    }

    fn arranged(
        &self,
        scope: &mut Scope<'_>,
        x: &Operand,
        letters: &str,
        order: &str,
    ) -> Result<Operand, OpError> {
        arranged(scope, x, letters, order)
    }

    /// Softmax along the values.
    fn weights(&self, scope: &mut Scope<'_>) -> Result<Operand, OpError> {
        let rank = self.letters.len();
        let axes: Vec<usize> = (rank - self.over.len()..rank).collect();
        let low = |scope: &Scope<'_>, number: f64| scope.builder.number(&self.scores, number);
        let scores = match (&self.mask, self.blind) {
            (mask, Blind::Nothing) => {
                return masked_softmax(scope, self.scores.clone(), mask.as_ref(), &axes);
            }
            (None, _) => self.scores.clone(),
            (Some(mask), Blind::Mean) => {
                let low = low(scope, FUSED);
                scope.builder.emit(Elementwise::Select, &[mask.clone(), self.scores.clone(), low])?
            }
            (Some(mask), Blind::Lowered) => {
                let last = scope.builder.type_of(mask).rank() as u32 - 1;
                let any = Reduce::Any { axes: vec![last], keep: true };
                let sees = scope.builder.emit(any, std::slice::from_ref(mask))?;
                let by = low(scope, LOWERED);
                let lowered = scope.builder.emit(Elementwise::Sub, &[self.scores.clone(), by])?;
                // Beside scores that are seen, all of these give an exact 0, and NaN shall as well.
                let low = low(scope, -LOWERED);
                let hidden = scope.builder.emit(Elementwise::Select, &[sees, low, lowered])?;
                scope.builder.emit(Elementwise::Select, &[mask.clone(), self.scores.clone(), hidden])?
            }
        };
        let f = Activation::Softmax { axis: rank as i32 - 1 };
        scope.builder.emit(Activate::Activate { f }, &[scores])
    }
}

/// Where anything is true along the axes of `letters` that `kept` lacks; the axes come in the order of `kept`, those
/// that it alone has with size 1.
fn any_along(scope: &mut Scope<'_>, mask: &Operand, letters: &str, kept: &str) -> Result<Operand, OpError> {
    let axes =
        letters.char_indices().filter(|(_, letter)| !kept.contains(*letter)).map(|(axis, _)| axis as u32);
    let axes: Vec<u32> = axes.collect();
    let left: String = letters.chars().filter(|letter| kept.contains(*letter)).collect();
    let any = match axes.is_empty() {
        true => mask.clone(),
        false => scope.builder.emit(Reduce::Any { axes, keep: false }, std::slice::from_ref(mask))?,
    };
    arranged(scope, &any, &left, kept)
}

/// The axes in another order, with size 1 for letters that `x` lacks.
fn arranged(scope: &mut Scope<'_>, x: &Operand, letters: &str, order: &str) -> Result<Operand, OpError> {
    let perm: Vec<u32> = order.chars().filter_map(|c| letters.find(c)).map(|axis| axis as u32).collect();
    let x = match perm.is_sorted() {
        true => x.clone(),
        false => scope.builder.emit(Shape::Transpose { perm }, std::slice::from_ref(x))?,
    };
    let mut sizes = scope.builder.type_of(&x).shape.into_iter();
    let one = Dim::constant(1);
    let shape: Sizes = order
        .chars()
        .map(|c| if letters.contains(c) { sizes.next().unwrap_or_else(|| one.clone()) } else { one.clone() })
        .collect();
    match shape == scope.builder.type_of(&x).shape {
        true => Ok(x),
        false => scope.builder.emit(Shape::Reshape { shape }, &[x]),
    }
}

/// Which positions along axis `at` of `query` see which along that of `value`, `[T, S]`.
pub(crate) fn band(
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

/// True where both are; one that is absent is true everywhere.
pub(super) fn both(
    scope: &mut Scope<'_>,
    a: Option<Operand>,
    b: Option<Operand>,
) -> Result<Option<Operand>, OpError> {
    match (a, b) {
        (Some(a), Some(b)) => scope.builder.emit(Elementwise::And, &[a, b]).map(Some),
        (a, b) => Ok(a.or(b)),
    }
}

/// The mask with an axis of size 1 added at a place.
pub(super) fn with_axis(scope: &mut Scope<'_>, mask: &Operand, at: usize) -> Result<Operand, OpError> {
    scope.builder.insert_axis(mask, at)
}

/// Is that argument of the call true?
pub(super) fn is_set<T>(arguments: &Arguments<T>, parameter: &str) -> bool {
    matches!(arguments.get(parameter), Some(Passed::Constant(value)) if value.as_bool() == Some(true))
}

/// Arguments that are true or false are nothing else.
pub(super) fn check_flags<T>(arguments: &Arguments<T>, parameters: &[&str]) -> Result<(), ShapeError> {
    for parameter in parameters {
        match arguments.get(parameter) {
            None => {}
            Some(Passed::Constant(value)) if value.is_boolean() => {}
            Some(Passed::Constant(value)) => {
                let found = crate::layer::config::brief(value);
                return Err(ShapeError::new(format!("true or false for `{parameter}`"), found));
            }
            Some(_) => return Err(ShapeError::new(format!("true or false for `{parameter}`"), "a tensor")),
        }
    }
    Ok(())
}
