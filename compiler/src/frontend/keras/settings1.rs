//! A layer's settings as Keras 1 writes them, in the words of Keras 2. Only layers that have other words there are
//! touched, and only what is written differently; a setting without a counterpart stays, and is refused by name.

use serde_json::{Map, Value as Json, json};

/// Classes that Keras 2 names otherwise.
const RENAMED: &[(&str, &str)] = &[
    ("AtrousConvolution1D", "Conv1D"),
    ("AtrousConvolution2D", "Conv2D"),
    ("Convolution1D", "Conv1D"),
    ("Convolution2D", "Conv2D"),
    ("Convolution3D", "Conv3D"),
    ("Deconvolution2D", "Conv2DTranspose"),
    ("TimeDistributedDense", "Dense"),
];

const CONV: &[&str] = &["Conv1D", "Conv2D", "Conv2DTranspose", "Conv3D"];
const RECURRENT: &[&str] = &["GRU", "LSTM", "SimpleRNN"];
const WINDOWS: &[&str] = &["AveragePooling1D", "MaxPooling1D"];

/// Settings that Keras 2 names otherwise, by class; an empty list is any class that is known here.
const RENAMED_SETTINGS: &[(&[&str], &str, &str)] = &[
    (&[], "bias", "use_bias"),
    (&[], "border_mode", "padding"),
    (&["InputLayer"], "input_dtype", "dtype"),
    (&["Dense", "GRU", "LSTM", "SimpleRNN"], "output_dim", "units"),
    (
        &["Dropout", "GaussianDropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"],
        "p",
        "rate",
    ),
    (&["GaussianNoise"], "sigma", "stddev"),
    (&["UpSampling1D"], "length", "size"),
    (CONV, "atrous_rate", "dilation_rate"),
    (CONV, "filter_length", "kernel_size"),
    (CONV, "nb_filter", "filters"),
    (CONV, "subsample", "strides"),
    (CONV, "subsample_length", "strides"),
    (RECURRENT, "dropout_U", "recurrent_dropout"),
    (RECURRENT, "dropout_W", "dropout"),
    (RECURRENT, "inner_activation", "recurrent_activation"),
    (WINDOWS, "pool_length", "pool_size"),
    (WINDOWS, "stride", "strides"),
];

/// Settings that became one list.
const GATHERED: &[(&[&str], &str)] = &[
    (&["nb_row", "nb_col"], "kernel_size"),
    (&["kernel_dim1", "kernel_dim2", "kernel_dim3"], "kernel_size"),
];

/// Settings of how weights are made, or of the shape of the input.
const IGNORED: &[&str] = &[
    "U_constraint",
    "U_regularizer",
    "W_constraint",
    "W_regularizer",
    "b_constraint",
    "b_regularizer",
    "beta_init",
    "consume_less",
    "forget_bias_init",
    "gamma_init",
    "init",
    "inner_init",
    "input_dtype",
    "input_length",
];

/// Class and settings in the words of Keras 2.
pub(super) fn translated(class: String, mut settings: Map<String, Json>) -> (String, Map<String, Json>) {
    let class = RENAMED.iter().find(|(old, _)| *old == class).map_or(class, |(_, new)| (*new).to_owned());
    if class == "Merge" {
        return merge(class, settings);
    }
    if !is_old(&class, &settings) {
        return (class, settings);
    }
    for (_, old, new) in RENAMED_SETTINGS.iter().filter(|(of, ..)| of.is_empty() || of.contains(&&*class)) {
        if let Some(value) = settings.remove(*old) {
            settings.entry(*new).or_insert(value);
        }
    }
    for (parts, whole) in GATHERED {
        if parts.iter().all(|part| settings.contains_key(*part)) {
            let sizes: Vec<Json> = parts.iter().filter_map(|part| settings.remove(*part)).collect();
            settings.insert((*whole).to_owned(), sizes.into());
        }
    }
    let format = settings.get("dim_ordering").and_then(Json::as_str);
    let format =
        [("th", "channels_first"), ("tf", "channels_last")].into_iter().find(|(old, _)| Some(*old) == format);
    if let Some((_, format)) = format {
        settings.remove("dim_ordering");
        settings.insert("data_format".to_owned(), format.into());
    }
    if class == "Conv2DTranspose" {
        told_shape(&mut settings);
    }
    IGNORED.iter().for_each(|key| drop(settings.remove(*key)));
    if class == "Embedding" {
        settings.remove("dropout");
    } else {
        settings.remove("input_dim");
    }
    // Statistics of the data that comes, or of each feature by itself, are no setting of Keras 2.
    if settings.get("mode") == Some(&json!(0)) {
        settings.remove("mode");
    }
    (class, settings)
}

/// Does a layer have words that Keras 2 has not?
fn is_old(class: &str, settings: &Map<String, Json>) -> bool {
    let renamed = RENAMED_SETTINGS
        .iter()
        .any(|(of, old, _)| (of.is_empty() || of.contains(&class)) && settings.contains_key(*old));
    let gathered = GATHERED.iter().flat_map(|(parts, _)| *parts).any(|part| settings.contains_key(*part));
    let dim_ordering = settings.contains_key("dim_ordering");
    renamed
        || gathered
        || dim_ordering
        || IGNORED.iter().any(|key| *key != "input_length" && settings.contains_key(*key))
        || class == "BatchNormalization" && settings.contains_key("mode")
}

/// The shape of the results of a transposed convolution, as their lengths.
fn told_shape(settings: &mut Map<String, Json>) {
    let first =
        if settings.get("data_format").is_some_and(|format| format == "channels_first") { 2 } else { 1 };
    let shape = settings.get("output_shape").and_then(Json::as_array).filter(|shape| shape.len() == 4);
    if let Some(lengths) = shape.map(|shape| shape[first..first + 2].to_vec()) {
        settings.remove("output_shape");
        settings.insert("output_lengths".to_owned(), lengths.into());
    }
}

/// One layer joined tensors in every way, by a word.
fn merge(class: String, mut settings: Map<String, Json>) -> (String, Map<String, Json>) {
    let ways = [
        ("ave", "Average"),
        ("concat", "Concatenate"),
        ("cos", "Dot"),
        ("dot", "Dot"),
        ("max", "Maximum"),
        ("mul", "Multiply"),
        ("sum", "Add"),
    ];
    let mode = settings.get("mode").and_then(Json::as_str);
    let Some((_, new)) = ways.into_iter().find(|(word, _)| Some(*word) == mode) else {
        return (class, settings);
    };
    if mode == Some("cos") {
        settings.insert("cosine_of_keras_1".to_owned(), true.into());
    }
    for (of, old, now) in [("Concatenate", "concat_axis", "axis"), ("Dot", "dot_axes", "axes")] {
        if let Some(axis) = settings.remove(old).filter(|_| new == of) {
            settings.insert(now.to_owned(), axis);
        }
    }
    for raw in [
        "arguments",
        "mode",
        "mode_type",
        "output_mask",
        "output_mask_type",
        "output_shape",
        "output_shape_type",
    ] {
        settings.remove(raw);
    }
    (new.to_owned(), settings)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::translated;

    fn words(class: &str, settings: Json) -> (String, Json) {
        let (class, settings) = translated(class.to_owned(), settings.as_object().unwrap().clone());
        (class, settings.into())
    }

    #[test]
    fn words_of_keras_1_become_those_of_keras_2() {
        let lstm = json!({
            "output_dim": 4, "init": "glorot_uniform", "inner_init": "orthogonal", "forget_bias_init": "one",
            "inner_activation": "hard_sigmoid", "dropout_W": 0.1, "dropout_U": 0.2, "consume_less": "cpu",
            "W_regularizer": null, "input_dim": 3, "input_length": null,
        });
        let today = json!({
            "units": 4, "recurrent_activation": "hard_sigmoid", "dropout": 0.1, "recurrent_dropout": 0.2,
        });
        assert_eq!(words("LSTM", lstm), ("LSTM".to_owned(), today));
        let conv = json!({
            "nb_filter": 8, "nb_row": 3, "nb_col": 2, "border_mode": "same", "subsample": [1, 1], "dim_ordering": "th",
            "bias": true,
        });
        let today = json!({
            "filters": 8, "kernel_size": [3, 2], "padding": "same", "strides": [1, 1], "data_format": "channels_first",
            "use_bias": true,
        });
        assert_eq!(words("Convolution2D", conv), ("Conv2D".to_owned(), today));
        let deconvolution = json!({
            "nb_filter": 8, "nb_row": 3, "nb_col": 2, "dim_ordering": "th", "output_shape": [null, 8, 7, 5],
        });
        let today = json!({
            "filters": 8, "kernel_size": [3, 2], "data_format": "channels_first", "output_lengths": [7, 5],
        });
        assert_eq!(words("Deconvolution2D", deconvolution), ("Conv2DTranspose".to_owned(), today));
        let merge = json!({"mode": "concat", "mode_type": "raw", "concat_axis": -1, "dot_axes": -1});
        assert_eq!(words("Merge", merge), ("Concatenate".to_owned(), json!({"axis": -1})));
        assert_eq!(words("BatchNormalization", json!({"mode": 2})).1, json!({"mode": 2}));
    }

    #[test]
    fn words_of_keras_2_stay() {
        let embedding = json!({"input_dim": 9, "output_dim": 4, "input_length": 5});
        assert_eq!(words("Embedding", embedding.clone()), ("Embedding".to_owned(), embedding));
        let own = json!({"mode": "concat", "length": 3, "p": 1});
        assert_eq!(words("Mine", own.clone()), ("Mine".to_owned(), own));
    }
}
