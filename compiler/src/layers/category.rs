//! `CategoryEncoding` and `Discretization`: integers, or ranges of numbers, as rows with a column for each of them.

use masque_ir::float::Float;
use masque_ir::ops::{Elementwise, Leaf, OpError, Reduce};
use masque_ir::program::Operand;
use masque_ir::{DType, Dim, Type};
use serde_json::Value as Json;

use super::axes::{numbers, take_numbers};
use super::encoding::{Encoding, MODES, Mode, refuse_sparse};
use super::spatial::losing;
use crate::layer::{Arguments, Config, ConfigError, Layer, Scope, ShapeError, Signature, infer_by_lowering};

losing!(CATEGORY_ENCODING, "CategoryEncoding", category_encoding);
losing!(DISCRETIZATION, "Discretization", discretization);

#[derive(Debug)]
struct CategoryEncoding {
    encoding: Encoding,
}

fn category_encoding(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    refuse_sparse(config)?;
    let mode = config.word("output_mode", Mode::MultiHot, &MODES[1..])?;
    let (depth, dtype) = (config.size("num_tokens")?, config.element_type(DType::F32)?);
    Ok(Box::new(CategoryEncoding { encoding: Encoding { mode, depth, dtype } }))
}

impl CategoryEncoding {
    fn check(&self, arguments: &Arguments<Type>) -> Result<(), ShapeError> {
        numbers(arguments)?;
        match arguments.tensors("count_weights").first() {
            Some(_) if self.encoding.mode != Mode::Count => {
                Err(ShapeError::new("no `count_weights` where `output_mode` is not count", "some"))
            }
            Some(weights) if weights.dtype == DType::Str => {
                Err(ShapeError::new("numbers as weights", weights))
            }
            _ => Ok(()),
        }
    }
}

impl Layer for CategoryEncoding {
    fn signature(&self) -> Signature {
        Signature::of(&["inputs", "count_weights"])
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        self.check(arguments)?;
        infer_by_lowering(self, arguments)
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = scope.cast(&arguments.data()[0], DType::I64)?;
        let weights = arguments.tensors("count_weights").first();
        let weights = weights.map(|weights| scope.float(weights)).transpose()?;
        Ok(vec![self.encoding.lower(scope, x, weights)?])
    }
}

/// Which range between boundaries a number is in.
#[derive(Debug)]
struct Discretization {
    boundaries: Vec<f64>,
    encoding: Encoding,
}

fn discretization(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    refuse_sparse(config)?;
    config.ignore(&["num_bins", "epsilon"]);
    let given = take_numbers(config, "bin_boundaries")?;
    let expected = "the boundaries between the bins (the layer was never adapted)";
    let boundaries = given.ok_or_else(|| ConfigError::new("bin_boundaries", expected, &Json::Null))?;
    if !boundaries.is_sorted() {
        return Err(ConfigError::new("bin_boundaries", "numbers in ascending order", &boundaries.into()));
    }
    let mode = config.word("output_mode", Mode::Int, MODES)?;
    let dtype = config.element_type(DType::F32)?;
    let dtype = if mode == Mode::Int { DType::I32 } else { dtype };
    let depth = boundaries.len() as i64 + 1;
    Ok(Box::new(Discretization { boundaries, encoding: Encoding { mode, depth, dtype } }))
}

impl Layer for Discretization {
    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        numbers(arguments)?;
        infer_by_lowering(self, arguments)
    }

    /// How many boundaries are not above the number; NaN is above them all.
    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = scope.float(&arguments.data()[0])?;
        let rank = scope.builder.type_of(&x).rank();
        let column = scope.builder.trail_axes(&x, rank + 1)?;
        let ty = Type::new(DType::F32, vec![Dim::constant(self.boundaries.len() as i64)]);
        let values = self.boundaries.iter().map(|&boundary| Float(boundary)).collect();
        let boundaries = scope.builder.emit(Leaf::Constant { ty, values }, &[])?;
        let below = scope.builder.emit(Elementwise::Lt, &[column, boundaries])?;
        let from = scope.builder.emit(Elementwise::Not, &[below])?;
        let ones = scope.cast(&from, DType::I64)?;
        let bin = scope.builder.emit(Reduce::Sum { axes: vec![rank as u32], keep: false }, &[ones])?;
        Ok(vec![self.encoding.lower(scope, bin, None)?])
    }
}
