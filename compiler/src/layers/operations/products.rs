//! Sums of products of two tensors or more.

use masque_ir::Dim;
use masque_ir::ops::{Elementwise, Product, Shape};
use masque_ir::program::Operand;
use masque_ir::ty::resolve_axis;
use serde_json::Value as Json;

use super::built::{Built, Outcome, axis_of, dtype_of, emit, given, numeric, refuse, shape_of};
use super::formula::term;
use super::pieces::part;
use super::shapes::{flat, permuted, with_axis, without_axis};
use super::subscripts::Subscripts;
use super::{common, def};
use crate::layer::{Config, ConfigError, Layer, LayerDef, Scope};
use crate::layers::einsum::{Term, einsum, letters_beside, letters_for};

pub(in crate::layers) static CROSS: LayerDef = def("ops.Cross", cross);
pub(in crate::layers) static DOT: LayerDef = def("ops.Dot", |_| of_two(dot));
pub(in crate::layers) static EINSUM: LayerDef = def("ops.Einsum", einsum_of);
pub(in crate::layers) static INNER: LayerDef = def("ops.Inner", |_| of_two(inner));
pub(in crate::layers) static KRON: LayerDef = def("ops.Kron", |_| of_two(kron));
pub(in crate::layers) static MATMUL: LayerDef = def("ops.Matmul", |config| {
    // Keras has no such settings; TensorFlow has.
    let turned = [config.bool("transpose_x1", false)?, config.bool("transpose_x2", false)?];
    of_two(move |scope, a, b| {
        let mut sides = [a.clone(), b.clone()];
        for (side, turned) in sides.iter_mut().zip(turned) {
            let rank = shape_of(scope, side).len() as u32;
            if turned && rank > 1 {
                *side = permuted(scope, side, (0..rank - 2).chain([rank - 1, rank - 2]).collect())?;
            }
        }
        matmul(scope, &sides[0], &sides[1])
    })
});
pub(in crate::layers) static OUTER: LayerDef = def("ops.Outer", |_| {
    of_two(|scope, a, b| {
        let (a, b) = (flat(scope, a)?, flat(scope, b)?);
        einsum(scope, &[Term::new(&a, "a"), Term::new(&b, "b")], "ab")
    })
});
pub(in crate::layers) static TENSORDOT: LayerDef = def("ops.Tensordot", tensordot);
pub(in crate::layers) static VDOT: LayerDef = def("ops.Vdot", |_| {
    of_two(|scope, a, b| {
        let (a, b) = (flat(scope, a)?, flat(scope, b)?);
        einsum(scope, &[Term::new(&a, "a"), Term::new(&b, "a")], "")
    })
});

/// An operation of two tensors, which come in their common element type.
fn of_two(
    make: impl Fn(&mut Scope<'_>, &Operand, &Operand) -> Outcome + Send + Sync + 'static,
) -> Result<Box<dyn Layer>, ConfigError> {
    let operation = Built::new(&["x1", "x2"], move |scope, arguments| {
        let both = [given(scope, arguments, "x1")?, given(scope, arguments, "x2")?];
        let both = matched(scope, &both)?;
        make(scope, &both[0], &both[1])
    });
    operation.boxed()
}

/// All in their common element type.
pub(super) fn matched(scope: &mut Scope<'_>, xs: &[Operand]) -> Outcome<Vec<Operand>> {
    let xs = xs.iter().map(|x| numeric(scope, x)).collect::<Outcome<Vec<_>>>()?;
    let dtype = xs.iter().map(|x| dtype_of(scope, x)).reduce(common);
    xs.iter().map(|x| dtype.map_or_else(|| Ok(x.clone()), |dtype| scope.cast(x, dtype))).collect()
}

/// `[…, M, K]` times `[…, K, N]`; leading axes broadcast, a vector stands for one row or one column.
fn matmul(scope: &mut Scope<'_>, a: &Operand, b: &Operand) -> Outcome {
    let (row, column) = (shape_of(scope, a).len() == 1, shape_of(scope, b).len() == 1);
    let a = if row { with_axis(scope, a, 0)? } else { a.clone() };
    let b = if column { with_axis(scope, b, 1)? } else { b.clone() };
    let (left, right) = (shape_of(scope, &a).len(), shape_of(scope, &b).len());
    if left < 2 || right < 2 {
        return refuse("at least one axis on both sides", "a single number");
    }
    let mut y = if right == 2 && dtype_of(scope, &a).is_float() {
        emit(scope, Product::Matmul, &[&a, &b])?
    } else {
        Subscripts::matmul().apply(scope, &[a, b])?
    };
    if column {
        y = without_axis(scope, &y, left.max(right) - 1)?;
    }
    if row {
        let rows = shape_of(scope, &y).len() - if column { 1 } else { 2 };
        y = without_axis(scope, &y, rows)?;
    }
    Ok(y)
}

/// `einsum(subscripts, …)`
fn einsum_of(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    const OPERANDS: &[&str] = &["x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8"];
    let value = config.take("subscripts").unwrap_or(Json::Null);
    let subscripts =
        value.as_str().and_then(Subscripts::parse).filter(|all| all.operands() <= OPERANDS.len());
    let subscripts = subscripts.ok_or_else(|| {
        ConfigError::new("subscripts", "letters for each axis, none twice in an operand: `ab,bc->ac`", &value)
    })?;
    config.keep("subscripts", value);
    let einsum = Built::new(OPERANDS, move |scope, arguments| {
        let names = &OPERANDS[..subscripts.operands()];
        let xs = names.iter().map(|name| given(scope, arguments, name)).collect::<Outcome<Vec<_>>>()?;
        let xs = matched(scope, &xs)?;
        subscripts.apply(scope, &xs)
    });
    einsum.boxed()
}

/// Sums over axis `axes[0][i]` of `a` together with axis `axes[1][i]` of `b`; the other axes stay in order.
fn along(scope: &mut Scope<'_>, [a, b]: [&Operand; 2], axes: [&[usize]; 2]) -> Outcome {
    let (left, right) = (scope.builder.type_of(a), scope.builder.type_of(b));
    let mut fresh = letters_beside("");
    let left: Vec<char> = letters_for(&left, &mut fresh)?.chars().collect();
    let mut right: Vec<char> = letters_for(&right, &mut fresh)?.chars().collect();
    for (&place, &axis) in axes[0].iter().zip(axes[1]) {
        right[axis] = left[place];
    }
    let free = |letters: &[char], gone: &[usize]| -> String {
        letters
            .iter()
            .enumerate()
            .filter(|(axis, _)| !gone.contains(axis))
            .map(|(_, letter)| *letter)
            .collect()
    };
    let result = free(&left, axes[0]) + &free(&right, axes[1]);
    let terms = [Term::new(a, String::from_iter(left)), Term::new(b, String::from_iter(right))];
    einsum(scope, &terms, &result)
}

/// `dot(x1, x2)`: over the last axis of `a` and the last but one of `b`.
fn dot(scope: &mut Scope<'_>, a: &Operand, b: &Operand) -> Outcome {
    let (left, right) = (shape_of(scope, a).len(), shape_of(scope, b).len());
    match (left, right) {
        (0, _) | (_, 0) => emit(scope, Elementwise::Mul, &[a, b]),
        _ => along(scope, [a, b], [&[left - 1], &[right.saturating_sub(2)]]),
    }
}

/// `inner(x1, x2)`: over the last axes.
fn inner(scope: &mut Scope<'_>, a: &Operand, b: &Operand) -> Outcome {
    let (left, right) = (shape_of(scope, a).len(), shape_of(scope, b).len());
    match (left, right) {
        (0, _) | (_, 0) => emit(scope, Elementwise::Mul, &[a, b]),
        _ => along(scope, [a, b], [&[left - 1], &[right - 1]]),
    }
}

/// `tensordot(x1, x2, axes)`: over that many axes at the end of the first and the beginning of the second, or over
/// those of two lists.
fn tensordot(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let value = config.take("axes").unwrap_or_else(|| 2.into());
    let axes = |value: &Json| match value {
        Json::Array(axes) => axes.iter().map(Json::as_i64).collect::<Option<Vec<i64>>>(),
        axis => axis.as_i64().map(|axis| vec![axis]),
    };
    let found = match &value {
        Json::Array(both) if both.len() == 2 => axes(&both[0]).zip(axes(&both[1])),
        count => count
            .as_i64()
            .filter(|count| (0..=32).contains(count))
            .map(|n| ((-n..0).collect(), (0..n).collect())),
    };
    let found = found.filter(|(left, right): &(Vec<i64>, Vec<i64>)| left.len() == right.len());
    let expected = "how many axes, or a list of axes for each of both tensors";
    let (left, right) = found.ok_or_else(|| ConfigError::new("axes", expected, &value))?;
    config.keep("axes", value);
    of_two(move |scope, a, b| {
        let axes_of = |scope: &Scope<'_>, x: &Operand, axes: &[i64]| {
            let ty = scope.builder.type_of(x);
            let axes: Option<Vec<usize>> = axes.iter().map(|&axis| resolve_axis(axis, ty.rank())).collect();
            let once = axes
                .filter(|axes| axes.iter().enumerate().all(|(place, axis)| !axes[..place].contains(axis)));
            once.map_or_else(|| refuse(format!("`axes` to name axes of {ty}, each once"), "others"), Ok)
        };
        let axes = [axes_of(scope, a, &left)?, axes_of(scope, b, &right)?];
        along(scope, [a, b], [&axes[0], &axes[1]])
    })
}

/// `kron(x1, x2)`: every element of the first times the whole of the second.
fn kron(scope: &mut Scope<'_>, a: &Operand, b: &Operand) -> Outcome {
    let rank = shape_of(scope, a).len().max(shape_of(scope, b).len());
    let mut sides = [a.clone(), b.clone()];
    let mut shapes = vec![];
    for (place, side) in sides.iter_mut().enumerate() {
        while shape_of(scope, side).len() < rank {
            *side = with_axis(scope, side, 0)?;
        }
        let shape = shape_of(scope, side);
        // The axes of both take turns.
        for axis in 0..rank {
            *side = with_axis(scope, side, 2 * axis + 1 - place)?;
        }
        shapes.push(shape);
    }
    let product = emit(scope, Elementwise::Mul, &[&sides[0], &sides[1]])?;
    let shape = shapes[0].iter().zip(shapes[1].iter()).map(|(a, b)| a * b).collect();
    emit(scope, Shape::Reshape { shape }, &[&product])
}

/// `cross(x1, x2, axisa, axisb, axisc)`: of vectors of two or three numbers; of two vectors of two the third number alone.
fn cross(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let all = super::built::optional_integer(config, "axis")?;
    let [a, b, c] = ["axisa", "axisb", "axisc"].map(|key| config.integer(key, Some(-1)));
    let (from, to) = ([all.unwrap_or(a?), all.unwrap_or(b?)], all.unwrap_or(c?));
    of_two(move |scope, a, b| {
        let mut numbers = vec![];
        for (side, axis) in [a, b].into_iter().zip(from) {
            let axis = axis_of(scope, side, axis)?;
            let count = shape_of(scope, side)[axis as usize].known();
            let Some(count @ 2..=3) = count else {
                return refuse("vectors of two or three numbers", scope.builder.type_of(side));
            };
            let mut parts = vec![];
            for place in 0..count {
                let number = part(scope, side, axis, Dim::constant(place), Dim::constant(place + 1))?;
                parts.push(Some(term(&without_axis(scope, &number, axis as usize)?)));
            }
            parts.resize(3, None);
            numbers.push(parts);
        }
        let flat = numbers.iter().all(|parts| parts[2].is_none());
        let mut results = vec![];
        for (i, j) in [(1, 2), (2, 0), (0, 1)].into_iter().skip(if flat { 2 } else { 0 }) {
            let product = |i: usize, j: usize| Some(numbers[0][i].clone()? * numbers[1][j].clone()?);
            let result = match (product(i, j), product(j, i)) {
                (Some(a), Some(b)) => a - b,
                (Some(a), None) => a,
                (None, Some(b)) => -b,
                (None, None) => return refuse("vectors of two or three numbers", "others"),
            };
            results.push(result.build(scope)?);
        }
        if flat {
            return Ok(results.remove(0));
        }
        let rank = shape_of(scope, &results[0]).len() + 1;
        let Some(axis) = resolve_axis(to, rank) else { return refuse(format!("`axisc` up to {rank}"), to) };
        let mut parts = vec![];
        for result in &results {
            parts.push(with_axis(scope, result, axis)?);
        }
        scope.builder.emit(Shape::Concat { axis: axis as u32 }, &parts)
    })
}
