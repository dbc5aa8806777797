//! `StringLookup` and `IntegerLookup`: tokens to their numbers in a vocabulary, and back. Neither makes a mask; 0 becomes
//! padding only in an `Embedding` with `mask_zero` behind it.
//!
//! The numbers begin with the mask token (in mode `int`), then come those of unknown tokens, then the vocabulary's.

use masque_ir::ops::{Elementwise, Index, Lookup, OpError, Spread};
use masque_ir::program::{Literal, Operand};
use masque_ir::{DType, Dim, Type};

use super::encoding::{Encoding, MODES, Mode, refuse_sparse};
use super::spatial::losing;
use super::vocabulary;
use crate::layer::config::LARGEST_SIZE;
use crate::layer::{
    Arguments, Config, ConfigError, Layer, Scope, ShapeError, WeightPlace, WeightSpec, infer_by_lowering,
};

losing!(INTEGER_LOOKUP, "IntegerLookup", |config| parse(config, DType::I64));
losing!(STRING_LOOKUP, "StringLookup", |config| parse(config, DType::Str));

#[derive(Debug)]
struct IndexLookup {
    /// What the vocabulary holds: texts or integers.
    dtype: DType,
    mask_token: Option<String>,
    unknown_token: String,
    /// How many numbers there are for unknown tokens; with none, there must be no unknown token.
    unknown: i64,
    /// How unknown tokens are spread over them.
    spread: Spread,
    /// How many tokens have a number of their own.
    tokens: i64,
    /// From numbers back to tokens?
    invert: bool,
    /// Counts are multiplied by weights.
    weighted: bool,
    encoding: Encoding,
}

fn parse(config: &mut Config, dtype: DType) -> Result<Box<dyn Layer>, ConfigError> {
    refuse_sparse(config)?;
    config.word("encoding", (), &[("utf-8", ())])?;
    config.word("vocabulary_dtype", (), &[("int64", ())])?;
    // The dtype policy is that of the vocabulary, whatever stands there.
    config.ignore(&["dtype"]);
    let default = if dtype == DType::Str { "[UNK]" } else { "-1" };
    let unknown_token = token(config, "oov_token", dtype)?.unwrap_or_else(|| default.to_owned());
    let mask_token = token(config, "mask_token", dtype)?;
    let unknown = config.integer("num_oov_indices", Some(1))?;
    if !(0..=LARGEST_SIZE).contains(&unknown) {
        return Err(ConfigError::new("num_oov_indices", "0 or more, not too many", &unknown.into()));
    }
    let weighted = config.is("output_mode", "tf_idf");
    let mode = if weighted { Mode::Count } else { config.word("output_mode", Mode::Int, MODES)? };
    let invert = config.bool("invert", false)?;
    if invert && (mode != Mode::Int || weighted) {
        return Err(ConfigError::new("output_mode", "int, as `invert` is true", &false.into()));
    }
    let masked = i64::from(mask_token.is_some() && mode == Mode::Int);
    let special = special(mask_token.as_ref().filter(|_| masked > 0), &unknown_token, unknown);
    let size = vocabulary::size(config, &special)?;
    let (most, pad) = (config.optional_size("max_tokens")?, config.bool("pad_to_max_tokens", false)?);
    let depth = if pad { most.unwrap_or(size).max(size) } else { size };
    let encoding = Encoding { mode, depth, dtype: if weighted { DType::F32 } else { DType::I64 } };
    Ok(Box::new(IndexLookup {
        dtype,
        mask_token,
        unknown_token,
        unknown,
        spread: spread(config, dtype)?,
        tokens: size - masked - unknown,
        invert,
        weighted,
        encoding,
    }))
}

/// What Keras may write at the beginning of a vocabulary.
fn special(mask: Option<&String>, unknown: &str, count: i64) -> Vec<String> {
    let unknown = std::iter::repeat_n(unknown.to_owned(), usize::try_from(count).unwrap_or(0).min(1 << 16));
    mask.cloned().into_iter().chain(unknown).collect()
}

/// A special token; an integer as its digits.
fn token(config: &mut Config, key: &str, dtype: DType) -> Result<Option<String>, ConfigError> {
    let Some(value) = config.take(key) else { return Ok(None) };
    let token = match dtype {
        DType::Str => value.as_str().map(str::to_owned),
        _ => value.as_i64().map(|number| number.to_string()),
    };
    let token = token.ok_or_else(|| {
        ConfigError::new(key, if dtype == DType::Str { "a text" } else { "an integer" }, &value)
    })?;
    config.keep(key, value);
    Ok(Some(token))
}

/// Integers by the rest of a division, unless told otherwise; texts always by a hash.
fn spread(config: &mut Config, dtype: DType) -> Result<Spread, ConfigError> {
    let hashed = config.word("oov_method", false, &[("floormod", false), ("farmhash", true)])?;
    let salt = vocabulary::salt(config)?;
    Ok(match salt {
        Some(salt) => salt,
        None if hashed || dtype == DType::Str => Spread::Farm,
        None => Spread::Remainder,
    })
}

fn integer(number: i64) -> Operand {
    Operand::Literal(Literal { dtype: DType::I64, number: masque_ir::float::Float(number as f64) })
}

impl IndexLookup {
    /// Has the mask token the number 0?
    fn masked(&self) -> bool {
        self.mask_token.is_some() && self.encoding.mode == Mode::Int
    }

    /// The number of the first unknown token, and that of the first known one.
    fn starts(&self) -> (i64, i64) {
        let first = i64::from(self.masked());
        (first, first + self.unknown)
    }

    /// What stands before the vocabulary in the list that is looked through: then the mask token has a place, too.
    fn first(&self) -> Vec<String> {
        let unknown = self.invert.then(|| self.unknown_token.clone());
        self.mask_token.iter().cloned().chain(unknown).collect()
    }

    fn check(&self, arguments: &Arguments<Type>) -> Result<(), ShapeError> {
        let texts = self.dtype == DType::Str && !self.invert;
        let expected = if texts { "texts" } else { "numbers" };
        match arguments.first() {
            Some(x) if (x.dtype == DType::Str) == texts => Ok(()),
            Some(x) => Err(ShapeError::new(expected, x)),
            None => Err(ShapeError::new(expected, "none")),
        }
    }

    /// The number of every token.
    fn numbers(&self, scope: &mut Scope<'_>, x: &Operand) -> Result<Operand, OpError> {
        let (unknown, known) = self.starts();
        let find = Lookup::Find { required: self.unknown == 0 };
        let place = scope.builder.emit(find, &[x.clone(), scope.weight("vocabulary")])?;
        let first = self.first().len() as i64;
        let mut number = scope.builder.emit(Elementwise::Add, &[place.clone(), integer(known - first)])?;
        if self.unknown > 0 {
            let nowhere = scope.builder.emit(Elementwise::Lt, &[place.clone(), integer(0)])?;
            let mut other = integer(unknown);
            if self.unknown > 1 {
                let bucket = Lookup::Bucket { bins: self.unknown, by: self.spread };
                let bin = scope.builder.emit(bucket, std::slice::from_ref(x))?;
                other = scope.builder.emit(Elementwise::Add, &[bin, other])?;
            }
            number = scope.builder.emit(Elementwise::Select, &[nowhere, other, number])?;
        }
        if self.mask_token.is_some() {
            let masked = scope.builder.emit(Elementwise::Eq, &[place, integer(0)])?;
            // Where it has no number, it is not counted either.
            let number_of_mask = integer(if self.masked() { 0 } else { self.encoding.depth });
            number = scope.builder.emit(Elementwise::Select, &[masked, number_of_mask, number])?;
        }
        Ok(number)
    }

    /// The token of every number; a number without one gets the unknown token.
    fn tokens(&self, scope: &mut Scope<'_>, x: Operand) -> Result<Operand, OpError> {
        let (_, known) = self.starts();
        let first = self.first().len() as i64;
        let from_start = scope.builder.emit(Elementwise::Ge, &[x.clone(), integer(known)])?;
        let to_end = scope.builder.emit(Elementwise::Lt, &[x.clone(), integer(known + self.tokens)])?;
        let inside = scope.builder.emit(Elementwise::And, &[from_start, to_end])?;
        let shifted = scope.builder.emit(Elementwise::Add, &[x.clone(), integer(first - known)])?;
        let mut row = scope.builder.emit(Elementwise::Select, &[inside, shifted, integer(first - 1)])?;
        if self.mask_token.is_some() {
            let masked = scope.builder.emit(Elementwise::Eq, &[x, integer(0)])?;
            row = scope.builder.emit(Elementwise::Select, &[masked, integer(0), row])?;
        }
        scope.builder.emit(Index::Gather, &[scope.weight("vocabulary"), row])
    }
}

impl Layer for IndexLookup {
    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        self.check(arguments)?;
        infer_by_lowering(self, arguments)
    }

    fn weights(&self, _: &Arguments<Type>) -> Result<Vec<WeightSpec>, ShapeError> {
        let list = |dtype, size| Type::new(dtype, vec![Dim::constant(size)]);
        let mask = self.mask_token.as_ref().filter(|_| self.masked());
        let (special, first) = (special(mask, &self.unknown_token, self.unknown), self.first());
        let ty = list(self.dtype, self.tokens + first.len() as i64);
        let place = WeightPlace::Vocabulary { special: special.clone(), first };
        let mut weights = vec![WeightSpec {
            name: "vocabulary".into(),
            ty,
            place,
            trained: false,
            scales: None,
            transposed: false,
        }];
        if self.weighted {
            let ty = list(DType::F32, self.encoding.depth);
            let place = WeightPlace::IdfWeights { special };
            weights.push(WeightSpec {
                name: "idf_weights".into(),
                ty,
                place,
                trained: false,
                scales: None,
                transposed: false,
            });
        }
        Ok(weights)
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let mut x = arguments.data()[0].clone();
        if self.dtype != DType::Str || self.invert {
            x = scope.cast(&x, DType::I64)?;
        }
        if self.invert {
            return Ok(vec![self.tokens(scope, x)?]);
        }
        let numbers = self.numbers(scope, &x)?;
        let encoded = self.encoding.lower(scope, numbers, None)?;
        if self.weighted {
            let weights = scope.weight("idf_weights");
            return Ok(vec![scope.builder.emit(Elementwise::Mul, &[encoded, weights])?]);
        }
        Ok(vec![encoded])
    }
}
