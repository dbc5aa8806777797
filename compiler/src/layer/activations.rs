//! Activation functions in settings: by Keras' name, as the function that a name stands for, or as a layer.

use masque_ir::activation::Activation;
use masque_ir::float::Float;
use serde_json::{Map, Value as Json};

use super::config::{Config, ConfigError};

/// The name of a function of Keras that was written down as an object; any other setting as it is.
pub(super) fn name_of(value: Json) -> Json {
    let of_keras = value
        .get("module")
        .and_then(Json::as_str)
        .is_none_or(|module| module == "builtins" || module == "keras" || module.starts_with("keras."));
    match value.get("config") {
        Some(name) if of_keras && name.is_string() && value["class_name"] == "function" => name.clone(),
        _ => value,
    }
}

/// The activation function that a setting names.
pub(super) fn read(value: &Json) -> Option<Activation> {
    match value {
        Json::String(name) => named(name),
        value => {
            let class = value.get("class_name")?.as_str()?;
            let module = value.get("module").and_then(Json::as_str)?;
            let settings = value.get("config")?.as_object()?;
            let of_keras = module == "keras.layers" || module.starts_with("keras.src.layers.");
            layer(class, settings.clone()).ok().flatten().filter(|_| of_keras)
        }
    }
}

fn relu(negative_slope: Float, max_value: Option<Float>, threshold: Float) -> Activation {
    Activation::Relu { negative_slope, max_value, threshold }
}

/// A layer that is nothing but a function.
fn layer(class: &str, settings: Map<String, Json>) -> Result<Option<Activation>, ConfigError> {
    let mut config = Config::new(settings)?;
    let function = match class {
        "Activation" => config.activation("activation", Activation::Linear)?,
        "ELU" => Activation::Elu { alpha: config.float("alpha", 1.0)? },
        "LeakyReLU" => relu(config.float("negative_slope", 0.3)?, None, Float(0.0)),
        "ReLU" => {
            let max = config.optional_float("max_value")?;
            relu(config.float("negative_slope", 0.0)?, max, config.float("threshold", 0.0)?)
        }
        "Softmax" => match i32::try_from(config.integer("axis", Some(-1))?) {
            Ok(axis) => Activation::Softmax { axis },
            Err(_) => return Ok(None),
        },
        _ => return Ok(None),
    };
    config.finish()?;
    Ok(Some(function))
}

/// The activation function of that name in `keras.activations`.
fn named(name: &str) -> Option<Activation> {
    Some(match name {
        "celu" => Activation::Celu { alpha: Float(1.0) },
        "elu" => Activation::Elu { alpha: Float(1.0) },
        "exponential" => Activation::Exponential,
        "gelu" => Activation::Gelu,
        "keras_hub>gelu_approximate" | "keras_nlp>gelu_approximate" => Activation::GeluTanh,
        "hard_shrink" => Activation::HardShrink { threshold: Float(0.5) },
        "hard_sigmoid" => Activation::HardSigmoid,
        "hard_sigmoid_keras2" => Activation::HardSigmoidKeras2,
        "hard_silu" | "hard_swish" => Activation::HardSilu,
        "hard_tanh" => Activation::HardTanh,
        "leaky_relu" => relu(Float(0.2), None, Float(0.0)),
        "linear" => Activation::Linear,
        "log_sigmoid" => Activation::LogSigmoid,
        "log_softmax" => Activation::LogSoftmax { axis: -1 },
        "mish" => Activation::Mish,
        "relu" => Activation::RELU,
        "relu6" => relu(Float(0.0), Some(Float(6.0)), Float(0.0)),
        "selu" => Activation::Selu,
        "sigmoid" => Activation::Sigmoid,
        "silu" | "swish" => Activation::Silu,
        "soft_shrink" => Activation::SoftShrink { threshold: Float(0.5) },
        "softmax" => Activation::Softmax { axis: -1 },
        "softplus" => Activation::Softplus,
        "softsign" => Activation::Softsign,
        "sparse_plus" => Activation::SparsePlus,
        "sparse_sigmoid" => Activation::SparseSigmoid,
        "sparsemax" => Activation::Sparsemax { axis: -1 },
        "squareplus" => Activation::Squareplus { b: Float(4.0) },
        "tanh" => Activation::Tanh,
        "tanh_shrink" => Activation::TanhShrink,
        _ => return None,
    })
}
