//! Models written in Rust, in Keras' words.
//!
//! ```
//! use masque::frontend::builder::ModelBuilder;
//! use serde_json::json;
//!
//! let mut model = ModelBuilder::new("tagger");
//! let ids = model.input("ids", "int32", &[None]);
//! let x = model.layer("Embedding", "embedding", json!({"input_dim": 100, "output_dim": 8, "mask_zero": true}), &[&ids]);
//! let h = model.layer("LSTM", "lstm", json!({"units": 4}), &[&x]);
//! let inferred = model.finish(&[&h])?.infer()?;
//! assert_eq!(masque::table::rows(inferred.graph())[2].status.name(), "consumed");
//! # Ok::<(), masque::Error>(())
//! ```

use std::collections::HashMap;

use masque_ir::Semantics;
use serde_json::{Map, Value as Json, json};

use super::{RawArgument, RawLayer, RawModel, RawTensor};
use crate::{Error, Model};

/// Builds a model call by call; nothing is checked before [`ModelBuilder::finish`].
#[derive(Clone, Debug)]
pub struct ModelBuilder {
    raw: RawModel,
    places: HashMap<String, usize>,
}

/// A tensor of a model that is being built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuilderTensor(RawTensor);

impl BuilderTensor {
    /// Another output of the same call: the states of a recurrent layer.
    pub fn output(&self, output: u64) -> BuilderTensor {
        BuilderTensor(RawTensor { output, ..self.0.clone() })
    }
}

impl ModelBuilder {
    /// A model without layers, under the rules of Keras 3.15.
    pub fn new(name: &str) -> ModelBuilder {
        let raw = RawModel {
            name: name.to_owned(),
            semantics: Semantics::Keras3_15,
            layers: vec![],
            inputs: vec![],
            outputs: vec![],
            compiled: Json::Null,
            schedule: vec![],
        };
        ModelBuilder { raw, places: HashMap::new() }
    }

    /// Adds an input: its name, Keras' element type, and its shape without the batch; `None` where a size is known
    /// only when the model runs.
    pub fn input(&mut self, name: &str, dtype: &str, shape: &[Option<u64>]) -> BuilderTensor {
        let shape: Vec<Option<u64>> = std::iter::once(None).chain(shape.iter().copied()).collect();
        self.call("InputLayer", name, json!({ "batch_shape": shape, "dtype": dtype }), vec![])
    }

    /// Calls a layer of Keras, or an operation (`ops.NotEqual`), on tensors. A name that was used before is another
    /// call of the same layer, whose settings then do not matter.
    pub fn layer(
        &mut self,
        class: &str,
        name: &str,
        settings: Json,
        inputs: &[&BuilderTensor],
    ) -> BuilderTensor {
        let tensors = inputs.iter().map(|input| RawArgument::Tensor(input.0.clone()));
        let argument = match inputs {
            [one] => RawArgument::Tensor(one.0.clone()),
            _ => RawArgument::List(tensors.collect()),
        };
        self.call(class, name, settings, vec![(None, argument)])
    }

    /// The same with a mask passed by hand.
    pub fn layer_with_mask(
        &mut self,
        class: &str,
        name: &str,
        settings: Json,
        input: &BuilderTensor,
        mask: &BuilderTensor,
    ) -> BuilderTensor {
        let arguments = vec![
            (None, RawArgument::Tensor(input.0.clone())),
            (Some("mask".to_owned()), RawArgument::Tensor(mask.0.clone())),
        ];
        self.call(class, name, settings, arguments)
    }

    fn call(&mut self, class: &str, name: &str, settings: Json, arguments: super::RawCall) -> BuilderTensor {
        let layers = &mut self.raw.layers;
        let place = *self.places.entry(name.to_owned()).or_insert_with(|| {
            layers.push(RawLayer {
                name: name.to_owned(),
                class: class.to_owned(),
                settings: settings.as_object().cloned().unwrap_or_else(Map::new),
                calls: vec![],
                pointer: format!("/{name}"),
                nested: None,
            });
            layers.len() - 1
        });
        let call = layers[place].calls.len() as u64;
        layers[place].calls.push(arguments);
        BuilderTensor(RawTensor { layer: name.to_owned(), call, output: 0 })
    }

    /// The finished model, which gives these tensors. It has no weights.
    ///
    /// # Errors
    ///
    /// [`Error::Load`] names the layer that is not as it should be.
    pub fn finish(mut self, outputs: &[&BuilderTensor]) -> Result<Model, Error> {
        self.raw.outputs = outputs.iter().map(|output| output.0.clone()).collect();
        Model::build(&self.raw)
    }
}
