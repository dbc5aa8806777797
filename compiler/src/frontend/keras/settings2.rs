//! A layer's settings as Keras 2 writes them, in the words of Keras 3. Only what is written differently is touched; a
//! setting without a counterpart stays, and is refused by name like any other that the layer does not know.

use serde_json::{Map, Value as Json};

/// Classes that have another name today.
const RENAMED: &[(&str, &str)] = &[
    ("CuDNNGRU", "GRU"),
    ("CuDNNLSTM", "LSTM"),
    ("SyncBatchNormalization", "BatchNormalization"),
    ("ThresholdedReLU", "ReLU"),
    ("experimental>SyncBatchNormalization", "BatchNormalization"),
];

/// Settings of another name today.
const RENAMED_SETTINGS: &[(&str, &str, &str)] = &[
    ("InputLayer", "batch_input_shape", "batch_shape"),
    ("LeakyReLU", "alpha", "negative_slope"),
    ("ReLU", "theta", "threshold"),
];

/// Settings that say nothing about what is computed, by class; an empty class is any.
const IGNORED: &[(&str, &[&str])] = &[
    ("", &["batch_input_shape"]),
    ("BatchNormalization", &["fused", "virtual_batch_size"]),
    ("Embedding", &["input_length"]),
    ("MultiHeadAttention", &["key_shape", "query_shape", "value_shape"]),
];

/// A class, a setting, and a value.
type Value = (&'static str, &'static str, fn() -> Json);

/// Settings with a value that changes nothing, by class; with any other they stay.
const WITHOUT_EFFECT: &[Value] = &[
    ("", "causal", || false.into()),
    ("", "softmax_robust_masking", || false.into()),
    ("", "time_major", || false.into()),
    ("DepthwiseConv1D", "groups", || 1.into()),
    ("DepthwiseConv2D", "groups", || 1.into()),
    ("SeparableConv1D", "groups", || 1.into()),
    ("SeparableConv2D", "groups", || 1.into()),
];

/// What Keras 2 took for granted and wrote nowhere.
const DEFAULTS: &[Value] =
    &[("CuDNNGRU", "reset_after", || true.into()), ("GRU", "reset_after", || false.into())];

/// Element types that TensorFlow knows by a second name.
const ELEMENT_TYPES: &[(&str, &str)] = &[("double", "float64"), ("float", "float32"), ("half", "float16")];

/// The layers inside a wrapper.
const INNER: &[&str] = &["backward_layer", "cell", "cells", "layer"];

/// Class and settings in the words of Keras 3.
pub(super) fn translated(mut class: String, mut settings: Map<String, Json>) -> (String, Map<String, Json>) {
    (class, settings) = super::settings1::translated(class, settings);
    for (_, key, value) in DEFAULTS.iter().filter(|(of, ..)| *of == class) {
        settings.entry(*key).or_insert_with(value);
    }
    class = RENAMED.iter().find(|(old, _)| *old == class).map_or(class, |(_, new)| (*new).to_owned());
    for (_, old, new) in RENAMED_SETTINGS.iter().filter(|(of, ..)| *of == class) {
        if let Some(value) = settings.remove(*old) {
            settings.insert((*new).to_owned(), value);
        }
    }
    for (_, keys) in IGNORED.iter().filter(|(of, _)| of.is_empty() || *of == class) {
        keys.iter().for_each(|key| drop(settings.remove(*key)));
    }
    for (_, key, value) in WITHOUT_EFFECT.iter().filter(|(of, ..)| of.is_empty() || *of == class) {
        if settings.get(*key) == Some(&value()) {
            settings.remove(*key);
        }
    }
    for (key, value) in &mut settings {
        match value {
            Json::String(name) if key.ends_with("activation") => rename_activation(name),
            Json::String(_) if key == "dtype" => *value = element_type(value),
            // An array of one number where a number is meant.
            Json::Object(object) if object.get("type").is_some_and(|kind| kind == "ndarray") => {
                *value = object.remove("value").unwrap_or(Json::Null);
            }
            inner if INNER.contains(&key.as_str()) => translate_inner(inner),
            _ => {}
        }
    }
    (class, settings)
}

/// `hard_sigmoid` was another function before Keras 3.
fn rename_activation(name: &mut String) {
    if name == "hard_sigmoid" {
        *name = "hard_sigmoid_keras2".to_owned();
    }
}

/// An element type under its first name.
pub(super) fn element_type(name: &Json) -> Json {
    let known = ELEMENT_TYPES.iter().find(|(second, _)| name == second);
    known.map_or_else(|| name.clone(), |(_, first)| (*first).into())
}

fn translate_inner(inner: &mut Json) {
    if let Json::Array(cells) = inner {
        cells.iter_mut().for_each(translate_inner);
        return;
    }
    let class = inner.get("class_name").and_then(Json::as_str).map(str::to_owned);
    let settings = inner.get("config").and_then(Json::as_object).cloned();
    if let (Some(class), Some(settings)) = (class, settings) {
        let (class, settings) = translated(class, settings);
        inner["class_name"] = class.into();
        inner["config"] = settings.into();
    }
}
