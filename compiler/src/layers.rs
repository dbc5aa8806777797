//! The registry: one line for every layer. A layer's file holds all that is known about it.
//!
//! Whoever wants only what Keras does in one layer, and no model around it, asks here: which shapes come out, which
//! weights it has, what becomes of a mask, which operations compute it.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::collections::HashMap;
//!
//! use masque::layer::{Arguments, Config, MaskRule, Scope};
//! use masque::layers;
//! use masque_ir::program::Builder;
//! use masque_ir::{DType, Dim, Semantics, Type};
//! use serde_json::json;
//!
//! let def = layers::find("LSTM").ok_or("no such layer")?;
//! let settings = json!({"units": 8, "return_sequences": true});
//! let mut config = Config::new(settings.as_object().cloned().unwrap_or_default())?;
//! let layer = (def.parse)(&mut config)?;
//! config.finish()?; // nothing in the settings is unknown
//!
//! let x = Type::new(DType::F32, vec![Dim::batch(), Dim::symbol("T"), Dim::constant(3)]);
//! let arguments = Arguments::of("sequences", vec![x.clone()]);
//! assert_eq!(layer.infer(&arguments)?[0].to_string(), "f32[B, T, 8]");
//! assert!(layer.masking().supported);
//! assert_eq!(layer.call_masks(&arguments).rule.of_output(0), &MaskRule::Keep);
//!
//! let mut builder = Builder::new("lstm", Semantics::Keras3_15);
//! let specs = layer.weights(&arguments)?;
//! let weights: HashMap<_, _> =
//!     specs.iter().map(|spec| (spec.name.clone(), builder.weight(&spec.name, spec.ty.clone(), None))).collect();
//! assert_eq!(specs[0].name, "kernel");
//! assert_eq!(specs[0].ty.to_string(), "f32[3, 32]");
//!
//! let x = builder.input("x", x);
//! let mut scope = Scope::new(&mut builder, &weights, String::new());
//! let outputs = layer.lower(&mut scope, &Arguments::of("sequences", vec![x]))?;
//! builder.output("y", outputs[0].clone());
//! assert_eq!(builder.finish().output_types()[0].to_string(), "f32[B, T, 8]");
//! # Ok(())
//! # }
//! ```

mod activation;
mod arithmetic_merging;
mod attending;
mod attention;
mod auto_contrast;
mod axes;
mod batch_normalization;
mod bias;
mod bidirectional;
mod category;
mod convolution;
mod dense;
mod described;
mod dot;
mod dropout;
mod einsum;
mod einsum_dense;
mod embedding;
mod encoding;
mod flatten;
mod global_average_pooling1d;
mod group_normalization;
mod hashing;
mod histogram_equalization;
mod image_augmentation;
mod image_resizing;
mod index_lookup;
mod input_layer;
mod layer_normalization;
mod masking;
mod mel_spectrogram;
mod merging;
mod multi_head_attention;
mod normalization;
mod opaque;
mod operations;
mod pipeline;
mod pooling;
mod rectifiers;
mod recurrent;
mod reshaping;
mod resizing;
mod reversible_embedding;
mod rounding;
mod scope;
mod separable;
mod softmax;
mod spatial;
mod spectral_normalization;
mod stft_spectrogram;
mod taps;
mod text_vectorization;
mod time_distributed;
mod unit_normalization;
mod vocabulary;

pub(crate) use described::is_described;
pub use opaque::OpaqueRule;
pub(crate) use opaque::is_opaque;
pub(crate) use opaque::setting as type_setting;
pub(crate) use time_distributed::keeps_states;

use serde_json::{Map, Value as Json};

use crate::layer::{ConfigError, LayerDef, Parse};

/// Every layer known, sorted by class.
pub static LAYERS: &[&LayerDef] = &[
    &activation::ACTIVATION,
    &dropout::ACTIVITY_REGULARIZATION,
    &pooling::ADAPTIVE_AVERAGE_POOLING1D,
    &pooling::ADAPTIVE_AVERAGE_POOLING2D,
    &pooling::ADAPTIVE_AVERAGE_POOLING3D,
    &pooling::ADAPTIVE_MAX_POOLING1D,
    &pooling::ADAPTIVE_MAX_POOLING2D,
    &pooling::ADAPTIVE_MAX_POOLING3D,
    &arithmetic_merging::ADD,
    &attention::ADDITIVE_ATTENTION,
    &dropout::ALPHA_DROPOUT,
    &attention::ATTENTION,
    &image_augmentation::AUG_MIX,
    &auto_contrast::AUTO_CONTRAST,
    &arithmetic_merging::AVERAGE,
    &pooling::AVERAGE_POOLING1D,
    &pooling::AVERAGE_POOLING2D,
    &pooling::AVERAGE_POOLING3D,
    &batch_normalization::BATCH_NORMALIZATION,
    &bidirectional::BIDIRECTIONAL,
    &category::CATEGORY_ENCODING,
    &image_resizing::CENTER_CROP,
    &merging::CONCATENATE,
    &histogram_equalization::HISTOGRAM_EQUALIZATION,
    &convolution::CONV1D,
    &convolution::CONV1D_TRANSPOSE,
    &convolution::CONV2D,
    &convolution::CONV2D_TRANSPOSE,
    &convolution::CONV3D,
    &convolution::CONV3D_TRANSPOSE,
    &recurrent::CONV_LSTM1D,
    &recurrent::CONV_LSTM2D,
    &recurrent::CONV_LSTM3D,
    &resizing::CROPPING1D,
    &resizing::CROPPING2D,
    &resizing::CROPPING3D,
    &image_augmentation::CUT_MIX,
    &dense::DENSE,
    &separable::DEPTHWISE_CONV1D,
    &separable::DEPTHWISE_CONV2D,
    &category::DISCRETIZATION,
    &dot::DOT,
    &dropout::DROPOUT,
    &rectifiers::ELU,
    &einsum_dense::EINSUM_DENSE,
    &embedding::EMBEDDING,
    &image_augmentation::EQUALIZATION,
    &flatten::FLATTEN,
    &scope::FUNCTIONAL,
    &recurrent::GRU,
    &dropout::GAUSSIAN_DROPOUT,
    &dropout::GAUSSIAN_NOISE,
    &global_average_pooling1d::GLOBAL_AVERAGE_POOLING1D,
    &pooling::GLOBAL_AVERAGE_POOLING2D,
    &pooling::GLOBAL_AVERAGE_POOLING3D,
    &pooling::GLOBAL_MAX_POOLING1D,
    &pooling::GLOBAL_MAX_POOLING2D,
    &pooling::GLOBAL_MAX_POOLING3D,
    &group_normalization::GROUP_NORMALIZATION,
    &multi_head_attention::GROUP_QUERY_ATTENTION,
    &hashing::HASHED_CROSSING,
    &hashing::HASHING,
    &scope::IDENTITY,
    &input_layer::INPUT_LAYER,
    &index_lookup::INTEGER_LOOKUP,
    &recurrent::LSTM,
    &layer_normalization::LAYER_NORMALIZATION,
    &rectifiers::LEAKY_RELU,
    &masking::MASKING,
    &image_augmentation::MAX_NUM_BOUNDING_BOXES,
    &pooling::MAX_POOLING1D,
    &pooling::MAX_POOLING2D,
    &pooling::MAX_POOLING3D,
    &arithmetic_merging::MAXIMUM,
    &mel_spectrogram::MEL_SPECTROGRAM,
    &arithmetic_merging::MINIMUM,
    &image_augmentation::MIX_UP,
    &multi_head_attention::MULTI_HEAD_ATTENTION,
    &arithmetic_merging::MULTIPLY,
    &normalization::NORMALIZATION,
    &rectifiers::PRELU,
    &reshaping::PERMUTE,
    &pipeline::PIPELINE,
    &unit_normalization::RMS_NORMALIZATION,
    &recurrent::RNN,
    &image_augmentation::RAND_AUGMENT,
    &image_augmentation::RANDOM_BRIGHTNESS,
    &image_augmentation::RANDOM_COLOR_DEGENERATION,
    &image_augmentation::RANDOM_COLOR_JITTER,
    &image_augmentation::RANDOM_CONTRAST,
    &image_augmentation::RANDOM_CROP,
    &image_augmentation::RANDOM_ELASTIC_TRANSFORM,
    &image_augmentation::RANDOM_ERASING,
    &image_augmentation::RANDOM_FLIP,
    &image_augmentation::RANDOM_GAUSSIAN_BLUR,
    &image_augmentation::RANDOM_GRAYSCALE,
    &image_augmentation::RANDOM_HUE,
    &image_augmentation::RANDOM_INVERT,
    &image_augmentation::RANDOM_PERSPECTIVE,
    &image_augmentation::RANDOM_POSTERIZATION,
    &image_augmentation::RANDOM_ROTATION,
    &image_augmentation::RANDOM_SATURATION,
    &image_augmentation::RANDOM_SHARPNESS,
    &image_augmentation::RANDOM_SHEAR,
    &image_augmentation::RANDOM_TRANSLATION,
    &image_augmentation::RANDOM_ZOOM,
    &rectifiers::RELU,
    &reshaping::REPEAT_VECTOR,
    &normalization::RESCALING,
    &reshaping::RESHAPE,
    &image_resizing::RESIZING,
    &reversible_embedding::REVERSIBLE_EMBEDDING,
    &stft_spectrogram::STFT_SPECTROGRAM,
    &separable::SEPARABLE_CONV1D,
    &separable::SEPARABLE_CONV2D,
    &scope::SEQUENTIAL,
    &recurrent::SIMPLE_RNN,
    &softmax::SOFTMAX,
    &image_augmentation::SOLARIZATION,
    &dropout::SPATIAL_DROPOUT1D,
    &dropout::SPATIAL_DROPOUT2D,
    &dropout::SPATIAL_DROPOUT3D,
    &spectral_normalization::SPECTRAL_NORMALIZATION,
    &index_lookup::STRING_LOOKUP,
    &arithmetic_merging::SUBTRACT,
    &text_vectorization::TEXT_VECTORIZATION,
    &time_distributed::TIME_DISTRIBUTED,
    &unit_normalization::UNIT_NORMALIZATION,
    &resizing::UP_SAMPLING1D,
    &resizing::UP_SAMPLING2D,
    &resizing::UP_SAMPLING3D,
    &resizing::ZERO_PADDING1D,
    &resizing::ZERO_PADDING2D,
    &resizing::ZERO_PADDING3D,
    &operations::ABSOLUTE,
    &operations::ADD,
    &operations::ALL,
    &operations::ALL_CLOSE,
    &operations::AMAX,
    &operations::AMIN,
    &operations::ANGLE,
    &operations::ANY,
    &operations::APPEND,
    &operations::ARCCOS,
    &operations::ARCCOSH,
    &operations::ARCSIN,
    &operations::ARCSINH,
    &operations::ARCTAN,
    &operations::ARCTAN2,
    &operations::ARCTANH,
    &operations::ARGMAX,
    &operations::ARGMIN,
    &operations::ARGSORT,
    &operations::ARRAY_SPLIT,
    &operations::AVERAGE,
    &operations::AVERAGE_POOL,
    &operations::BATCH_NORM,
    &operations::BINARY_CROSSENTROPY,
    &operations::BITWISE_AND,
    &operations::INVERT,
    &operations::BITWISE_LEFT_SHIFT,
    &operations::NOT,
    &operations::BITWISE_OR,
    &operations::BITWISE_RIGHT_SHIFT,
    &operations::BITWISE_XOR,
    &operations::BROADCAST_TO,
    &operations::CDIST,
    &operations::CAST,
    &operations::CATEGORICAL_CROSSENTROPY,
    &operations::CBRT,
    &operations::CEIL,
    &operations::CELU,
    &operations::CHOLESKY,
    &operations::CLIP,
    &operations::CONCATENATE,
    &operations::CONJ,
    &operations::CONJUGATE,
    &operations::CONSTANT,
    &operations::CONV,
    &operations::CONVERT_TO_TENSOR,
    &operations::COPY,
    &operations::COS,
    &operations::COSH,
    &operations::COUNT_NONZERO,
    &operations::CROSS,
    &operations::CUMPROD,
    &operations::CUMSUM,
    &operations::DEG2RAD,
    &operations::DEPTHWISE_CONV,
    &operations::DET,
    &operations::DIAG,
    &operations::DIAGFLAT,
    &operations::DIAGONAL,
    &operations::DIFF,
    &operations::DIGITIZE,
    &operations::DIVIDE,
    &operations::DIVIDE_NO_NAN,
    &operations::DOT,
    &operations::DOT_PRODUCT_ATTENTION,
    &operations::DSPLIT,
    &operations::DSTACK,
    &operations::EINSUM,
    &operations::ELU,
    &operations::EMPTY_LIKE,
    &operations::EQUAL,
    &operations::ERF,
    &operations::ERFC,
    &operations::ERFINV,
    &operations::EXP,
    &operations::EXP2,
    &operations::EXPAND_DIMS,
    &operations::EXPM1,
    &operations::EXTRACT_SEQUENCES,
    &operations::FFT,
    &operations::FFT2,
    &operations::FABS,
    &operations::FLIP,
    &operations::FLIPLR,
    &operations::FLIPUD,
    &operations::FLOOR,
    &operations::FLOOR_DIVIDE,
    &operations::FMAX,
    &operations::FMIN,
    &operations::FMOD,
    &operations::FOLD_STEPS,
    &operations::FULL,
    &operations::FULL_LIKE,
    &operations::GCD,
    &operations::GELU,
    &operations::GEOMSPACE,
    &operations::GET_ITEM,
    &operations::GLU,
    &operations::GREATER,
    &operations::GREATER_EQUAL,
    &operations::HARD_SHRINK,
    &operations::HARD_SIGMOID,
    &operations::HARD_SILU,
    &operations::HARD_TANH,
    &operations::HEAVISIDE,
    &operations::HSPLIT,
    &operations::HSTACK,
    &operations::HYPOT,
    &operations::I0,
    &operations::IFFT2,
    &operations::IRFFT,
    &operations::ISTFT,
    &operations::IMAG,
    &operations::IN_TOP_K,
    &operations::INNER,
    &operations::INV,
    &operations::IS_IN,
    &operations::ISCLOSE,
    &operations::ISFINITE,
    &operations::ISINF,
    &operations::ISNAN,
    &operations::ISNEGINF,
    &operations::ISPOSINF,
    &operations::ISREAL,
    &operations::KRON,
    &operations::LAYER_NORM,
    &operations::LCM,
    &operations::LDEXP,
    &operations::LEAKY_RELU,
    &operations::LEFT_SHIFT,
    &operations::LESS,
    &operations::LESS_EQUAL,
    &operations::LINSPACE,
    &operations::LOG,
    &operations::LOG10,
    &operations::LOG1P,
    &operations::LOG2,
    &operations::LOG_SIGMOID,
    &operations::LOG_SOFTMAX,
    &operations::LOGADDEXP,
    &operations::LOGADDEXP2,
    &operations::LOGICAL_AND,
    &operations::LOGICAL_NOT,
    &operations::LOGICAL_OR,
    &operations::LOGICAL_XOR,
    &operations::LOGSPACE,
    &operations::LOGSUMEXP,
    &operations::MASK_OF,
    &operations::MATMUL,
    &operations::MAX,
    &operations::MAX_POOL,
    &operations::MAXIMUM,
    &operations::MEAN,
    &operations::MEDIAN,
    &operations::MESHGRID,
    &operations::MIN,
    &operations::MINIMUM,
    &operations::MOD,
    &operations::MOMENTS,
    &operations::MOVEAXIS,
    &operations::MULTI_HOT,
    &operations::MULTIPLY,
    &operations::NAN_TO_NUM,
    &operations::NANARGMAX,
    &operations::NANARGMIN,
    &operations::NANCUMPROD,
    &operations::NANCUMSUM,
    &operations::NANMAX,
    &operations::NANMEAN,
    &operations::NANMEDIAN,
    &operations::NANMIN,
    &operations::NANPERCENTILE,
    &operations::NANPROD,
    &operations::NANQUANTILE,
    &operations::NANSTD,
    &operations::NANSUM,
    &operations::NANVAR,
    &operations::NEGATIVE,
    &operations::NORM,
    &operations::NORMALIZE,
    &operations::NOT_EQUAL,
    &operations::ONE_HOT,
    &operations::ONES_LIKE,
    &operations::OUTER,
    &operations::PSNR,
    &operations::PAD,
    &operations::PERCENTILE,
    &operations::POWER,
    &operations::PROD,
    &operations::PTP,
    &operations::QUANTILE,
    &operations::RFFT,
    &operations::RMS_NORM,
    &operations::RAD2DEG,
    &operations::RAVEL,
    &operations::REAL,
    &operations::RECIPROCAL,
    &operations::RELU,
    &operations::RELU6,
    &operations::REPEAT,
    &operations::RESHAPE,
    &operations::RESHAPE_TO,
    &operations::RIGHT_SHIFT,
    &operations::ROLL,
    &operations::ROT90,
    &operations::ROUND,
    &operations::RSQRT,
    &operations::STFT,
    &operations::SATURATE_CAST,
    &operations::SCATTER,
    &operations::SCATTER_UPDATE,
    &operations::SEARCH_SORTED,
    &operations::SEGMENT_MAX,
    &operations::SEGMENT_MIN,
    &operations::SEGMENT_PROD,
    &operations::SEGMENT_SUM,
    &operations::SELECT,
    &operations::SELU,
    &operations::SEPARABLE_CONV,
    &operations::SEQUENCE_MASK,
    &operations::SHAPE,
    &operations::SIGMOID,
    &operations::SIGN,
    &operations::SIGNBIT,
    &operations::SILU,
    &operations::SIN,
    &operations::SINC,
    &operations::SINH,
    &operations::SIZE,
    &operations::SLICE,
    &operations::SLICE_UPDATE,
    &operations::SOFT_SHRINK,
    &operations::SOFTMAX,
    &operations::SOFTPLUS,
    &operations::SOFTSIGN,
    &operations::SOLVE,
    &operations::SORT,
    &operations::SPARSE_CATEGORICAL_CROSSENTROPY,
    &operations::SPARSE_PLUS,
    &operations::SPARSE_SIGMOID,
    &operations::SPARSEMAX,
    &operations::SPLIT,
    &operations::SQRT,
    &operations::SQUARE,
    &operations::SQUAREPLUS,
    &operations::SQUEEZE,
    &operations::STACK,
    &operations::STD,
    &operations::STOP_GRADIENT,
    &operations::SUBTRACT,
    &operations::SUM,
    &operations::SWAPAXES,
    &operations::TAKE,
    &operations::TAKE_ALONG_AXIS,
    &operations::TAN,
    &operations::TANH,
    &operations::TANH_SHRINK,
    &operations::TENSORDOT,
    &operations::THRESHOLD,
    &operations::TILE,
    &operations::TOP_K,
    &operations::TRACE,
    &operations::TRANSPOSE,
    &operations::TRAPEZOID,
    &operations::TRIL,
    &operations::TRIU,
    &operations::TRUE_DIVIDE,
    &operations::TRUNC,
    &operations::UNFOLD_STEPS,
    &operations::UNRAVEL_INDEX,
    &operations::UNSTACK,
    &operations::VANDER,
    &operations::VAR,
    &operations::VDOT,
    &operations::VIEW,
    &operations::VSPLIT,
    &operations::VSTACK,
    &operations::WEIGHT,
    &operations::WHERE,
    &operations::ZEROS_LIKE,
];

/// The layer of that class.
pub fn find(class: &str) -> Option<&'static LayerDef> {
    LAYERS.binary_search_by(|def| def.class.cmp(class)).ok().map(|place| LAYERS[place])
}

/// How settings are read of a layer that is in no list, if they are those of one.
pub(crate) fn unlisted(settings: &Map<String, Json>) -> Option<Parse> {
    match settings {
        _ if is_opaque(settings) => Some(opaque::parse),
        _ if is_described(settings) => Some(described::parse),
        _ => None,
    }
}

/// Name of what rewrites a model that needs Python code as one that does not.
pub const EXPORT: &str =
    "the Python package masque_export, which writes the model as a plain file (docs/own-layers.md)";

/// What code needs that a layer of Keras calls in its own way, before it can be exported.
pub(crate) const CALLED_INSIDE: &str = "write the loop in the `call` of a layer, then ";

/// An error at a setting that holds a layer of another class; one that is not in the registry may be custom.
fn unfit(field: &str, expected: impl Into<String>, class: &str) -> ConfigError {
    match find(class) {
        Some(_) => ConfigError::new(field, expected, &class.into()),
        None => ConfigError::custom(field, expected, &class.into(), CALLED_INSIDE),
    }
}

/// Why a class is not in the registry, and what to do.
pub fn refusal(class: &str) -> String {
    match class {
        "Lambda" => format!(
            "a Lambda layer holds Python code, and nothing in a model file is run: use {EXPORT}, or layers and \
             operations of Keras in its place"
        ),
        "FlaxLayer" | "JaxLayer" | "TFSMLayer" | "TorchModuleWrapper" => {
            format!("{class} runs code of another framework, and nothing in a model file is run")
        }
        _ if operations::refusal(class).is_some() => {
            format!("{class}: {}", operations::refusal(class).unwrap_or_default())
        }
        _ if class.contains('>') => format!(
            "{class} is a custom class, whose code is not in the file: describe it for --layers, or use {EXPORT}, or \
             layers of Keras in its place"
        ),
        _ => format!(
            "unknown class {class}: `masque layers` lists the known ones; for a custom class, whose code is not in \
             the file, describe it for --layers, or use {EXPORT}, or layers of Keras in its place"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registry_is_sorted_and_found() {
        assert!(LAYERS.is_sorted_by(|a, b| a.class < b.class));
        assert!(LAYERS.iter().all(|def| find(def.class).is_some_and(|found| found.class == def.class)));
    }
}
