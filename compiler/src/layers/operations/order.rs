//! Operations that look at the order of elements: quantiles, the largest few, places among sorted numbers.

use masque_ir::ops::{Elementwise, Index, Reduce, Shape};
use masque_ir::program::Operand;
use masque_ir::{DType, Dim, Float};

use super::along::{positions, sorted};
use super::built::{
    Built, Outcome, array, axis_of, both, dtype_of, emit, given, integers, literal, numeric, of_one, real,
    refuse, shape_of, tensor,
};
use super::formula::{Term, term};
use super::pieces::part;
use super::reduce::{axes, folded};
use super::shapes::{flat, permuted, with_axis, without_axis};
use super::{common, def};
use crate::layer::{Arguments, Config, ConfigError, Layer, LayerDef, Passed, Scope, Takes};

/// Which part of the elements is smaller.
#[derive(Clone, Copy)]
enum Part {
    Of(f64),
    /// Passed in the call, as parts or hundredths.
    Passed(f64),
}

fn quantile(config: &mut Config, which: Part, passes_nan: bool) -> Result<Box<dyn Layer>, ConfigError> {
    let (axes, keep) = (axes(config)?, config.bool("keepdims", false)?);
    // As an operation of a model, Keras goes from one element to the next in a line, whatever its method says.
    config.ignore(&["method"]);
    let quantile = Built::new(&["x", "q"], move |scope, arguments| {
        let x = real(scope, &tensor(arguments, "x")?)?;
        let ty = scope.builder.type_of(&x);
        let Some(axes) = folded(&axes, ty.rank()) else { return refuse(format!("axes of {ty}"), "others") };
        let (parts, several) = parts(which, arguments)?;
        let rows = Rows::new(scope, &x, &axes, passes_nan)?;
        let mut found = vec![];
        for part in parts {
            let mut y = rows.quantile(scope, part)?;
            if keep {
                for &axis in &axes {
                    y = with_axis(scope, &y, axis as usize)?;
                }
            }
            found.push(if several { with_axis(scope, &y, 0)? } else { y });
        }
        match found.as_slice() {
            [one] => Ok(one.clone()),
            several => emit(scope, Shape::Concat { axis: 0 }, &several.iter().collect::<Vec<_>>()),
        }
    });
    quantile.boxed()
}

/// The parts asked for, and whether they are a list.
fn parts(which: Part, arguments: &Arguments<Operand>) -> Outcome<(Vec<f64>, bool)> {
    let unit = match which {
        Part::Of(part) => return Ok((vec![part], false)),
        Part::Passed(unit) => unit,
    };
    let given = match arguments.get("q") {
        Some(Passed::Constant(value)) => array(value),
        _ => None,
    };
    match given.filter(|(ty, values)| ty.rank() < 2 && !values.is_empty()) {
        // Keras has them as f32, and percents divided by 100 there.
        Some((ty, values)) => {
            let part = |value: f64| f64::from(value as f32 / unit as f32);
            Ok((values.iter().map(|value| part(value.0)).collect(), ty.rank() == 1))
        }
        None => refuse("a number or a list of numbers as `q`", "something else"),
    }
}

/// Sorted rows; behind what is a number stands what is not.
struct Rows {
    sorted: Operand,
    axis: u32,
    /// The number of elements, or of those that are numbers, for each row.
    count: Operand,
    passes_nan: bool,
}

impl Rows {
    fn new(scope: &mut Scope<'_>, x: &Operand, axes: &[u32], passes_nan: bool) -> Outcome<Rows> {
        let shape = shape_of(scope, x);
        let others: Vec<u32> = (0..shape.len() as u32).filter(|axis| !axes.contains(axis)).collect();
        let moved = permuted(scope, x, others.iter().chain(axes).copied().collect())?;
        let mut rows: Vec<Dim> = others.iter().map(|&axis| shape[axis as usize].clone()).collect();
        let axis = rows.len() as u32;
        rows.push(axes.iter().fold(Dim::constant(1), |all, &axis| &all * &shape[axis as usize]));
        let row = emit(scope, Shape::Reshape { shape: rows.into() }, &[&moved])?;
        let sorted = sorted(scope, &row, axis)?;
        let valid = if passes_nan {
            term(&row).equals(term(&row))
        } else {
            term(&row).equals(term(&row)).or(term(&row).is_nan())
        };
        let valid = valid.cast(DType::F64).build(scope)?;
        let count = emit(scope, Reduce::Sum { axes: vec![axis], keep: true }, &[&valid])?;
        Ok(Rows { sorted, axis, count, passes_nan })
    }

    /// The element of each row at a place, which is whole but a float.
    fn at(&self, scope: &mut Scope<'_>, place: &Term) -> Outcome<Term> {
        let last = term(&self.count) - 1.0;
        let place = place.smaller(last).larger(0.0).cast(DType::I64).build(scope)?;
        Ok(term(&emit(scope, Index::GatherAlong { axis: self.axis }, &[&self.sorted, &place])?))
    }

    fn quantile(&self, scope: &mut Scope<'_>, part: f64) -> Outcome {
        let exact = (term(&self.count) - 1.0) * part;
        let lower = (-(-exact.clone()).floor() - 1.0).larger(0.0);
        let higher = (lower.clone() + 1.0).smaller(term(&self.count) - 1.0);
        let fraction = (higher.clone() - exact).cast(dtype_of(scope, &self.sorted));
        let (low, high) = (self.at(scope, &lower)?, self.at(scope, &higher)?);
        let y = high * (Term::Number(1.0) - fraction.clone()) + low * fraction;
        let y = if self.passes_nan {
            y
        } else {
            let last = self.at(scope, &(term(&self.count) - 1.0))?;
            y.if_so(last.equals(&last), last)
        };
        let y = y.build(scope)?;
        without_axis(scope, &y, self.axis as usize)
    }
}

pub(in crate::layers) static MEDIAN: LayerDef =
    def("ops.Median", |config| quantile(config, Part::Of(0.5), false));
pub(in crate::layers) static NANMEDIAN: LayerDef =
    def("ops.Nanmedian", |config| quantile(config, Part::Of(0.5), true));
pub(in crate::layers) static NANPERCENTILE: LayerDef =
    def("ops.Nanpercentile", |config| quantile(config, Part::Passed(100.0), true));
pub(in crate::layers) static NANQUANTILE: LayerDef =
    def("ops.Nanquantile", |config| quantile(config, Part::Passed(1.0), true));
pub(in crate::layers) static PERCENTILE: LayerDef =
    def("ops.Percentile", |config| quantile(config, Part::Passed(100.0), false));
pub(in crate::layers) static QUANTILE: LayerDef =
    def("ops.Quantile", |config| quantile(config, Part::Passed(1.0), false));

/// `top_k(x, k)`: the largest elements of the last axis, from the largest down, and where they stand.
pub(in crate::layers) static TOP_K: LayerDef = def("ops.TopK", |config| {
    let k = config.size("k")?;
    config.ignore(&["sorted"]);
    let top = Built::several(&["x"], 2, move |scope, arguments| {
        let x = tensor(arguments, "x")?;
        let axis = axis_of(scope, &x, -1)?;
        let size = shape_of(scope, &x)[axis as usize].clone();
        if size.known().is_some_and(|size| size < k) {
            return refuse(format!("at least {k} elements"), size);
        }
        // From behind, so that of equal elements the first comes first.
        let behind = emit(scope, Shape::Reverse { axis }, &[&x])?;
        let order = emit(scope, Index::Order { axis }, &[&behind])?;
        let order = emit(scope, Shape::Reverse { axis }, &[&order])?;
        let order = part(scope, &order, axis, Dim::constant(0), Dim::constant(k))?;
        let count = emit(scope, Shape::Size { axes: vec![axis] }, &[&x])?;
        let places = (term(&count) - 1.0 - term(&order)).build(scope)?;
        let values = emit(scope, Index::GatherAlong { axis }, &[&x, &places])?;
        Ok(vec![values, scope.cast(&places, DType::I32)?])
    });
    top.boxed()
});

/// `in_top_k(targets, predictions, k)`: are fewer than `k` predictions larger than that of the target?
pub(in crate::layers) static IN_TOP_K: LayerDef = def("ops.InTopK", |config| {
    let k = config.size("k")?;
    let among = Built::new(&["targets", "predictions"], move |scope, arguments| {
        let (targets, predictions) = (given(scope, arguments, "targets")?, tensor(arguments, "predictions")?);
        if !dtype_of(scope, &predictions).is_float() {
            return refuse("predictions in floating point", scope.builder.type_of(&predictions));
        }
        let axis = axis_of(scope, &predictions, -1)?;
        let targets = scope.cast(&targets, DType::I64)?;
        let targets = with_axis(scope, &targets, axis as usize)?;
        let places = positions(scope, &predictions, axis as usize)?;
        let it = term(&places).equals(term(&targets));
        let chosen = term(&predictions).if_so(it, f64::NEG_INFINITY).build(scope)?;
        let own = emit(scope, Reduce::ReduceMax { axes: vec![axis], keep: true }, &[&chosen])?;
        let larger = term(&predictions).above(term(&own)).cast(DType::I64).build(scope)?;
        let larger = emit(scope, Reduce::Sum { axes: vec![axis], keep: true }, &[&larger])?;
        let finite = (term(&own) - term(&own)).equals(0.0);
        let among = term(&larger).below(k as f64).and(finite).build(scope)?;
        without_axis(scope, &among, axis as usize)
    });
    among.boxed()
});

/// How many of the sorted numbers `edges` are below `x`, or at most `x`.
fn place_among(scope: &mut Scope<'_>, x: &Operand, edges: &Operand, equal_too: bool) -> Outcome {
    let rank = shape_of(scope, x).len();
    if shape_of(scope, edges).len() != 1 {
        return refuse("sorted numbers in a row", scope.builder.type_of(edges));
    }
    let x = with_axis(scope, x, rank)?;
    let below = match equal_too {
        true => term(edges).at_most(term(&x)),
        false => term(edges).below(term(&x)),
    };
    let below = below.cast(DType::I32).build(scope)?;
    emit(scope, Reduce::Sum { axes: vec![rank as u32], keep: false }, &[&below])
}

pub(in crate::layers) static DIGITIZE: LayerDef = def("ops.Digitize", |_| {
    let digitize = Built::new(&["x", "bins"], |scope, arguments| {
        let (x, bins) = (tensor(arguments, "x")?, given(scope, arguments, "bins")?);
        let x = numeric(scope, &x)?;
        // Keras has the edges as f32.
        let bins = scope.cast(&bins, DType::F32)?;
        let (x, bins) = (scope.cast(&x, DType::F64)?, scope.cast(&bins, DType::F64)?);
        place_among(scope, &x, &bins, true)
    });
    digitize.boxed()
});
pub(in crate::layers) static SEARCH_SORTED: LayerDef = def("ops.SearchSorted", |config| {
    let right = config.word("side", false, &[("left", false), ("right", true)])?;
    let search = Built::new(&["sorted_sequence", "values"], move |scope, arguments| {
        let [edges, x] = both(scope, arguments, ["sorted_sequence", "values"])?;
        place_among(scope, &x, &edges, right)
    });
    search.boxed()
});

/// `isin(x1, x2)`: is each element among those of `x2`?
pub(in crate::layers) static IS_IN: LayerDef = def("ops.IsIn", |config| {
    config.ignore(&["assume_unique"]);
    let invert = config.bool("invert", false)?;
    let is_in = Built::new(&["x1", "x2"], move |scope, arguments| {
        let [x, among] = both(scope, arguments, ["x1", "x2"])?;
        let rank = shape_of(scope, &x).len();
        let (x, among) = (with_axis(scope, &x, rank)?, flat(scope, &among)?);
        let same = emit(scope, Elementwise::Eq, &[&x, &among])?;
        let found = emit(scope, Reduce::Any { axes: vec![rank as u32], keep: false }, &[&same])?;
        if invert { emit(scope, Elementwise::Not, &[&found]) } else { Ok(found) }
    });
    is_in.boxed()
});

/// `unravel_index(indices, shape)`: of a row of indices, the place along each axis; of several rows Keras counts the
/// axes from the front, and so does this.
pub(in crate::layers) static UNRAVEL_INDEX: LayerDef = def("ops.UnravelIndex", |config| {
    let sizes = integers(config, "shape")?.unwrap_or_default();
    if sizes.is_empty() || sizes.len() > 64 || sizes.iter().any(|&size| size < 1) {
        return Err(ConfigError::new("shape", "positive sizes", &sizes.into()));
    }
    let count = sizes.len() as u32;
    let unravel = Built::several(&["indices"], count, move |scope, arguments| {
        let indices = given(scope, arguments, "indices")?;
        let mut rest = term(&indices);
        let mut sizes = sizes.clone();
        if shape_of(scope, &indices).len() == 1 {
            sizes.reverse();
        }
        let mut places = vec![];
        for size in sizes {
            let quotient = term(&rest.quotient(size as f64).build(scope)?);
            places.push((rest - quotient.clone() * size as f64).build(scope)?);
            rest = quotient;
        }
        places.reverse();
        Ok(places)
    });
    unravel.boxed()
});

/// `select(condlist, choicelist, default)`: the first choice whose condition holds.
pub(in crate::layers) static SELECT: LayerDef = def("ops.Select", |_| {
    let select = Built::new(&["condlist", "choicelist", "default"], |scope, arguments| {
        let (conditions, choices) = (arguments.tensors("condlist"), arguments.tensors("choicelist"));
        if conditions.is_empty() || conditions.len() != choices.len() {
            return refuse("as many conditions as choices, all of them tensors", "others");
        }
        let default = match arguments.get("default") {
            None => None,
            Some(Passed::Constant(value)) if Float::of_json(value).is_some() => None,
            Some(_) => Some(given(scope, arguments, "default")?),
        };
        let mut dtype = dtype_of(scope, &choices[0]);
        for choice in choices.iter().chain(&default) {
            dtype = common(dtype, dtype_of(scope, choice));
        }
        let mut chosen = match (&default, arguments.get("default")) {
            (Some(default), _) => scope.cast(default, dtype)?,
            (None, Some(Passed::Constant(number))) => {
                literal(dtype, Float::of_json(number).map_or(0.0, |number| number.0))
            }
            (None, _) => literal(dtype, 0.0),
        };
        for (condition, choice) in conditions.iter().zip(choices).rev() {
            let (condition, choice) = (scope.cast(condition, DType::Bool)?, scope.cast(choice, dtype)?);
            chosen = emit(scope, Elementwise::Select, &[&condition, &choice, &chosen])?;
        }
        Ok(chosen)
    });
    select.taking(&[("condlist", Takes::Tensors), ("choicelist", Takes::Tensors)]).boxed()
});

/// `multi_hot(inputs, num_classes, axis, dtype)`: which numbers occur.
pub(in crate::layers) static MULTI_HOT: LayerDef = def("ops.MultiHot", |config| {
    let hot = super::along::Hot::parse(config)?;
    of_one(move |scope, x| {
        let axis = u32::from(shape_of(scope, x).len() > 1);
        let hot = hot.build(scope, x)?;
        let axes = vec![axis];
        match dtype_of(scope, &hot) {
            DType::Bool => emit(scope, Reduce::Any { axes, keep: false }, &[&hot]),
            _ => emit(scope, Reduce::ReduceMax { axes, keep: false }, &[&hot]),
        }
    })
});
