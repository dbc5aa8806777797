//! `STFTSpectrogram`: the spectrum of each frame of a signal, by a convolution with kernels that stand in the file.

use masque_ir::ops::{Elementwise, OpError, Shape, Window};
use masque_ir::program::Operand;
use masque_ir::{Dim, Type};

use super::spatial::{Spatial, losing};
use crate::layer::{Arguments, Config, ConfigError, Layer, Scope, ShapeError, WeightSpec, infer_by_lowering};

losing!(STFT_SPECTROGRAM, "STFTSpectrogram", parse);

/// What is shown of the spectrum.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Log,
    Magnitude,
    Density,
    Real,
    Imaginary,
    Both,
}

#[derive(Debug)]
struct Spectrogram {
    spatial: Spatial,
    mode: Mode,
    frame: i64,
    step: u32,
    frequencies: i64,
    same: bool,
    expand: bool,
}

/// The longest frame, and the most points of its spectrum.
const LONGEST: i64 = 1 << 16;

/// Keras' epsilon: what a logarithm or a root is taken of is at least that.
const EPSILON: f64 = 1e-7;

fn parse(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    // The window is in the kernels.
    config.ignore(&["window", "periodic", "scaling"]);
    let words = [
        ("log", Mode::Log),
        ("magnitude", Mode::Magnitude),
        ("psd", Mode::Density),
        ("real", Mode::Real),
        ("imag", Mode::Imaginary),
        ("stft", Mode::Both),
    ];
    let mode = config.word("mode", Mode::Log, &words)?;
    let frame = config.optional_size("frame_length")?.unwrap_or(256);
    let step = config.optional_size("frame_step")?.unwrap_or(frame / 2);
    let default = frame.min(LONGEST).unsigned_abs().next_power_of_two() as i64;
    let points = config.optional_size("fft_length")?.unwrap_or(default);
    let in_order = (1..=frame).contains(&step) && frame <= points && (2..=LONGEST).contains(&points);
    if !in_order {
        let expected = format!("1 <= frame_step <= frame_length <= fft_length <= {LONGEST}");
        return Err(ConfigError::new("fft_length", expected, &vec![step, frame, points].into()));
    }
    let same = config.word("padding", false, &[("valid", false), ("same", true)])?;
    let expand = config.bool("expand_dims", false)?;
    Ok(Box::new(Spectrogram {
        spatial: Spatial::parse(config, 1)?,
        mode,
        frame,
        step: step as u32,
        frequencies: points / 2 + 1,
        same,
        expand,
    }))
}

impl Spectrogram {
    /// Part of the spectrum of each channel on its own: `[B, C, T', F]`.
    fn part(&self, scope: &mut Scope<'_>, x: &Operand, kernel: &str) -> Result<Operand, OpError> {
        let ty = scope.builder.type_of(x);
        let [batch, channels, time] = [0, 1, 2].map(|axis| ty.shape[axis].clone());
        let shape = vec![&batch * &channels, time, Dim::constant(1)];
        let signals = scope.emit(Shape::Reshape { shape: shape.into() }, &[x])?;
        let conv = Window::Conv { strides: vec![self.step], dilation: vec![1], groups: 1, same: self.same };
        let spectra = scope.emit(conv, &[&signals, &scope.weight(kernel)])?;
        let shape = scope.builder.type_of(&spectra).shape;
        let shape = vec![batch, channels, shape[1].clone(), shape[2].clone()];
        scope.emit(Shape::Reshape { shape: shape.into() }, &[&spectra])
    }

    fn spectrum(&self, scope: &mut Scope<'_>, x: &Operand) -> Result<Operand, OpError> {
        use Elementwise::{Add, Log, Max, Mul, Sqrt};
        match self.mode {
            Mode::Real => return self.part(scope, x, "real_kernel"),
            Mode::Imaginary => return self.part(scope, x, "imag_kernel"),
            _ => {}
        }
        let real = self.part(scope, x, "real_kernel")?;
        let imaginary = self.part(scope, x, "imag_kernel")?;
        if self.mode == Mode::Both {
            return scope.emit(Shape::Concat { axis: 3 }, &[&real, &imaginary]);
        }
        let (a, b) = (scope.emit(Mul, &[&real, &real])?, scope.emit(Mul, &[&imaginary, &imaginary])?);
        let power = scope.emit(Add, &[&a, &b])?;
        if self.mode == Mode::Density {
            let (start, stop) = (Dim::constant(1), Dim::constant(self.frequencies - 1));
            let inner = scope.emit(Shape::Slice { axis: 3, start, stop, step: 1 }, &[&power])?;
            let zero = scope.builder.number(&inner, 0.0);
            let ends = vec![0, 0, 0, 1];
            let pad = Shape::Pad { low: ends.clone(), high: ends, spread: vec![0; 4] };
            let inner = scope.emit(pad, &[&inner, &zero])?;
            return scope.emit(Add, &[&power, &inner]);
        }
        let epsilon = scope.builder.number(&power, EPSILON);
        let power = scope.emit(Max, &[&power, &epsilon])?;
        let magnitude = scope.emit(Sqrt, &[&power])?;
        if self.mode == Mode::Magnitude {
            return Ok(magnitude);
        }
        let magnitude = scope.emit(Max, &[&magnitude, &epsilon])?;
        scope.emit(Log, &[&magnitude])
    }

    /// The spectra in the layer's own order of axes.
    fn arranged(&self, scope: &mut Scope<'_>, y: &Operand) -> Result<Operand, OpError> {
        let perm = match (self.spatial.channels_first, self.expand) {
            (true, true) => return Ok(y.clone()),
            (true, false) => vec![0, 1, 3, 2],
            (false, true) => vec![0, 2, 3, 1],
            (false, false) => vec![0, 2, 1, 3],
        };
        let y = scope.emit(Shape::Transpose { perm }, &[y])?;
        if self.expand {
            return Ok(y);
        }
        let mut shape = scope.builder.type_of(&y).shape;
        let place = if self.spatial.channels_first { 1 } else { 2 };
        let joined = shape.remove(place);
        shape[place] = &joined * &shape[place];
        scope.emit(Shape::Reshape { shape }, &[&y])
    }

    fn check(&self, arguments: &Arguments<Type>) -> Result<(), ShapeError> {
        let x = self.spatial.data(arguments)?;
        self.spatial.channels(arguments)?;
        if x.dtype.is_float() { Ok(()) } else { Err(ShapeError::new("floats", x)) }
    }
}

impl Layer for Spectrogram {
    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        self.check(arguments)?;
        infer_by_lowering(self, arguments)
    }

    fn weights(&self, _: &Arguments<Type>) -> Result<Vec<WeightSpec>, ShapeError> {
        let names = match self.mode {
            Mode::Real => &["real_kernel"][..],
            Mode::Imaginary => &["imag_kernel"],
            _ => &["real_kernel", "imag_kernel"],
        };
        let shape = [self.frame, 1, self.frequencies];
        let spec = |(place, name): (usize, &&str)| WeightSpec::new(name, &format!("vars/{place}"), shape);
        Ok(names.iter().enumerate().map(spec).collect())
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let mut x = scope.float(&arguments.data()[0])?;
        if !self.spatial.channels_first {
            x = scope.emit(Shape::Transpose { perm: vec![0, 2, 1] }, &[&x])?;
        }
        let y = self.spectrum(scope, &x)?;
        Ok(vec![self.arranged(scope, &y)?])
    }
}
