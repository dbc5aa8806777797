//! The files of Keras are read; what is broken, or built to do harm, is refused by name, without panic and in time.

use ndarray::{ArrayD, IxDyn, arr0, arr1, arr2};

use super::*;

macro_rules! fixture {
    ($name:literal) => {
        &include_bytes!(concat!("../../../tests/data/", $name))[..]
    };
}

fn open(bytes: &[u8]) -> Result<Hdf5Weights, WeightsError> {
    Hdf5Weights::open(bytes.to_vec())
}

fn message(error: &WeightsError) -> String {
    let message = error.to_string();
    assert!(!message.contains('\n') && message.contains("weights"), "{message}");
    message
}

/// The error of opening the file or of reading any of its datasets.
fn refusal(bytes: &[u8]) -> WeightsError {
    let read =
        |weights: &Hdf5Weights| weights.datasets().iter().try_for_each(|path| weights.read(path).map(drop));
    let error = open(bytes).and_then(|weights| read(&weights)).unwrap_err();
    message(&error);
    error
}

#[test]
fn the_weights_of_a_keras_model_are_found_by_path() {
    let weights = open(fixture!("keras.weights.h5")).unwrap();
    let cell = "layers/bidirectional/backward_layer/cell/vars";
    assert!(weights.groups().contains(&cell));
    assert_eq!(weights.datasets().len(), 11);
    let description = weights.describe(&format!("{cell}/1")).unwrap();
    assert_eq!(description, Description { shape: vec![2, 8], dtype: DType::F32 });
    assert_eq!(weights.read_expected("/layers/embedding/vars/0", &[9, 3]).unwrap().shape(), [9, 3]);
    let name = weights.string_attribute("layers/bidirectional/vars", "name").unwrap();
    assert_eq!(name.as_deref(), Some("reader"));
}

#[test]
fn half_precision_weights_are_widened() {
    let weights = open(fixture!("keras.weights.h5")).unwrap();
    for path in ["layers/dense/vars/0", "layers/dense_1/vars/0"] {
        let kernel = weights.read(path).unwrap();
        let kernel = kernel.as_f32().unwrap();
        // Glorot's bound for these shapes is below 1.3; a type read wrongly would be far outside.
        assert!(kernel.iter().all(|x| x.abs() > 1e-3 && x.abs() < 1.3), "{kernel}");
    }
}

#[test]
fn another_shape_or_path_is_named() {
    let weights = open(fixture!("keras.weights.h5")).unwrap();
    let error = weights.read_expected("layers/dense/vars/0", &[5, 7]).unwrap_err();
    let expected = r#"the weights dataset "layers/dense/vars/0" has shape [4, 2], expected [5, 7]"#;
    assert_eq!(message(&error), expected);
    let error = weights.read("layers/dense_7/vars/0").unwrap_err();
    assert!(
        message(&error)
            .starts_with(r#"the weights have no dataset "layers/dense_7/vars/0"; they have "layers/"#)
    );
    assert!(matches!(weights.strings("layers/none", "name"), Err(WeightsError::Missing { .. })));
}

#[test]
fn every_element_type_is_read() {
    let weights = open(fixture!("types.h5")).unwrap();
    let x = arr2(&[[0, 1, 2], [3, 4, 5]]).into_dyn();
    for path in weights.datasets().into_iter().filter(|path| path.starts_with("numbers/")) {
        let expected = match path.trim_start_matches("numbers/") {
            "<f2" | "<f4" | ">f4" => Tensor::F32(x.mapv(|x| x as f32)),
            "<f8" => Tensor::F64(x.mapv(f64::from)),
            "<u4" | "<i8" | "<u8" => Tensor::I64(x.mapv(i64::from)),
            "?" => Tensor::Bool(x.mapv(|x| x != 0)),
            _ => Tensor::I32(x.clone()),
        };
        assert_eq!(weights.read(path).unwrap(), expected, "{path}");
        assert_eq!(weights.describe(path).unwrap().dtype, expected.dtype(), "{path}");
    }
    assert_eq!(weights.read("scalar").unwrap(), Tensor::I64(arr0(7).into_dyn()));
    assert_eq!(weights.read("empty").unwrap(), Tensor::F32(ArrayD::zeros(IxDyn(&[0, 3]))));
    assert_eq!(weights.read("packed").unwrap(), Tensor::F32(ArrayD::zeros(IxDyn(&[8, 64]))));
    assert_eq!(
        weights.read("text/fixed").unwrap(),
        Tensor::Str(arr1(&["a", "é"]).mapv(str::to_owned).into_dyn())
    );
    let variable = weights.read("text/variable").unwrap();
    assert_eq!(variable, Tensor::Str(arr1(&["the cat", ""]).mapv(str::to_owned).into_dyn()));
    assert!(matches!(weights.read_expected("text/fixed", &[2]), Err(WeightsError::Text { .. })));
    let error = weights.read("complex").unwrap_err();
    assert!(message(&error).starts_with(r#"the weights dataset "complex" holds "#));
}

#[test]
fn the_attributes_of_old_models_are_read() {
    let weights = open(fixture!("types.h5")).unwrap();
    let text = |name| weights.string_attribute("", name);
    assert_eq!(text("model_config").unwrap().as_deref(), Some(r#"{"class_name": "Sequential"}"#));
    assert_eq!(text("keras_version").unwrap().as_deref(), Some("2.15.0"));
    assert_eq!(text("backend").unwrap(), None);
    for name in ["number", "layer_names0"] {
        message(&text(name).unwrap_err());
    }
    let list = |path, name| weights.string_list_attribute(path, name).unwrap();
    assert_eq!(list("", "layer_names").unwrap(), ["embedding", "lstm", "dense"]);
    assert_eq!(list("", "weight_names"), None);
    assert_eq!(list("numbers", "weight_names"), Some(vec![]));
    assert_eq!(list("scalar", "names").unwrap(), ["ä", "b"]);
}

#[test]
fn links_and_elements_elsewhere_are_refused() {
    assert!(matches!(refusal(fixture!("soft_link.h5")), WeightsError::Link { .. }));
    assert!(matches!(refusal(fixture!("circle.h5")), WeightsError::Link { .. }));
    let error = refusal(fixture!("external_link.h5"));
    let expected = r#"the HDF5 weights have an external link to the file "/etc/passwd" at "a""#;
    assert!(message(&error).starts_with(expected), "{error}");
    assert!(message(&refusal(fixture!("external_links_many.h5"))).contains("external link"));
    assert!(matches!(refusal(fixture!("external_data.h5")), WeightsError::Elsewhere { .. }));
    refusal(fixture!("virtual.h5"));
}

#[test]
fn claims_that_the_file_cannot_hold_are_refused() {
    let error = refusal(fixture!("huge.h5"));
    assert!(
        message(&error)
            .starts_with(r#"the weights dataset "a" claims 4398046511104 bytes, expected at most "#)
    );
    assert!(matches!(refusal(fixture!("huge_packed.h5")), WeightsError::Size { .. }));
    assert!(matches!(refusal(fixture!("deep.h5")), WeightsError::Limit { .. }));
}

#[test]
fn what_is_no_hdf5_says_so() {
    for bytes in [&b""[..], b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", &[0; 4096]] {
        let error = open(bytes).unwrap_err();
        assert!(message(&error).contains("HDF5"), "{error}");
    }
}

#[test]
fn one_long_text_cannot_be_had_many_times() {
    let text = stored::Text { size: None, padding: hdf5_reader::StringPadding::NullPad };
    let references = [100_u32.to_le_bytes().as_slice(), &[0; 12]].concat().repeat(3);
    let resolve = |_: &[u8]| Ok(vec![b'x'; 100]);
    assert_eq!(text.decode(3, &references, 16, 300, resolve).unwrap().len(), 3);
    assert!(text.decode(3, &references, 16, 299, resolve).is_err());
    assert!(text.decode(4, &references, 16, 1000, resolve).is_err());
    assert!(text.decode(usize::MAX, &references, 16, 1000, resolve).is_err());
}

/// Reads all there is; the result does not matter, only that there is one.
fn exhaust(bytes: Vec<u8>) {
    let Ok(weights) = Hdf5Weights::open(bytes) else { return };
    for path in weights.groups().into_iter().chain(weights.datasets()).chain([""]) {
        for name in ["name", "dtype", "model_config", "layer_names", "weight_names", "names"] {
            let _ = weights.string_list_attribute(path, name);
        }
    }
    for path in weights.datasets() {
        let _ = weights.read(path);
    }
}

#[test]
fn no_damage_panics_or_takes_long() {
    let mut state = 1_u64;
    let mut random = |end: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % end
    };
    for whole in [fixture!("keras.weights.h5"), fixture!("types.h5"), fixture!("huge_packed.h5")] {
        for _ in 0..1000 {
            let mut changed = whole.to_vec();
            for _ in 0..=random(8) {
                let at = random(changed.len());
                changed[at] = if random(2) == 0 { random(256) as u8 } else { changed[at] ^ 1 << random(8) };
            }
            exhaust(changed);
        }
        for _ in 0..200 {
            exhaust(whole[..random(whole.len())].to_vec());
        }
    }
}
