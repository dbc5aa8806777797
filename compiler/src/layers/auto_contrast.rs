//! `AutoContrast`: each channel of an image stretched over the whole range, at inference as in training.

use masque_ir::Type;
use masque_ir::ops::{Elementwise, OpError, Reduce};
use masque_ir::program::Operand;
use serde_json::Value as Json;

use super::image_augmentation::images;
use super::spatial::losing;
use crate::layer::{Arguments, Config, ConfigError, Layer, Scope, ShapeError, Signature, infer_by_lowering};

losing!(AUTO_CONTRAST, "AutoContrast", parse);

/// The range in which Keras computes.
pub(super) const BYTES: [f64; 2] = [0.0, 255.0];

#[derive(Debug)]
struct AutoContrast {
    range: [f64; 2],
}

fn parse(config: &mut Config) -> Result<Box<dyn Layer>, ConfigError> {
    config.ignore(&["bounding_box_format", "data_format"]);
    let [low, high] = value_range(config)?;
    Ok(Box::new(AutoContrast { range: [low.min(high), low.max(high)] }))
}

/// Takes `value_range`, two numbers.
pub(super) fn value_range(config: &mut Config) -> Result<[f64; 2], ConfigError> {
    let Some(value) = config.take("value_range") else { return Ok(BYTES) };
    let numbers: Option<Vec<f64>> =
        value.as_array().and_then(|numbers| numbers.iter().map(Json::as_f64).collect());
    match numbers.as_deref() {
        Some(&[low, high]) if low != high => {
            config.keep("value_range", value);
            Ok([low, high])
        }
        _ => Err(ConfigError::new("value_range", "two numbers that differ", &value)),
    }
}

/// Numbers of one range in another.
pub(super) fn into_range(
    scope: &mut Scope<'_>,
    x: Operand,
    from: [f64; 2],
    to: [f64; 2],
) -> Result<Operand, OpError> {
    if from == to {
        return Ok(x);
    }
    let number = |scope: &Scope<'_>, number: f64| scope.builder.number(&x, number);
    let (low, size) = (number(scope, from[0]), number(scope, from[1] - from[0]));
    let (new_low, new_size) = (number(scope, to[0]), number(scope, to[1] - to[0]));
    let shifted = scope.builder.emit(Elementwise::Sub, &[x, low])?;
    let share = scope.builder.emit(Elementwise::Div, &[shifted, size])?;
    let scaled = scope.builder.emit(Elementwise::Mul, &[share, new_size])?;
    scope.builder.emit(Elementwise::Add, &[scaled, new_low])
}

impl Layer for AutoContrast {
    fn signature(&self) -> Signature {
        Signature::of(&["data", "training"])
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        images(arguments)?;
        infer_by_lowering(self, arguments)
    }

    /// Keras looks for the darkest and the brightest element along the two axes before the last, wherever the channels are.
    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let original = scope.float(&arguments.data()[0])?;
        let x = into_range(scope, original.clone(), self.range, BYTES)?;
        let first = scope.builder.type_of(&x).rank() as u32 - 3;
        let axes = vec![first, first + 1];
        let low = Reduce::ReduceMin { axes: axes.clone(), keep: true };
        let low = scope.builder.emit(low, std::slice::from_ref(&x))?;
        let high = scope.builder.emit(Reduce::ReduceMax { axes, keep: true }, std::slice::from_ref(&x))?;
        let spread = scope.builder.emit(Elementwise::Sub, &[high, low.clone()])?;
        let most = scope.builder.number(&x, BYTES[1]);
        let scale = scope.builder.emit(Elementwise::Div, &[most.clone(), spread])?;
        let negative = scope.builder.emit(Elementwise::Neg, &[low])?;
        let offset = scope.builder.emit(Elementwise::Mul, &[negative, scale.clone()])?;
        let scaled = scope.builder.emit(Elementwise::Mul, &[x, scale])?;
        let moved = scope.builder.emit(Elementwise::Add, &[scaled, offset])?;
        let least = scope.builder.number(&moved, BYTES[0]);
        let above = scope.builder.emit(Elementwise::Max, &[moved, least])?;
        let inside = scope.builder.emit(Elementwise::Min, &[above, most])?;
        let result = into_range(scope, inside, BYTES, self.range)?;
        // A channel of one colour is no number then, and stays as it is.
        let differs = scope.builder.emit(Elementwise::Ne, &[result.clone(), result.clone()])?;
        Ok(vec![scope.builder.emit(Elementwise::Select, &[differs, original, result])?])
    }
}
