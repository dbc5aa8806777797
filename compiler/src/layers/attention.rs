//! `Attention` and `AdditiveAttention`: values weighted by how well their keys fit a query.

use masque_ir::activation::Activation;
use masque_ir::float::Float;
use masque_ir::mask::Band;
use masque_ir::ops::attend::{Attend, Blind, band};
use masque_ir::ops::{self, Activate, Elementwise, OpError, Reduce, Shape};
use masque_ir::program::Operand;
use masque_ir::{DType, Dim, Type};

use super::attending::{both, by_position, is_set, with_axis};
use super::einsum::{Term, einsum};
use super::merging::listed;
use crate::layer::{
    Arguments, Config, ConfigError, Constants, Layer, LayerDef, Masking, Scope, ShapeError, Signature,
    Supports, Takes, WeightSpec, infer_by_lowering,
};

pub(super) static ATTENTION: LayerDef = def("Attention", attention);
pub(super) static ADDITIVE_ATTENTION: LayerDef = def("AdditiveAttention", additive);

const fn def(class: &'static str, parse: fn(&mut Config) -> Result<Box<dyn Layer>, ConfigError>) -> LayerDef {
    LayerDef { class, supports_masking: Supports::Always, masks: "keep that of the query", parse }
}

/// How a key fits a query.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Score {
    /// By their product.
    Dot,
    /// By the sum of `tanh(scale * (query + key))`, times a weight.
    Concat,
    /// By the sum of `scale * tanh(query + key)`, with a scale for each feature.
    Additive,
}

#[derive(Debug)]
struct Attention {
    score: Score,
    use_scale: bool,
}

fn attention(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    config.ignore(&["dropout"]);
    let score = config.word("score_mode", Score::Dot, &[("dot", Score::Dot), ("concat", Score::Concat)])?;
    Ok(Box::new(Attention { score, use_scale: config.bool("use_scale", false)? }))
}

fn additive(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    config.ignore(&["dropout"]);
    Ok(Box::new(Attention { score: Score::Additive, use_scale: config.bool("use_scale", true)? }))
}

impl Attention {
    /// Query, value and key fit together, and so do their masks.
    fn check(&self, arguments: &Arguments<Type>) -> Result<(), ShapeError> {
        let inputs = arguments.data();
        let unfit = |expected: &str| Err(ShapeError::new(expected, listed(inputs)));
        let (Some(query), Some(value), true) = (inputs.first(), inputs.get(1), inputs.len() <= 3) else {
            return unfit("a list of query and value, or query, value and key");
        };
        let key = inputs.get(2).unwrap_or(value);
        if [query, value, key]
            .iter()
            .any(|x| x.rank() < 3 || x.rank() != query.rank() || x.dtype == DType::Str)
        {
            return unfit("query [B, T, D], value [B, S, V] and key [B, S, D]");
        }
        let fits = |mask: Option<&Option<Type>>, x: &Type| {
            mask.and_then(Option::as_ref).is_none_or(|mask| {
                x.rank() == 3
                    && mask.rank() == 2
                    && (mask.shape.iter().zip(&x.shape)).all(|(a, b)| may_agree(a, b))
            })
        };
        if !fits(arguments.masks.first(), query) || !fits(arguments.masks.get(1), value) {
            return unfit("tensors with three axes and masks with two");
        }
        Ok(())
    }

    fn scores(
        &self,
        scope: &mut Scope<'_>,
        query: &Operand,
        key: &Operand,
        letters: [&str; 3],
    ) -> Result<Operand, OpError> {
        let [query_letters, key_letters, result] = letters;
        let scale = scope.weight("scale");
        if self.score == Score::Dot {
            let terms = [Term::new(query, query_letters), Term::new(key, key_letters)];
            let scores = einsum(scope, &terms, result)?;
            return scaled(scope, scores, &scale);
        }
        let rank = scope.builder.type_of(query).rank();
        let (query, key) = (with_axis(scope, query, rank - 1)?, with_axis(scope, key, rank - 2)?);
        let mut sum = scope.builder.emit(Elementwise::Add, &[query, key])?;
        if self.score == Score::Concat {
            sum = scaled(scope, sum, &scale)?;
        }
        let curve = scope.builder.emit(Activate::Activate { f: Activation::Tanh }, &[sum])?;
        if self.score == Score::Additive && scale != Operand::Absent {
            let feature = &query_letters[rank - 1..];
            return einsum(
                scope,
                &[Term::new(&curve, format!("{result}{feature}")), Term::new(&scale, feature)],
                result,
            );
        }
        let scores = scope.builder.emit(Reduce::Sum { axes: vec![rank as u32], keep: false }, &[curve])?;
        let weight = scope.weight("concat_score_weight");
        scaled(scope, scores, &weight)
    }
}

impl Attention {
    /// Attention with one head.
    fn by_products(
        &self,
        scope: &mut Scope<'_>,
        arguments: &Arguments<Operand>,
        [query, key, value]: [&Operand; 3],
    ) -> Result<Vec<Operand>, OpError> {
        let query = scaled(scope, query.clone(), &scope.weight("scale"))?;
        let mut shape = scope.builder.type_of(&query).shape;
        let op = ops::Attention::Attention {
            scale: Float(1.0),
            causal: is_set(arguments, "use_causal_mask"),
            within: None,
            blind: Blind::Lowered,
        };
        let mut operands = vec![];
        for x in [&query, key, value] {
            operands.push(with_axis(scope, x, 2)?);
        }
        let keys = match arguments.masks.get(1).cloned().flatten() {
            Some(mask) => by_position(scope, mask, value)?,
            None => Operand::Absent,
        };
        operands.extend([Operand::Absent, keys, Operand::Absent]);
        let y = scope.builder.emit(op, &operands)?;
        if let Some(width) = scope.builder.type_of(value).shape.pop() {
            shape[2] = width;
        }
        let y = scope.builder.emit(Shape::Reshape { shape }, &[y])?;
        Ok(vec![masked(scope, arguments, y)?])
    }
}

/// 0 where the query is padding.
fn masked(scope: &mut Scope<'_>, arguments: &Arguments<Operand>, y: Operand) -> Result<Operand, OpError> {
    let Some(mask) = arguments.mask() else { return Ok(y) };
    let rank = scope.builder.type_of(&y).rank();
    let (mask, zero) = (scope.builder.trail_axes(mask, rank)?, scope.builder.number(&y, 0.0));
    scope.builder.emit(Elementwise::Select, &[mask, y, zero])
}

fn may_agree(a: &Dim, b: &Dim) -> bool {
    a.known().zip(b.known()).is_none_or(|(a, b)| a == b)
}

fn scaled(scope: &mut Scope<'_>, x: Operand, scale: &Operand) -> Result<Operand, OpError> {
    match scale {
        Operand::Absent => Ok(x),
        scale => scope.builder.emit(Elementwise::Mul, &[x, scale.clone()]),
    }
}

impl Layer for Attention {
    fn signature(&self) -> Signature {
        Signature::of(&["inputs", "mask", "training", "return_attention_scores", "use_causal_mask"]).taking(
            &[
                ("inputs", Takes::Tensors),
                ("return_attention_scores", Takes::Flag),
                ("use_causal_mask", Takes::Flag),
            ],
        )
    }

    fn outputs(&self, constants: &Constants) -> u32 {
        if constants.get("return_attention_scores") == Some(&true.into()) { 2 } else { 1 }
    }

    fn masking(&self) -> Masking {
        Masking::SUPPORTED.with_query()
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        self.check(arguments)?;
        infer_by_lowering(self, arguments)
    }

    fn weights(&self, arguments: &Arguments<Type>) -> Result<Vec<WeightSpec>, ShapeError> {
        let query = arguments.first().ok_or_else(|| ShapeError::new("a query", "none"))?;
        let mut weights = vec![];
        if self.use_scale && self.score == Score::Additive {
            let features = query.shape.last().and_then(Dim::known);
            let features = features.ok_or_else(|| ShapeError::new("a known number of features", query))?;
            weights.push(WeightSpec::new("scale", "vars/0", [features]));
        } else if self.use_scale {
            weights.push(WeightSpec::new("scale", "vars/0", []));
        }
        if self.score == Score::Concat {
            weights.push(WeightSpec::new("concat_score_weight", &format!("vars/{}", weights.len()), []));
        }
        Ok(weights)
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let inputs = arguments.data().iter().map(|x| scope.float(x)).collect::<Result<Vec<_>, _>>()?;
        let [query, value, rest @ ..] = inputs.as_slice() else { return Ok(vec![]) };
        let key = rest.first().unwrap_or(value);
        let rank = scope.builder.type_of(query).rank();
        let wants_weights = is_set(arguments, "return_attention_scores");
        if self.score == Score::Dot && rank == 3 && !wants_weights {
            return self.by_products(scope, arguments, [query, key, value]);
        }
        let batch: String = super::einsum::letters_beside("tsdv").take(rank - 2).collect();
        let letters = format!("{batch}ts");
        let scores =
            self.scores(scope, query, key, [&format!("{batch}td"), &format!("{batch}sd"), letters.as_str()])?;
        let time = rank as u32 - 2;
        let causal = is_set(arguments, "use_causal_mask");
        let causal = causal.then(|| band(scope.builder, [query, key], time, Band::Causal)).transpose()?;
        let values = arguments.masks.get(1).cloned().flatten();
        let values = values.map(|mask| with_axis(scope, &mask, 1)).transpose()?;
        let attend = Attend {
            scores,
            letters: &letters,
            value: value.clone(),
            value_letters: &format!("{batch}sv"),
            over: "s",
            result: &format!("{batch}tv"),
            mask: both(scope, values, causal)?,
            blind: Blind::Lowered,
        };
        let (y, weights) = attend.apply(scope.builder)?;
        let y = masked(scope, arguments, y)?;
        Ok(if wants_weights { vec![y, weights] } else { vec![y] })
    }
}
