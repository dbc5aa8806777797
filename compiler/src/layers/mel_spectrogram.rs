//! `MelSpectrogram`: how loud a signal is in each frame, in bands as an ear hears them.
//!
//! The spectrum of a frame is a convolution with a window times sines and cosines, the bands are a matrix behind it. Keras
//! measures decibels from the loudest place of the *whole batch*, and so do we.

use std::f64::consts::{LN_10, TAU};

use masque_ir::activation::Activation;
use masque_ir::float::Float;
use masque_ir::ops::{self, Elementwise, Leaf, OpError, Reduce, Shape, Window as Conv};
use masque_ir::program::Operand;
use masque_ir::{DType, Dim, Type};

use super::operations::{mirrored, wide_waves};
use super::spatial::losing;
use crate::layer::{Arguments, Config, ConfigError, Layer, Scope, ShapeError, infer_by_lowering};

losing!(MEL_SPECTROGRAM, "MelSpectrogram", parse);

/// How a frame is weighted.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Window {
    Hann,
    Hamming,
    Flat,
}

/// How power becomes decibels.
#[derive(Debug)]
struct Decibels {
    /// How far below the loudest place it ends.
    range: f64,
    least: f64,
    reference: f64,
}

#[derive(Debug)]
struct MelSpectrogram {
    points: i64,
    stride: u32,
    frame: i64,
    window: Window,
    bands: i64,
    sampling_rate: f64,
    /// The lowest and the highest frequency.
    edges: [f64; 2],
    exponent: f64,
    decibels: Option<Decibels>,
}

/// The most points of a spectrum, and the most bands.
const MOST: i64 = 1 << 13;

fn parse(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let mut size = |key: &str, default: i64| -> Result<i64, ConfigError> {
        let size = config.optional_size(key)?.unwrap_or(default);
        if size > MOST {
            Err(ConfigError::new(key, format!("at most {MOST}"), &size.into()))
        } else {
            Ok(size)
        }
    };
    let points = size("fft_length", 2048)?;
    let (stride, frame) = (size("sequence_stride", 512)?, size("sequence_length", points)?);
    let bands = size("num_mel_bins", 128)?;
    if frame > points || points < 2 {
        let expected = "2 or more, and not shorter than sequence_length";
        return Err(ConfigError::new("fft_length", expected, &points.into()));
    }
    config.name_null("window", "none");
    let windows = [("hann", Window::Hann), ("hamming", Window::Hamming), ("none", Window::Flat)];
    let window = config.word("window", Window::Hann, &windows)?;
    let sampling_rate = config.number("sampling_rate", 16000.0)?;
    let highest = config.number("max_freq", 0.0)?;
    let highest = if highest == 0.0 { (sampling_rate / 2.0).trunc() } else { highest };
    let decibels = Decibels {
        range: config.number("top_db", 80.0)?,
        least: config.number("min_power", 1e-10)?,
        reference: config.number("ref_power", 1.0)?,
    };
    Ok(Box::new(MelSpectrogram {
        points,
        stride: stride as u32,
        frame,
        window,
        bands,
        sampling_rate,
        edges: [config.number("min_freq", 20.0)?, highest],
        exponent: config.number("mag_exp", 2.0)?,
        decibels: config.bool("power_to_db", true)?.then_some(decibels),
    }))
}

/// Numbers in a column or a row.
fn vector(
    scope: &mut Scope<'_>,
    dtype: DType,
    column: bool,
    numbers: impl Iterator<Item = f64>,
) -> Result<Operand, OpError> {
    let values: Vec<Float> = numbers.map(Float).collect();
    let length = Dim::constant(values.len() as i64);
    let shape = if column { vec![length, Dim::constant(1)] } else { vec![length] };
    scope.emit(Leaf::Constant { ty: Type::new(dtype, shape), values }, &[])
}

/// Frequencies in hertz as an ear hears them.
fn mel(hertz: f32) -> f32 {
    1127.0 * (1.0 + hertz / 700.0).ln()
}

/// Evenly spread numbers, both ends included.
fn evenly(start: f32, stop: f32, count: i64) -> impl Iterator<Item = f32> {
    let step = (stop - start) / (count - 1).max(1) as f32;
    (0..count).map(move |place| if place + 1 == count { stop } else { start + step * place as f32 })
}

impl MelSpectrogram {
    fn frequencies(&self) -> i64 {
        self.points / 2 + 1
    }

    fn check(&self, arguments: &Arguments<Type>) -> Result<(), ShapeError> {
        let expected = format!("signals [B, T] of more than {} numbers", self.points / 2);
        let x = arguments.first().ok_or_else(|| ShapeError::new(expected.clone(), "none"))?;
        let long = x.shape.last().and_then(Dim::known).is_none_or(|size| size > self.points / 2);
        if x.rank() == 2 && x.dtype != DType::Str && long {
            Ok(())
        } else {
            Err(ShapeError::new(expected, x))
        }
    }

    /// The weight of each position of a frame, which lies in the middle of the points.
    fn window(&self) -> impl Iterator<Item = f64> + use<> {
        let before = (self.points - self.frame) / 2;
        let period = self.frame - self.frame % 2;
        let (window, frame) = (self.window, self.frame);
        (0..self.points).map(move |place| {
            let place = place - before;
            let turn = TAU * place as f64 / period.max(1) as f64;
            match window {
                // Without a window Keras does not cut the frame either.
                Window::Flat => 1.0,
                _ if !(0..frame).contains(&place) => 0.0,
                _ if frame == 1 => 1.0,
                Window::Hann => 0.5 - 0.5 * turn.cos(),
                Window::Hamming => 0.54 - 0.46 * turn.cos(),
            }
        })
    }

    /// Cosines, then sines, of every frequency: `[points, 1, 2F]`.
    fn kernel(&self, scope: &mut Scope<'_>) -> Result<Operand, OpError> {
        let [cosines, sines] = wide_waves(scope, self.points, self.frequencies())?;
        let waves = scope.emit(Shape::Concat { axis: 1 }, &[&cosines, &sines])?;
        let weights = vector(scope, DType::F64, true, self.window())?;
        let kernel = scope.emit(Elementwise::Mul, &[&waves, &weights])?;
        let kernel = scope.cast(&kernel, DType::F32)?;
        let shape = [self.points, 1, 2 * self.frequencies()].map(Dim::constant).to_vec();
        scope.emit(Shape::Reshape { shape: shape.into() }, &[&kernel])
    }

    /// The signals with half a frame of themselves mirrored at both ends: `[B, T', 1]`.
    fn mirrored(&self, scope: &mut Scope<'_>, x: &Operand) -> Result<Operand, OpError> {
        let all = mirrored(scope, x, 1, [self.points / 2; 2], 1)?;
        let rank = scope.builder.type_of(&all).rank();
        scope.builder.trail_axes(&all, rank + 1)
    }

    /// How much of each frequency goes into each band: triangles on the scale of the ear, `[F, bands]`.
    fn bands(&self, scope: &mut Scope<'_>) -> Result<Operand, OpError> {
        use Elementwise::{Div, Max, Min, Sub};
        let highest = self.sampling_rate as f32 / 2.0;
        // The constant part of a signal is in no band.
        let heard = evenly(0.0, highest, self.frequencies()).skip(1).map(|hertz| f64::from(mel(hertz)));
        let heard = vector(scope, DType::F32, true, heard)?;
        let [low, high] = self.edges.map(|edge| mel(edge as f32));
        let edges: Vec<f64> = evenly(low, high, self.bands + 2).map(f64::from).collect();
        let bands = self.bands as usize;
        let mut edge =
            |from: usize| vector(scope, DType::F32, false, edges[from..from + bands].iter().copied());
        let (lower, center, upper) = (edge(0)?, edge(1)?, edge(2)?);
        let mut slope = |a: &Operand, b: &Operand, c: &Operand, d: &Operand| {
            let (rise, run) = (scope.emit(Sub, &[a, b])?, scope.emit(Sub, &[c, d])?);
            scope.emit(Div, &[&rise, &run])
        };
        let up = slope(&heard, &lower, &center, &lower)?;
        let down = slope(&upper, &heard, &upper, &center)?;
        let inside = scope.emit(Min, &[&up, &down])?;
        let share = scope.with(Max, &inside, 0.0)?;
        let zero = scope.builder.number(&share, 0.0);
        scope.emit(Shape::Pad { low: vec![1, 0], high: vec![0, 0], spread: vec![0, 0] }, &[&share, &zero])
    }

    fn magnitude(&self, scope: &mut Scope<'_>, spectrum: &Operand) -> Result<Operand, OpError> {
        use Elementwise::{Add, Mul, Pow, Sqrt};
        let half = Dim::constant(self.frequencies());
        let mut squared = |start: Dim, stop: Dim| {
            let part = scope.emit(Shape::Slice { axis: 2, start, stop, step: 1 }, &[spectrum])?;
            scope.emit(Mul, &[&part, &part])
        };
        let cosines = squared(Dim::constant(0), half.clone())?;
        let sines = squared(half.clone(), &half + &half)?;
        let power = scope.emit(Add, &[&cosines, &sines])?;
        let magnitude = scope.emit(Sqrt, &[&power])?;
        scope.with(Pow, &magnitude, self.exponent)
    }
}

impl Decibels {
    fn lower(&self, scope: &mut Scope<'_>, x: &Operand) -> Result<Operand, OpError> {
        use Elementwise::{Div, Log, Max, Mul, Sub};
        let x = scope.with(Max, x, self.least)?;
        let log = scope.emit(Log, &[&x])?;
        let log = scope.with(Div, &log, LN_10)?;
        let decibels = scope.with(Mul, &log, 10.0)?;
        let reference = 10.0 * self.reference.abs().max(self.least).log10();
        let decibels = scope.with(Sub, &decibels, reference)?;
        let axes = (0..scope.builder.type_of(&decibels).rank() as u32).collect();
        let loudest = scope.emit(Reduce::ReduceMax { axes, keep: false }, &[&decibels])?;
        let quietest = scope.with(Sub, &loudest, self.range)?;
        scope.emit(Max, &[&decibels, &quietest])
    }
}

impl Layer for MelSpectrogram {
    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        self.check(arguments)?;
        infer_by_lowering(self, arguments)
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = scope.float(&arguments.data()[0])?;
        let signals = self.mirrored(scope, &x)?;
        let kernel = self.kernel(scope)?;
        let conv = Conv::Conv { strides: vec![self.stride], dilation: vec![1], groups: 1, same: false };
        let spectrum = scope.emit(conv, &[&signals, &kernel])?;
        let magnitude = self.magnitude(scope, &spectrum)?;
        let bands = self.bands(scope)?;
        let dense = ops::Dense::Dense { activation: Activation::Linear };
        let mut y = scope.emit(dense, &[&magnitude, &bands, &Operand::Absent])?;
        if let Some(decibels) = &self.decibels {
            y = decibels.lower(scope, &y)?;
        }
        Ok(vec![scope.emit(Shape::Transpose { perm: vec![0, 2, 1] }, &[&y])?])
    }
}
