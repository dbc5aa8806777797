//! Convolutions over one to three spatial axes, forwards and transposed.

use masque_ir::Type;
use masque_ir::activation::Activation;
use masque_ir::ops::{Convolve, OpError, Shape};
use masque_ir::program::Operand;

use super::activation::Applied;
use super::spatial::{Spatial, losing};
use crate::layer::{
    Advice, Arguments, Config, ConfigError, Layer, Masking, Scope, ShapeError, Way, WeightSpec,
    infer_by_lowering,
};

losing!(CONV1D, "Conv1D", |config| convolution(config, 1));
losing!(CONV2D, "Conv2D", |config| convolution(config, 2));
losing!(CONV3D, "Conv3D", |config| convolution(config, 3));
losing!(CONV1D_TRANSPOSE, "Conv1DTranspose", |config| transposed(config, 1));
losing!(CONV2D_TRANSPOSE, "Conv2DTranspose", |config| transposed(config, 2));
losing!(CONV3D_TRANSPOSE, "Conv3DTranspose", |config| transposed(config, 3));

/// What is done at the ends of the spatial axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Padding {
    /// Windows stay inside.
    Valid,
    /// A window for every stride begun.
    Same,
    /// Windows end where they stand: none sees what comes later.
    Causal,
}

/// The settings of all kinds of convolutions.
#[derive(Debug)]
pub(super) struct Sliding {
    pub(super) spatial: Spatial,
    pub(super) kernel: Vec<u32>,
    pub(super) strides: Vec<u32>,
    pub(super) dilation: Vec<u32>,
    pub(super) padding: Padding,
    pub(super) bias: bool,
    activation: Applied,
}

impl Sliding {
    /// Reads the settings; `causal` where Keras has it.
    pub(super) fn parse(config: &mut Config, axes: usize, causal: bool) -> Result<Sliding, ConfigError> {
        config.ignore(&["lora_rank", "lora_alpha"]);
        let words = [("valid", Padding::Valid), ("same", Padding::Same), ("causal", Padding::Causal)];
        Ok(Sliding {
            spatial: Spatial::parse(config, axes)?,
            kernel: config.sizes("kernel_size", axes, 1, None)?,
            strides: config.sizes("strides", axes, 1, Some(1))?,
            dilation: config.sizes("dilation_rate", axes, 1, Some(1))?,
            padding: config.word("padding", Padding::Valid, &words[..if causal { 3 } else { 2 }])?,
            bias: config.bool("use_bias", true)?,
            activation: Applied::parse(config)?,
        })
    }

    /// That of a kernel whose shape is known, without anything behind it.
    pub(super) fn plain(
        spatial: Spatial,
        kernel: Vec<u32>,
        [strides, dilation]: [Vec<u32>; 2],
        padding: Padding,
    ) -> Sliding {
        let activation = Applied::Function(Activation::Linear);
        Sliding { spatial, kernel, strides, dilation, padding, bias: false, activation }
    }

    /// How far a window reaches behind its first position, for each axis.
    fn reach(&self) -> impl Iterator<Item = i64> {
        let axes = self.kernel.iter().zip(&self.dilation);
        axes.map(|(&kernel, &dilation)| (i64::from(kernel) - 1) * i64::from(dilation))
    }

    /// A kernel's shape.
    pub(super) fn shape(&self, inputs: i64, outputs: i64) -> impl Iterator<Item = i64> {
        self.kernel.iter().map(|&size| size.into()).chain([inputs, outputs])
    }

    /// The convolution of data with a kernel, plus a bias if there is one: channels last.
    pub(super) fn slide(
        &self,
        scope: &mut Scope<'_>,
        operands: [Operand; 3],
        groups: u32,
    ) -> Result<Operand, OpError> {
        let axes = self.kernel.len();
        let low = match self.padding {
            Padding::Causal => self.reach().collect(),
            Padding::Valid | Padding::Same => vec![0; axes],
        };
        let op = Convolve::Convolve {
            strides: self.strides.clone(),
            dilation: self.dilation.clone(),
            groups,
            same: self.padding == Padding::Same,
            low,
            high: vec![0; axes],
            spread: vec![0; axes],
            activation: Activation::Linear,
        };
        scope.builder.emit(op, &operands)
    }

    /// What comes after the sums: the layer's order of axes, the activation function.
    pub(super) fn finish(&self, scope: &mut Scope<'_>, y: Operand) -> Result<Vec<Operand>, OpError> {
        let y = self.spatial.restore(scope, y)?;
        self.activation.lower(scope, y).map(|y| vec![y])
    }
}

/// Of everything that slides over positions.
pub(super) const ADVICE: Advice = Advice::of(
    "its windows reach from the last valid positions into the padding, and a mask of its outputs is not defined",
    &[Way::Zero],
);

/// Of windows that see one position.
const POINTWISE: Advice = Advice::by_position(
    "Keras has no mask for any convolution, though one with kernel_size=1 computes position by position",
    &[Way::Dense, Way::Zero],
);

#[derive(Debug)]
struct Convolution {
    sliding: Sliding,
    filters: i64,
    groups: u32,
}

fn convolution(config: &mut Config, axes: usize) -> Result<Box<dyn Layer>, ConfigError> {
    let filters = config.size("filters")?;
    let groups = config.sizes("groups", 1, 1, Some(1))?[0];
    if filters % i64::from(groups) != 0 {
        let expected = format!("a divisor of the {filters} `filters`");
        return Err(ConfigError::new("groups", expected, &groups.into()));
    }
    Ok(Box::new(Convolution { sliding: Sliding::parse(config, axes, axes == 1)?, filters, groups }))
}

impl Layer for Convolution {
    fn masking(&self) -> Masking {
        let one = |sizes: &[u32]| sizes.iter().all(|&size| size == 1);
        let pointwise = one(&self.sliding.kernel) && one(&self.sliding.strides);
        Masking::UNSUPPORTED.advised(if pointwise { POINTWISE } else { ADVICE })
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        self.sliding.spatial.data(arguments)?;
        infer_by_lowering(self, arguments)
    }

    fn weights(&self, arguments: &Arguments<Type>) -> Result<Vec<WeightSpec>, ShapeError> {
        let channels = self.sliding.spatial.channels(arguments)?;
        let groups = i64::from(self.groups);
        if channels % groups != 0 {
            return Err(ShapeError::new(format!("channels in {groups} equal groups"), channels));
        }
        let shape = self.sliding.shape(channels / groups, self.filters);
        let bias = self.sliding.bias.then(|| WeightSpec::new("bias", "vars/1", [self.filters]));
        Ok([WeightSpec::new("kernel", "vars/0", shape)].into_iter().chain(bias).collect())
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = scope.float(&arguments.data()[0])?;
        let x = self.sliding.spatial.to_last(scope, &x)?;
        let kernel = scope.weight("kernel");
        let y = self.sliding.slide(scope, [x, kernel, scope.weight("bias")], self.groups)?;
        self.sliding.finish(scope, y)
    }
}

/// Each input spread over a window of outputs: a convolution of the inputs moved apart, with the kernel reversed.
#[derive(Debug)]
struct Transposed {
    sliding: Sliding,
    filters: i64,
    /// How long the results are.
    lengths: Lengths,
}

/// How long the results of a transposed convolution are along its axes.
#[derive(Debug)]
enum Lengths {
    /// As long as Keras makes them.
    Usual,
    /// Longer than they would be at least.
    Padded(Vec<u32>),
    /// As long as this: Keras 1 was told the shape.
    Told(Vec<u32>),
}

fn transposed(config: &mut Config, axes: usize) -> Result<Box<dyn Layer>, ConfigError> {
    let filters = config.size("filters")?;
    let sliding = Sliding::parse(config, axes, false)?;
    let padding = config.optional_sizes("output_padding", axes, 0)?;
    let longer = padding.iter().flatten().zip(&sliding.strides).find(|(more, stride)| more >= stride);
    if let Some((&more, _)) = longer {
        return Err(ConfigError::new("output_padding", "less than the strides", &more.into()));
    }
    let lengths = match (config.optional_sizes("output_lengths", axes, 1)?, padding) {
        (Some(lengths), _) => Lengths::Told(lengths),
        (None, Some(padding)) => Lengths::Padded(padding),
        (None, None) => Lengths::Usual,
    };
    Ok(Box::new(Transposed { sliding, filters, lengths }))
}

impl Transposed {
    /// As [`Sliding::cut`], for data with the channels last.
    fn cut(&self, x: &Type) -> Result<Vec<[i64; 2]>, OpError> {
        let told = match &self.lengths {
            Lengths::Usual => return Ok(self.sliding.cut(None)),
            Lengths::Padded(padding) => return Ok(self.sliding.cut(Some(padding))),
            Lengths::Told(lengths) => lengths,
        };
        let axes = self.sliding.reach().zip(&self.sliding.strides).zip(told.iter().zip(&x.shape[1..]));
        let cut = axes.map(|((reach, &stride), (&told, size))| {
            let (stride, told) = (i64::from(stride), i64::from(told));
            // The convolution of a result of this length gives the data's.
            let read = if self.sliding.padding == Padding::Same { 0 } else { reach };
            let size = size.known().filter(|&size| {
                size == (told - read).div_euclid(stride) + i64::from((told - read) % stride != 0)
            });
            let before = |size: i64| ((size - 1) * stride + reach + 1 - told).max(0) / 2;
            let valid = self.sliding.padding == Padding::Valid;
            size.map(|size| [if valid { 0 } else { before(size) }, told - size * stride])
        });
        cut.collect::<Option<_>>().ok_or_else(|| OpError {
            op: "convolve",
            expected: format!("data of a size that gives results of the lengths {told:?}"),
            found: x.to_string(),
        })
    }
}

impl Sliding {
    /// For each axis: what of the whole result is left out before, and how much longer what is kept is than
    /// the inputs times the stride.
    pub(super) fn cut(&self, output_padding: Option<&[u32]>) -> Vec<[i64; 2]> {
        let axes = self.reach().zip(&self.strides).enumerate();
        axes.map(|(axis, (reach, &stride))| {
            let (window, stride) = (reach + 1, i64::from(stride));
            let more = output_padding.map(|padding| i64::from(padding[axis]));
            let longer = match (self.padding, more) {
                (Padding::Same, None) => 0,
                (Padding::Same, Some(more)) => window % 2 + more - stride,
                (_, None) => (window - stride).max(0),
                (_, Some(more)) => window + more - stride,
            };
            let before = match self.padding {
                Padding::Same => (window - stride - longer).max(0) / 2,
                _ => 0,
            };
            [before, longer]
        })
        .collect()
    }

    /// The transposed convolution of data with a kernel, plus a bias if there is one: channels last.
    pub(super) fn spread(
        &self,
        scope: &mut Scope<'_>,
        [x, kernel, bias]: [Operand; 3],
        cut: Vec<[i64; 2]>,
    ) -> Result<Operand, OpError> {
        let axes = self.spatial.axes as u32;
        let perm = (0..axes).chain([axes + 1, axes]).collect();
        let mut kernel = scope.builder.emit(Shape::Transpose { perm }, &[kernel])?;
        for axis in 0..axes {
            kernel = scope.builder.emit(Shape::Reverse { axis }, &[kernel])?;
        }
        let (mut low, mut high, mut spread) = (vec![], vec![], vec![]);
        for ((reach, &stride), [before, longer]) in self.reach().zip(&self.strides).zip(cut) {
            low.push(reach - before);
            high.push(longer + before);
            spread.push(stride - 1);
        }
        let op = Convolve::Convolve {
            strides: vec![1; axes as usize],
            dilation: self.dilation.clone(),
            groups: 1,
            same: false,
            low,
            high,
            spread,
            activation: Activation::Linear,
        };
        scope.builder.emit(op, &[x, kernel, bias])
    }
}

impl Layer for Transposed {
    fn masking(&self) -> Masking {
        Masking::UNSUPPORTED.advised(ADVICE)
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        self.sliding.spatial.data(arguments)?;
        infer_by_lowering(self, arguments)
    }

    fn weights(&self, arguments: &Arguments<Type>) -> Result<Vec<WeightSpec>, ShapeError> {
        let channels = self.sliding.spatial.channels(arguments)?;
        let shape = self.sliding.shape(self.filters, channels);
        let bias = self.sliding.bias.then(|| WeightSpec::new("bias", "vars/1", [self.filters]));
        Ok([WeightSpec::new("kernel", "vars/0", shape).transposed()].into_iter().chain(bias).collect())
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = scope.float(&arguments.data()[0])?;
        let x = self.sliding.spatial.to_last(scope, &x)?;
        let cut = self.cut(&scope.builder.type_of(&x))?;
        let operands = [x, scope.weight("kernel"), scope.weight("bias")];
        let y = self.sliding.spread(scope, operands, cut)?;
        self.sliding.finish(scope, y)
    }
}
