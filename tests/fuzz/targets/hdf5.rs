//! The bytes of an HDF5 file: its tree, every dataset, every attribute that Keras writes; and the model that it is, if it
//! is one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use masque::frontend::hdf5::{Hdf5Weights, Weights};
use masque_fuzz::{through_the_compiler, within_budget};

/// The attributes of Keras' files, old and new.
const ATTRIBUTES: [&str; 9] = [
    "name",
    "dtype",
    "model_config",
    "training_config",
    "keras_version",
    "backend",
    "layer_names",
    "weight_names",
    "names",
];

fuzz_target!(|data: &[u8]| within_budget(data, |bytes| {
    every_part(bytes);
    through_the_compiler("model.h5", bytes);
}));

fn every_part(bytes: &[u8]) {
    let Ok(weights) = Hdf5Weights::open(bytes.to_vec()) else { return };
    for path in weights.groups().into_iter().chain(weights.datasets()).chain([""]) {
        for name in ATTRIBUTES {
            let _ = weights.string_attribute(path, name);
            let _ = weights.string_list_attribute(path, name);
        }
    }
    for path in weights.datasets() {
        let description = weights.describe(path);
        if let Ok(tensor) = weights.read(path) {
            let description = description.expect("what can be read can be described");
            assert_eq!((tensor.shape(), tensor.dtype()), (&description.shape[..], description.dtype));
        }
    }
}
