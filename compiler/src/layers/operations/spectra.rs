//! Fourier transforms, of which Keras gives real and imaginary parts as two tensors: products with waves.

use std::f64::consts::TAU;

use masque_ir::float::Float;
use masque_ir::ops::{Elementwise, Leaf, Product, Shape};
use masque_ir::program::Operand;
use masque_ir::{DType, Dim, Type};

use super::built::{Built, Outcome, dtype_of, emit, optional_integer, refuse, shape_of, tensor};
use super::def;
use super::formula::{Term, term};
use super::pieces::part;
use super::shapes::permuted;
use crate::layer::{Arguments, Config, ConfigError, Layer, LayerDef, Scope, Takes};

/// The most points that a transform has.
pub(super) const MOST_POINTS: i64 = 1 << 12;

/// Real and imaginary parts.
pub(super) type Complex = [Operand; 2];

pub(in crate::layers) static FFT: LayerDef = def("ops.FFT", |_| {
    let fft = Built::several(&["x"], 2, |scope, arguments| {
        let x = complex(scope, arguments)?;
        transformed(scope, &x, false).map(Vec::from)
    });
    fft.taking(&[("x", Takes::Tensors)]).boxed()
});
pub(in crate::layers) static FFT2: LayerDef = def("ops.FFT2", |_| plane(false));
pub(in crate::layers) static IFFT2: LayerDef = def("ops.IFFT2", |_| plane(true));
pub(in crate::layers) static RFFT: LayerDef = def("ops.RFFT", |config| {
    let points = optional_points(config, "fft_length")?;
    let rfft = Built::several(&["x"], 2, move |scope, arguments| {
        let x = floats(scope, &tensor(arguments, "x")?)?;
        let points = points.map_or_else(|| known_points(scope, &x), Ok)?;
        let x = fitted(scope, &x, points)?;
        let [cosines, sines] = waves(scope, points, points / 2 + 1)?;
        let (real, imaginary) =
            (emit(scope, Product::Matmul, &[&x, &cosines])?, emit(scope, Product::Matmul, &[&x, &sines])?);
        Ok(vec![real, emit(scope, Elementwise::Neg, &[&imaginary])?])
    });
    rfft.boxed()
});
pub(in crate::layers) static IRFFT: LayerDef = def("ops.IRFFT", |config| {
    let points = optional_points(config, "fft_length")?;
    let irfft = Built::new(&["x"], move |scope, arguments| {
        let x = complex(scope, arguments)?;
        let points = match points {
            Some(points) => points,
            None => 2 * (known_points(scope, &x[0])? - 1),
        };
        of_half(scope, &x, points)
    });
    irfft.taking(&[("x", Takes::Tensors)]).boxed()
});

/// A transform along the last two axes.
fn plane(back: bool) -> Result<Box<dyn Layer>, ConfigError> {
    let plane = Built::several(&["x"], 2, move |scope, arguments| {
        let mut x = complex(scope, arguments)?;
        let rank = shape_of(scope, &x[0]).len() as u32;
        if rank < 2 {
            return refuse("at least two axes", rank);
        }
        for _ in 0..2 {
            x = transformed(scope, &x, back)?;
            let turned = || (0..rank - 2).chain([rank - 1, rank - 2]).collect::<Vec<u32>>();
            x = [permuted(scope, &x[0], turned())?, permuted(scope, &x[1], turned())?];
        }
        Ok(Vec::from(x))
    });
    plane.taking(&[("x", Takes::Tensors)]).boxed()
}

/// Floats of f32: Keras takes no others here but f64.
pub(super) fn floats(scope: &Scope<'_>, x: &Operand) -> Outcome {
    match dtype_of(scope, x) {
        DType::F32 if !shape_of(scope, x).is_empty() => Ok(x.clone()),
        _ => refuse("f32 numbers with an axis", scope.builder.type_of(x)),
    }
}

pub(super) fn complex(scope: &Scope<'_>, arguments: &Arguments<Operand>) -> Outcome<Complex> {
    match arguments.tensors("x") {
        [real, imaginary] if shape_of(scope, real) == shape_of(scope, imaginary) => {
            Ok([floats(scope, real)?, floats(scope, imaginary)?])
        }
        other => {
            refuse("a real and an imaginary part of one shape as `x`", format!("{} tensors", other.len()))
        }
    }
}

fn optional_points(config: &mut Config, key: &str) -> Result<Option<i64>, ConfigError> {
    let points = optional_integer(config, key)?;
    match points.filter(|points| !(1..=MOST_POINTS).contains(points)) {
        Some(points) => Err(ConfigError::new(key, format!("1 to {MOST_POINTS}"), &points.into())),
        None => Ok(points),
    }
}

/// The size of the last axis.
fn known_points(scope: &Scope<'_>, x: &Operand) -> Outcome<i64> {
    let size = shape_of(scope, x).last().and_then(Dim::known).filter(|size| (1..=MOST_POINTS).contains(size));
    size.map_or_else(
        || refuse(format!("a last axis of known size, at most {MOST_POINTS}"), scope.builder.type_of(x)),
        Ok,
    )
}

/// The first so many positions of the last axis, with zeros behind where there are fewer.
pub(super) fn fitted(scope: &mut Scope<'_>, x: &Operand, points: i64) -> Outcome {
    let shape = shape_of(scope, x);
    let last = shape.len() - 1;
    let Some(size) = shape[last].known() else { return refuse("a last axis of known size", &shape[last]) };
    if size >= points {
        return part(scope, x, last as u32, Dim::constant(0), Dim::constant(points));
    }
    let zero = scope.builder.number(x, 0.0);
    let ends = |end: i64| (0..=last).map(|axis| if axis == last { end } else { 0 }).collect();
    emit(
        scope,
        Shape::Pad { low: ends(0), high: ends(points - size), spread: vec![0; last + 1] },
        &[x, &zero],
    )
}

/// f64 numbers in a column, or in a row.
pub(super) fn numbers(scope: &mut Scope<'_>, column: bool, numbers: impl Iterator<Item = f64>) -> Outcome {
    let values: Vec<Float> = numbers.map(Float).collect();
    let count = Dim::constant(values.len() as i64);
    let shape = if column { vec![count, Dim::constant(1)] } else { vec![count] };
    scope.emit(Leaf::Constant { ty: Type::new(DType::F64, shape), values }, &[])
}

/// Cosines and sines of the first frequencies at every point: twice `[points, frequencies]`, in f64.
pub(in crate::layers) fn wide_waves(
    scope: &mut Scope<'_>,
    points: i64,
    frequencies: i64,
) -> Outcome<Complex> {
    let places = numbers(scope, true, (0..points).map(|place| place as f64))?;
    let turns = numbers(scope, false, (0..frequencies).map(|turn| turn as f64))?;
    // Whole turns are taken away first, so that the angles are as exact as they can be.
    let angles = (term(&places) * term(&turns)).modulo(points as f64) * (TAU / points as f64);
    let angles = angles.build(scope)?;
    Ok([emit(scope, Elementwise::Cos, &[&angles])?, emit(scope, Elementwise::Sin, &[&angles])?])
}

fn waves(scope: &mut Scope<'_>, points: i64, frequencies: i64) -> Outcome<Complex> {
    let [cosines, sines] = wide_waves(scope, points, frequencies)?;
    Ok([scope.cast(&cosines, DType::F32)?, scope.cast(&sines, DType::F32)?])
}

/// The same for as many points and frequencies as the last axis of a tensor has when the model runs, and one over their number.
fn waves_along(scope: &mut Scope<'_>, x: &Operand) -> Outcome<(Complex, Term)> {
    let axis = shape_of(scope, x).len() as u32 - 1;
    let points = emit(scope, Shape::Size { axes: vec![axis] }, &[x])?;
    let points = term(&points).cast(DType::F64);
    let turns = emit(scope, Shape::Positions { axis }, &[x])?;
    let places = scope.builder.trail_axes(&turns, 2)?;
    let angles = (term(&places).cast(DType::F64) * term(&turns).cast(DType::F64)).modulo(&points);
    let angles = (angles * TAU / &points).build(scope)?;
    let mut wave = |op| {
        let wave = emit(scope, op, &[&angles])?;
        scope.cast(&wave, DType::F32)
    };
    Ok(([wave(Elementwise::Cos)?, wave(Elementwise::Sin)?], Term::from(1.0) / points.cast(DType::F32)))
}

/// The transform along the last axis, or the way back.
fn transformed(scope: &mut Scope<'_>, [real, imaginary]: &Complex, back: bool) -> Outcome<Complex> {
    let open = shape_of(scope, real).last().is_some_and(|size| size.known().is_none());
    let ([cosines, sines], share) = match open {
        true => waves_along(scope, real)?,
        false => {
            let points = known_points(scope, real)?;
            (waves(scope, points, points)?, Term::from(1.0 / points as f64))
        }
    };
    let sines = if back { emit(scope, Elementwise::Neg, &[&sines])? } else { sines };
    let mut product = |x: &Operand, wave: &Operand| Ok(term(&emit(scope, Product::Matmul, &[x, wave])?));
    let [a, b] = [product(real, &cosines)?, product(imaginary, &sines)?];
    let [c, d] = [product(imaginary, &cosines)?, product(real, &sines)?];
    let share = if back { share } else { Term::from(1.0) };
    Ok([((a + b) * &share).build(scope)?, ((c - d) * &share).build(scope)?])
}

/// Real numbers from the lower half of their spectrum; the upper half is its mirror image.
fn of_half(scope: &mut Scope<'_>, [real, imaginary]: &Complex, points: i64) -> Outcome {
    if !(1..=MOST_POINTS).contains(&points) {
        return refuse(format!("1 to {MOST_POINTS} points"), points);
    }
    let half = points / 2 + 1;
    let (real, imaginary) = (fitted(scope, real, half)?, fitted(scope, imaginary, half)?);
    let [cosines, sines] = halves(scope, points)?;
    let (a, b) = (
        emit(scope, Product::Matmul, &[&real, &cosines])?,
        emit(scope, Product::Matmul, &[&imaginary, &sines])?,
    );
    emit(scope, Elementwise::Sub, &[&a, &b])
}

/// What each frequency of a half spectrum gives to every point: twice `[frequencies, points]`.
pub(super) fn halves(scope: &mut Scope<'_>, points: i64) -> Outcome<Complex> {
    let half = points / 2 + 1;
    // Every frequency stands for its mirror image too, but for those that are their own.
    let alone = |turn: i64| turn == 0 || 2 * turn == points;
    let shares = (0..half).map(|turn| if alone(turn) { 1.0 } else { 2.0 } / points as f64);
    let shares = numbers(scope, false, shares)?;
    let mut parts = vec![];
    for wave in wide_waves(scope, points, half)? {
        let shared = (term(&wave) * term(&shares)).cast(DType::F32).build(scope)?;
        parts.push(permuted(scope, &shared, vec![1, 0])?);
    }
    <[Operand; 2]>::try_from(parts).or_else(|_| refuse("two parts", "others"))
}
