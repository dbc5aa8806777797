//! `MultiHeadAttention` and `GroupQueryAttention`: query, key and value are projected for each head, every head attends
//! on its own, and what the heads found is projected once more.
//!
//! Keras computes this in two ways, which differ for a position that sees nothing: the fused one gives it the mean of
//! all values, the explicit one nothing. The explicit one is taken where dropout is set, where the scores are asked
//! for, and where the tensors have more axes than batch, time and features.

mod settings;

use masque_ir::activation::Activation;
use masque_ir::float::Float;
use masque_ir::mask::Band;
use masque_ir::ops::attend::{Attend, Blind, band};
use masque_ir::ops::{self, Activate, Elementwise, OpError, Shape};
use masque_ir::program::Operand;
use masque_ir::ty::resolve_axis;
use masque_ir::{DType, Dim, Semantics, Type};

use self::settings::{MultiHead, grouped, multi_head};
use super::attending::{both, by_position, is_set, with_axis};
use super::einsum::{Term, einsum};
use crate::layer::{
    Arguments, CallMasks, Config, ConfigError, Constants, Effect, Layer, LayerDef, MaskRule, Masking, Reads,
    Scope, ShapeError, Signature, Supports, Takes, WeightPlace, WeightSpec, infer_by_lowering,
};

pub(super) static MULTI_HEAD_ATTENTION: LayerDef = def("MultiHeadAttention", multi_head);
pub(super) static GROUP_QUERY_ATTENTION: LayerDef = def("GroupQueryAttention", grouped);

const fn def(class: &'static str, parse: fn(&mut Config) -> Result<Box<dyn Layer>, ConfigError>) -> LayerDef {
    LayerDef { class, supports_masking: Supports::Always, masks: "keep that of the query", parse }
}

/// Query, value and key of a call.
struct Inputs<T> {
    query: T,
    value: T,
    key: T,
}

impl<T: Clone> Inputs<T> {
    fn of(arguments: &Arguments<T>) -> Option<Inputs<T>> {
        let one = |name: &str| arguments.tensors(name).first().cloned();
        let value = one("value")?;
        Some(Inputs { query: one("query")?, key: one("key").unwrap_or_else(|| value.clone()), value })
    }
}

/// The letters of all axes.
struct Letters {
    /// The positions of the query, and those of key and value: batch axes have the same letters.
    query: String,
    value: String,
    /// The batch axes, those along which the query attends, and those of the values.
    batch: String,
    looking: String,
    seen: String,
}

impl Letters {
    /// Capitals are left for heads and features.
    fn new(rank: usize, axes: &[usize]) -> Option<Letters> {
        let mut fresh = 'a'..='z';
        let query: String = fresh.by_ref().take(rank - 1).collect();
        let value: Option<String> = query
            .char_indices()
            .map(|(axis, letter)| if axes.contains(&axis) { fresh.next() } else { Some(letter) })
            .collect();
        let value = value.filter(|_| query.len() == rank - 1)?;
        let along = |letters: &str, wanted: bool| -> String {
            letters.char_indices().filter(|(axis, _)| axes.contains(axis) == wanted).map(|(_, c)| c).collect()
        };
        let (batch, looking, seen) = (along(&query, false), along(&query, true), along(&value, true));
        Some(Letters { query, value, batch, looking, seen })
    }
}

impl MultiHead {
    /// The axes that attention runs along, from the front.
    fn axes(&self, rank: usize) -> Option<Vec<usize>> {
        let Some(axes) = &self.axes else { return Some((1..rank - 1).collect()) };
        let axes: Vec<usize> = axes.iter().map(|&axis| resolve_axis(axis, rank)).collect::<Option<_>>()?;
        let fits = axes.is_sorted_by(|a, b| a < b) && axes.iter().all(|axis| (1..rank - 1).contains(axis));
        fits.then_some(axes)
    }

    fn check(&self, arguments: &Arguments<Type>) -> Result<Vec<usize>, ShapeError> {
        let expected =
            "a query and a value: numbers [B, T, D] and [B, S, D], features known, and a key like the value";
        let Some(Inputs { query, value, key }) = Inputs::of(arguments) else {
            return Err(ShapeError::new(expected, "fewer tensors"));
        };
        let rank = query.rank();
        let known = |x: &Type| x.shape.last().and_then(Dim::known).is_some() && x.dtype != DType::Str;
        let same = |x: &Type, y: &Type, axis: usize| {
            x.shape[axis].known().zip(y.shape[axis].known()).is_none_or(|(a, b)| a == b)
        };
        let ranks = rank >= 3
            && (rank == 3 || !self.grouped)
            && rank < 16
            && value.rank() == rank
            && key.rank() == rank;
        let found = || format!("{query}, {value} and {key}");
        if !ranks
            || ![&query, &value, &key].into_iter().all(known)
            || !(0..rank - 1).all(|axis| same(&key, &value, axis))
        {
            return Err(ShapeError::new(expected, found()));
        }
        let axes = self.axes(rank).ok_or_else(|| {
            ShapeError::new(
                format!("`attention_axes` among 1 to {}, in order", rank - 2),
                format!("{:?}", self.axes),
            )
        })?;
        if !(0..rank - 1).filter(|axis| !axes.contains(axis)).all(|axis| same(&query, &value, axis)) {
            return Err(ShapeError::new(
                "query and value of one size along all axes but those of attention",
                found(),
            ));
        }
        self.check_masks(arguments, &axes, &query)?;
        Ok(axes)
    }

    /// Keras lines masks up with the scores from the right, which fits them only where attention runs along time alone.
    fn check_masks(
        &self,
        arguments: &Arguments<Type>,
        axes: &[usize],
        query: &Type,
    ) -> Result<(), ShapeError> {
        let rank = query.rank();
        let masks = ["query", "value", "key"].into_iter().filter_map(|name| arguments.mask_of(name));
        let masks: Vec<&Type> = masks.chain(self.lone_key_mask(arguments)).collect();
        if let Some(mask) = masks.iter().find(|mask| axes != [rank - 2] || mask.rank() != rank - 1) {
            return Err(ShapeError::new(
                "masks for all axes but features, and attention along the last of them",
                mask,
            ));
        }
        if rank != 3 && !self.bands(arguments).is_empty() {
            return Err(ShapeError::new(
                "tensors [B, T, D] for `use_causal_mask` and `sliding_window`",
                query,
            ));
        }
        let Some(mask) = arguments.tensors("attention_mask").first() else { return Ok(()) };
        let fits = mask.rank() >= 2 * axes.len() && mask.rank() <= rank + axes.len();
        if !fits || mask.rank() > rank && !masks.is_empty() {
            let whole = if masks.is_empty() {
                ""
            } else {
                ", without an axis for heads beside the masks of the tensors"
            };
            return Err(ShapeError::new(format!("an `attention_mask` [B, T, S] or [T, S]{whole}"), mask));
        }
        Ok(())
    }

    /// A mask passed for a key that is not passed itself.
    fn lone_key_mask<'a, T>(&self, arguments: &'a Arguments<T>) -> Option<&'a T> {
        arguments.tensors("key_mask").first().filter(|_| arguments.tensors("key").is_empty())
    }

    /// Which positions may be seen by where they stand.
    fn bands<T>(&self, arguments: &Arguments<T>) -> Vec<Band> {
        let causal = is_set(arguments, "use_causal_mask").then_some(Band::Causal);
        causal.into_iter().chain(self.window.map(Band::Within)).collect()
    }

    fn is_fused(&self, rank: usize, scores: bool) -> bool {
        rank == 3 && !self.dropout && !scores
    }

    /// Which position sees which value, in a shape that broadcasts to the scores from the right.
    fn mask(
        &self,
        scope: &mut Scope<'_>,
        arguments: &Arguments<Operand>,
        inputs: &Inputs<Operand>,
        axes: usize,
    ) -> Result<Option<Operand>, OpError> {
        let mut sees = None;
        for near in self.bands(arguments) {
            let near = band(scope.builder, [&inputs.query, &inputs.value], 1, near)?;
            sees = both(scope, sees, Some(near))?;
        }
        let rank = scope.builder.type_of(&inputs.query).rank();
        let given = [
            (arguments.mask_of("query"), rank - 1),
            (arguments.mask_of("value"), rank - 2),
            (arguments.mask_of("key").or(self.lone_key_mask(arguments)), rank - 2),
        ];
        for (mask, at) in given {
            if let Some(mask) = mask {
                let mask = scope.cast(mask, DType::Bool)?;
                let mask = with_axis(scope, &mask, at)?;
                sees = both(scope, sees, Some(mask))?;
            }
        }
        if let Some(mask) = arguments.tensors("attention_mask").first() {
            let mask = scope.cast(mask, DType::Bool)?;
            sees = both(scope, sees, Some(mask))?;
        }
        // The axis of the heads stands in front of the positions.
        let Some(mut sees) = sees else { return Ok(None) };
        while scope.builder.type_of(&sees).rank() < rank + axes {
            let at = scope.builder.type_of(&sees).rank() - 2 * axes;
            sees = with_axis(scope, &sees, at)?;
        }
        Ok(Some(sees))
    }

    /// `x · kernel + bias` for every head, as one product: the last `summed` axes of `x` count as one, and so do the
    /// kernel's others.
    fn project(
        &self,
        scope: &mut Scope<'_>,
        name: &str,
        x: &Operand,
        summed: usize,
    ) -> Result<Operand, OpError> {
        let kernel = scope.weight(&format!("{name}/kernel"));
        let sizes = scope.builder.type_of(&kernel).shape;
        let (inputs, results) = sizes.split_at(summed);
        let kernel = reshaped(scope, &kernel, vec![whole(inputs), whole(results)])?;
        let mut shape = scope.builder.type_of(x).shape.to_vec();
        shape.truncate(shape.len() - summed);
        let rows = reshaped(scope, x, [shape.as_slice(), &[whole(inputs)]].concat())?;
        let made = Type::new(DType::F32, [&shape, results].concat());
        let bias = scope.weight(&format!("{name}/bias"));
        let (within, after) = match &bias {
            Operand::Absent => (Operand::Absent, Operand::Absent),
            bias if super::bias::goes_astray(&made, &scope.builder.type_of(bias)) => {
                (Operand::Absent, bias.clone())
            }
            bias => (reshaped(scope, bias, vec![whole(results)])?, Operand::Absent),
        };
        let linear = ops::Dense::Dense { activation: Activation::Linear };
        let y = scope.builder.emit(linear, &[rows, kernel, within])?;
        let y = reshaped(scope, &y, made.shape.to_vec())?;
        super::bias::add(scope, y, after)
    }

    /// What was found, `[…, H, V]`, with the gate and the last projection.
    fn finish(&self, scope: &mut Scope<'_>, y: Operand, query: &Operand) -> Result<Operand, OpError> {
        let y = if self.gate {
            let gate = self.project(scope, "gate", query, 1)?;
            let gate = scope.builder.emit(Activate::Activate { f: Activation::Sigmoid }, &[gate])?;
            scope.builder.emit(Elementwise::Mul, &[y, gate])?
        } else {
            y
        };
        self.project(scope, "output", &y, 2)
    }

    /// Attention of all heads along the only axis between batch and features.
    fn by_products(
        &self,
        scope: &mut Scope<'_>,
        arguments: &Arguments<Operand>,
        projected: [Operand; 3],
    ) -> Result<Operand, OpError> {
        let boolean = |scope: &mut Scope<'_>, mask: Option<&Operand>| {
            mask.map(|mask| scope.cast(mask, DType::Bool)).transpose()
        };
        let queries = boolean(scope, arguments.mask_of("query"))?;
        let values = boolean(scope, arguments.mask_of("value"))?;
        let keys = boolean(scope, arguments.mask_of("key").or(self.lone_key_mask(arguments)))?;
        let keys = both(scope, values, keys)?;
        let [query, _, value] = &projected;
        let queries = queries.map(|mask| by_position(scope, mask, query)).transpose()?;
        let keys = keys.map(|mask| by_position(scope, mask, value)).transpose()?;
        let mut pairs = boolean(scope, arguments.tensors("attention_mask").first())?;
        while let Some(mask) = pairs.take_if(|mask| scope.builder.type_of(mask).rank() < 4) {
            let at = scope.builder.type_of(&mask).rank() - 2;
            pairs = Some(with_axis(scope, &mask, at)?);
        }
        let blind = match (self.is_fused(3, false), scope.semantics()) {
            (true, _) => Blind::Mean,
            (false, Semantics::Keras2) => Blind::Lowered,
            (false, _) => Blind::Nothing,
        };
        let op = ops::Attention::Attention {
            scale: Float(self.scale()),
            causal: self.bands(arguments).contains(&Band::Causal),
            within: self.window,
            blind,
        };
        let masks = [queries, keys, pairs].map(|mask| mask.unwrap_or(Operand::Absent));
        scope.builder.emit(op, &[&projected[..], &masks].concat())
    }

    /// What the query is multiplied by.
    fn scale(&self) -> f64 {
        1.0 / (self.key_dim as f64).sqrt()
    }

    /// The axis of the heads as two: one for the heads of key and value, one for those of the query that share it.
    fn in_groups(&self, scope: &mut Scope<'_>, x: Operand, at: usize) -> Result<Operand, OpError> {
        let mut shape = scope.builder.type_of(&x).shape;
        let (outer, inner) = match shape[at].is_one() && self.heads > 1 {
            true => (1, 1),
            false => (self.value_heads, self.heads / self.value_heads),
        };
        shape[at] = Dim::constant(outer);
        shape.insert(at + 1, Dim::constant(inner));
        scope.builder.emit(Shape::Reshape { shape }, &[x])
    }

    /// Both axes for the heads as one.
    fn out_of_groups(&self, scope: &mut Scope<'_>, x: Operand, at: usize) -> Result<Operand, OpError> {
        let mut shape = scope.builder.type_of(&x).shape;
        shape.remove(at + 1);
        shape[at] = Dim::constant(self.heads);
        scope.builder.emit(Shape::Reshape { shape }, &[x])
    }

    /// Scores, weights and sum for projected tensors; query and mask have their heads in groups, if there are any.
    fn attend(
        &self,
        scope: &mut Scope<'_>,
        [query, key, value]: [Operand; 3],
        mask: Option<Operand>,
        letters: &Letters,
        blind: Blind,
    ) -> Result<(Operand, Operand), OpError> {
        let Letters { batch, looking, seen, .. } = letters;
        let is_grouped = self.value_heads != self.heads;
        let (heads, at) = (if is_grouped { "HG" } else { "H" }, [letters.query.len(), batch.len()]);
        let (query, mask) = match is_grouped {
            true => {
                let mask = mask.map(|mask| self.in_groups(scope, mask, at[1])).transpose()?;
                (self.in_groups(scope, query, at[0])?, mask)
            }
            false => (query, mask),
        };
        let all = format!("{batch}{heads}{looking}{seen}");
        let terms = [
            Term::new(&query, format!("{}{heads}K", letters.query)),
            Term::new(&key, format!("{}HK", letters.value)),
        ];
        let attend = Attend {
            scores: einsum(scope, &terms, &all)?,
            letters: &all,
            value,
            value_letters: &format!("{}HV", letters.value),
            over: seen,
            result: &format!("{}{heads}V", letters.query),
            mask,
            blind,
        };
        let (y, weights) = attend.apply(scope.builder)?;
        if !is_grouped {
            return Ok((y, weights));
        }
        Ok((self.out_of_groups(scope, y, at[0])?, self.out_of_groups(scope, weights, at[1])?))
    }
}

/// The product of some sizes, of weights: all of them are known.
fn whole(sizes: &[Dim]) -> Dim {
    sizes.iter().fold(Dim::constant(1), |product, size| &product * size)
}

/// The elements in another shape, if it is another one.
fn reshaped(scope: &mut Scope<'_>, x: &Operand, shape: Vec<Dim>) -> Result<Operand, OpError> {
    match *scope.builder.type_of(x).shape == shape {
        true => Ok(x.clone()),
        false => scope.builder.emit(Shape::Reshape { shape: shape.into() }, std::slice::from_ref(x)),
    }
}

impl Layer for MultiHead {
    fn signature(&self) -> Signature {
        Signature::of(&[
            "query",
            "value",
            "key",
            "query_mask",
            "value_mask",
            "key_mask",
            "attention_mask",
            "return_attention_scores",
            "training",
            "use_causal_mask",
        ])
        .taking(&[("return_attention_scores", Takes::Flag), ("use_causal_mask", Takes::Flag)])
    }

    fn outputs(&self, constants: &Constants) -> u32 {
        if constants.get("return_attention_scores") == Some(&true.into()) { 2 } else { 1 }
    }

    /// `MultiHeadAttention` overwrites its argument `query_mask`.
    fn masking(&self) -> Masking {
        Masking::SUPPORTED
            .reading(Reads::Each { always_own: if self.grouped { &[] } else { &["query"] } })
            .with_query()
    }

    fn call_masks(&self, arguments: &Arguments<Type>) -> CallMasks {
        let effect = if self.grouped { Effect::None } else { Effect::TakesMasks };
        let rule = if is_set(arguments, "return_attention_scores") {
            let rank = arguments.first().map_or(0, Type::rank);
            let axes = self.axes(rank).map_or(0, |axes| axes.len());
            MaskRule::PerOutput(vec![MaskRule::Keep, MaskRule::Sees { bands: self.bands(arguments), axes }])
        } else {
            MaskRule::Keep
        };
        CallMasks::new(rule).with_effect(effect)
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        self.check(arguments)?;
        infer_by_lowering(self, arguments)
    }

    fn weights(&self, arguments: &Arguments<Type>) -> Result<Vec<WeightSpec>, ShapeError> {
        let inputs =
            Inputs::of(arguments).ok_or_else(|| ShapeError::new("a query and a value", "fewer tensors"))?;
        let features = |x: &Type| {
            let last = x.shape.last().and_then(Dim::known);
            last.ok_or_else(|| ShapeError::new("a known number of features", x))
        };
        let query = features(&inputs.query)?;
        let (heads, values) = (self.heads, self.value_heads);
        let mut projections = vec![
            ("query", vec![query, heads, self.key_dim], 1),
            ("key", vec![features(&inputs.key)?, values, self.key_dim], 1),
        ];
        // In the order in which Keras makes them: an older `.h5` says no more.
        if self.gate {
            projections.push(("gate", vec![query, heads, self.value_dim], 1));
        }
        projections.push(("value", vec![features(&inputs.value)?, values, self.value_dim], 1));
        let sizes = self.output.clone().unwrap_or_else(|| vec![query]);
        projections.push(("output", [vec![heads, self.value_dim], sizes].concat(), 2));
        let mut weights = vec![];
        for (name, kernel, before) in projections {
            let bias = self.bias.then(|| ("bias", 1, kernel[before..].to_vec()));
            for (weight, place, shape) in [("kernel", 0, kernel.clone())].into_iter().chain(bias) {
                let mut spec = WeightSpec::new(&format!("{name}/{weight}"), "", shape);
                if weight == "kernel" {
                    spec = spec.scaled(1 + usize::from(self.bias), before..kernel.len());
                }
                let [now, before] = ["", "_"].map(|mark| format!("{mark}{name}_dense/vars/{place}"));
                spec.place = match self.grouped || name == "gate" {
                    true => WeightPlace::Dataset(before),
                    false => WeightPlace::Renamed { now, before },
                };
                weights.push(spec);
            }
        }
        Ok(weights)
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let Some(Inputs { query, value, key }) = Inputs::of(arguments) else { return Ok(vec![]) };
        let inputs =
            Inputs { query: scope.float(&query)?, value: scope.float(&value)?, key: scope.float(&key)? };
        let rank = scope.builder.type_of(&inputs.query).rank();
        let axes = self.axes(rank).unwrap_or_default();
        let Some(letters) = Letters::new(rank, &axes) else { return Ok(vec![]) };
        let query = self.project(scope, "query", &inputs.query, 1)?;
        let key = self.project(scope, "key", &inputs.key, 1)?;
        let value = self.project(scope, "value", &inputs.value, 1)?;
        let wanted = is_set(arguments, "return_attention_scores");
        if rank == 3 && !wanted {
            let y = self.by_products(scope, arguments, [query, key, value])?;
            return Ok(vec![self.finish(scope, y, &inputs.query)?]);
        }
        let mask = self.mask(scope, arguments, &inputs, axes.len())?;
        let scale = scope.builder.number(&query, self.scale());
        let query = scope.builder.emit(Elementwise::Mul, &[query, scale])?;
        let blind = if self.is_fused(rank, wanted) { Blind::Mean } else { Blind::Nothing };
        let (y, weights) = self.attend(scope, [query, key, value], mask, &letters, blind)?;
        let y = self.finish(scope, y, &inputs.query)?;
        Ok(if wanted { vec![y, weights] } else { vec![y] })
    }
}
