//! Attention by products.

use super::attend::{Attend, Blind, band, product};
use super::{Elementwise, Family, OpError, OpInfo, OperandTypes, Rows, Shape, agree, family};
use crate::dim::Dim;
use crate::float::Float;
use crate::mask::Band;
use crate::program::{Builder, Operand, Value};
use crate::ty::{DType, Type};

family! {
    /// Attention by products.
    Attention {
        /// The weighted sum of `value` `[B, S, G, E]` for every position and head of `query` `[B, T, H, D]`, as `[B, T, H, E]`. Weights are the softmax along S of the products of `query`, times `scale`, with `key` `[B, S, G, D]`; each of the G heads of key and value serves H/G heads of the query. A position of the query sees only what all the masks allow: `queries` `[B, T]` is true of those that see anything, `keys` `[B, S]` of those that are seen, `pairs` broadcasts to `[B, H, T, S]`.
        Attention = "attention" ("query", "key", "value", "queries?", "keys?", "pairs?") {
            /// What the query is multiplied by first.
            scale: Float,
            /// Does a position see only those that are not after it?
            causal: bool,
            /// Does it see only those fewer steps away?
            within: Option<u32>,
            /// What becomes of a position that sees nothing: the `mean` of all values; the values weighted by their scores, `lowered` by 1e9; or `nothing`, which is 0.
            blind: Blind,
        };
        /// The same among the rows at which `mask` `[B, T]` is true: `query` `[1, N, H, D]`, `key` `[1, N, G, D]` and `value` `[1, N, G, E]` give `[1, N, H, E]`. A row sees those of its own sequence.
        Rows = "attention_rows" ("query", "key", "value", "mask") {
            /// What the query is multiplied by first.
            scale: Float,
            /// Does a row see only those that are not after it?
            causal: bool,
        };
    }
}

/// The axes of the operands, `G` and `H/G` as two axes where they are not the same.
const ONE_EACH: Letters =
    Letters { query: "bthd", key: "bshd", scores: "bhts", value: "bshe", result: "bthe" };
const GROUPED: Letters =
    Letters { query: "bthgd", key: "bshd", scores: "bhgts", value: "bshe", result: "bthge" };

struct Letters {
    query: &'static str,
    key: &'static str,
    scores: &'static str,
    value: &'static str,
    result: &'static str,
}

impl Attention {
    /// Which position sees which, in a shape that broadcasts to `[B, H, T, S]`.
    fn mask(&self, builder: &mut Builder, operands: &[Operand]) -> Result<Option<Operand>, OpError> {
        let Attention::Attention { causal, within, .. } = self else { return Ok(None) };
        let [query, key, _, queries, keys, pairs] = operands else { return Ok(None) };
        let mut sees: Option<Operand> = None;
        let mut both = |builder: &mut Builder, mask: Operand| {
            sees = Some(match sees.take() {
                Some(sees) => builder.emit(Elementwise::And, &[sees, mask])?,
                None => mask,
            });
            Ok(())
        };
        let bands = causal.then_some(Band::Causal).into_iter().chain(within.map(Band::Within));
        for near in bands {
            let near = band(builder, [query, key], 1, near)?;
            both(builder, near)?;
        }
        for (mask, at) in [(queries, 2), (keys, 1)] {
            if *mask != Operand::Absent {
                let mask = builder.insert_axis(mask, at)?;
                let mask = builder.insert_axis(&mask, 1)?;
                both(builder, mask)?;
            }
        }
        if *pairs != Operand::Absent {
            both(builder, pairs.clone())?;
        }
        // A mask without these axes broadcasts all the same; what follows counts them from the right.
        let Some(mut sees) = sees else { return Ok(None) };
        while builder.type_of(&sees).rank() < 4 {
            sees = builder.insert_axis(&sees, 0)?;
        }
        Ok(Some(sees))
    }
}

impl Attention {
    /// Attention among rows as attention between all positions.
    fn among_rows(&self, builder: &mut Builder, operands: &[Operand]) -> Result<Vec<Operand>, OpError> {
        let (Attention::Rows { scale, causal }, [query, key, value, mask]) = (self, operands) else {
            return Err(self.expects("four operands", operands.len()));
        };
        let count = builder.type_of(query).shape[1].clone();
        let places = builder.emit(Rows::Places { count }, std::slice::from_ref(mask))?;
        let mut whole = vec![];
        for rows in [query, key, value] {
            let unpack = Rows::Unpack { fill: Float(0.0) };
            whole.push(builder.emit(unpack, &[rows.clone(), places.clone(), mask.clone()])?);
        }
        whole.extend([mask.clone(), mask.clone(), Operand::Absent]);
        let all =
            Attention::Attention { scale: *scale, causal: *causal, within: None, blind: Blind::Nothing };
        let whole = builder.emit(all, &whole)?;
        Ok(vec![builder.emit(Rows::Pack, &[whole, places])?])
    }

    /// The same among the rows of a mask, if positions outside of it see nothing and are not seen, and everything that
    /// decides who sees whom can be told from the rows.
    pub fn among(&self, operands: &[Operand], mask: Value) -> Option<Attention> {
        let Attention::Attention { scale, causal, within: None, .. } = self else { return None };
        let [_, _, _, queries, keys, Operand::Absent] = operands else { return None };
        let rows = [queries, keys].iter().all(|operand| operand.value() == Some(mask));
        rows.then_some(Attention::Rows { scale: *scale, causal: *causal })
    }
}

/// The axis of the heads as two: those of key and value, and those of the query for each.
fn in_groups(builder: &mut Builder, x: Operand, at: usize, groups: &Dim) -> Result<Operand, OpError> {
    let mut shape = builder.type_of(&x).shape;
    let [outer, inner] = match (shape[at].known(), groups.known()) {
        (Some(heads), Some(groups)) if heads > 1 => [groups, heads / groups],
        _ => [1, 1],
    };
    shape[at] = Dim::constant(outer);
    shape.insert(at + 1, Dim::constant(inner));
    builder.emit(Shape::Reshape { shape }, &[x])
}

impl Family for Attention {
    fn info(&self) -> &'static OpInfo {
        self.row()
    }

    fn infer(&self, operands: OperandTypes<'_>) -> Result<Vec<Type>, OpError> {
        let [query, key, value] = [0, 1, 2].map(|place| operands[place].expect("arity was checked"));
        let tensors = [query, key, value];
        let same =
            |a: &Type, b: &Type, axes: std::ops::Range<usize>| agree(&a.shape[axes.clone()], &b.shape[axes]);
        let heads = |x: &Type| x.shape[2].known();
        let fits = tensors.iter().all(|x| x.rank() == 4 && x.dtype.is_float() && x.dtype == query.dtype)
            && same(query, key, 0..1)
            && same(key, value, 0..3)
            && same(query, key, 3..4)
            && heads(query).zip(heads(key)).is_some_and(|(query, key)| key > 0 && query % key == 0);
        if !fits {
            return Err(self.expects(
                "floats [B, T, H, D], [B, S, G, D] and [B, S, G, E], heads known and H in G groups",
                format!("{query}, {key} and {value}"),
            ));
        }
        let mut shape = query.shape.clone();
        shape[3] = value.shape[3].clone();
        let result = Type { dtype: query.dtype, shape };
        if let Attention::Rows { .. } = self {
            let mask = operands[3].expect("arity was checked");
            let fits = query.shape[0].is_one() && same(query, key, 1..2);
            return match fits && mask.dtype == DType::Bool && mask.rank() == 2 {
                true => Ok(vec![result]),
                false => {
                    Err(self
                        .expects("rows [1, N, ...] and a mask bool[B, T]", format!("{query}, {key}, {mask}")))
                }
            };
        }
        let along = |x: &Type| vec![x.shape[0].clone(), x.shape[1].clone()];
        for (place, sizes) in [(3, along(query)), (4, along(key))] {
            if let Some(mask) = operands[place].filter(|x| x.dtype != DType::Bool || !agree(&x.shape, &sizes))
            {
                return Err(self.expects(Type::new(DType::Bool, sizes).to_string(), mask));
            }
        }
        let scores = [&query.shape[0], &query.shape[2], &query.shape[1], &key.shape[1]].map(Clone::clone);
        let serves = |mask: &Type| {
            let axes = mask.shape.iter().zip(&scores);
            mask.rank() == 4
                && axes
                    .into_iter()
                    .all(|(a, b)| a.is_one() || agree(std::slice::from_ref(a), std::slice::from_ref(b)))
        };
        if let Some(mask) = operands[5].filter(|mask| mask.dtype != DType::Bool || !serves(mask)) {
            return Err(self.expects(format!("pairs for {}", Type::new(DType::Bool, scores)), mask));
        }
        Ok(vec![result])
    }

    fn is_composite(&self) -> bool {
        true
    }

    fn decompose(
        &self,
        builder: &mut Builder,
        operands: &[Operand],
    ) -> Option<Result<Vec<Operand>, OpError>> {
        let Attention::Attention { scale, blind, .. } = self else {
            return Some(self.among_rows(builder, operands));
        };
        let [query, key, value, ..] = operands else { return None };
        Some((|| {
            let mut mask = self.mask(builder, operands)?;
            let shape = builder.type_of(query).shape;
            let groups = builder.type_of(key).shape[2].clone();
            let grouped = shape[2] != groups;
            let letters = if grouped { GROUPED } else { ONE_EACH };
            let mut query = query.clone();
            if scale.0 != 1.0 {
                let scale = builder.number(&query, scale.0);
                query = builder.emit(Elementwise::Mul, &[query, scale])?;
            }
            if grouped {
                query = in_groups(builder, query, 2, &groups)?;
                mask = mask.map(|mask| in_groups(builder, mask, 1, &groups)).transpose()?;
            }
            let attend = Attend {
                scores: product(builder, [(&query, letters.query), (key, letters.key)], letters.scores)?,
                letters: letters.scores,
                value: value.clone(),
                value_letters: letters.value,
                over: "s",
                result: letters.result,
                mask,
                blind: *blind,
            };
            let (mut y, _) = attend.apply(builder)?;
            if grouped {
                let mut shape = shape;
                shape[3] = builder.type_of(value).shape[3].clone();
                y = builder.emit(Shape::Reshape { shape }, &[y])?;
            }
            Ok(vec![y])
        })())
    }
}
