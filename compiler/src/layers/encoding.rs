//! Categories as numbers, and what Keras makes of them: `int`, `one_hot`, `multi_hot` and `count`.

use masque_ir::ops::{Elementwise, Lookup, OpError, Shape};
use masque_ir::program::{Literal, Operand};
use masque_ir::{DType, Dim};

use crate::layer::{Config, ConfigError, Scope};

/// What is made of the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// The numbers themselves.
    Int,
    /// A row for each number, with a 1 at its column.
    OneHot,
    /// A row for all numbers along the last axis, with a 1 at their columns.
    MultiHot,
    /// The same with how often each stands there.
    Count,
}

/// The words for all of them.
pub(super) const MODES: &[(&str, Mode)] =
    &[("int", Mode::Int), ("one_hot", Mode::OneHot), ("multi_hot", Mode::MultiHot), ("count", Mode::Count)];

/// Refuses sparse tensors, which nothing here gives.
pub(super) fn refuse_sparse(config: &mut Config) -> Result<(), ConfigError> {
    match config.bool("sparse", false)? {
        true => Err(ConfigError::new("sparse", "false: sparse tensors are not supported", &true.into())),
        false => Ok(()),
    }
}

/// What is made of numbers, how many columns that has, and the type of its elements.
#[derive(Clone, Copy, Debug)]
pub(super) struct Encoding {
    pub(super) mode: Mode,
    pub(super) depth: i64,
    pub(super) dtype: DType,
}

impl Encoding {
    /// Encodes numbers of type i64. Those from `depth` on have no column; with weights, these are counted.
    pub(super) fn lower(
        &self,
        scope: &mut Scope<'_>,
        numbers: Operand,
        weights: Option<Operand>,
    ) -> Result<Operand, OpError> {
        let encoded = match self.mode {
            Mode::Int => numbers,
            Mode::OneHot => self.one_hot(scope, numbers)?,
            Mode::Count => self.tally(scope, numbers, weights)?,
            Mode::MultiHot => {
                let counts = self.tally(scope, numbers, None)?;
                let one = scope.builder.number(&counts, 1.0);
                scope.builder.emit(Elementwise::Min, &[counts, one])?
            }
        };
        scope.cast(&encoded, self.dtype)
    }

    /// A last axis of size 1 becomes the columns, any other one stays.
    fn one_hot(&self, scope: &mut Scope<'_>, numbers: Operand) -> Result<Operand, OpError> {
        let mut shape = scope.builder.type_of(&numbers).shape;
        if shape.len() < 2 || !shape.last().is_some_and(Dim::is_one) {
            shape.push(Dim::constant(1));
        }
        let column = scope.builder.emit(Shape::Reshape { shape }, &[numbers])?;
        let columns = vec![Dim::constant(self.depth)];
        let zero = Operand::Literal(Literal { dtype: DType::I64, number: masque_ir::float::Float(0.0) });
        let row = scope.builder.emit(Shape::Broadcast { shape: columns.into() }, &[zero])?;
        let places = scope.builder.emit(Shape::Positions { axis: 0 }, &[row])?;
        scope.builder.emit(Elementwise::Eq, &[column, places])
    }

    /// Of more than two axes Keras counts along the second one, and skips negative numbers.
    fn tally(
        &self,
        scope: &mut Scope<'_>,
        mut numbers: Operand,
        mut weights: Option<Operand>,
    ) -> Result<Operand, OpError> {
        let rank = scope.builder.type_of(&numbers).rank() as u32;
        if rank > 2 {
            let perm: Vec<u32> = [0].into_iter().chain(2..rank).chain([1]).collect();
            let mut turned = |x: Operand| scope.builder.emit(Shape::Transpose { perm: perm.clone() }, &[x]);
            numbers = turned(numbers)?;
            weights = weights.map(turned).transpose()?;
            let (zero, outside) =
                (scope.builder.number(&numbers, 0.0), scope.builder.number(&numbers, self.depth as f64));
            let negative = scope.builder.emit(Elementwise::Lt, &[numbers.clone(), zero])?;
            numbers = scope.builder.emit(Elementwise::Select, &[negative, outside, numbers])?;
        }
        let weights = weights.unwrap_or(Operand::Absent);
        scope.builder.emit(Lookup::Tally { size: self.depth }, &[numbers, weights])
    }
}
