//! `ZeroPadding`, `Cropping` and `UpSampling` over one to three spatial axes: longer or shorter axes.

use masque_ir::ops::{Elementwise, OpError, Shape};
use masque_ir::program::Operand;
use masque_ir::{Dim, Type};

use super::spatial::{Spatial, losing};
use crate::layer::{
    Advice, Arguments, Config, ConfigError, Layer, Masking, Scope, ShapeError, Way, infer_by_lowering,
};

losing!(ZERO_PADDING1D, "ZeroPadding1D", |config| margins(config, 1, "padding", 1));
losing!(ZERO_PADDING2D, "ZeroPadding2D", |config| margins(config, 2, "padding", 1));
losing!(ZERO_PADDING3D, "ZeroPadding3D", |config| margins(config, 3, "padding", 1));
losing!(CROPPING1D, "Cropping1D", |config| margins(config, 1, "cropping", -1));
losing!(CROPPING2D, "Cropping2D", |config| margins(config, 2, "cropping", -1));
losing!(CROPPING3D, "Cropping3D", |config| margins(config, 3, "cropping", -1));
losing!(UP_SAMPLING1D, "UpSampling1D", |config| up_sampling(config, 1));
losing!(UP_SAMPLING2D, "UpSampling2D", |config| up_sampling(config, 2));
losing!(UP_SAMPLING3D, "UpSampling3D", |config| up_sampling(config, 3));

/// Advice of layers that change how many positions there are.
const ADVICE: Advice = Advice::of(
    "it adds, removes or repeats positions, and does not do the same to the mask",
    &[Way::Before, Way::Zero],
);

/// Zeros at both ends of the spatial axes, or positions taken away there.
#[derive(Debug)]
struct Margins {
    spatial: Spatial,
    low: Vec<i64>,
    high: Vec<i64>,
}

fn margins(config: &mut Config, axes: usize, key: &str, sign: i64) -> Result<Box<dyn Layer>, ConfigError> {
    let spatial = Spatial::parse(config, axes)?;
    let margins = config.margins(key, axes)?;
    let ends = |end: usize| {
        let behind_batch = margins.iter().map(|margin| i64::from(margin[end]) * sign);
        [0].into_iter().chain(behind_batch).chain([0]).collect()
    };
    Ok(Box::new(Margins { spatial, low: ends(0), high: ends(1) }))
}

impl Layer for Margins {
    fn masking(&self) -> Masking {
        Masking::UNSUPPORTED.advised(ADVICE)
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        self.spatial.data(arguments)?;
        infer_by_lowering(self, arguments)
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = self.spatial.to_last(scope, &arguments.data()[0])?;
        let zero = scope.builder.number(&x, 0.0);
        let spread = vec![0; self.low.len()];
        let pad = Shape::Pad { low: self.low.clone(), high: self.high.clone(), spread };
        let y = scope.builder.emit(pad, &[x, zero])?;
        Ok(vec![self.spatial.restore(scope, y)?])
    }
}

/// Every position several times, or positions interpolated between.
#[derive(Debug)]
struct UpSampling {
    spatial: Spatial,
    size: Vec<u32>,
    bilinear: bool,
}

/// The largest factor for `bilinear`: each position between two neighbours has operations of its own.
const LARGEST_BILINEAR: u32 = 64;

fn up_sampling(config: &mut Config, axes: usize) -> Result<Box<dyn Layer>, ConfigError> {
    let spatial = if axes == 1 { Spatial::channels_last(1) } else { Spatial::parse(config, axes)? };
    let size = config.sizes("size", axes, 1, Some(2))?;
    let words = [("nearest", false), ("bilinear", true)];
    let bilinear = axes == 2 && config.word("interpolation", false, &words)?;
    if let Some(factor) = size.iter().find(|&&factor| bilinear && factor > LARGEST_BILINEAR) {
        let expected = format!("factors of at most {LARGEST_BILINEAR} where `interpolation` is bilinear");
        return Err(ConfigError::new("size", expected, &(*factor).into()));
    }
    Ok(Box::new(UpSampling { spatial, size, bilinear }))
}

impl Layer for UpSampling {
    fn masking(&self) -> Masking {
        Masking::UNSUPPORTED.advised(ADVICE)
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        self.spatial.data(arguments)?;
        infer_by_lowering(self, arguments)
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let mut x = arguments.data()[0].clone();
        if self.bilinear {
            x = scope.float(&x)?;
        }
        x = self.spatial.to_last(scope, &x)?;
        for (place, &factor) in self.size.iter().enumerate().rev().filter(|(_, factor)| **factor > 1) {
            let parts = match self.bilinear {
                true => between(scope, &x, place + 1, factor)?,
                false => repeated(scope, &x, place + 1, factor)?,
            };
            let mut shape = scope.builder.type_of(&parts).shape;
            let factor = shape.remove(place + 2);
            shape[place + 1] = &shape[place + 1] * &factor;
            x = scope.builder.emit(Shape::Reshape { shape }, &[parts])?;
        }
        Ok(vec![self.spatial.restore(scope, x)?])
    }
}

/// Every position several times, along a new axis behind its own.
fn repeated(scope: &mut Scope<'_>, x: &Operand, axis: usize, factor: u32) -> Result<Operand, OpError> {
    let x = with_axis(scope, x, axis + 1)?;
    let mut shape = scope.builder.type_of(&x).shape;
    shape[axis + 1] = Dim::constant(factor.into());
    scope.builder.emit(Shape::Broadcast { shape }, &[x])
}

/// With an axis of size 1 at that place.
fn with_axis(scope: &mut Scope<'_>, x: &Operand, place: usize) -> Result<Operand, OpError> {
    let mut shape = scope.builder.type_of(x).shape;
    shape.insert(place, Dim::constant(1));
    scope.builder.emit(Shape::Reshape { shape }, std::slice::from_ref(x))
}

/// What lies between a position and its neighbours, along a new axis behind its own: positions count from the middle
/// of an element, and the ends of an axis are their own neighbours.
fn between(scope: &mut Scope<'_>, x: &Operand, axis: usize, factor: u32) -> Result<Operand, OpError> {
    let (one, size) = (Dim::constant(1), scope.builder.type_of(x).shape[axis].clone());
    let along = axis as u32;
    let mut slice = |start: Dim, stop: Dim| {
        scope.builder.emit(Shape::Slice { axis: along, start, stop, step: 1 }, std::slice::from_ref(x))
    };
    let first = slice(Dim::constant(0), one.clone())?;
    let others = slice(Dim::constant(0), &size - &one)?;
    let later = slice(one.clone(), size.clone())?;
    let last = slice(&size - &one, size.clone())?;
    let before = scope.builder.emit(Shape::Concat { axis: along }, &[first, others])?;
    let behind = scope.builder.emit(Shape::Concat { axis: along }, &[later, last])?;
    let mut parts = vec![];
    for place in 0..factor {
        let offset = (f64::from(place) + 0.5) / f64::from(factor) - 0.5;
        let (from, to, share) = if offset < 0.0 { (&before, x, offset + 1.0) } else { (x, &behind, offset) };
        let share = scope.builder.number(x, share);
        let distance = scope.builder.emit(Elementwise::Sub, &[to.clone(), from.clone()])?;
        let step = scope.builder.emit(Elementwise::Mul, &[distance, share])?;
        let part = scope.builder.emit(Elementwise::Add, &[from.clone(), step])?;
        parts.push(with_axis(scope, &part, axis + 1)?);
    }
    scope.builder.emit(Shape::Concat { axis: along + 1 }, &parts)
}
