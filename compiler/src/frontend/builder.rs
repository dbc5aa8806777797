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

use super::{Origin, RawArgument, RawLayer, RawModel, RawTensor};
use crate::layer::Registry;
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

/// What is passed to a call by name: a tensor, several of them, or anything that is none.
#[derive(Clone, Debug)]
pub struct BuilderArgument(RawArgument);

impl From<&BuilderTensor> for BuilderArgument {
    fn from(tensor: &BuilderTensor) -> BuilderArgument {
        BuilderArgument(RawArgument::Tensor(tensor.0.clone()))
    }
}

impl From<&[&BuilderTensor]> for BuilderArgument {
    fn from(tensors: &[&BuilderTensor]) -> BuilderArgument {
        let tensors = tensors.iter().map(|tensor| RawArgument::Tensor(tensor.0.clone()));
        BuilderArgument(RawArgument::List(tensors.collect()))
    }
}

impl From<Json> for BuilderArgument {
    fn from(constant: Json) -> BuilderArgument {
        BuilderArgument(RawArgument::Constant(constant))
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
            output_names: vec![],
            compiled: Json::Null,
            schedule: vec![],
            described: None,
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

    /// The same with arguments as Keras' `call` has them: tensors one after the other, and others by name: masks passed by
    /// hand, initial states, `use_causal_mask`. An argument that no layer knows is an error of [`Model::infer`].
    ///
    /// ```
    /// # use masque::frontend::builder::ModelBuilder;
    /// # use serde_json::json;
    /// # let mut model = ModelBuilder::new("m");
    /// # let x = model.input("x", "float32", &[None, Some(8)]);
    /// let settings = json!({"num_heads": 2, "key_dim": 4});
    /// let causal = [("use_causal_mask", json!(true).into())];
    /// let y = model.layer_with("MultiHeadAttention", "attention", settings, &[&x, &x], &causal);
    /// # model.finish(&[&y])?.infer()?;
    /// # Ok::<(), masque::Error>(())
    /// ```
    pub fn layer_with(
        &mut self,
        class: &str,
        name: &str,
        settings: Json,
        inputs: &[&BuilderTensor],
        by_name: &[(&str, BuilderArgument)],
    ) -> BuilderTensor {
        let inputs = inputs.iter().map(|input| (None, RawArgument::Tensor(input.0.clone())));
        let by_name = by_name.iter().map(|(name, argument)| (Some((*name).to_owned()), argument.0.clone()));
        self.call(class, name, settings, inputs.chain(by_name).collect())
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
                origin: Origin::default(),
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
    pub fn finish(self, outputs: &[&BuilderTensor]) -> Result<Model, Error> {
        self.finish_with(outputs, &Registry::default())
    }

    /// The same for a model with layers of a registry.
    ///
    /// # Errors
    ///
    /// Those of [`ModelBuilder::finish`].
    pub fn finish_with(mut self, outputs: &[&BuilderTensor], registry: &Registry) -> Result<Model, Error> {
        self.raw.outputs = outputs.iter().map(|output| output.0.clone()).collect();
        Model::build(self.raw, registry)
    }
}
