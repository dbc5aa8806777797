//! What masks the outputs of a call have, by its rule.

use masque_ir::Type;
use masque_ir::layers::{CallId, TensorRef};
use masque_ir::mask::{Band, MaskId, MaskPool};

use super::{Incoming, Pairs, Rules};
use crate::layer::{Arguments, Birth, MaskRule};

/// Applies a rule: the mask of each output.
pub fn apply(
    rules: Rules,
    rule: &MaskRule,
    arguments: &Arguments<TensorRef>,
    incoming: &Incoming,
    outputs: &[Type],
    rank: impl Fn(TensorRef) -> u32,
    pool: &mut MaskPool,
) -> Vec<Option<MaskId>> {
    let Incoming { previous: incoming, all, pairs } = incoming;
    let mut apply = |rule: &MaskRule| -> Option<MaskId> {
        let mut over_steps = false;
        let rule = match rule {
            MaskRule::OverSteps(_) if !rules.is_keras2() => &MaskRule::Keep,
            MaskRule::OverSteps(inner) => {
                over_steps = true;
                inner.of_output(0)
            }
            rule => rule,
        };
        match rule {
            MaskRule::Born(birth) => {
                let x = *arguments.first()?;
                let rank = rank(x);
                Some(match birth {
                    Birth::NonZero => pool.not_equal(x, 0.0, rank),
                    Birth::AnyDiffers(number) => {
                        let differs = pool.not_equal(x, *number, rank);
                        pool.any_last(differs)
                    }
                })
            }
            MaskRule::FoldSteps => incoming.first().copied().flatten().map(|mask| pool.fold(mask)),
            MaskRule::UnfoldSteps if rules.is_keras2() && all.get(1).is_some_and(Option::is_some) => {
                let steps = *arguments.first()?;
                all[1].map(|mask| pool.unfold(mask, steps))
            }
            MaskRule::UnfoldSteps if rules.is_keras2() => steps_with_anything(incoming, pool),
            MaskRule::UnfoldSteps => incoming.first().copied().flatten(),
            MaskRule::Keep => incoming.first().copied().flatten(),
            MaskRule::KeepOf(place) => incoming.get(*place).copied().flatten(),
            MaskRule::Received(place) => all.get(*place).copied().flatten(),
            MaskRule::Union if rules.is_keras2() => intersection(incoming, pool),
            MaskRule::Union => {
                let masks: Option<Vec<MaskId>> = incoming.iter().copied().collect();
                masks.filter(|masks| !masks.is_empty()).map(|masks| pool.or(&masks))
            }
            MaskRule::Either => {
                let names = arguments.data_parameters();
                let tensors = names.iter().flat_map(|name| arguments.tensors(name));
                let whole = |(tensor, mask): (&TensorRef, &Option<MaskId>)| {
                    mask.filter(|_| outputs.iter().all(|output| output.rank() as u32 == rank(*tensor)))
                };
                let masks: Vec<MaskId> = tensors.zip(all).filter_map(whole).collect();
                (!masks.is_empty()).then(|| pool.or(&masks))
            }
            MaskRule::Sees { bands, axes } => {
                let rank = outputs.get(1).map_or(0, Type::rank) as u32;
                sees(bands, *axes as u32, arguments, (all, pairs), rank, pool)
            }
            MaskRule::Reversed { axis } => {
                let mask = incoming.first().copied().flatten()?;
                Some(pool.reverse(*axis as u32, mask))
            }
            MaskRule::Concat { axis } if rules.is_keras2() => {
                concat_in_keras2(*axis, arguments, incoming, &rank, pool)
            }
            MaskRule::Concat { axis } => concat(*axis, arguments, incoming, &rank, pool),
            MaskRule::Ends | MaskRule::Lost if over_steps => steps_with_anything(incoming, pool),
            MaskRule::Ends
            | MaskRule::Lost
            | MaskRule::Unknown
            | MaskRule::OverSteps(_)
            | MaskRule::PerOutput(_) => None,
        }
    };
    (0..outputs.len()).map(|output| apply(rule.of_output(output))).collect()
}

/// The masks of a call's outputs where nobody can tell what they are.
pub fn unknown(call: CallId, outputs: &[Type], pool: &mut MaskPool) -> Vec<Option<MaskId>> {
    let mask = |(output, ty): (usize, &Type)| {
        let tensor = TensorRef { call, output: output as u32 };
        (ty.rank() > 0).then(|| pool.unknown(tensor, ty.rank().min(2) as u32))
    };
    outputs.iter().enumerate().map(mask).collect()
}

/// Of each step whether the first mask holds anywhere in it.
fn steps_with_anything(incoming: &[Option<MaskId>], pool: &mut MaskPool) -> Option<MaskId> {
    let mask = incoming.first().copied().flatten()?;
    Some((2..pool.rank(mask)).fold(mask, |mask, _| pool.any_last(mask)))
}

/// The masks of query, value and key for each pair of positions, and those passed by hand for pairs, and the bands.
fn sees(
    bands: &[Band],
    axes: u32,
    arguments: &Arguments<TensorRef>,
    (all, pairs): (&[Option<MaskId>], &Pairs),
    rank: u32,
    pool: &mut MaskPool,
) -> Option<MaskId> {
    let names = arguments.data_parameters();
    let mut parts = vec![];
    for (name, mask) in names.iter().zip(all) {
        let Some(mask) = *mask else { continue };
        let last = pool.rank(mask);
        parts.push(pool.expand(if *name == "query" { last } else { last.saturating_sub(1) }, mask));
    }
    if let Some(mask) = pairs.key {
        parts.push(pool.expand(pool.rank(mask).saturating_sub(1), mask));
    }
    let of = |parameter: &str| arguments.tensors(parameter).first().or(arguments.first());
    let (query, value) = (*of("query")?, *of("value")?);
    parts.extend(bands.iter().map(|band| pool.band(*band, query, value)));
    parts.extend(pairs.both);
    let mut mask = (!parts.is_empty()).then(|| pool.and(&parts))?;
    while pool.rank(mask) < rank {
        mask = pool.expand(pool.rank(mask).saturating_sub(2 * axes), mask);
    }
    Some(mask)
}

/// True where all masks are that there are.
fn intersection(incoming: &[Option<MaskId>], pool: &mut MaskPool) -> Option<MaskId> {
    let masks: Vec<MaskId> = incoming.iter().flatten().copied().collect();
    (!masks.is_empty()).then(|| pool.and(&masks))
}

/// The formula of Keras 2, `all(concat(axis, m_i in the shape of x_i, or ones), -1)`, worked out: along the last axis
/// all masks have to hold, along another one they are joined.
fn concat_in_keras2(
    axis: usize,
    arguments: &Arguments<TensorRef>,
    incoming: &[Option<MaskId>],
    rank: &impl Fn(TensorRef) -> u32,
    pool: &mut MaskPool,
) -> Option<MaskId> {
    incoming.iter().flatten().next()?;
    let mut parts = vec![];
    let (mut last, data) = (0, arguments.data());
    for (&tensor, &mask) in data.iter().zip(incoming) {
        last = rank(tensor).saturating_sub(1);
        let all_last = |mask: MaskId, pool: &mut MaskPool| {
            let fails = pool.not(mask);
            let fails = pool.any_last(fails);
            pool.not(fails)
        };
        parts.push(mask.map(|mask| if pool.rank(mask) > last { all_last(mask, pool) } else { mask }));
    }
    if axis as u32 == last {
        return intersection(&parts, pool);
    }
    let parts: Vec<MaskId> = parts
        .into_iter()
        .zip(data)
        .map(|(mask, &tensor)| mask.unwrap_or_else(|| pool.ones(tensor, last)))
        .collect();
    Some(pool.concat(axis as u32, &parts))
}

/// Keras' formula, which the pool simplifies: `any(concat(axis, m_i in the shape of x_i, or ones), -1)`.
fn concat(
    axis: usize,
    arguments: &Arguments<TensorRef>,
    incoming: &[Option<MaskId>],
    rank: &impl Fn(TensorRef) -> u32,
    pool: &mut MaskPool,
) -> Option<MaskId> {
    incoming.iter().flatten().next()?;
    let mut parts = vec![];
    for (&tensor, mask) in arguments.data().iter().zip(incoming) {
        parts.push(match mask {
            Some(mask) if pool.rank(*mask) + 1 == rank(tensor) => pool.spread(*mask, tensor),
            Some(mask) => *mask,
            None => pool.ones(tensor, rank(tensor)),
        });
    }
    let joined = pool.concat(axis as u32, &parts);
    Some(pool.any_last(joined))
}
