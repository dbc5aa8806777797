//! Operations that cut tensors into pieces and put pieces together.

use masque_ir::Dim;
use masque_ir::ops::{Index, Leaf, Shape};
use masque_ir::program::Operand;
use masque_ir::{DType, ty::resolve_axis};
use serde_json::Value as Json;

use super::built::{
    Built, Outcome, array, axis_of, dtype_of, emit, given, integers, literal, of_one, optional_integer,
    refuse, shape_of, tensor,
};
use super::def;
use super::formula::term;
use super::shapes::{flat, permuted, with_axis, without_axis};
use super::stacks::joined;
use crate::layer::config::{LARGEST_SIZE, brief};
use crate::layer::{Config, ConfigError, Layer, LayerDef, Passed, Scope, Takes};

/// An array that stands in a model's description, as the result of a call without arguments.
pub(in crate::layers) static CONSTANT: LayerDef = def("ops.Constant", |config| {
    let json = config.take("array").unwrap_or_default();
    let (ty, values) = array(&json).ok_or_else(|| ConfigError::new("array", "an array of numbers", &json))?;
    config.keep("array", json);
    let constant = Built::new(&[], move |scope, _| {
        scope.builder.emit(Leaf::Constant { ty: ty.clone(), values: values.clone() }, &[])
    });
    constant.boxed()
});

pub(in crate::layers) static GET_ITEM: LayerDef = def("ops.GetItem", |_| {
    let get = Built::new(&["x", "key"], |scope, arguments| {
        let x = tensor(arguments, "x")?;
        let key = match arguments.get("key") {
            None => vec![Json::Null],
            Some(Passed::Constant(Json::Array(items))) => items.clone(),
            Some(Passed::Constant(item)) => vec![item.clone()],
            Some(_) => return refuse("a `key` of slices and integers", "tensors"),
        };
        get_item(scope, x, &key)
    });
    get.taking(&[("key", Takes::Setting)]).boxed()
});
pub(in crate::layers) static PAD: LayerDef = def("ops.Pad", pad);
pub(in crate::layers) static REPEAT: LayerDef = def("ops.Repeat", repeat);
pub(in crate::layers) static SPLIT: LayerDef = def("ops.Split", split);
pub(in crate::layers) static STACK: LayerDef = def("ops.Stack", |config| {
    let axis = config.integer("axis", Some(0))?;
    let stack = Built::new(&["x"], move |scope, arguments| {
        let mut parts = vec![];
        for x in arguments.tensors("x") {
            let rank = shape_of(scope, x).len();
            let Some(axis) = resolve_axis(axis, rank + 1) else {
                return refuse(format!("`axis` up to {rank}"), axis);
            };
            parts.push((with_axis(scope, x, axis)?, axis as u32));
        }
        let Some(&(_, axis)) = parts.first() else { return refuse("tensors", "none") };
        let parts: Vec<Operand> = parts.into_iter().map(|(part, _)| part).collect();
        joined(scope, &parts, axis)
    });
    stack.taking(&[("x", Takes::Tensors)]).boxed()
});
pub(in crate::layers) static TAKE: LayerDef = def("ops.Take", take);
pub(in crate::layers) static TILE: LayerDef = def("ops.Tile", tile);
pub(in crate::layers) static UNSTACK: LayerDef = def("ops.Unstack", unstack);

/// Positions `start` to `stop` of an axis.
pub(super) fn part(scope: &mut Scope<'_>, x: &Operand, axis: u32, start: Dim, stop: Dim) -> Outcome {
    emit(scope, Shape::Slice { axis, start, stop, step: 1 }, &[x])
}

/// Python's indexing with integers, slices, new axes and an ellipsis.
fn get_item(scope: &mut Scope<'_>, mut x: Operand, key: &[Json]) -> Outcome {
    let is = |item: &Json, class: &str| item.get("class_name").is_some_and(|found| found == class);
    let taken = key.iter().filter(|item| !item.is_null() && !is(item, "__ellipsis__")).count();
    let rank = shape_of(scope, &x).len();
    if taken > rank {
        return refuse(format!("a key for at most {rank} axes"), taken);
    }
    let mut axis = 0;
    for item in key {
        if item.is_null() {
            x = with_axis(scope, &x, axis)?;
            axis += 1;
        } else if is(item, "__ellipsis__") {
            axis += rank - taken;
        } else if is(item, "__slice__") {
            x = slice(scope, &x, axis as u32, item)?;
            axis += 1;
        } else if let Some(place) = item.as_i64() {
            let size = shape_of(scope, &x)[axis].clone();
            let start = if place < 0 { &size + &Dim::constant(place) } else { Dim::constant(place) };
            if size.known().is_some_and(|size| place >= size || place < -size) {
                return refuse(format!("a position of an axis of size {size}"), place);
            }
            let stop = &start + &Dim::constant(1);
            x = part(scope, &x, axis as u32, start, stop)?;
            x = without_axis(scope, &x, axis)?;
        } else {
            return refuse("a `key` of slices, integers, new axes and an ellipsis", brief(item));
        }
    }
    Ok(x)
}

/// One slice as Python has it; on an axis of unknown size, positions have to be within it.
fn slice(scope: &mut Scope<'_>, x: &Operand, axis: u32, item: &Json) -> Outcome {
    let bound = |name: &str| match item.pointer(&format!("/config/{name}")) {
        None | Some(Json::Null) => Ok(None),
        Some(value) => match value.as_i64() {
            Some(number) => Ok(Some(number)),
            None => refuse(format!("an integer as `{name}` of a slice"), brief(value)),
        },
    };
    let (start, stop, step) = (bound("start")?, bound("stop")?, bound("step")?.unwrap_or(1));
    let Ok(distance) = u32::try_from(step.unsigned_abs()) else { return refuse("a step", step) };
    if distance == 0 {
        return refuse("a step other than 0", 0);
    }
    let size = shape_of(scope, x)[axis as usize].clone();
    let place = |bound: i64| {
        let place = if bound < 0 { &size + &Dim::constant(bound) } else { Dim::constant(bound) };
        match (place.known(), size.known()) {
            // Counted from behind, the position before the first is -1.
            (Some(place), Some(size)) if step < 0 => Dim::constant(place.clamp(-1, size - 1)),
            (Some(place), Some(size)) => Dim::constant(place.clamp(0, size)),
            _ => place,
        }
    };
    let (mut first, mut end) = (start.map(place), stop.map(place));
    let mut x = x.clone();
    if step < 0 {
        x = emit(scope, Shape::Reverse { axis }, &[&x])?;
        let last = &size - &Dim::constant(1);
        (first, end) = (first.map(|place| &last - &place), end.map(|place| &last - &place));
    }
    let start = first.unwrap_or_else(|| Dim::constant(0));
    let mut stop = end.unwrap_or(size);
    if let (Some(first), Some(end)) = (start.known(), stop.known()) {
        stop = Dim::constant(end.max(first));
    }
    emit(scope, Shape::Slice { axis, start, stop, step: distance }, &[&x])
}

/// `pad(x, pad_width, mode="constant", constant_values)`
fn pad(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let value = config.take("pad_width").unwrap_or(Json::Null);
    let pair = |item: &Json| match item.as_array().map(Vec::as_slice) {
        Some([before, after]) => Some((before.as_i64()?, after.as_i64()?)),
        _ => None,
    };
    let widths = match (&value, value.as_i64()) {
        (_, Some(width)) => Some(vec![(width, width)]),
        (Json::Array(items), _) => items.iter().map(pair).collect(),
        _ => None,
    };
    let widths = widths.filter(|widths: &Vec<(i64, i64)>| widths.iter().all(|&(a, b)| a >= 0 && b >= 0));
    let widths = widths
        .ok_or_else(|| ConfigError::new("pad_width", "pairs of sizes that are not negative", &value))?;
    config.keep("pad_width", value);
    let mirror =
        config.word("mode", None, &[("constant", None), ("reflect", Some(1)), ("symmetric", Some(0))])?;
    let pad = Built::new(&["x", "constant_values"], move |scope, arguments| {
        let mut x = tensor(arguments, "x")?;
        let number = match arguments.get("constant_values") {
            None => 0.0,
            Some(Passed::Constant(value)) => match super::built::number(value) {
                Some(number) => number,
                None => return refuse("a number as `constant_values`", brief(value)),
            },
            Some(_) => return refuse("a number as `constant_values`", "a tensor"),
        };
        let rank = shape_of(scope, &x).len();
        let widths = if widths.len() == 1 { vec![widths[0]; rank] } else { widths.clone() };
        if widths.len() != rank {
            return refuse(format!("`pad_width` for {rank} axes"), widths.len());
        }
        for (axis, &(before, after)) in widths.iter().enumerate() {
            x = match mirror {
                None => padded(scope, &x, axis, before, after, number)?,
                Some(from) => mirrored(scope, &x, axis as u32, [before, after], from)?,
            };
        }
        Ok(x)
    });
    pad.taking(&[("constant_values", Takes::Setting)]).boxed()
}

/// The same tensor with a number before and after the positions of an axis.
pub(super) fn padded(
    scope: &mut Scope<'_>,
    x: &Operand,
    axis: usize,
    before: i64,
    after: i64,
    number: f64,
) -> Outcome {
    let number = literal(dtype_of(scope, x), number);
    let mut shape = shape_of(scope, x);
    let mut around = vec![];
    for size in [before, after] {
        shape[axis] = Dim::constant(size);
        let filled = match size {
            0 => None,
            _ => Some(emit(scope, Shape::Broadcast { shape: shape.clone() }, &[&number])?),
        };
        around.push(filled);
    }
    let parts: Vec<&Operand> =
        [around[0].as_ref(), Some(x), around[1].as_ref()].into_iter().flatten().collect();
    if parts.len() == 1 { Ok(x.clone()) } else { emit(scope, Shape::Concat { axis: axis as u32 }, &parts) }
}

/// With so many positions of itself mirrored before and after those of an axis: from the first, or from the one that
/// is `from` behind it.
pub(in crate::layers) fn mirrored(
    scope: &mut Scope<'_>,
    x: &Operand,
    axis: u32,
    [before, after]: [i64; 2],
    from: i64,
) -> Outcome {
    let size = shape_of(scope, x)[axis as usize].clone();
    let most = before.max(after) + from;
    if size.known().is_some_and(|size| size < most) {
        return refuse(format!("at least {most} positions"), size);
    }
    let mut turned = |start: Dim, count: i64| {
        let stop = &start + &Dim::constant(count);
        let part = part(scope, x, axis, start, stop)?;
        emit(scope, Shape::Reverse { axis }, &[&part])
    };
    let start = (before > 0).then(|| turned(Dim::constant(from), before)).transpose()?;
    let end = (after > 0).then(|| turned(&size - &Dim::constant(after + from), after)).transpose()?;
    match [start.as_ref(), Some(x), end.as_ref()].into_iter().flatten().collect::<Vec<_>>().as_slice() {
        [x] => Ok((*x).clone()),
        parts => emit(scope, Shape::Concat { axis }, parts),
    }
}

/// `repeat(x, repeats, axis)`: every position several times in a row, each as often as the others or as a list says.
fn repeat(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let times = integers(config, "repeats")?.unwrap_or_default();
    let all = times.iter().try_fold(0, |all: i64, &times| all.checked_add(times).filter(|_| times >= 0));
    if times.len() as i64 > MOST_PIECES || !all.is_some_and(|all| (1..=LARGEST_SIZE).contains(&all)) {
        let expected = "a positive number of times, not too large, or one for each position";
        return Err(ConfigError::new("repeats", expected, &times.into()));
    }
    let axis = optional_integer(config, "axis")?;
    of_one(move |scope, x| {
        let (x, axis) = match axis {
            Some(axis) => (x.clone(), axis_of(scope, x, axis)? as usize),
            None => (flat(scope, x)?, 0),
        };
        match times[..] {
            [times] => repeated(scope, &x, axis, times),
            _ => repeated_each(scope, &x, axis, &times),
        }
    })
}

/// Each position of an axis as many times in a row as it has its number.
fn repeated_each(scope: &mut Scope<'_>, x: &Operand, axis: usize, times: &[i64]) -> Outcome {
    let size = shape_of(scope, x)[axis].clone();
    if size != Dim::constant(times.len() as i64) {
        return refuse(format!("{size} numbers in `repeats`, one for each position"), times.len());
    }
    let mut parts = vec![];
    for (place, &times) in (0..).zip(times) {
        let position = part(scope, x, axis as u32, Dim::constant(place), Dim::constant(place + 1))?;
        parts.push(repeated(scope, &position, axis, times)?);
    }
    joined(scope, &parts, axis as u32)
}

/// Every position of an axis several times in a row.
pub(super) fn repeated(scope: &mut Scope<'_>, x: &Operand, axis: usize, times: i64) -> Outcome {
    if times == 1 {
        return Ok(x.clone());
    }
    let mut shape = shape_of(scope, x);
    let mut spread = shape.clone();
    spread.insert(axis + 1, Dim::constant(times));
    shape[axis] = &shape[axis] * &Dim::constant(times);
    let x = with_axis(scope, x, axis + 1)?;
    let x = emit(scope, Shape::Broadcast { shape: spread }, &[&x])?;
    emit(scope, Shape::Reshape { shape }, &[&x])
}

/// The most pieces that one tensor is cut into.
const MOST_PIECES: i64 = 4096;

/// `split(x, indices_or_sections, axis)`
fn split(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let axis = config.integer("axis", Some(0))?;
    split_along(config, move |_| axis)
}

/// Pieces along an axis, to be told from the number of axes.
pub(super) fn split_along(
    config: &mut Config,
    axis: impl Fn(usize) -> i64 + Send + Sync + 'static,
) -> Result<Box<dyn Layer>, ConfigError> {
    let value = config.take("indices_or_sections").unwrap_or(Json::Null);
    let wrong =
        || ConfigError::new("indices_or_sections", "a number of pieces or a list of positions", &value);
    let cuts: Option<Vec<i64>> = match &value {
        Json::Array(items) => Some(items.iter().map(Json::as_i64).collect::<Option<_>>().ok_or_else(wrong)?),
        _ => None,
    };
    let pieces = match &cuts {
        Some(cuts) => cuts.len() as i64 + 1,
        None => value.as_i64().ok_or_else(wrong)?,
    };
    if !(1..=MOST_PIECES).contains(&pieces) || cuts.iter().flatten().any(|&cut| cut < 0) {
        return Err(wrong());
    }
    config.keep("indices_or_sections", value);
    let split = Built::several(&["x"], pieces as u32, move |scope, arguments| {
        let x = tensor(arguments, "x")?;
        let axis = axis_of(scope, &x, axis(shape_of(scope, &x).len()))?;
        let size = shape_of(scope, &x)[axis as usize].clone();
        let mut bounds = vec![Dim::constant(0)];
        match &cuts {
            Some(cuts) => bounds.extend(cuts.iter().map(|&cut| match size.known() {
                Some(size) => Dim::constant(cut.min(size)),
                None => Dim::constant(cut),
            })),
            None => {
                let Some(each) = size.exact_div(&Dim::constant(pieces)) else {
                    return refuse(format!("an axis that {pieces} divides"), size);
                };
                bounds.extend((1..pieces).map(|piece| &each * &Dim::constant(piece)));
            }
        }
        bounds.push(size);
        bounds.windows(2).map(|at| part(scope, &x, axis, at[0].clone(), at[1].clone())).collect()
    });
    split.boxed()
}

/// `unstack(x, num, axis)`: one tensor for each position; `outputs` says how many of them the model reads.
fn unstack(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let axis = config.integer("axis", Some(0))?;
    let count = match optional_integer(config, "num")? {
        Some(count) => {
            config.ignore(&["outputs"]);
            count
        }
        None => config.size("outputs")?,
    };
    if !(1..=MOST_PIECES).contains(&count) {
        return Err(ConfigError::new("num", "a number of pieces", &count.into()));
    }
    let unstack = Built::several(&["x"], count as u32, move |scope, arguments| {
        let x = tensor(arguments, "x")?;
        let axis = axis_of(scope, &x, axis)?;
        let size = shape_of(scope, &x)[axis as usize].clone();
        match size.known() {
            Some(size) if size >= count => {}
            _ => return refuse(format!("an axis of size {count} at least"), size),
        }
        let mut pieces = vec![];
        for place in 0..count {
            let piece = part(scope, &x, axis, Dim::constant(place), Dim::constant(place + 1))?;
            pieces.push(without_axis(scope, &piece, axis as usize)?);
        }
        Ok(pieces)
    });
    unstack.boxed()
}

/// `take(x, indices, axis)`: the positions that a list of numbers or a tensor names; negative ones from the end.
fn take(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let axis = optional_integer(config, "axis")?;
    let take = Built::new(&["x", "indices"], move |scope, arguments| {
        let x = tensor(arguments, "x")?;
        let (x, axis) = match axis {
            Some(axis) => (x.clone(), axis_of(scope, &x, axis)?),
            None => (flat(scope, &x)?, 0),
        };
        if let Some(Passed::Constant(value)) = arguments.get("indices") {
            let places = value.pointer("/config/value").unwrap_or(value);
            if places.as_array().is_none_or(|items| items.iter().all(Json::is_i64)) {
                return take_constant(scope, &x, axis, places);
            }
        }
        let indices = given(scope, arguments, "indices")?;
        let indices = term(&scope.cast(&indices, DType::I64)?);
        let size = term(&emit(scope, Shape::Size { axes: vec![axis] }, &[&x])?);
        let indices = (indices.clone() + size).if_so(indices.below(0.0), indices).build(scope)?;
        picked(scope, &x, axis, &indices)
    });
    take.boxed()
}

/// The positions of an axis that a tensor of numbers names; its axes stand in that axis' place.
pub(super) fn picked(scope: &mut Scope<'_>, x: &Operand, axis: u32, indices: &Operand) -> Outcome {
    let (rank, more) = (shape_of(scope, x).len() as u32, shape_of(scope, indices).len() as u32);
    let front: Vec<u32> = std::iter::once(axis).chain((0..rank).filter(|&other| other != axis)).collect();
    let table = permuted(scope, x, front)?;
    let taken = emit(scope, Index::Gather, &[&table, indices])?;
    let before = more..more + axis;
    let perm = before.chain(0..more).chain(more + axis..more + rank - 1).collect();
    permuted(scope, &taken, perm)
}

/// The positions of an axis that a constant names, one after another.
fn take_constant(scope: &mut Scope<'_>, x: &Operand, axis: u32, given: &Json) -> Outcome {
    let places: Option<Vec<i64>> = match given {
        Json::Array(items) => items.iter().map(Json::as_i64).collect(),
        item => item.as_i64().map(|place| vec![place]),
    };
    let Some(places) = places.filter(|places| !places.is_empty()) else {
        return refuse("an integer or a list of integers as `indices`", brief(given));
    };
    let size = shape_of(scope, x)[axis as usize].clone();
    let mut parts = vec![];
    for place in places {
        if size.known().is_some_and(|size| place >= size || place < -size) {
            return refuse(format!("positions of an axis of size {size}"), place);
        }
        let start = if place < 0 { &size + &Dim::constant(place) } else { Dim::constant(place) };
        let stop = &start + &Dim::constant(1);
        parts.push(part(scope, x, axis, start, stop)?);
    }
    let taken = match parts.as_slice() {
        [one] => one.clone(),
        parts => emit(scope, Shape::Concat { axis }, &parts.iter().collect::<Vec<_>>())?,
    };
    if given.is_array() { Ok(taken) } else { without_axis(scope, &taken, axis as usize) }
}

/// `tile(x, repeats)`: the whole tensor several times, side by side.
fn tile(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let repeats = integers(config, "repeats")?.unwrap_or_default();
    if repeats.iter().any(|times| !(1..=MOST_PIECES).contains(times)) {
        return Err(ConfigError::new("repeats", "positive numbers", &repeats.into()));
    }
    of_one(move |scope, x| {
        let mut x = x.clone();
        while shape_of(scope, &x).len() < repeats.len() {
            x = with_axis(scope, &x, 0)?;
        }
        let before = shape_of(scope, &x).len() - repeats.len();
        for (axis, &times) in repeats.iter().enumerate().filter(|(_, times)| **times > 1) {
            let parts = vec![&x; times as usize];
            x = emit(scope, Shape::Concat { axis: (before + axis) as u32 }, &parts)?;
        }
        Ok(x)
    })
}
