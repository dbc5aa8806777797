//! The registry: one line for every layer. A layer's file holds all that is known about it.

mod activation;
mod bidirectional;
mod convolution;
mod dense;
mod dropout;
mod embedding;
mod flatten;
mod global_average_pooling1d;
mod input_layer;
mod layer_normalization;
mod masking;
mod merging;
mod operations;
mod pooling;
mod recurrent;
mod reshaping;
mod resizing;
mod scope;
mod separable;
mod spatial;
mod text_vectorization;
mod time_distributed;

use crate::layer::LayerDef;

/// Every layer known, sorted by class.
pub static LAYERS: &[&LayerDef] = &[
    &activation::ACTIVATION,
    &pooling::ADAPTIVE_AVERAGE_POOLING1D,
    &pooling::ADAPTIVE_AVERAGE_POOLING2D,
    &pooling::ADAPTIVE_AVERAGE_POOLING3D,
    &pooling::ADAPTIVE_MAX_POOLING1D,
    &pooling::ADAPTIVE_MAX_POOLING2D,
    &pooling::ADAPTIVE_MAX_POOLING3D,
    &merging::ADD,
    &dropout::ALPHA_DROPOUT,
    &pooling::AVERAGE_POOLING1D,
    &pooling::AVERAGE_POOLING2D,
    &pooling::AVERAGE_POOLING3D,
    &bidirectional::BIDIRECTIONAL,
    &merging::CONCATENATE,
    &convolution::CONV1D,
    &convolution::CONV1D_TRANSPOSE,
    &convolution::CONV2D,
    &convolution::CONV2D_TRANSPOSE,
    &convolution::CONV3D,
    &convolution::CONV3D_TRANSPOSE,
    &resizing::CROPPING1D,
    &resizing::CROPPING2D,
    &resizing::CROPPING3D,
    &dense::DENSE,
    &separable::DEPTHWISE_CONV1D,
    &separable::DEPTHWISE_CONV2D,
    &dropout::DROPOUT,
    &embedding::EMBEDDING,
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
    &scope::IDENTITY,
    &input_layer::INPUT_LAYER,
    &recurrent::LSTM,
    &layer_normalization::LAYER_NORMALIZATION,
    &masking::MASKING,
    &pooling::MAX_POOLING1D,
    &pooling::MAX_POOLING2D,
    &pooling::MAX_POOLING3D,
    &reshaping::PERMUTE,
    &reshaping::REPEAT_VECTOR,
    &reshaping::RESHAPE,
    &separable::SEPARABLE_CONV1D,
    &separable::SEPARABLE_CONV2D,
    &scope::SEQUENTIAL,
    &recurrent::SIMPLE_RNN,
    &dropout::SPATIAL_DROPOUT1D,
    &dropout::SPATIAL_DROPOUT2D,
    &dropout::SPATIAL_DROPOUT3D,
    &text_vectorization::TEXT_VECTORIZATION,
    &time_distributed::TIME_DISTRIBUTED,
    &resizing::UP_SAMPLING1D,
    &resizing::UP_SAMPLING2D,
    &resizing::UP_SAMPLING3D,
    &resizing::ZERO_PADDING1D,
    &resizing::ZERO_PADDING2D,
    &resizing::ZERO_PADDING3D,
    &operations::ABSOLUTE,
    &operations::ADD,
    &operations::ANY,
    &operations::CONCATENATE,
    &operations::DIVIDE,
    &operations::EQUAL,
    &operations::EXP,
    &operations::EXPAND_DIMS,
    &operations::GREATER,
    &operations::GREATER_EQUAL,
    &operations::LESS,
    &operations::LESS_EQUAL,
    &operations::LOG,
    &operations::LOGICAL_AND,
    &operations::LOGICAL_NOT,
    &operations::LOGICAL_OR,
    &operations::MAXIMUM,
    &operations::MINIMUM,
    &operations::MULTIPLY,
    &operations::NEGATIVE,
    &operations::NOT_EQUAL,
    &operations::ONES_LIKE,
    &operations::RELU,
    &operations::SIGMOID,
    &operations::SQRT,
    &operations::SQUARE,
    &operations::SUBTRACT,
    &operations::TANH,
    &operations::TRUE_DIVIDE,
    &operations::ZEROS_LIKE,
];

/// The layer of that class.
pub fn find(class: &str) -> Option<&'static LayerDef> {
    LAYERS.binary_search_by(|def| def.class.cmp(class)).ok().map(|place| LAYERS[place])
}

/// Why a class is not in the registry, and what to do.
pub fn refusal(class: &str) -> String {
    match class {
        "Lambda" => {
            "a Lambda layer holds Python code, and nothing in a model file is run; replace it by layers or \
                     operations of Keras"
                .to_owned()
        }
        "FlaxLayer" | "JaxLayer" | "TFSMLayer" | "TorchModuleWrapper" => {
            format!("{class} runs code of another framework, and nothing in a model file is run")
        }
        _ if class.contains('>') => {
            format!("{class} is a class of somebody's own: its code is not in the file; use layers of Keras")
        }
        _ => format!("unknown class {class}; `masque layers` lists the known ones"),
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
