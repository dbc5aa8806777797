//! Spectra of the frames of a signal, and signals put together from such frames.

use std::f64::consts::TAU;

use masque_ir::ops::{Elementwise, Shape, Window};
use masque_ir::program::Operand;
use masque_ir::{DType, Dim, Sizes};

use super::built::{Built, Outcome, emit, optional_integer, refuse, shape_of, tensor};
use super::def;
use super::formula::term;
use super::pieces::{mirrored, part};
use super::shapes::permuted;
use super::spectra::{Complex, MOST_POINTS, complex, fitted, floats, halves, numbers, wide_waves};
use crate::layer::{Config, ConfigError, LayerDef, Scope, Takes};
use crate::layers::convolution::{Padding, Sliding};
use crate::layers::spatial::Spatial;

pub(in crate::layers) static STFT: LayerDef = def("ops.STFT", |config| {
    let frames = Frames::parse(config)?;
    let stft = Built::several(&["x"], 2, move |scope, arguments| {
        let x = floats(scope, &tensor(arguments, "x")?)?;
        frames.spectra(scope, &x).map(Vec::from)
    });
    stft.boxed()
});
pub(in crate::layers) static ISTFT: LayerDef = def("ops.ISTFT", |config| {
    let mut frames = Frames::parse(config)?;
    frames.undo_window()?;
    let length = optional_integer(config, "length")?;
    if let Some(length) = length.filter(|length| *length < 0) {
        return Err(ConfigError::new("length", "a length", &length.into()));
    }
    let istft = Built::new(&["x"], move |scope, arguments| {
        let x = complex(scope, arguments)?;
        frames.signal(scope, &x, length)
    });
    istft.taking(&[("x", Takes::Tensors)]).boxed()
});

/// How a signal is cut into frames.
struct Frames {
    stride: i64,
    points: i64,
    window: Vec<f64>,
    center: bool,
}

impl Frames {
    fn parse(config: &mut Config) -> Result<Frames, ConfigError> {
        let length = config.size("sequence_length")?;
        let stride = config.size("sequence_stride")?;
        let points = config.size("fft_length")?;
        if length > points || points > MOST_POINTS || stride > points {
            let expected = format!("sequence_length and sequence_stride <= fft_length <= {MOST_POINTS}");
            return Err(ConfigError::new("fft_length", expected, &points.into()));
        }
        config.name_null("window", "none");
        let shape = config.word(
            "window",
            Some([0.5, 0.5]),
            &[("hann", Some([0.5, 0.5])), ("hamming", Some([0.54, 0.46])), ("none", None)],
        )?;
        let (before, period) = ((points - length) / 2, length - length % 2);
        let window = (0..points).map(|place| {
            let place = place - before;
            match shape {
                None => 1.0,
                Some(_) if !(0..length).contains(&place) => 0.0,
                Some(_) if length == 1 => 1.0,
                Some([level, swing]) => level - swing * (TAU * place as f64 / period as f64).cos(),
            }
        });
        Ok(Frames { stride, points, window: window.collect(), center: config.bool("center", true)? })
    }

    /// The window by which a signal that was cut with this one is put together again.
    fn undo_window(&mut self) -> Result<(), ConfigError> {
        if self.window.iter().all(|&weight| weight == 1.0) {
            return Ok(());
        }
        let stride = self.stride as usize;
        let overlapping = |place: usize| self.window.iter().skip(place % stride).step_by(stride);
        let squares = |place: usize| overlapping(place).map(|weight| weight * weight).sum::<f64>();
        let undone: Vec<f64> =
            self.window.iter().enumerate().map(|(place, weight)| weight / squares(place)).collect();
        if undone.iter().any(|weight| !weight.is_finite()) {
            let expected = "a stride at which no position of a signal is lost in the window";
            return Err(ConfigError::new("sequence_stride", expected, &self.stride.into()));
        }
        self.window = undone;
        Ok(())
    }

    /// Real and imaginary parts `[…, frames, frequencies]` of a signal `[…, T]`.
    fn spectra(&self, scope: &mut Scope<'_>, x: &Operand) -> Outcome<Complex> {
        let half = self.points / 2 + 1;
        let shape = shape_of(scope, x);
        let last = shape.len() - 1;
        let x =
            if self.center { mirrored(scope, x, last as u32, [self.points / 2; 2], 1)? } else { x.clone() };
        let time = shape_of(scope, &x)[last].clone();
        let signals: Sizes = vec![product(&shape[..last]), time, Dim::constant(1)].into();
        let signals = emit(scope, Shape::Reshape { shape: signals }, &[&x])?;
        let kernel = self.kernel(scope, half)?;
        let conv =
            Window::Conv { strides: vec![self.stride as u32], dilation: vec![1], groups: 1, same: false };
        let spectra = emit(scope, conv, &[&signals, &kernel])?;
        let spread: Vec<Dim> = shape[..last]
            .iter()
            .cloned()
            .chain([shape_of(scope, &spectra)[1].clone(), Dim::constant(2 * half)])
            .collect();
        let spectra = emit(scope, Shape::Reshape { shape: spread.into() }, &[&spectra])?;
        let (from, to) = (Dim::constant(half), Dim::constant(2 * half));
        let real = part(scope, &spectra, last as u32 + 1, Dim::constant(0), from.clone())?;
        Ok([real, part(scope, &spectra, last as u32 + 1, from, to)?])
    }

    /// What a frame is multiplied with: `[points, 1, 2 * frequencies]`.
    fn kernel(&self, scope: &mut Scope<'_>, half: i64) -> Outcome {
        let [cosines, sines] = wide_waves(scope, self.points, half)?;
        let sines = emit(scope, Elementwise::Neg, &[&sines])?;
        let waves = emit(scope, Shape::Concat { axis: 1 }, &[&cosines, &sines])?;
        let window = numbers(scope, true, self.window.iter().copied())?;
        let kernel = (term(&waves) * term(&window)).cast(DType::F32).build(scope)?;
        let shape = [self.points, 1, 2 * half].map(Dim::constant).to_vec();
        emit(scope, Shape::Reshape { shape: shape.into() }, &[&kernel])
    }

    /// The signal `[…, T]` of frames `[…, frames, frequencies]`: each laid down where it was, and added.
    fn signal(&self, scope: &mut Scope<'_>, [real, imaginary]: &Complex, length: Option<i64>) -> Outcome {
        let shape = shape_of(scope, real);
        let Some(before) = shape.len().checked_sub(2) else {
            return refuse("at least two axes", shape.len());
        };
        let half = self.points / 2 + 1;
        let parts = [fitted(scope, real, half)?, fitted(scope, imaginary, half)?];
        let spectra = emit(scope, Shape::Concat { axis: before as u32 + 1 }, &[&parts[0], &parts[1]])?;
        let rows: Sizes =
            vec![product(&shape[..before]), shape[before].clone(), Dim::constant(2 * half)].into();
        let spectra = emit(scope, Shape::Reshape { shape: rows }, &[&spectra])?;
        let kernel = self.kernel_back(scope, half)?;
        let steps = [vec![self.stride as u32], vec![1]];
        let sliding =
            Sliding::plain(Spatial::channels_last(1), vec![self.points as u32], steps, Padding::Valid);
        let signal = sliding.spread(scope, [spectra, kernel, Operand::Absent], sliding.cut(None))?;
        let one = Dim::constant(1);
        let whole = &(&(&shape[before] - &one) * &Dim::constant(self.stride)) + &Dim::constant(self.points);
        let margin = if self.center { self.points / 2 } else { 0 };
        let stop = match length {
            Some(length) => match whole.known() {
                Some(whole) => Dim::constant((margin + length).min(whole)),
                None => Dim::constant(margin + length),
            },
            None => &whole - &Dim::constant(margin),
        };
        let signal = part(scope, &signal, 1, Dim::constant(margin), stop)?;
        let time = shape_of(scope, &signal)[1].clone();
        let shape: Vec<Dim> = shape[..before].iter().cloned().chain([time]).collect();
        emit(scope, Shape::Reshape { shape: shape.into() }, &[&signal])
    }

    /// What every frequency lays down for each point: `[points, 1, 2 * frequencies]`.
    fn kernel_back(&self, scope: &mut Scope<'_>, half: i64) -> Outcome {
        let [cosines, sines] = halves(scope, self.points)?;
        let sines = emit(scope, Elementwise::Neg, &[&sines])?;
        let waves = emit(scope, Shape::Concat { axis: 0 }, &[&cosines, &sines])?;
        let window = numbers(scope, false, self.window.iter().copied())?;
        let window = scope.cast(&window, DType::F32)?;
        let kernel = emit(scope, Elementwise::Mul, &[&waves, &window])?;
        let kernel = permuted(scope, &kernel, vec![1, 0])?;
        let shape = [self.points, 1, 2 * half].map(Dim::constant).to_vec();
        emit(scope, Shape::Reshape { shape: shape.into() }, &[&kernel])
    }
}

fn product(sizes: &[Dim]) -> Dim {
    sizes.iter().fold(Dim::constant(1), |all, size| &all * size)
}
