//! `TextVectorization`: strings in, the numbers of their tokens out. It makes no mask; 0 becomes padding only in
//! an `Embedding` with `mask_zero` behind it.

use masque_ir::ops::{self, OpError, Shape, Split, Standardize, TokenOutput};
use masque_ir::program::Operand;
use masque_ir::{DType, Dim, Type};
use serde_json::Value as Json;

use crate::layer::{
    Arguments, Config, ConfigError, Layer, LayerDef, Masking, Scope, ShapeError, Supports, WeightPlace,
    WeightSpec,
};

pub(super) static TEXT_VECTORIZATION: LayerDef =
    LayerDef { class: "TextVectorization", supports_masking: Supports::Never, masks: "lost", parse };

#[derive(Debug)]
struct TextVectorization {
    op: ops::Text,
    output: TokenOutput,
    /// How many tokens have a number of their own.
    tokens: i64,
    /// How many columns an output that counts tokens has.
    columns: i64,
}

fn parse(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    for key in ["sparse", "ragged"] {
        if config.bool(key, false)? {
            return Err(ConfigError::new(key, "false", &true.into()));
        }
    }
    config.word("encoding", (), &[("utf-8", ())])?;
    let output = config.word(
        "output_mode",
        TokenOutput::Int,
        &[
            ("int", TokenOutput::Int),
            ("multi_hot", TokenOutput::MultiHot),
            ("count", TokenOutput::Count),
            ("tf_idf", TokenOutput::TfIdf),
        ],
    )?;
    let special = special(output);
    let size = super::vocabulary::size(config, &special)?;
    let (most, pad) = (config.optional_size("max_tokens")?, config.bool("pad_to_max_tokens", false)?);
    let columns = if pad { most.unwrap_or(size).max(size) } else { size };
    let length = match output {
        TokenOutput::Int => length(config)?,
        _ => {
            config.ignore(&["output_sequence_length", "length"]);
            Dim::constant(columns)
        }
    };
    let to = match output {
        TokenOutput::Int | TokenOutput::MultiHot | TokenOutput::Count => DType::I64,
        TokenOutput::TfIdf => DType::F32,
    };
    let (standardize, split, ngrams) = (standardize(config)?, split(config)?, ngrams(config)?);
    let op = ops::Text::Vectorize { standardize, split, ngrams, output, length, to };
    Ok(Box::new(TextVectorization { op, output, tokens: size - special.len() as i64, columns }))
}

/// What stands first in a vocabulary: padding, where the numbers are lined up, and the unknown token.
fn special(output: TokenOutput) -> Vec<String> {
    let padding = (output == TokenOutput::Int).then(String::new);
    padding.into_iter().chain(["[UNK]".to_owned()]).collect()
}

/// The fixed length, or the symbol that the front end chose for that of the longest text.
fn length(config: &mut Config) -> Result<Dim, ConfigError> {
    if let Some(length) = config.optional_size("output_sequence_length")? {
        config.ignore(&["length"]);
        return Ok(Dim::constant(length));
    }
    let symbol = config.take("length").unwrap_or(Json::Null);
    let length =
        serde_json::from_value(symbol.clone()).map_err(|_| ConfigError::new("length", "a size", &symbol))?;
    config.keep("length", symbol);
    Ok(length)
}

/// A setting where null means something: nothing is done.
fn with_null<T: Copy + PartialEq>(
    config: &mut Config,
    key: &str,
    default: T,
    words: &[(&str, T)],
) -> Result<T, ConfigError> {
    config.name_null(key, "none");
    config.word(key, default, words)
}

fn standardize(config: &mut Config) -> Result<Standardize, ConfigError> {
    let words = [
        ("lower_and_strip_punctuation", Standardize::LowerAndStripPunctuation),
        ("lower", Standardize::Lower),
        ("strip_punctuation", Standardize::StripPunctuation),
        ("none", Standardize::Keep),
    ];
    with_null(config, "standardize", Standardize::LowerAndStripPunctuation, &words)
}

fn split(config: &mut Config) -> Result<Split, ConfigError> {
    let words = [("whitespace", Split::Whitespace), ("character", Split::Character), ("none", Split::Whole)];
    with_null(config, "split", Split::Whitespace, &words)
}

/// A number stands for all widths up to it.
fn ngrams(config: &mut Config) -> Result<Vec<u32>, ConfigError> {
    let Some(value) = config.take("ngrams") else { return Ok(vec![]) };
    let width =
        |value: &Json| value.as_u64().filter(|width| (1..=64).contains(width)).map(|width| width as u32);
    let widths: Option<Vec<u32>> = match &value {
        Json::Array(widths) => widths.iter().map(width).collect(),
        number => width(number).map(|most| (1..=most).collect()),
    };
    let widths = widths.filter(|widths| !widths.is_empty());
    let widths = widths
        .ok_or_else(|| ConfigError::new("ngrams", "a width from 1 to 64, or a list of them", &value))?;
    config.keep("ngrams", value);
    Ok(widths)
}

impl TextVectorization {
    /// Is every text the one token that gives one number?
    fn one_to_one(&self) -> bool {
        let ops::Text::Vectorize { split, ngrams, length, output, .. } = &self.op;
        let lined_up = *output == TokenOutput::Int && length.known().is_none();
        *split == Split::Whole && ngrams.is_empty() && lined_up
    }

    /// The operation for these texts, whose number is that of their tokens if each is one.
    fn op(&self, text: &Type) -> ops::Text {
        let mut op = self.op.clone();
        if self.one_to_one() {
            let ops::Text::Vectorize { length, .. } = &mut op;
            *length = text.shape.get(1).cloned().unwrap_or(Dim::constant(1));
        }
        op
    }

    /// Texts that are not split are tokens, those of a row in their order; those of a batch without rows would all be
    /// tokens of one row, whose length and counts are those of the batch.
    fn check(&self, text: &Type) -> Result<(), ShapeError> {
        let ops::Text::Vectorize { split, .. } = &self.op;
        let (expected, fits) = match (*split == Split::Whole, text.rank()) {
            (true, rank) if self.one_to_one() => ("texts str[B] or str[B, T]", rank == 1 || rank == 2),
            (true, rank) => ("texts str[B, T], those of a row together, as they are not split", rank == 2),
            (false, rank) => ("texts str[B] or str[B, 1]", rank == 1 || rank == 2 && text.shape[1].is_one()),
        };
        if fits && text.dtype == DType::Str { Ok(()) } else { Err(ShapeError::new(expected, text)) }
    }
}

impl Layer for TextVectorization {
    fn masking(&self) -> Masking {
        Masking::UNSUPPORTED.filling(ops::Op::from(self.op.clone()).fills())
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let text = arguments.first().ok_or_else(|| ShapeError::new("texts", "none"))?;
        self.check(text)?;
        let vocabulary = Type::new(DType::Str, vec![Dim::constant(self.tokens)]);
        let weights = Type::new(DType::F32, vec![Dim::constant(self.columns)]);
        ops::Op::from(self.op(text))
            .infer(&[
                Some(text),
                Some(&vocabulary),
                Some(&weights).filter(|_| self.output == TokenOutput::TfIdf),
            ])
            .map_err(|error| ShapeError { expected: error.expected, found: error.found })
            .map(|mut types| {
                if self.one_to_one() {
                    types[0].shape.truncate(text.rank());
                }
                types
            })
    }

    fn weights(&self, _: &Arguments<Type>) -> Result<Vec<WeightSpec>, ShapeError> {
        let column = |dtype, size| Type::new(dtype, vec![Dim::constant(size)]);
        let mut weights = vec![WeightSpec {
            name: "vocabulary".into(),
            ty: column(DType::Str, self.tokens),
            place: WeightPlace::Vocabulary { special: special(self.output), first: vec![] },
            trained: false,
            scales: None,
            transposed: false,
        }];
        if self.output == TokenOutput::TfIdf {
            let (name, ty) = ("idf_weights".into(), column(DType::F32, self.columns));
            let place = WeightPlace::IdfWeights { special: special(self.output) };
            weights.push(WeightSpec { name, ty, place, trained: false, scales: None, transposed: false });
        }
        Ok(weights)
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let text = arguments.data()[0].clone();
        let ty = scope.builder.type_of(&text);
        let operands = [text, scope.weight("vocabulary"), scope.weight("idf_weights")];
        let numbers = scope.builder.emit(self.op(&ty), &operands)?;
        if self.one_to_one() && ty.rank() == 1 {
            return Ok(vec![scope.builder.emit(Shape::Reshape { shape: ty.shape }, &[numbers])?]);
        }
        Ok(vec![numbers])
    }
}
