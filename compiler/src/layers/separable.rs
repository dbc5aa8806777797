//! `DepthwiseConv` and `SeparableConv`: every channel has a kernel of its own; in the second, a product over the
//! channels follows.

use masque_ir::ops::{OpError, Shape};
use masque_ir::program::Operand;
use masque_ir::{Dim, Type};

use super::convolution::{Padding, Sliding};
use super::spatial::losing;
use crate::layer::{
    Arguments, Config, ConfigError, Layer, Masking, Scope, ShapeError, WeightSpec, infer_by_lowering,
};

losing!(DEPTHWISE_CONV1D, "DepthwiseConv1D", |config| depthwise(config, 1));
losing!(DEPTHWISE_CONV2D, "DepthwiseConv2D", |config| depthwise(config, 2));
losing!(SEPARABLE_CONV1D, "SeparableConv1D", |config| separable(config, 1));
losing!(SEPARABLE_CONV2D, "SeparableConv2D", |config| separable(config, 2));

#[derive(Debug)]
struct Depthwise {
    sliding: Sliding,
    /// How many results each channel has.
    multiplier: i64,
    /// Of a separable convolution: how many results there are in the end.
    filters: Option<i64>,
}

/// How many results each channel has.
fn multiplier(config: &mut Config) -> Result<i64, ConfigError> {
    Ok(config.sizes("depth_multiplier", 1, 1, Some(1))?[0].into())
}

fn depthwise(config: &mut Config, axes: usize) -> Result<Box<dyn Layer>, ConfigError> {
    let multiplier = multiplier(config)?;
    Ok(Box::new(Depthwise { sliding: Sliding::parse(config, axes, false)?, multiplier, filters: None }))
}

fn separable(config: &mut Config, axes: usize) -> Result<Box<dyn Layer>, ConfigError> {
    let (multiplier, filters) = (multiplier(config)?, Some(config.size("filters")?));
    Ok(Box::new(Depthwise { sliding: Sliding::parse(config, axes, false)?, multiplier, filters }))
}

impl Depthwise {
    /// The name of the kernel that each channel has a part of.
    fn kernel(&self) -> &'static str {
        if self.filters.is_some() { "depthwise_kernel" } else { "kernel" }
    }
}

/// A convolution of every channel on its own, plus a bias if there is one: channels last.
pub(super) fn each_alone(
    sliding: &Sliding,
    scope: &mut Scope<'_>,
    [x, kernel, bias]: [Operand; 3],
) -> Result<Operand, OpError> {
    // Every channel is a group, and has as many results as the multiplier says.
    let mut shape = scope.builder.type_of(&kernel).shape;
    let axes = sliding.spatial.axes;
    let channels = std::mem::replace(&mut shape[axes], Dim::constant(1));
    shape[axes + 1] = &channels * &shape[axes + 1];
    let kernel = scope.builder.emit(Shape::Reshape { shape }, &[kernel])?;
    let groups = channels.known().and_then(|channels| u32::try_from(channels).ok()).unwrap_or(0);
    sliding.slide(scope, [x, kernel, bias], groups)
}

/// A product over the channels at every position, plus a bias if there is one.
pub(super) fn pointwise(
    sliding: &Sliding,
    scope: &mut Scope<'_>,
    operands: [Operand; 3],
) -> Result<Operand, OpError> {
    let ones = || vec![1; sliding.spatial.axes];
    let one = Sliding::plain(sliding.spatial, ones(), [ones(), ones()], Padding::Valid);
    one.slide(scope, operands, 1)
}

impl Layer for Depthwise {
    fn masking(&self) -> Masking {
        Masking::UNSUPPORTED.advised(super::convolution::ADVICE)
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        self.sliding.spatial.data(arguments)?;
        infer_by_lowering(self, arguments)
    }

    fn weights(&self, arguments: &Arguments<Type>) -> Result<Vec<WeightSpec>, ShapeError> {
        let channels = self.sliding.spatial.channels(arguments)?;
        let between = channels.checked_mul(self.multiplier).filter(|&size| u32::try_from(size).is_ok());
        let between = between.ok_or_else(|| ShapeError::new("fewer channels", channels))?;
        let shape = self.sliding.shape(channels, self.multiplier);
        let mut weights = vec![WeightSpec::new(self.kernel(), "vars/0", shape)];
        if let Some(filters) = self.filters {
            let ones = self.sliding.kernel.iter().map(|_| 1);
            let shape = ones.chain([between, filters]);
            weights.push(WeightSpec::new("pointwise_kernel", "vars/1", shape));
        }
        if self.sliding.bias {
            let dataset = format!("vars/{}", weights.len());
            weights.push(WeightSpec::new("bias", &dataset, [self.filters.unwrap_or(between)]));
        }
        Ok(weights)
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = scope.float(&arguments.data()[0])?;
        let x = self.sliding.spatial.to_last(scope, &x)?;
        let kernel = scope.weight(self.kernel());
        let bias = scope.weight("bias");
        let y = if self.filters.is_some() {
            let y = each_alone(&self.sliding, scope, [x, kernel, Operand::Absent])?;
            let kernel = scope.weight("pointwise_kernel");
            pointwise(&self.sliding, scope, [y, kernel, bias])?
        } else {
            each_alone(&self.sliding, scope, [x, kernel, bias])?
        };
        self.sliding.finish(scope, y)
    }
}
