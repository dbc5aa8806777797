//! Files in all their forms: what is the same however it is stored, and what is refused with which words.

use std::path::{Path, PathBuf};

use masque_ir::Semantics;
use masque_ir::text::print_layers;
use masque_runtime::zip::{Archive, Limits};

use serde_json::json;

use super::hdf5::{Hdf5Weights, Weights};
use super::json::ConfigText;
use super::{OpenOptions, flatten, keras};
use crate::Model;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(name)
}

/// The weights' hashes and all that was inferred, as text.
fn whole(path: &Path) -> String {
    let mut inferred = Model::open(path).unwrap().infer().unwrap();
    inferred.load_weights().unwrap();
    masque_ir::text::print_masks(inferred.graph())
}

#[test]
fn a_saved_model_is_told_to_be_one() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("saved_model.pb"), b"graphs").unwrap();
    let error = Model::open(folder.path()).err().unwrap().to_string();
    assert!(error.contains("a SavedModel folder"), "{error}");
}

#[test]
fn a_folder_is_as_good_as_an_archive() {
    let archive = golden("seed/embedding-gru-dense/model.keras");
    let bytes = std::fs::read(&archive).unwrap();
    let members = Archive::open(&bytes, Limits::MODEL).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for name in ["config.json", "metadata.json", "model.weights.h5"] {
        std::fs::write(folder.path().join(name), members.read(name).unwrap()).unwrap();
    }
    assert_eq!(whole(folder.path()), whole(&archive));
}

#[test]
fn the_file_says_whose_rules_hold_and_the_caller_may_say_otherwise() {
    let file = golden("files/keras2-masks/model.h5");
    let semantics = |options: &OpenOptions| Model::open_with(&file, options).unwrap().graph().semantics;
    assert_eq!(semantics(&OpenOptions::default()), Semantics::Keras2);
    let options = OpenOptions { semantics: Some(Semantics::Keras3_15), ..OpenOptions::default() };
    assert_eq!(semantics(&options), Semantics::Keras3_15);
}

#[test]
fn weights_may_lie_elsewhere() {
    let (folder, config) = (tempfile::tempdir().unwrap(), golden("files/keras3-beside/model.json"));
    let alone = folder.path().join("model.json");
    std::fs::copy(&config, &alone).unwrap();
    assert!(!whole(&alone).contains("hash"));
    let weights = Some(config.with_file_name("model.weights.h5"));
    let model = Model::open_with(&alone, &OpenOptions { weights: weights.clone(), ..Default::default() });
    let mut inferred = model.unwrap().infer().unwrap();
    inferred.load_weights().unwrap();
    assert_eq!(masque_ir::text::print_masks(inferred.graph()), whole(&config));

    let archive = golden("seed/embedding-gru-dense/model.keras");
    let both = Model::open_with(archive, &OpenOptions { weights, ..Default::default() });
    assert!(both.err().unwrap().to_string().contains("expected a .json config"));
}

/// What is said of a config.
fn refusal(config: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.json");
    std::fs::write(&file, config).unwrap();
    match Model::open(&file).and_then(Model::infer) {
        Ok(inferred) => panic!("accepted: {}", print_layers(&inferred.graph().graph)),
        Err(error) => error.to_string(),
    }
}

/// A functional model of Keras 2: `x`, and one more layer, which is its output.
fn with_layer(class: &str, settings: &str, node: &str) -> String {
    format!(
        r#"{{"class_name": "Functional", "keras_version": "2.15.0", "config": {{"name": "m", "layers": [
        {{"class_name": "InputLayer", "name": "x", "inbound_nodes": [],
          "config": {{"batch_input_shape": [null, 4, 3], "dtype": "float32", "name": "x"}}}},
        {{"class_name": "{class}", "name": "y", "inbound_nodes": [{node}],
          "config": {{"name": "y", "trainable": true, "dtype": "float32", {settings}}}}}],
        "input_layers": [["x", 0, 0]], "output_layers": [["y", 0, 0]]}}}}"#
    )
}

#[test]
fn what_keras_2_wrote_and_nobody_computes_is_refused_by_name() {
    let call = r#"[["x", 0, 0, {}]]"#;
    let of_function = |name: &str| format!(r#""function": "{name}""#);
    for (class, settings, node, words) in [
        ("ConvLSTM1D", r#""filters": 2, "kernel_size": 2, "time_major": true"#, call, "time_major"),
        ("LSTM", r#""units": 2, "stateful": true"#, call, "stateful"),
        ("LocallyConnected1D", r#""filters": 2"#, call, "LocallyConnected1D"),
        ("Dense", r#""units": 2, "dtype": "float64""#, call, "dtype"),
        ("TFOpLambda", &of_function("signal.fft"), r#"["x", 0, 0, {}]"#, "signal.fft"),
        (
            "TFOpLambda",
            &of_function("linalg.matmul"),
            r#"["x", 0, 0, {"b": ["x", 0, 0], "a_is_sparse": true}]"#,
            "`a_is_sparse` of linalg.matmul",
        ),
        (
            "TFOpLambda",
            &of_function("reshape"),
            r#"["x", 0, 0, {"shape": [["x", 0, 0], 3]}]"#,
            "`shape` of reshape",
        ),
        ("TFOpLambda", &of_function("math.abs"), "", "one call"),
        ("InstanceProperty", r#""attr_name": "values""#, r#"["x", 0, 0, {}]"#, "InstanceProperty"),
        ("Dense", r#""units": 2"#, r#"[["x", 0]]"#, "as Keras 2 writes it"),
        ("Dense", r#""units": 2"#, r#"[["x", 0, 0, 7]]"#, "object"),
        ("Dense", r#""units": 2"#, "[]", "found a list"),
        ("LSTM", r#""units": 2"#, "[]", "found"),
    ] {
        // A setting stands once.
        let config = with_layer(class, settings, node);
        let config = if settings.contains("dtype") {
            config.replacen(r#""dtype": "float32", "units""#, r#""units""#, 1)
        } else {
            config
        };
        let refusal = refusal(&config);
        assert!(refusal.contains(words) && !refusal.contains('\n'), "{class}: {refusal}");
    }
}

#[test]
fn what_needs_python_code_is_refused_with_what_can_be_done() {
    let call = r#"[["x", 0, 0, {}]]"#;
    let model = with_layer("Dense", r#""units": 2"#, call);
    for (config, name) in [
        (with_layer("Lambda", r#""function": "half""#, call), "Lambda"),
        (with_layer("Custom>Block", r#""width": 2"#, call), "Custom>Block"),
        (with_layer("Block", r#""width": 2"#, call), "Block"),
        (with_layer("Dense", r#""units": 2, "activation": "mine""#, call), "mine"),
        (with_layer("RNN", r#""cell": {"class_name": "MyCell", "config": {}}"#, call), "MyCell"),
        (with_layer("TimeDistributed", r#""layer": {"class_name": "Block", "config": {}}"#, call), "Block"),
        (with_layer("Bidirectional", r#""layer": {"class_name": "MyRNN", "config": {}}"#, call), "MyRNN"),
        (model.replacen("Functional", "MyModel", 1), "MyModel"),
    ] {
        let refusal = refusal(&config);
        let told = [name, "masque_export", "docs/own-layers.md"];
        assert!(told.iter().all(|word| refusal.contains(word)) && !refusal.contains('\n'), "{refusal}");
    }
}

#[test]
fn element_types_have_second_names() {
    let refusals = |dtype: &str| {
        let input = with_layer("Dense", r#""units": 2"#, r#"[["x", 0, 0, {}]]"#);
        let input = input.replacen(
            r#""dtype": "float32", "name": "x""#,
            &format!(r#""dtype": "{dtype}", "name": "x""#),
            1,
        );
        let layer =
            input.replacen(r#""trainable": true, "dtype": "float32""#, &format!(r#""dtype": "{dtype}""#), 1);
        let cast = with_layer(
            "TFOpLambda",
            r#""function": "cast""#,
            &format!(r#"["x", 0, 0, {{"dtype": "{dtype}"}}]"#),
        );
        [input, layer, cast]
            .map(|config| Model::from_bytes("m.json", config.as_bytes()).err().map(|error| error.to_string()))
    };
    assert_eq!(refusals("float"), [const { None }; 3]);
    assert_eq!(refusals("half")[..2], [const { None }; 2]);
    let [input, layer, cast] = refusals("double");
    assert_eq!((input, cast), (None, None));
    assert!(layer.unwrap().contains("found \"float64\""), "a layer that computes in float64");
    assert!(refusals("complex")[0].as_ref().unwrap().contains("`dtype`"));
}

#[test]
fn weights_alone_are_told_to_be_that() {
    let weights = golden("files/keras3-beside/model.weights.h5");
    let text = Model::open(weights).err().unwrap().to_string();
    assert!(text.contains("weights alone") && text.contains("--weights FILE"), "{text}");
}

#[test]
fn texts_that_are_not_split_make_rows_only_where_there_are_rows() {
    // Without rows Keras takes all texts of the batch for one: its length, its counts are the batch's.
    let of_texts = |shape: &str, settings: &str| {
        format!(
            r#"{{"class_name": "Sequential", "module": "keras", "config": {{"name": "s", "layers": [
            {{"class_name": "InputLayer", "module": "keras.layers",
              "config": {{"name": "x", "dtype": "string", "batch_shape": {shape}}}}},
            {{"class_name": "TextVectorization", "module": "keras.layers",
              "config": {{"name": "t", "vocabulary": ["a", "b"], "split": null, {settings}}}}}]}}}}"#
        )
    };
    for (shape, settings, found) in [
        ("[null]", r#""ngrams": [2]"#, "found str[B]"),
        ("[null]", r#""output_mode": "count""#, "found str[B]"),
        ("[null]", r#""output_sequence_length": 3"#, "found str[B]"),
        ("[null, 2, 2]", r#""ngrams": [2]"#, "found str[B, 2, 2]"),
        ("[null, 2, 2]", r#""output_mode": "int""#, "found str[B, 2, 2]"),
    ] {
        let refusal = refusal(&of_texts(shape, settings));
        assert!(refusal.contains("str[B, T]") && refusal.ends_with(found), "{refusal}");
    }
}

#[test]
fn versions_that_are_not_known_and_models_without_an_input_are_refused() {
    let version = r#"{"class_name": "Sequential", "config": [], "keras_version": "0.3.3"}"#;
    assert!(refusal(version).contains("0.3.3"));
    let unbuilt = r#"{"class_name": "Sequential", "module": "keras", "config": {"name": "s", "layers": [
        {"class_name": "Dense", "module": "keras.layers", "config": {"name": "d", "units": 2}}]}}"#;
    assert!(refusal(unbuilt).contains("build it first"));
}

#[test]
fn what_a_sequential_model_was_built_for_is_its_input() {
    let built = r#"{"class_name": "Sequential", "module": "keras", "build_config": {"input_shape": [null, 3]},
        "config": {"name": "s", "layers": [
        {"class_name": "Dense", "module": "keras.layers", "config": {"name": "d", "units": 2}}]}}"#;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.json");
    std::fs::write(&file, built).unwrap();
    let text = print_layers(Model::open(&file).unwrap().graph());
    assert!(text.contains("%d_input = InputLayer() {shape = [B, 3]}"), "{text}");
}

#[test]
fn weights_of_another_model_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.json");
    std::fs::copy(golden("files/keras3-beside/model.json"), &file).unwrap();
    let weights = |weights: PathBuf| {
        let options = OpenOptions { weights: Some(weights), ..OpenOptions::default() };
        let loaded = Model::open_with(&file, &options).and_then(|model| {
            let mut inferred = model.infer()?;
            inferred.load_weights()
        });
        loaded.err().unwrap().to_string()
    };
    let other = weights(golden("files/keras2-layers/model.h5"));
    assert!(other.contains("not of this model"), "{other}");
    let other = weights(golden("files/keras2-chain/model.h5"));
    assert!(other.contains("expected 6 weights in the weights file, found 2"), "{other}");
    for (index, words) in [
        (r#"{"weight_map": {"/layers/dense/vars": "../elsewhere.h5"}}"#, "elsewhere"),
        (r#"{"metadata": {}}"#, "weight_map"),
        (r#"{"weight_map": {"/layers/dense/vars": ["gone.weights.h5"]}}"#, "gone.weights.h5"),
    ] {
        let path = folder.path().join("other.weights.json");
        std::fs::write(&path, index).unwrap();
        let refusal = weights(path);
        assert!(refusal.contains(words) && !refusal.contains('\n'), "{refusal}");
    }
}

/// The places of all values in a JSON text.
fn places(value: &serde_json::Value, place: String, found: &mut Vec<String>) {
    found.push(place.clone());
    match value {
        serde_json::Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| places(item, format!("{place}/{at}"), found));
        }
        serde_json::Value::Object(map) => {
            map.iter().for_each(|(key, item)| places(item, format!("{place}/{key}"), found));
        }
        _ => {}
    }
}

#[test]
fn a_config_of_keras_2_that_is_damaged_anywhere_is_read_or_refused() {
    let bytes = std::fs::read(golden("files/keras2-functions/model.h5")).unwrap();
    let config = Hdf5Weights::open(bytes).unwrap().string_attribute("", "model_config").unwrap().unwrap();
    let nested = std::fs::read_to_string(golden("files/keras2-config/model.json")).unwrap();
    for text in [config, nested] {
        let mut sound: serde_json::Value = serde_json::from_str(&text).unwrap();
        sound["keras_version"] = "2.15.0".into();
        let (mut all, mut refused) = (vec![], 0);
        places(&sound, String::new(), &mut all);
        let damages = [
            json!(null),
            json!(-1),
            json!(1u64 << 40),
            json!("x"),
            json!([]),
            json!([["x", 0, 0]]),
            json!({}),
        ];
        for (turn, place) in all.iter().enumerate().step_by(3) {
            let mut damaged = sound.clone();
            *damaged.pointer_mut(place).unwrap() = damages[turn % damages.len()].clone();
            let text = damaged.to_string();
            let config = ConfigText::parse("it", text.as_bytes()).unwrap();
            let raw = keras::read(&config, keras::Dialect::Keras2).and_then(|raw| Ok(flatten::flatten(raw)?));
            let inferred = raw.map_err(|_| ()).and_then(|raw| {
                Model::build(raw, &Default::default()).and_then(Model::infer).map_err(|_| ())
            });
            refused += usize::from(inferred.is_err());
        }
        assert!(refused > all.len() / 20, "only {refused} of {} were refused", all.len());
    }
}
