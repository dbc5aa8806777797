//! The layer graph: what a front end reads out of a model file. One node per layer *call*; a shared layer has
//! several.
//!
//! A graph is built in execution order, and a call can only name tensors of calls before it: a graph that
//! exists has no cycle and no dangling reference. The settings of a layer are data, in the layer's own words;
//! what they mean is known to the layers of the compiler alone. Nothing that was inferred stands here: types
//! and masks are [`Facts`](crate::facts::Facts).

use std::collections::{BTreeMap, HashMap};

use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;
use serde_json::Value as Json;

use crate::semantics::Semantics;

/// A layer's settings by name, in JSON's terms; what equals Keras' default is left out.
pub type Settings = BTreeMap<String, Json>;

/// Which layer of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LayerId(pub u32);

/// Which call of a graph, in execution order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u32);

/// One output of a call: a tensor of the layer graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TensorRef {
    /// The call that makes it.
    pub call: CallId,
    /// Which of its outputs.
    pub output: u32,
}

/// A layer: a name, a class and settings. Its weights are shared by all its calls.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// The name, unique in the graph; inside nested models the path, joined by `/`.
    pub name: String,
    /// The class: Keras' name of a layer (`GRU`), or `ops.` and Keras' name of an operation (`ops.NotEqual`).
    pub class: String,
    /// The settings that differ from Keras' defaults.
    pub settings: Settings,
}

/// One application of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// What is called.
    pub layer: LayerId,
    /// Which call of that layer, from 0, in the order of the model file.
    pub index: u32,
    /// The arguments, positional ones first.
    pub arguments: Vec<Argument>,
    /// How many tensors the call gives.
    pub outputs: u32,
}

/// One argument of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    /// The keyword; positional arguments have none.
    pub keyword: Option<String>,
    /// What is passed.
    pub value: ArgumentValue,
}

/// What can be passed to a call.
#[derive(Clone, Debug, PartialEq)]
pub enum ArgumentValue {
    /// A tensor of the graph.
    Tensor(TensorRef),
    /// A list with at least one tensor in it.
    List(Vec<ArgumentValue>),
    /// Anything without tensors.
    Constant(Json),
}

impl ArgumentValue {
    /// Every tensor in the value, in order.
    pub fn tensors(&self) -> Vec<TensorRef> {
        match self {
            ArgumentValue::Tensor(tensor) => vec![*tensor],
            ArgumentValue::List(items) => items.iter().flat_map(ArgumentValue::tensors).collect(),
            ArgumentValue::Constant(_) => vec![],
        }
    }
}

impl Call {
    /// The argument with that keyword.
    pub fn keyword(&self, keyword: &str) -> Option<&ArgumentValue> {
        self.arguments.iter().find(|argument| argument.keyword.as_deref() == Some(keyword)).map(|a| &a.value)
    }

    /// The positional arguments.
    pub fn positional(&self) -> impl Iterator<Item = &ArgumentValue> {
        self.arguments.iter().filter(|argument| argument.keyword.is_none()).map(|argument| &argument.value)
    }
}

/// A tensor that the model gives to its caller.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    /// `output_0`, `output_1`, … in the model's order.
    pub name: String,
    /// Which tensor.
    pub tensor: TensorRef,
}

/// A model as a graph of layer calls; see the module's documentation.
#[derive(Clone, Debug)]
pub struct LayerGraph {
    /// The model's name.
    pub name: String,
    /// The rules it is read under.
    pub semantics: Semantics,
    layers: Vec<Layer>,
    by_name: HashMap<String, LayerId>,
    calls: DiGraph<Call, TensorRef>,
    outputs: Vec<Output>,
}

/// Why a graph could not be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayerGraphError {
    /// Two layers have one name.
    #[error("layer name `{0}` is used twice; names must be unique")]
    DuplicateLayer(String),
    /// A call or an output names a tensor that no earlier call makes.
    #[error("`{user}` reads output {output} of call {call}, which does not exist before it")]
    Dangling {
        /// Who reads.
        user: String,
        /// The call it names.
        call: u32,
        /// The output it names.
        output: u32,
    },
}

impl LayerGraph {
    /// A graph without layers.
    pub fn new(name: impl Into<String>, semantics: Semantics) -> LayerGraph {
        LayerGraph {
            name: name.into(),
            semantics,
            layers: vec![],
            by_name: HashMap::new(),
            calls: DiGraph::new(),
            outputs: vec![],
        }
    }

    /// Adds a layer; its name must be new.
    pub fn add_layer(&mut self, layer: Layer) -> Result<LayerId, LayerGraphError> {
        let id = LayerId(self.layers.len() as u32);
        match self.by_name.entry(layer.name.clone()) {
            std::collections::hash_map::Entry::Occupied(_) => {
                Err(LayerGraphError::DuplicateLayer(layer.name))
            }
            std::collections::hash_map::Entry::Vacant(entry) => {
                entry.insert(id);
                self.layers.push(layer);
                Ok(id)
            }
        }
    }

    /// Adds a call behind all others; it can read only what is already there.
    pub fn add_call(&mut self, call: Call) -> Result<CallId, LayerGraphError> {
        let tensors: Vec<TensorRef> =
            call.arguments.iter().flat_map(|argument| argument.value.tensors()).collect();
        for &tensor in &tensors {
            self.check(tensor, &self.layers[call.layer.0 as usize].name)?;
        }
        let node = self.calls.add_node(call);
        for tensor in tensors {
            self.calls.add_edge(NodeIndex::new(tensor.call.0 as usize), node, tensor);
        }
        Ok(CallId(node.index() as u32))
    }

    /// Adds a model output, the next in order.
    pub fn add_output(&mut self, tensor: TensorRef) -> Result<(), LayerGraphError> {
        let name = format!("output_{}", self.outputs.len());
        self.check(tensor, &name)?;
        self.outputs.push(Output { name, tensor });
        Ok(())
    }

    fn check(&self, tensor: TensorRef, user: &str) -> Result<(), LayerGraphError> {
        let producer = self.calls.node_weight(NodeIndex::new(tensor.call.0 as usize));
        match producer {
            Some(call) if tensor.output < call.outputs => Ok(()),
            _ => Err(LayerGraphError::Dangling {
                user: user.to_owned(),
                call: tensor.call.0,
                output: tensor.output,
            }),
        }
    }

    /// The layers, in the order they were added.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// One layer.
    pub fn layer(&self, id: LayerId) -> &Layer {
        &self.layers[id.0 as usize]
    }

    /// Replaces a layer's settings.
    pub fn set_settings(&mut self, id: LayerId, settings: Settings) {
        self.layers[id.0 as usize].settings = settings;
    }

    /// The layer with that name.
    pub fn layer_named(&self, name: &str) -> Option<LayerId> {
        self.by_name.get(name).copied()
    }

    /// One call.
    pub fn call(&self, id: CallId) -> &Call {
        &self.calls[NodeIndex::new(id.0 as usize)]
    }

    /// The layer of a call.
    pub fn layer_of(&self, id: CallId) -> &Layer {
        self.layer(self.call(id).layer)
    }

    /// Every call, in execution order.
    pub fn calls(&self) -> impl DoubleEndedIterator<Item = CallId> + ExactSizeIterator + use<> {
        (0..self.calls.node_count() as u32).map(CallId)
    }

    /// Who reads the outputs of a call: the reading call and what it reads, in execution order.
    pub fn readers(&self, id: CallId) -> Vec<(CallId, TensorRef)> {
        let mut readers: Vec<_> = self
            .calls
            .edges(NodeIndex::new(id.0 as usize))
            .map(|edge| (CallId(edge.target().index() as u32), *edge.weight()))
            .collect();
        readers.sort();
        readers
    }

    /// The model's outputs, in the model's order.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// The calls as petgraph sees them, an edge for every tensor read; for walks over the whole graph.
    pub fn petgraph(&self) -> &DiGraph<Call, TensorRef> {
        &self.calls
    }

    /// `gru`, or `dense:1` for a later call of a shared layer.
    pub fn call_name(&self, id: CallId) -> String {
        let call = self.call(id);
        let name = &self.layer(call.layer).name;
        if call.index == 0 { name.clone() } else { format!("{name}:{}", call.index) }
    }

    /// `gru`, `dense:1`, `lstm.2` for output 2 of a call.
    pub fn tensor_name(&self, tensor: TensorRef) -> String {
        let call = self.call_name(tensor.call);
        if tensor.output == 0 { call } else { format!("{call}.{}", tensor.output) }
    }
}

impl PartialEq for LayerGraph {
    fn eq(&self, other: &Self) -> bool {
        let calls = |graph: &LayerGraph| graph.calls.node_weights().cloned().collect::<Vec<_>>();
        self.name == other.name
            && self.semantics == other.semantics
            && self.layers == other.layers
            && self.outputs == other.outputs
            && calls(self) == calls(other)
    }
}
