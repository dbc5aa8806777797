//! Sums of products of two tensors, and windows that slide along axes.

use masque_ir::Dim;
use masque_ir::ops::{Elementwise, Product, Reduce, Shape};
use masque_ir::program::Operand;
use serde_json::Value as Json;

use super::built::{
    Built, Outcome, dtype_of, emit, integers, numeric, of_one, real, refuse, shape_of, tensor,
};
use super::pieces::padded;
use super::shapes::{permuted, with_axis, without_axis};
use super::{common, def};
use crate::layer::{Config, ConfigError, Layer, LayerDef, Scope};

pub(in crate::layers) static AVERAGE_POOL: LayerDef = def("ops.AveragePool", |config| pool(config, false));
pub(in crate::layers) static EINSUM: LayerDef = def("ops.Einsum", einsum);
pub(in crate::layers) static MATMUL: LayerDef = def("ops.Matmul", |_| {
    let matmul = Built::new(&["x1", "x2"], |scope, arguments| {
        let (a, b) = (tensor(arguments, "x1")?, tensor(arguments, "x2")?);
        matmul(scope, &a, &b)
    });
    matmul.boxed()
});
pub(in crate::layers) static MAX_POOL: LayerDef = def("ops.MaxPool", |config| pool(config, true));

/// Both in their common element type.
fn matched(scope: &mut Scope<'_>, a: &Operand, b: &Operand) -> Outcome<(Operand, Operand)> {
    let (a, b) = (numeric(scope, a)?, numeric(scope, b)?);
    let dtype = common(dtype_of(scope, &a), dtype_of(scope, &b));
    Ok((scope.cast(&a, dtype)?, scope.cast(&b, dtype)?))
}

/// `[…, M, K]` times `[…, K, N]`; leading axes broadcast, a vector stands for one row or one column.
fn matmul(scope: &mut Scope<'_>, a: &Operand, b: &Operand) -> Outcome {
    let (mut a, mut b) = matched(scope, a, b)?;
    let row = shape_of(scope, &a).len() == 1;
    let column = shape_of(scope, &b).len() == 1;
    if row {
        a = with_axis(scope, &a, 0)?;
    }
    if column {
        b = with_axis(scope, &b, 1)?;
    }
    let (left, right) = (shape_of(scope, &a).len(), shape_of(scope, &b).len());
    if left < 2 || right < 2 {
        return refuse("at least one axis on both sides", "a single number");
    }
    let mut y = if right == 2 && dtype_of(scope, &a).is_float() {
        emit(scope, Product::Matmul, &[&a, &b])?
    } else {
        let (inner, outer) = (&shape_of(scope, &a)[left - 1], &shape_of(scope, &b)[right - 2]);
        if inner != outer {
            return refuse(format!("{inner} rows in the second tensor"), outer);
        }
        let a = with_axis(scope, &a, left)?;
        let b = with_axis(scope, &b, right - 2)?;
        let products = emit(scope, Elementwise::Mul, &[&a, &b])?;
        let axes = vec![left.max(right) as u32 - 1];
        emit(scope, Reduce::Sum { axes, keep: false }, &[&products])?
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

/// The operands' axes by letter, and those of the result.
#[derive(Debug)]
struct Subscripts {
    operands: Vec<Vec<char>>,
    result: Vec<char>,
}

impl Subscripts {
    /// `btd,bsd->bts`; letters only, each at most once in an operand.
    fn parse(text: &str) -> Option<Subscripts> {
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let (operands, result) = text.split_once("->")?;
        let letters = |part: &str| {
            let letters: Vec<char> = part.chars().collect();
            let once = letters.iter().enumerate().all(|(place, c)| !letters[..place].contains(c));
            (once && letters.iter().all(char::is_ascii_alphabetic)).then_some(letters)
        };
        let operands: Vec<Vec<char>> = operands.split(',').map(letters).collect::<Option<_>>()?;
        let result = letters(result)?;
        let known = result.iter().all(|c| operands.iter().any(|operand| operand.contains(c)));
        (known && operands.len() <= OPERANDS.len()).then_some(Subscripts { operands, result })
    }
}

const OPERANDS: &[&str] = &["x1", "x2", "x3", "x4"];

/// `einsum(subscripts, …)`: all operands multiplied in one shape, then summed over the letters that the result lacks.
fn einsum(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let value = config.take("subscripts").unwrap_or(Json::Null);
    let subscripts = value.as_str().and_then(Subscripts::parse).ok_or_else(|| {
        ConfigError::new("subscripts", "letters for each axis, none twice in an operand: `ab,bc->ac`", &value)
    })?;
    config.keep("subscripts", value);
    let einsum = Built::new(OPERANDS, move |scope, arguments| {
        let mut order = subscripts.result.clone();
        for &letter in subscripts.operands.iter().flatten() {
            if !order.contains(&letter) {
                order.push(letter);
            }
        }
        let mut product: Option<Operand> = None;
        for (letters, name) in subscripts.operands.iter().zip(OPERANDS) {
            let x = spread(scope, &tensor(arguments, name)?, letters, &order)?;
            product = Some(match product {
                None => numeric(scope, &x)?,
                Some(product) => {
                    let (a, b) = matched(scope, &product, &x)?;
                    emit(scope, Elementwise::Mul, &[&a, &b])?
                }
            });
        }
        let Some(product) = product else { return refuse("an operand", "none") };
        let axes: Vec<u32> = (subscripts.result.len() as u32..order.len() as u32).collect();
        if axes.is_empty() {
            Ok(product)
        } else {
            emit(scope, Reduce::Sum { axes, keep: false }, &[&product])
        }
    });
    einsum.boxed()
}

/// An operand with its axes in the order of all letters, with size 1 for those that it lacks.
fn spread(scope: &mut Scope<'_>, x: &Operand, letters: &[char], order: &[char]) -> Outcome {
    let ty = scope.builder.type_of(x);
    if ty.rank() != letters.len() {
        return refuse(format!("a tensor with {} axes", letters.len()), ty);
    }
    let place = |letter: &char| letters.iter().position(|other| other == letter);
    let perm: Vec<u32> = order.iter().filter_map(place).map(|axis| axis as u32).collect();
    let x = permuted(scope, x, perm)?;
    let size = |letter: &char| place(letter).map_or(Dim::constant(1), |axis| ty.shape[axis].clone());
    emit(scope, Shape::Reshape { shape: order.iter().map(size).collect() }, &[&x])
}

/// `max_pool` and `average_pool` over the axes between the first and the last.
fn pool(config: &mut Config, largest: bool) -> Result<Box<dyn Layer>, ConfigError> {
    let sizes = integers(config, "pool_size")?.unwrap_or_default();
    let strides = integers(config, "strides")?.unwrap_or_else(|| sizes.clone());
    let same = config.word("padding", false, &[("valid", false), ("same", true)])?;
    config.word("data_format", (), &[("channels_last", ())])?;
    for (key, numbers) in [("pool_size", &sizes), ("strides", &strides)] {
        if numbers.is_empty() || numbers.iter().any(|&n| !(1..=4096).contains(&n)) {
            return Err(ConfigError::new(key, "positive numbers", &numbers.clone().into()));
        }
    }
    of_one(move |scope, x| {
        let mut x = real(scope, x)?;
        let axes = shape_of(scope, &x).len().saturating_sub(2);
        let each = |numbers: &[i64], axis: usize| match numbers {
            [one] => Some(*one),
            several => several.get(axis).copied().filter(|_| several.len() == axes),
        };
        for axis in 0..axes {
            let (Some(size), Some(stride)) = (each(&sizes, axis), each(&strides, axis)) else {
                return refuse(format!("`pool_size` and `strides` for {axes} axes"), sizes.len());
            };
            x = windows(scope, &x, axis + 1, Window { size, stride, same }, largest)?;
        }
        Ok(x)
    })
}

/// How windows slide along an axis.
#[derive(Clone, Copy)]
struct Window {
    size: i64,
    stride: i64,
    /// Do windows stand over the ends, as many as there are strides?
    same: bool,
}

/// The largest element or the mean in each window; what lies beyond the ends counts for nothing.
fn windows(scope: &mut Scope<'_>, x: &Operand, axis: usize, window: Window, largest: bool) -> Outcome {
    let Window { size, stride, same } = window;
    let length = shape_of(scope, x)[axis].clone();
    let around = match (same, length.known()) {
        (false, _) => 0,
        (true, _) if stride == 1 => size - 1,
        (true, Some(length)) => (((length + stride - 1) / stride - 1) * stride + size - length).max(0),
        (true, None) => return refuse("an axis of known size", length),
    };
    if length.known().is_some_and(|length| length + around < size) {
        return refuse(format!("at least {size} positions"), length);
    }
    let slid = |scope: &mut Scope<'_>, x: &Operand, beyond: f64, op: Elementwise| -> Outcome {
        let x = padded(scope, x, axis, around / 2, around - around / 2, beyond)?;
        let whole = shape_of(scope, &x)[axis].clone();
        let steps = (&whole - &Dim::constant(size)).floor_div(stride);
        let span = &(&steps * &Dim::constant(stride)) + &Dim::constant(1);
        let mut all: Option<Operand> = None;
        for offset in 0..size {
            let start = Dim::constant(offset);
            let stop = &start + &span;
            let slice = Shape::Slice { axis: axis as u32, start, stop, step: stride as u32 };
            let part = emit(scope, slice, &[&x])?;
            all = Some(match all {
                None => part,
                Some(all) => emit(scope, op.clone(), &[&all, &part])?,
            });
        }
        all.map_or_else(|| refuse("a window", "none"), Ok)
    };
    if largest {
        return slid(scope, x, f64::NEG_INFINITY, Elementwise::Max);
    }
    let sum = slid(scope, x, 0.0, Elementwise::Add)?;
    let count = if around == 0 {
        scope.builder.number(&sum, size as f64)
    } else {
        let one = scope.builder.number(x, 1.0);
        let ones = emit(scope, Shape::Broadcast { shape: shape_of(scope, x) }, &[&one])?;
        slid(scope, &ones, 0.0, Elementwise::Add)?
    };
    emit(scope, Elementwise::Div, &[&sum, &count])
}
