//! Operations that lay tensors side by side, take them apart, or turn them: stacks, splits, diagonals, grids.

use masque_ir::ops::{Elementwise, Reduce, Shape};
use masque_ir::program::Operand;
use masque_ir::ty::{broadcast, resolve_axis};
use masque_ir::{DType, Dim, Sizes};

use super::along::positions;
use super::built::{
    Built, Outcome, axis_of, both, dtype_of, emit, given, integers, literal, numeric, of_one,
    optional_integer, refuse, shape_of, tensor,
};
use super::formula::term;
use super::pieces::{part, split_along};
use super::shapes::{flat, permuted, with_axis};
use super::{common, def};
use crate::layer::{Arguments, Config, ConfigError, Layer, LayerDef, Scope, Takes};

/// Tensors in their common element type, joined.
pub(super) fn joined(scope: &mut Scope<'_>, parts: &[Operand], axis: u32) -> Outcome {
    let Some(first) = parts.first() else { return refuse("tensors", "none") };
    let dtype = parts.iter().fold(dtype_of(scope, first), |all, part| common(all, dtype_of(scope, part)));
    let mut cast = vec![];
    for part in parts {
        cast.push(scope.cast(part, dtype)?);
    }
    scope.builder.emit(Shape::Concat { axis }, &cast)
}

/// A stack of the tensors `xs` along an axis, to be told from the number of axes.
fn stack(axis: fn(usize) -> u32) -> Result<Box<dyn Layer>, ConfigError> {
    let stack = Built::new(&["xs"], move |scope, arguments| {
        let mut parts = arguments.tensors("xs").to_vec();
        let Some(first) = parts.first() else { return refuse("tensors", "none") };
        let axis = axis(shape_of(scope, first).len());
        for part in &mut parts {
            if shape_of(scope, part).len() == 1 && axis == 2 {
                *part = with_axis(scope, part, 0)?;
            }
            if shape_of(scope, part).len() as u32 == axis {
                *part = with_axis(scope, part, axis as usize)?;
            }
        }
        joined(scope, &parts, axis)
    });
    stack.taking(&[("xs", Takes::Tensors)]).boxed()
}

pub(in crate::layers) static APPEND: LayerDef = def("ops.Append", |config| {
    let axis = optional_integer(config, "axis")?;
    let append = Built::new(&["x1", "x2"], move |scope, arguments| {
        let [a, b] = both(scope, arguments, ["x1", "x2"])?;
        match axis {
            Some(axis) => {
                let axis = axis_of(scope, &a, axis)?;
                joined(scope, &[a, b], axis)
            }
            None => {
                let parts = [flat(scope, &a)?, flat(scope, &b)?];
                joined(scope, &parts, 0)
            }
        }
    });
    append.boxed()
});
pub(in crate::layers) static DSTACK: LayerDef = def("ops.Dstack", |_| stack(|_| 2));
pub(in crate::layers) static HSTACK: LayerDef = def("ops.Hstack", |_| stack(|rank| u32::from(rank > 1)));
pub(in crate::layers) static VSTACK: LayerDef = def("ops.Vstack", |_| stack(|_| 0));
pub(in crate::layers) static ARRAY_SPLIT: LayerDef = def("ops.ArraySplit", |config| {
    let (pieces, axis) = (config.size("indices_or_sections")?, config.integer("axis", Some(0))?);
    let split = Built::several(&["x"], u32::try_from(pieces).unwrap_or(u32::MAX), move |scope, arguments| {
        let x = tensor(arguments, "x")?;
        let axis = axis_of(scope, &x, axis)?;
        let size = &shape_of(scope, &x)[axis as usize];
        let Some(size) = size.known() else { return refuse("an axis of known size", size) };
        let (each, more) = (size / pieces, size % pieces);
        let bound = |piece: i64| Dim::constant(piece * each + piece.min(more));
        (0..pieces).map(|piece| part(scope, &x, axis, bound(piece), bound(piece + 1))).collect()
    });
    split.boxed()
});
pub(in crate::layers) static DSPLIT: LayerDef = def("ops.Dsplit", |config| split_along(config, |_| 2));
pub(in crate::layers) static HSPLIT: LayerDef =
    def("ops.Hsplit", |config| split_along(config, |rank| i64::from(rank > 1)));
pub(in crate::layers) static VSPLIT: LayerDef = def("ops.Vsplit", |config| split_along(config, |_| 0));

fn reversed(axis: i64) -> Result<Box<dyn Layer>, ConfigError> {
    of_one(move |scope, x| {
        let axis = axis_of(scope, x, axis)?;
        emit(scope, Shape::Reverse { axis }, &[x])
    })
}

pub(in crate::layers) static FLIPLR: LayerDef = def("ops.Fliplr", |_| reversed(1));
pub(in crate::layers) static FLIPUD: LayerDef = def("ops.Flipud", |_| reversed(0));
pub(in crate::layers) static ROT90: LayerDef = def("ops.Rot90", |config| {
    let turns = config.integer("k", Some(1))?.rem_euclid(4);
    let axes = integers(config, "axes")?.unwrap_or_else(|| vec![0, 1]);
    let turn = Built::new(&["array"], move |scope, arguments| {
        let x = tensor(arguments, "array")?;
        let &[from, to] = axes.as_slice() else { return refuse("two `axes`", axes.len()) };
        let (from, to) = (axis_of(scope, &x, from)?, axis_of(scope, &x, to)?);
        let swap = |scope: &mut Scope<'_>, x: &Operand| {
            let mut perm: Vec<u32> = (0..shape_of(scope, x).len() as u32).collect();
            perm.swap(from as usize, to as usize);
            permuted(scope, x, perm)
        };
        let turn = |scope: &mut Scope<'_>, x: &Operand, axis: u32| emit(scope, Shape::Reverse { axis }, &[x]);
        match turns {
            1 => {
                let x = turn(scope, &x, to)?;
                swap(scope, &x)
            }
            2 => {
                let shape = shape_of(scope, &x);
                if shape[from as usize] != shape[to as usize] {
                    return refuse(
                        "axes of one size: turned twice, Keras scrambles others",
                        scope.builder.type_of(&x),
                    );
                }
                let x = turn(scope, &x, from)?;
                turn(scope, &x, to)
            }
            3 => {
                let x = turn(scope, &x, from)?;
                swap(scope, &x)
            }
            _ => Ok(x),
        }
    });
    turn.boxed()
});

/// The elements `x[…, i, i + offset]`, with the two axes moved behind all others.
fn diagonal(scope: &mut Scope<'_>, x: &Operand, offset: i64, axes: [i64; 2]) -> Outcome {
    let [rows, columns] = [axis_of(scope, x, axes[0])?, axis_of(scope, x, axes[1])?];
    if rows == columns {
        return refuse("two different axes", rows);
    }
    let rank = shape_of(scope, x).len();
    let others = (0..rank as u32).filter(|&axis| axis != rows && axis != columns);
    let x = permuted(scope, x, others.chain([rows, columns]).collect())?;
    let mut shape = shape_of(scope, &x);
    let (Some(columns), Some(rows)) =
        (shape.pop().and_then(|n| n.known()), shape.pop().and_then(|n| n.known()))
    else {
        return refuse("matrices of known sizes", scope.builder.type_of(&x));
    };
    let count = (rows + offset.min(0)).min(columns - offset.max(0)).max(0);
    let first = if offset >= 0 { offset } else { -offset * columns };
    let first = first.min(rows * columns);
    let stop = if count > 0 { first + (count - 1) * (columns + 1) + 1 } else { first };
    shape.push(Dim::constant(rows * columns));
    let row = emit(scope, Shape::Reshape { shape }, &[&x])?;
    let step = u32::try_from(columns + 1).unwrap_or(u32::MAX);
    let slice =
        Shape::Slice { axis: rank as u32 - 2, start: Dim::constant(first), stop: Dim::constant(stop), step };
    emit(scope, slice, &[&row])
}

/// The matrix that has the row `x` as its diagonal `k`, and 0 elsewhere.
fn with_diagonal(scope: &mut Scope<'_>, x: &Operand, k: i64) -> Outcome {
    let size = &shape_of(scope, x)[0] + &Dim::constant(k.abs());
    let zero = literal(dtype_of(scope, x), 0.0);
    let pad = Shape::Pad { low: vec![0], high: vec![k.abs()], spread: vec![0] };
    let longer = emit(scope, pad, &[x, &zero])?;
    // Above the main diagonal, the row tells which element stands there; below it, the column.
    let spread = with_axis(scope, &longer, usize::from(k >= 0))?;
    let shape = vec![size.clone(), size];
    let spread = emit(scope, Shape::Broadcast { shape: shape.into() }, &[&spread])?;
    let (rows, columns) = (positions(scope, &spread, 0)?, positions(scope, &spread, 1)?);
    let there = (term(&columns) - term(&rows)).equals(k as f64);
    term(&spread).if_so(there, 0.0).build(scope)
}

pub(in crate::layers) static DIAG: LayerDef = def("ops.Diag", |config| {
    let k = config.integer("k", Some(0))?;
    of_one(move |scope, x| match shape_of(scope, x).len() {
        1 => with_diagonal(scope, x, k),
        2 => diagonal(scope, x, k, [0, 1]),
        rank => refuse("a row or a matrix", format!("{rank} axes")),
    })
});
pub(in crate::layers) static DIAGFLAT: LayerDef = def("ops.Diagflat", |config| {
    let k = config.integer("k", Some(0))?;
    of_one(move |scope, x| {
        let x = flat(scope, x)?;
        with_diagonal(scope, &x, k)
    })
});

/// The settings `offset`, `axis1` and `axis2`.
fn diagonal_of(config: &mut Config) -> Result<(i64, [i64; 2]), ConfigError> {
    let axes = [config.integer("axis1", Some(0))?, config.integer("axis2", Some(1))?];
    Ok((config.integer("offset", Some(0))?, axes))
}

pub(in crate::layers) static DIAGONAL: LayerDef = def("ops.Diagonal", |config| {
    let (offset, axes) = diagonal_of(config)?;
    of_one(move |scope, x| diagonal(scope, x, offset, axes))
});
pub(in crate::layers) static TRACE: LayerDef = def("ops.Trace", |config| {
    let (offset, axes) = diagonal_of(config)?;
    of_one(move |scope, x| {
        let x = numeric(scope, x)?;
        let elements = diagonal(scope, &x, offset, axes)?;
        let axes = vec![shape_of(scope, &elements).len() as u32 - 1];
        emit(scope, Reduce::Sum { axes, keep: false }, &[&elements])
    })
});

/// The most axes of a grid.
const GRID: &[&str] = &["x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7"];

/// `meshgrid(*x, indexing)`: each row spread along an axis of its own.
pub(in crate::layers) static MESHGRID: LayerDef = def("ops.Meshgrid", |config| {
    let swapped = config.word("indexing", true, &[("xy", true), ("ij", false)])?;
    let count = config.size("outputs")?;
    let grid = Built::several(GRID, u32::try_from(count).unwrap_or(u32::MAX), move |scope, arguments| {
        let mut rows = vec![];
        for name in GRID.iter().take_while(|name| arguments.get(name).is_some()) {
            let row = given(scope, arguments, name)?;
            rows.push(flat(scope, &row)?);
        }
        let place = |axis: usize| match axis {
            0 | 1 if swapped && rows.len() > 1 => 1 - axis,
            axis => axis,
        };
        let shape: Vec<Dim> =
            (0..rows.len()).map(|axis| shape_of(scope, &rows[place(axis)])[0].clone()).collect();
        let mut grids = vec![];
        for (number, row) in rows.iter().enumerate() {
            let mut spread = vec![Dim::constant(1); rows.len()];
            spread[place(number)] = shape_of(scope, row)[0].clone();
            let row = emit(scope, Shape::Reshape { shape: spread.into() }, &[row])?;
            grids.push(emit(scope, Shape::Broadcast { shape: shape.clone().into() }, &[&row])?);
        }
        Ok(grids)
    });
    grid.boxed()
});

/// `diff(a, n, axis)`: the differences of neighbours, `n` times over.
pub(in crate::layers) static DIFF: LayerDef = def("ops.Diff", |config| {
    let (times, axis) = (config.integer("n", Some(1))?, config.integer("axis", Some(-1))?);
    if !(0..=64).contains(&times) {
        return Err(ConfigError::new("n", "0 to 64", &times.into()));
    }
    let diff = Built::new(&["a"], move |scope, arguments| {
        let mut x = tensor(arguments, "a")?;
        let axis = axis_of(scope, &x, axis)?;
        for _ in 0..times {
            let [before, after] = neighbours(scope, &x, axis)?;
            x = match dtype_of(scope, &x) {
                DType::Bool => emit(scope, Elementwise::Ne, &[&after, &before])?,
                _ => emit(scope, Elementwise::Sub, &[&after, &before])?,
            };
        }
        Ok(x)
    });
    diff.boxed()
});

/// All positions but the last, and all but the first.
fn neighbours(scope: &mut Scope<'_>, x: &Operand, axis: u32) -> Outcome<[Operand; 2]> {
    let size = shape_of(scope, x)[axis as usize].clone();
    let one = Dim::constant(1);
    let before = part(scope, x, axis, Dim::constant(0), &size - &one)?;
    Ok([before, part(scope, x, axis, one, size)?])
}

/// `trapezoid(y, dx, axis)`; with positions of its own Keras cannot read such a model back.
pub(in crate::layers) static TRAPEZOID: LayerDef = def("ops.Trapezoid", |config| {
    let (width, axis) = (config.number("dx", 1.0)?, config.integer("axis", Some(-1))?);
    let area = Built::new(&["y"], move |scope, arguments| {
        let y = super::built::real(scope, &tensor(arguments, "y")?)?;
        let axis = axis_of(scope, &y, axis)?;
        let [before, after] = neighbours(scope, &y, axis)?;
        let heights = ((term(&before) + term(&after)) * 0.5 * width).build(scope)?;
        emit(scope, Reduce::Sum { axes: vec![axis], keep: false }, &[&heights])
    });
    area.boxed()
});

/// Where a row of numbers begins and ends, and how many they are.
struct Row {
    count: i64,
    endpoint: bool,
    axis: i64,
    dtype: Option<DType>,
}

impl Row {
    fn parse(config: &mut Config) -> Result<Row, ConfigError> {
        let count = config.size("num").unwrap_or(50);
        let (endpoint, axis) = (config.bool("endpoint", true)?, config.integer("axis", Some(0))?);
        let dtype = super::built::element_type(config)?;
        if count > 4096 || dtype.is_some_and(|dtype| !dtype.is_float()) {
            return Err(ConfigError::new("num", "at most 4096 floats", &count.into()));
        }
        Ok(Row { count, endpoint, axis, dtype })
    }

    /// Evenly from `start` to `stop`, of one type and shape.
    fn build(&self, scope: &mut Scope<'_>, start: &Operand, stop: &Operand) -> Outcome {
        let rank = shape_of(scope, start).len();
        let Some(axis) = resolve_axis(self.axis, rank + 1) else {
            return refuse(format!("`axis` up to {rank}"), self.axis);
        };
        let steps = if self.endpoint { self.count - 1 } else { self.count };
        let step = ((term(stop) - term(start)) / steps.max(1) as f64).build(scope)?;
        let mut all = vec![];
        for place in 0..self.count {
            let last = self.endpoint && place > 0 && place == self.count - 1;
            let number = match last {
                true => stop.clone(),
                false => (term(start) + term(&step) * place as f64).build(scope)?,
            };
            all.push(with_axis(scope, &number, axis)?);
        }
        scope.builder.emit(Shape::Concat { axis: axis as u32 }, &all)
    }

    /// Both ends as floats of one shape.
    fn ends(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Outcome<[Operand; 2]> {
        let [start, stop] = both(scope, arguments, ["start", "stop"])?;
        let float = if dtype_of(scope, &start) == DType::F64 { DType::F64 } else { DType::F32 };
        let dtype = self.dtype.unwrap_or(float);
        let (start, stop) = (scope.cast(&start, dtype)?, scope.cast(&stop, dtype)?);
        let (from, to) = (shape_of(scope, &start), shape_of(scope, &stop));
        let Some(shape) = broadcast(&from, &to) else { return refuse("shapes that broadcast", "others") };
        let spread = |scope: &mut Scope<'_>, x: Operand, found: Sizes| match found == shape {
            true => Ok(x),
            false => scope.builder.emit(Shape::Broadcast { shape: shape.clone() }, &[x]),
        };
        Ok([spread(scope, start, from)?, spread(scope, stop, to)?])
    }
}

const ENDS: &[&str] = &["start", "stop"];

pub(in crate::layers) static LINSPACE: LayerDef = def("ops.Linspace", |config| {
    let row = Row::parse(config)?;
    if config.bool("retstep", false)? {
        return Err(ConfigError::new("retstep", "false", &true.into()));
    }
    let line = Built::new(ENDS, move |scope, arguments| {
        let [start, stop] = row.ends(scope, arguments)?;
        row.build(scope, &start, &stop)
    });
    line.boxed()
});
pub(in crate::layers) static LOGSPACE: LayerDef = def("ops.Logspace", |config| {
    let (row, base) = (Row::parse(config)?, config.number("base", 10.0)?);
    let line = Built::new(ENDS, move |scope, arguments| {
        let [start, stop] = row.ends(scope, arguments)?;
        let powers = row.build(scope, &start, &stop)?;
        super::formula::Term::Number(base).power(term(&powers)).build(scope)
    });
    line.boxed()
});
pub(in crate::layers) static GEOMSPACE: LayerDef = def("ops.Geomspace", |config| {
    let row = Row::parse(config)?;
    let line = Built::new(ENDS, move |scope, arguments| {
        let [start, stop] = row.ends(scope, arguments)?;
        let (from, to) = (term(&start).abs().log().build(scope)?, term(&stop).abs().log().build(scope)?);
        let powers = row.build(scope, &from, &to)?;
        (term(&powers).exp() * term(&start).sign()).build(scope)
    });
    line.boxed()
});

/// `vander(x, N, increasing)`: the powers of a row of numbers.
pub(in crate::layers) static VANDER: LayerDef = def("ops.Vander", |config| {
    let (count, increasing) = (optional_integer(config, "N")?, config.bool("increasing", false)?);
    of_one(move |scope, x| {
        let [size] = shape_of(scope, x).to_vec().try_into().or_else(|_| refuse("a row", "other axes"))?;
        let Some(count) = count.or(size.known()).filter(|count| (1..=4096).contains(count)) else {
            return refuse("a known number of powers, at most 4096", size);
        };
        let dtype = dtype_of(scope, x);
        let x = super::built::real(scope, x)?;
        let x = with_axis(scope, &x, 1)?;
        let column =
            scope.builder.emit(Shape::Broadcast { shape: [size, Dim::constant(count)].into() }, &[x])?;
        let powers = positions(scope, &column, 1)?;
        let float = dtype_of(scope, &column);
        let mut powers = term(&powers).cast(float);
        if !increasing {
            powers = -powers + (count - 1) as f64;
        }
        let y = term(&column).power(powers).build(scope)?;
        scope.cast(&y, dtype)
    })
});
/// `full(shape, fill_value, dtype)`
pub(in crate::layers) static FULL: LayerDef = def("ops.Full", |config| {
    let sizes = integers(config, "shape")?.unwrap_or_default();
    let dtype = super::built::element_type(config)?;
    let full = Built::new(&["fill_value"], move |scope, arguments| {
        let fill = given(scope, arguments, "fill_value")?;
        let fill = scope.cast(&fill, dtype.unwrap_or(dtype_of(scope, &fill)))?;
        let shape = sizes.iter().map(|&size| Dim::constant(size.max(0))).collect();
        emit(scope, Shape::Broadcast { shape }, &[&fill])
    });
    full.boxed()
});
/// `size(x)`
pub(in crate::layers) static SIZE: LayerDef = def("ops.Size", |_| {
    of_one(|scope, x| {
        let axes = (0..shape_of(scope, x).len() as u32).collect();
        let size = emit(scope, Shape::Size { axes }, &[x])?;
        scope.cast(&size, DType::I32)
    })
});
