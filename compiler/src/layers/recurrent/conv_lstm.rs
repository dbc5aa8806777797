//! The steps of `ConvLSTM1D`, `ConvLSTM2D` and `ConvLSTM3D`: an LSTM whose products are convolutions.

use masque_ir::activation::Activation;
use masque_ir::ops::{self, Op, OpError, RecurrentOptions, Shape, Window};
use masque_ir::program::Operand;
use masque_ir::{DType, Dim, Type};

use super::{Steps, Walk};
use crate::layer::{Config, ConfigError, Scope, ShapeError, WeightSpec};

/// The settings of a step.
#[derive(Debug)]
pub(super) struct Convolution {
    filters: i64,
    kernel: Vec<u32>,
    strides: Vec<u32>,
    dilation: Vec<u32>,
    same: bool,
    channels_first: bool,
    use_bias: bool,
    activation: Activation,
    recurrent_activation: Activation,
}

impl Convolution {
    pub(super) fn parse(config: &mut Config, axes: usize) -> Result<Convolution, ConfigError> {
        config.ignore(&["dropout", "recurrent_dropout", "unit_forget_bias"]);
        let formats = [("channels_last", false), ("channels_first", true)];
        let channels_first = config.word("data_format", false, &formats)?;
        let mut activation = |key: &str, default: Activation| {
            config.activation(key, default).map(|f| if channels_first { along_space(f) } else { f })
        };
        Ok(Convolution {
            activation: activation("activation", Activation::Tanh)?,
            recurrent_activation: activation("recurrent_activation", Activation::Sigmoid)?,
            filters: config.size("filters")?,
            kernel: config.sizes("kernel_size", axes, 1, None)?,
            strides: config.sizes("strides", axes, 1, Some(1))?,
            dilation: config.sizes("dilation_rate", axes, 1, Some(1))?,
            same: config.word("padding", false, &[("valid", false), ("same", true)])?,
            channels_first,
            use_bias: config.bool("use_bias", true)?,
        })
    }

    fn axes(&self) -> usize {
        self.kernel.len()
    }

    fn op(&self, walk: &Walk) -> ops::Recurrent {
        ops::Recurrent::ConvLstm {
            options: RecurrentOptions {
                activation: self.activation,
                sequences: walk.sequences,
                states: walk.states,
                backwards: walk.backwards,
                in_order: false,
                zero_masked: walk.zero_masked,
            },
            recurrent_activation: self.recurrent_activation,
            strides: self.strides.clone(),
            dilation: self.dilation.clone(),
            same: self.same,
        }
    }

    /// The order of axes that puts the channels last, `front` axes before them left alone.
    fn to_last(&self, front: usize) -> Vec<u32> {
        let (front, axes) = (front as u32, self.axes() as u32);
        (0..front).chain(front + 1..front + 1 + axes).chain([front]).collect()
    }

    /// The order of axes that puts them where the layer has them.
    fn restored(&self, front: usize) -> Vec<u32> {
        let (front, axes) = (front as u32, self.axes() as u32);
        (0..front).chain([front + axes]).chain(front..front + axes).collect()
    }

    /// The number of channels, which must be known.
    fn channels(&self, x: &Type) -> Result<i64, ShapeError> {
        let axes = self.axes();
        let place = if self.channels_first { 2 } else { 2 + axes };
        let known = x.shape.get(place).and_then(Dim::known).filter(|&channels| channels > 0);
        known.filter(|_| x.rank() == axes + 3).ok_or_else(|| {
            let expected =
                format!("numbers with a batch, steps, {axes} spatial axes and a known number of channels");
            ShapeError::new(expected, x)
        })
    }

    fn kernel_shape(&self, channels: i64) -> Vec<i64> {
        let window = self.kernel.iter().map(|&size| i64::from(size));
        window.chain([channels, 4 * self.filters]).collect()
    }

    /// A mask of parts of the states, with its axes where theirs are.
    fn mask_of_parts(&self, scope: &mut Scope<'_>, mask: &Operand) -> Result<Operand, OpError> {
        if *mask == Operand::Absent || scope.builder.type_of(mask).rank() == 2 {
            return Ok(mask.clone());
        }
        let mask = scope.builder.trail_axes(mask, self.axes() + 3)?;
        self.transposed(scope, &mask, self.to_last(2))
    }

    fn transposed(&self, scope: &mut Scope<'_>, x: &Operand, perm: Vec<u32>) -> Result<Operand, OpError> {
        if !self.channels_first || *x == Operand::Absent {
            return Ok(x.clone());
        }
        scope.builder.emit(Shape::Transpose { perm }, std::slice::from_ref(x))
    }
}

/// A function along the last axis of channels that come first looks along the last spatial axis.
fn along_space(f: Activation) -> Activation {
    match f {
        Activation::Softmax { axis: -1 } => Activation::Softmax { axis: -2 },
        Activation::Sparsemax { axis: -1 } => Activation::Sparsemax { axis: -2 },
        Activation::LogSoftmax { axis: -1 } => Activation::LogSoftmax { axis: -2 },
        f => f,
    }
}

impl Steps for Convolution {
    fn count(&self) -> usize {
        2
    }

    fn shown(&self) -> usize {
        0
    }

    fn states(&self, x: &Type) -> Result<Vec<Type>, ShapeError> {
        let channels = self.channels(x)?;
        let permuted = |shape: &[Dim], perm: Vec<u32>| match self.channels_first {
            true => perm.into_iter().map(|axis| shape[axis as usize].clone()).collect(),
            false => shape.to_vec(),
        };
        let mut step = x.shape.clone();
        step.remove(1);
        let step = Type::new(DType::F32, permuted(&step, self.to_last(1)));
        let kernel: Vec<Dim> = self.kernel_shape(channels).into_iter().map(Dim::constant).collect();
        let (strides, dilation) = (self.strides.clone(), self.dilation.clone());
        let conv = Op::from(Window::Conv { strides, dilation, groups: 1, same: self.same });
        let product = conv.infer(&[Some(&step), Some(&Type::new(DType::F32, kernel))]);
        let product = product.map_err(|error| ShapeError { expected: error.expected, found: error.found })?;
        let mut shape = product[0].shape.clone();
        shape[self.axes() + 1] = Dim::constant(self.filters);
        let state = Type::new(DType::F32, permuted(&shape, self.restored(1)));
        Ok(vec![state.clone(), state])
    }

    fn weights(&self, x: &Type) -> Result<Vec<WeightSpec>, ShapeError> {
        let kernel = self.kernel_shape(self.channels(x)?);
        let mut weights = vec![
            WeightSpec::new("kernel", "cell/vars/0", kernel),
            WeightSpec::new("recurrent_kernel", "cell/vars/1", self.kernel_shape(self.filters)),
        ];
        if self.use_bias {
            weights.push(WeightSpec::new("bias", "cell/vars/2", [4 * self.filters]));
        }
        Ok(weights)
    }

    fn run(
        &self,
        scope: &mut Scope<'_>,
        x: &Operand,
        mask: &Operand,
        initial: &[Operand],
        walk: &Walk,
    ) -> Result<Vec<Operand>, OpError> {
        let mut operands = vec![self.transposed(scope, x, self.to_last(2))?];
        operands.extend(["kernel", "recurrent_kernel", "bias"].map(|name| scope.weight(name)));
        operands.push(self.mask_of_parts(scope, mask)?);
        for state in initial {
            operands.push(self.transposed(scope, state, self.to_last(1))?);
        }
        let results = scope.builder.emit_all(self.op(walk), &operands)?;
        let front = |place: usize| if place == 0 && walk.sequences { 2 } else { 1 };
        let restored = results
            .iter()
            .enumerate()
            .map(|(place, result)| self.transposed(scope, result, self.restored(front(place))));
        restored.collect()
    }
}
