//! Operations that put elements to places given by number, or take a window out at a place.
//!
//! Which elements come to a place is asked of every element: that is slow where there are many, and has one order.

use masque_ir::ops::{Elementwise, Index, Reduce, Shape};
use masque_ir::program::Operand;
use masque_ir::{DType, Dim};

use super::along::positions;
use super::built::{Built, Outcome, dtype_of, emit, given, integers, literal, refuse, shape_of, tensor};
use super::def;
use super::formula::term;
use super::pieces::{part, picked};
use super::shapes::{flat, with_axis};
use crate::layer::{Config, ConfigError, Layer, LayerDef, Scope};

/// How elements that come to one place are put together.
#[derive(Clone, Copy, PartialEq)]
enum Together {
    Last,
    Sum,
    Largest,
    Smallest,
    Product,
}

/// What comes to each of `count` places: of the rows of `updates` `[N, …]`, those whose number in `places` `[N]` is
/// the place's; and whether any does, `[count, 1, …]`.
fn gathered(
    scope: &mut Scope<'_>,
    places: &Operand,
    updates: &Operand,
    count: Dim,
    together: Together,
) -> Outcome<(Operand, Operand)> {
    let rank = shape_of(scope, updates).len();
    let zero = literal(DType::I64, 0.0);
    let all = emit(scope, Shape::Broadcast { shape: [count, Dim::constant(1)].into() }, &[&zero])?;
    let numbers = positions(scope, &all, 0)?;
    let hits = term(&numbers).equals(term(places)).build(scope)?;
    let any = emit(scope, Reduce::Any { axes: vec![1], keep: false }, &[&hits])?;
    let any = scope.builder.trail_axes(&any, rank)?;
    if together == Together::Last {
        let rows = positions(scope, &hits, 1)?;
        let last = term(&rows).if_so(term(&hits), 0.0).build(scope)?;
        let last = emit(scope, Reduce::ReduceMax { axes: vec![1], keep: false }, &[&last])?;
        return Ok((emit(scope, Index::Gather, &[updates, &last])?, any));
    }
    let hits = scope.builder.trail_axes(&hits, rank + 1)?;
    let updates = with_axis(scope, updates, 0)?;
    let axes = vec![1];
    let (neutral, fold) = match together {
        Together::Product => (literal(dtype_of(scope, &updates), 1.0), Reduce::Product { axes, keep: false }),
        Together::Largest => (extreme(scope, &updates, together)?, Reduce::ReduceMax { axes, keep: false }),
        Together::Smallest => (extreme(scope, &updates, together)?, Reduce::ReduceMin { axes, keep: false }),
        _ => (literal(dtype_of(scope, &updates), 0.0), Reduce::Sum { axes, keep: false }),
    };
    let chosen = term(&updates).if_so(term(&hits), term(&neutral)).build(scope)?;
    Ok((emit(scope, fold, &[&chosen])?, any))
}

/// A number beside which that of any row of `updates` `[1, N, …]` counts: the smallest or the largest of the type. No
/// literal holds those of 64-bit integers, of which the rows' own extreme is taken.
fn extreme(scope: &mut Scope<'_>, updates: &Operand, together: Together) -> Outcome {
    let dtype = dtype_of(scope, updates);
    let (least, most) = match dtype {
        DType::F32 => (f64::from(f32::MIN), f64::from(f32::MAX)),
        DType::F64 => (f64::MIN, f64::MAX),
        DType::I64 => {
            let (axes, keep) = (vec![1], true);
            let own = match together {
                Together::Largest => Reduce::ReduceMin { axes, keep },
                _ => Reduce::ReduceMax { axes, keep },
            };
            return emit(scope, own, &[updates]);
        }
        _ => (f64::from(i32::MIN), f64::from(i32::MAX)),
    };
    Ok(literal(dtype, if together == Together::Largest { least } else { most }))
}

fn segments(config: &mut Config, together: Together) -> Result<Box<dyn Layer>, ConfigError> {
    let count = super::built::optional_integer(config, "num_segments")?;
    let sorted = config.bool("sorted", false)?;
    let Some(count) = count.filter(|count| (1..=1 << 20).contains(count) && !sorted) else {
        let expected =
            "their number, and `sorted` false: without it the result's size would depend on the data";
        return Err(ConfigError::new("num_segments", expected, &count.into()));
    };
    let segments = Built::new(&["data", "segment_ids"], move |scope, arguments| {
        let (data, places) = (tensor(arguments, "data")?, given(scope, arguments, "segment_ids")?);
        if shape_of(scope, &places).len() != 1 || shape_of(scope, &data).is_empty() {
            return refuse("one number for each row", scope.builder.type_of(&places));
        }
        let extreme = matches!(together, Together::Largest | Together::Smallest);
        if extreme && dtype_of(scope, &data) == DType::I64 {
            return refuse("numbers of at most 32 bits, or floating point", scope.builder.type_of(&data));
        }
        let places = scope.cast(&places, DType::I64)?;
        Ok(gathered(scope, &places, &data, Dim::constant(count), together)?.0)
    });
    segments.boxed()
}

pub(in crate::layers) static SEGMENT_MAX: LayerDef =
    def("ops.SegmentMax", |config| segments(config, Together::Largest));
pub(in crate::layers) static SEGMENT_MIN: LayerDef =
    def("ops.SegmentMin", |config| segments(config, Together::Smallest));
pub(in crate::layers) static SEGMENT_PROD: LayerDef =
    def("ops.SegmentProd", |config| segments(config, Together::Product));
pub(in crate::layers) static SEGMENT_SUM: LayerDef =
    def("ops.SegmentSum", |config| segments(config, Together::Sum));

/// Rows that a list of places `indices` `[…, K]` names among the first `K` axes of a shape, as one number for each.
fn places(scope: &mut Scope<'_>, indices: &Operand, shape: &[Dim]) -> Outcome<(Operand, usize)> {
    let indices = scope.cast(indices, DType::I64)?;
    let found = shape_of(scope, &indices);
    let depth = found.last().and_then(Dim::known).and_then(|depth| usize::try_from(depth).ok());
    let Some(depth) = depth.filter(|depth| (1..=shape.len()).contains(depth)) else {
        return refuse(format!("places with up to {} numbers", shape.len()), scope.builder.type_of(&indices));
    };
    let axis = found.len() as u32 - 1;
    let mut all = literal(DType::I64, 0.0);
    for (place, size) in shape[..depth].iter().enumerate() {
        let Some(size) = size.known().or((place == 0).then_some(1)) else {
            return refuse("axes of known size behind the first", size);
        };
        let place = place as i64;
        let each = part(scope, &indices, axis, Dim::constant(place), Dim::constant(place + 1))?;
        all = (term(&all) * size as f64 + term(&each)).build(scope)?;
    }
    Ok((flat(scope, &all)?, depth))
}

/// The first axes of a tensor as one.
fn joined(scope: &mut Scope<'_>, x: &Operand, axes: usize) -> Outcome {
    let shape = shape_of(scope, x);
    let first = shape[..axes].iter().fold(Dim::constant(1), |all, size| &all * size);
    let shape = std::iter::once(first).chain(shape[axes..].iter().cloned()).collect();
    emit(scope, Shape::Reshape { shape }, &[x])
}

/// `scatter(indices, values, shape)`: values put to places, those of one place added.
pub(in crate::layers) static SCATTER: LayerDef = def("ops.Scatter", |config| {
    let sizes = integers(config, "shape")?.unwrap_or_default();
    let scatter = Built::new(&["indices", "values"], move |scope, arguments| {
        let (indices, values) = (given(scope, arguments, "indices")?, given(scope, arguments, "values")?);
        let shape: Vec<Dim> = sizes.iter().map(|&size| Dim::constant(size.max(0))).collect();
        let (places, depth) = places(scope, &indices, &shape)?;
        let before = shape_of(scope, &indices).len() - 1;
        if shape_of(scope, &values).len() < before {
            return refuse("a value for each place", scope.builder.type_of(&values));
        }
        let values = joined(scope, &values, before)?;
        let count = shape[..depth].iter().fold(Dim::constant(1), |all, size| &all * size);
        let (sums, _) = gathered(scope, &places, &values, count, Together::Sum)?;
        emit(scope, Shape::Reshape { shape: shape.into() }, &[&sums])
    });
    scatter.boxed()
});

/// `scatter_update(inputs, indices, updates, reduction)`
pub(in crate::layers) static SCATTER_UPDATE: LayerDef = def("ops.ScatterUpdate", |config| {
    config.name_null("reduction", "last");
    let words = [
        ("last", Together::Last),
        ("add", Together::Sum),
        ("max", Together::Largest),
        ("min", Together::Smallest),
        ("mul", Together::Product),
    ];
    let together = config.word("reduction", Together::Last, &words)?;
    let update = Built::new(&["inputs", "indices", "updates"], move |scope, arguments| {
        let x = tensor(arguments, "inputs")?;
        let (indices, updates) = (given(scope, arguments, "indices")?, given(scope, arguments, "updates")?);
        let updates = scope.cast(&updates, dtype_of(scope, &x))?;
        let shape = shape_of(scope, &x);
        let (places, depth) = places(scope, &indices, &shape)?;
        let before = shape_of(scope, &indices).len() - 1;
        if shape_of(scope, &updates).len() < before {
            return refuse("an update for each place", scope.builder.type_of(&updates));
        }
        let (rows, updates) = (joined(scope, &x, depth)?, joined(scope, &updates, before)?);
        let count = shape_of(scope, &rows)[0].clone();
        let (new, any) = gathered(scope, &places, &updates, count, together)?;
        let (rows, new) = (term(&rows), term(&new));
        let rows = match together {
            Together::Last => new.if_so(term(&any), rows),
            Together::Sum => rows + new,
            Together::Largest => rows.larger(new),
            Together::Smallest => rows.smaller(new),
            Together::Product => rows * new,
        };
        let rows = rows.build(scope)?;
        emit(scope, Shape::Reshape { shape }, &[&rows])
    });
    update.boxed()
});

/// Where a window begins, for each axis of `x`: a list of numbers, or a tensor of them.
fn starts(scope: &mut Scope<'_>, starts: &Operand, rank: usize) -> Outcome<Vec<Operand>> {
    let starts = scope.cast(starts, DType::I64)?;
    let starts = flat(scope, &starts)?;
    if shape_of(scope, &starts)[0].known() != Some(rank as i64) {
        return refuse(format!("{rank} places"), scope.builder.type_of(&starts));
    }
    (0..rank as i64)
        .map(|axis| part(scope, &starts, 0, Dim::constant(axis), Dim::constant(axis + 1)))
        .collect()
}

/// `slice(inputs, start_indices, shape)`: a window of `x`.
pub(in crate::layers) static SLICE: LayerDef = def("ops.Slice", |config| {
    let sizes = integers(config, "shape")?.unwrap_or_default();
    let slice = Built::new(&["inputs", "start_indices"], move |scope, arguments| {
        let mut x = tensor(arguments, "inputs")?;
        let start = given(scope, arguments, "start_indices")?;
        let starts = starts(scope, &start, sizes.len())?;
        if shape_of(scope, &x).len() != sizes.len() {
            return refuse(format!("{} axes", sizes.len()), scope.builder.type_of(&x));
        }
        for (axis, (start, &size)) in starts.iter().zip(&sizes).enumerate() {
            let zero = literal(DType::I64, 0.0);
            let row = emit(scope, Shape::Broadcast { shape: [Dim::constant(size.max(0))].into() }, &[&zero])?;
            let row = emit(scope, Shape::Positions { axis: 0 }, &[&row])?;
            let places = (term(&row) + term(start)).build(scope)?;
            x = picked(scope, &x, axis as u32, &places)?;
        }
        Ok(x)
    });
    slice.boxed()
});

/// `slice_update(inputs, start_indices, updates)`: a window of `x` replaced; it is moved until it lies within `x`.
pub(in crate::layers) static SLICE_UPDATE: LayerDef = def("ops.SliceUpdate", |_| {
    let update = Built::new(&["inputs", "start_indices", "updates"], |scope, arguments| {
        let (x, start) = (tensor(arguments, "inputs")?, given(scope, arguments, "start_indices")?);
        let mut new = given(scope, arguments, "updates")?;
        let (shape, window) = (shape_of(scope, &x), shape_of(scope, &new));
        if shape.len() != window.len() {
            return refuse(format!("updates with {} axes", shape.len()), scope.builder.type_of(&new));
        }
        new = scope.cast(&new, dtype_of(scope, &x))?;
        let mut inside = None;
        for (axis, start) in starts(scope, &start, shape.len())?.iter().enumerate() {
            let of = vec![axis as u32];
            let all = term(&emit(scope, Shape::Size { axes: of.clone() }, &[&x])?);
            let size = term(&emit(scope, Shape::Size { axes: of }, &[&new])?);
            let start = term(start).larger(0.0).smaller(all - size.clone());
            let row = term(&emit(scope, Shape::Positions { axis: axis as u32 }, &[&x])?) - start;
            let within =
                term(&row.clone().larger(0.0).build(scope)?).equals(row.clone()).and(row.below(size.clone()));
            let within = within.build(scope)?;
            let within = scope.builder.trail_axes(&within, shape.len() - axis)?;
            inside = Some(match inside {
                None => within,
                Some(inside) => emit(scope, Elementwise::And, &[&inside, &within])?,
            });
            let places = row.larger(0.0).smaller(size - 1.0).build(scope)?;
            new = picked(scope, &new, axis as u32, &places)?;
        }
        let Some(inside) = inside else { return Ok(new) };
        emit(scope, Elementwise::Select, &[&inside, &new, &x])
    });
    update.boxed()
});

/// `take_along_axis(x, indices, axis)`; negative numbers count from the end.
pub(in crate::layers) static TAKE_ALONG_AXIS: LayerDef = def("ops.TakeAlongAxis", |config| {
    let axis = super::built::optional_integer(config, "axis")?;
    let take = Built::new(&["x", "indices"], move |scope, arguments| {
        let (x, indices) = (tensor(arguments, "x")?, given(scope, arguments, "indices")?);
        let (x, axis) = super::along::in_line(scope, &x, axis)?;
        let indices = scope.cast(&indices, DType::I64)?;
        let size = term(&emit(scope, Shape::Size { axes: vec![axis] }, &[&x])?);
        let indices = term(&indices);
        let indices = (indices.clone() + size).if_so(indices.below(0.0), indices).build(scope)?;
        let mut shape = shape_of(scope, &x);
        if let (Some(size), Some(found)) =
            (shape.get_mut(axis as usize), shape_of(scope, &indices).get(axis as usize))
        {
            *size = found.clone();
        }
        let indices = match shape_of(scope, &indices) == shape {
            true => indices,
            false => emit(scope, Shape::Broadcast { shape }, &[&indices])?,
        };
        emit(scope, Index::GatherAlong { axis }, &[&x, &indices])
    });
    take.boxed()
});
