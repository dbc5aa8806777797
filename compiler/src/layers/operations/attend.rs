//! `dot_product_attention`: what the attention layers do with their projected tensors, called as an operation.

use masque_ir::DType;
use masque_ir::mask::Band;
use masque_ir::ops::Elementwise;
use masque_ir::ops::attend::{Attend, Blind, band};
use masque_ir::program::Operand;

use super::built::{Built, Outcome, dtype_of, given, maybe, refuse, shape_of};
use super::def;
use super::pieces::repeated;
use super::products::matched;
use crate::layer::{Arguments, ConfigError, LayerDef, Scope};
use crate::layers::attending::both;
use crate::layers::einsum::{Term, einsum};

pub(in crate::layers) static DOT_PRODUCT_ATTENTION: LayerDef = def("ops.DotProductAttention", |config| {
    let causal = config.bool("is_causal", false)?;
    // It says how the same is computed.
    config.ignore(&["flash_attention"]);
    if let Some(cap) = config.take("attn_logits_soft_cap") {
        let expected = "nothing: what it does depends on Keras' backend";
        return Err(ConfigError::new("attn_logits_soft_cap", expected, &cap));
    }
    let parameters = &["query", "key", "value", "bias", "mask", "scale"];
    Built::new(parameters, move |scope, arguments| attend(scope, arguments, causal)).boxed()
});

/// Query `[B, T, N, H]`, key and value `[B, S, K, H]`: each of the K heads serves as many of the N.
fn operands(scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Outcome<[Operand; 3]> {
    let mut all = vec![];
    for name in ["query", "key", "value"] {
        all.push(given(scope, arguments, name)?);
    }
    let all = matched(scope, &all)?;
    if let Some(x) = all.iter().find(|x| shape_of(scope, x).len() != 4 || dtype_of(scope, x) != DType::F32) {
        return refuse("query, key and value f32[batch, steps, heads, features]", scope.builder.type_of(x));
    }
    let heads = |x: &Operand| shape_of(scope, x)[2].clone();
    let (many, few) = (heads(&all[0]), heads(&all[1]));
    let times = match (many.known(), few.known()) {
        _ if many == few => 1,
        (Some(many), Some(few)) if few > 1 && many % few == 0 => many / few,
        _ => return refuse("as many heads of the key as of the query, or a part of them", few),
    };
    let (key, value) = (repeated(scope, &all[1], 2, times)?, repeated(scope, &all[2], 2, times)?);
    Ok([all[0].clone(), key, value])
}

fn attend(scope: &mut Scope<'_>, arguments: &Arguments<Operand>, causal: bool) -> Outcome {
    let [query, key, value] = operands(scope, arguments)?;
    let mut scores = einsum(scope, &[Term::new(&query, "btnh"), Term::new(&key, "bsnh")], "bnts")?;
    let scale = match (maybe(scope, arguments, "scale")?, shape_of(scope, &query)[3].known()) {
        (Some(scale), _) => scope.float(&scale)?,
        (None, Some(features)) => scope.builder.number(&scores, 1.0 / (features as f64).sqrt()),
        (None, None) => return refuse("a known number of features, or `scale`", "neither"),
    };
    scores = scope.emit(Elementwise::Mul, &[&scores, &scale])?;
    if let Some(bias) = maybe(scope, arguments, "bias")? {
        let bias = scope.float(&bias)?;
        scores = scope.emit(Elementwise::Add, &[&scores, &bias])?;
    }
    let mut mask = match maybe(scope, arguments, "mask")? {
        Some(mask) => Some(scope.cast(&mask, DType::Bool)?),
        None => None,
    };
    if let Some(mask) = mask.as_ref().filter(|mask| shape_of(scope, mask).len() > 4) {
        return refuse("a mask [batch, heads, steps, steps]", scope.builder.type_of(mask));
    }
    if causal {
        let before = band(scope.builder, [&query, &key], 1, Band::Causal)?;
        mask = both(scope, mask, Some(before))?;
    }
    let attend = Attend {
        scores,
        letters: "bnts",
        value,
        value_letters: "bsnv",
        over: "s",
        result: "btnv",
        mask,
        blind: Blind::Mean,
    };
    Ok(attend.apply(scope.builder)?.0)
}
