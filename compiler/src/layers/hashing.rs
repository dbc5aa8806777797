//! `Hashing` and `HashedCrossing`: tokens spread over bins.

use masque_ir::ops::{Elementwise, Lookup, OpError, Shape, Spread};
use masque_ir::program::Operand;
use masque_ir::{DType, Dim, Type};
use serde_json::Value as Json;

use super::encoding::{Encoding, MODES, Mode, refuse_sparse};
use super::spatial::losing;
use super::vocabulary;
use crate::layer::{
    Arguments, Config, ConfigError, Layer, Scope, ShapeError, Signature, Takes, WeightPlace, WeightSpec,
    infer_by_lowering,
};

losing!(HASHED_CROSSING, "HashedCrossing", crossing);
losing!(HASHING, "Hashing", hashing);

/// The mode with its columns and elements: integers of their own type, rows of floats.
fn encoding(config: &mut Config, modes: &[(&str, Mode)]) -> Result<Encoding, ConfigError> {
    refuse_sparse(config)?;
    let mode = config.word("output_mode", Mode::Int, modes)?;
    let dtype = config.element_type(if mode == Mode::Int { DType::I64 } else { DType::F32 })?;
    Ok(Encoding { mode, depth: config.size("num_bins")?, dtype })
}

/// What falls into no bin but the first.
#[derive(Debug)]
enum Masked {
    Text(String),
    Number(f64),
}

/// The bin of each token; with a value that is masked, that has the first bin for itself.
#[derive(Debug)]
struct Hashing {
    encoding: Encoding,
    spread: Spread,
    masked: Option<Masked>,
}

fn hashing(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let spread = vocabulary::salt(config)?.unwrap_or(Spread::Farm);
    let masked = match config.take("mask_value") {
        None => None,
        Some(Json::String(text)) => Some(Masked::Text(text)),
        Some(value) => {
            let number = value.as_f64();
            let expected = "a text or a finite number";
            let number = number.ok_or_else(|| ConfigError::new("mask_value", expected, &value))?;
            Some(Masked::Number(number))
        }
    };
    match &masked {
        Some(Masked::Text(text)) => config.keep("mask_value", text.as_str()),
        Some(Masked::Number(number)) => config.keep("mask_value", *number),
        None => {}
    }
    Ok(Box::new(Hashing { encoding: encoding(config, MODES)?, spread, masked }))
}

impl Hashing {
    /// A single bin has no room for the masked value.
    fn masked(&self) -> Option<&Masked> {
        self.masked.as_ref().filter(|_| self.encoding.depth > 1)
    }

    fn check(&self, arguments: &Arguments<Type>) -> Result<(), ShapeError> {
        let fits = |x: &&Type| match (x.dtype, self.masked()) {
            (DType::Bool, _) => false,
            (DType::Str, masked) => !matches!(masked, Some(Masked::Number(_))),
            (_, masked) => !matches!(masked, Some(Masked::Text(_))),
        };
        let expected = "texts or numbers, of the kind of `mask_value`";
        match arguments.first() {
            Some(x) if fits(&x) => Ok(()),
            Some(x) => Err(ShapeError::new(expected, x)),
            None => Err(ShapeError::new(expected, "none")),
        }
    }

    fn is_masked(&self, scope: &mut Scope<'_>, x: &Operand) -> Result<Option<Operand>, OpError> {
        Ok(Some(match self.masked() {
            None => return Ok(None),
            Some(Masked::Number(number)) => {
                let number = scope.builder.number(x, *number);
                scope.builder.emit(Elementwise::Eq, &[x.clone(), number])?
            }
            Some(Masked::Text(_)) => {
                let find = Lookup::Find { required: false };
                let place = scope.builder.emit(find, &[x.clone(), scope.weight("mask_value")])?;
                let zero = scope.builder.number(&place, 0.0);
                scope.builder.emit(Elementwise::Eq, &[place, zero])?
            }
        }))
    }
}

impl Layer for Hashing {
    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        self.check(arguments)?;
        infer_by_lowering(self, arguments)
    }

    fn weights(&self, _: &Arguments<Type>) -> Result<Vec<WeightSpec>, ShapeError> {
        let Some(Masked::Text(text)) = self.masked() else { return Ok(vec![]) };
        let ty = Type::new(DType::Str, vec![Dim::constant(1)]);
        let place = WeightPlace::Words(vec![text.clone()]);
        Ok(vec![WeightSpec {
            name: "mask_value".into(),
            ty,
            place,
            trained: false,
            scales: None,
            transposed: false,
        }])
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let mut x = arguments.data()[0].clone();
        let ty = scope.builder.type_of(&x);
        if self.encoding.mode == Mode::OneHot && ty.shape.last().is_some_and(Dim::is_one) && ty.rank() > 1 {
            let shape = ty.shape[..ty.rank() - 1].to_vec();
            x = scope.builder.emit(Shape::Reshape { shape: shape.into() }, &[x])?;
        }
        let masked = self.is_masked(scope, &x)?;
        if ty.dtype.is_float() {
            x = scope.cast(&x, DType::I64)?;
        }
        let bins = self.encoding.depth - i64::from(masked.is_some());
        let mut bin = scope.builder.emit(Lookup::Bucket { bins, by: self.spread }, &[x])?;
        if let Some(masked) = masked {
            let (zero, one) = (scope.builder.number(&bin, 0.0), scope.builder.number(&bin, 1.0));
            let behind = scope.builder.emit(Elementwise::Add, &[bin, one])?;
            bin = scope.builder.emit(Elementwise::Select, &[masked, zero, behind])?;
        }
        Ok(vec![self.encoding.lower(scope, bin, None)?])
    }
}

/// One bin for what stands at the same place of all inputs.
#[derive(Debug)]
struct HashedCrossing {
    encoding: Encoding,
}

fn crossing(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    Ok(Box::new(HashedCrossing { encoding: encoding(config, &MODES[..2])? }))
}

impl HashedCrossing {
    fn check(&self, arguments: &Arguments<Type>) -> Result<(), ShapeError> {
        let expected = "two inputs of one shape, [B] or [B, 1], of texts or integers";
        let parts = arguments.data();
        let fits = |x: &Type| {
            (x.dtype == DType::Str || x.dtype.is_int())
                && (x.rank() == 1 || x.rank() == 2 && x.shape[1].is_one())
                && x.rank() == parts[0].rank()
        };
        match parts.iter().find(|x| !fits(x)) {
            Some(other) => Err(ShapeError::new(expected, other)),
            None if parts.len() != 2 => Err(ShapeError::new(expected, format!("{} input(s)", parts.len()))),
            None => Ok(()),
        }
    }
}

impl Layer for HashedCrossing {
    fn signature(&self) -> Signature {
        Signature::of(&["inputs"]).taking(&[("inputs", Takes::Tensors)])
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        self.check(arguments)?;
        infer_by_lowering(self, arguments)
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let bins = self.encoding.depth;
        let bin = scope.builder.emit(Lookup::Cross { bins }, arguments.data())?;
        Ok(vec![self.encoding.lower(scope, bin, None)?])
    }
}
