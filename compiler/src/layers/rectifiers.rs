//! `ReLU`, `LeakyReLU`, `ELU` and `PReLU`: activation functions with settings or weights of their own.

use masque_ir::activation::Activation as Function;
use masque_ir::float::Float;
use masque_ir::ops::{Activate, Elementwise, OpError};
use masque_ir::program::Operand;
use masque_ir::{DType, Type};
use serde_json::Value as Json;

use super::activation::Activation;
use super::axes::{numbers, resolve};
use crate::layer::{
    Arguments, Config, ConfigError, Layer, LayerDef, Masking, Scope, ShapeError, Supports, WeightSpec,
};

const fn def(class: &'static str, parse: fn(&mut Config) -> Result<Box<dyn Layer>, ConfigError>) -> LayerDef {
    LayerDef { class, supports_masking: Supports::Always, masks: "keep", parse }
}

pub(super) static ELU: LayerDef = def("ELU", elu);
pub(super) static LEAKY_RELU: LayerDef = def("LeakyReLU", leaky_relu);
pub(super) static PRELU: LayerDef = def("PReLU", prelu);
pub(super) static RELU: LayerDef = def("ReLU", relu);

fn elu(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    Ok(Activation::layer(Function::Elu { alpha: config.float("alpha", 1.0)? }))
}

fn leaky_relu(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let negative_slope = config.float("negative_slope", 0.3)?;
    Ok(Activation::layer(Function::Relu { negative_slope, max_value: None, threshold: Float(0.0) }))
}

fn relu(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let max_value = config.optional_float("max_value")?;
    if let Some(value) = max_value.filter(|value| value.0.is_nan() || value.0 < 0.0) {
        return Err(ConfigError::new("max_value", "a number not below 0", &value.to_json()));
    }
    Ok(Activation::layer(Function::Relu {
        negative_slope: config.float("negative_slope", 0.0)?,
        max_value,
        threshold: config.float("threshold", 0.0)?,
    }))
}

/// `max(x, 0) - alpha * max(-x, 0)`, with an `alpha` for every position that is not shared.
#[derive(Debug)]
struct PRelu {
    shared: Vec<i64>,
}

fn prelu(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    let shared = match config.take("shared_axes") {
        None => vec![],
        Some(value) => {
            let axes: Option<Vec<i64>> = match &value {
                Json::Array(axes) => axes.iter().map(Json::as_i64).collect(),
                axis => axis.as_i64().map(|axis| vec![axis]),
            };
            let axes = axes.ok_or_else(|| ConfigError::new("shared_axes", "a list of axes", &value))?;
            config.keep("shared_axes", value);
            axes
        }
    };
    Ok(Box::new(PRelu { shared }))
}

impl Layer for PRelu {
    fn masking(&self) -> Masking {
        Masking::SUPPORTED
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        Ok(vec![numbers(arguments)?.with_dtype(DType::F32)])
    }

    fn weights(&self, arguments: &Arguments<Type>) -> Result<Vec<WeightSpec>, ShapeError> {
        let x = numbers(arguments)?;
        let shared = resolve(&self.shared, x)?;
        let size = |axis: usize| if shared.contains(&axis) { Some(1) } else { x.shape[axis].known() };
        let sizes: Option<Vec<i64>> = (1..x.rank()).map(size).collect();
        let sizes = sizes.ok_or_else(|| ShapeError::new("known sizes along axes that are not shared", x))?;
        Ok(vec![WeightSpec::new("alpha", "vars/0", sizes)])
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = scope.float(&arguments.data()[0])?;
        let relu = Activate::Activate { f: Function::RELU };
        let positive = scope.builder.emit(relu.clone(), std::slice::from_ref(&x))?;
        let negated = scope.builder.emit(Elementwise::Neg, &[x])?;
        let negative = scope.builder.emit(relu, &[negated])?;
        let scaled = scope.builder.emit(Elementwise::Mul, &[scope.weight("alpha"), negative])?;
        Ok(vec![scope.builder.emit(Elementwise::Sub, &[positive, scaled])?])
    }
}
