//! From what a front end read to a layer graph: settings are read by the layers themselves, names become
//! references, calls are put into execution order, unknown sizes get symbols.

use std::collections::{HashMap, HashSet};

use masque_ir::layers::{
    Argument, ArgumentValue, Call, CallId, Layer as GraphLayer, LayerGraph, LayerGraphError, TensorRef,
};
use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use serde_json::{Map, Value as Json};

use super::order::{CallKey, execution_order};
use super::sizes::{InputBatch, Symbols};
use super::{RawArgument, RawLayer, RawModel, RawTensor};
use crate::layer::{Config, ConfigError, Constants, Layer, Registry};
use crate::layers;

/// The layers of a file do not make a model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssembleError {
    /// The class is in no list of ours.
    #[error("layer `{layer}`: {reason}")]
    UnknownClass {
        /// The layer.
        layer: String,
        /// Why there is no such class.
        reason: String,
    },
    /// A setting is not what the class expects.
    #[error("layer `{layer}` ({class}): setting {source}")]
    Setting {
        /// The layer.
        layer: String,
        /// The class.
        class: String,
        /// The setting.
        source: ConfigError,
    },
    /// A layer gives more tensors than can be written down.
    #[error("layer `{layer}`: expected at most {MOST_OUTPUTS} outputs, found {outputs}")]
    Outputs {
        /// The layer.
        layer: String,
        /// How many outputs it has.
        outputs: u32,
    },
    /// A call reads what no layer makes.
    #[error("`{reader}` reads output {output} of call {call} of `{layer}`: {reason}")]
    Dangling {
        /// Who reads.
        reader: String,
        /// The layer it names.
        layer: String,
        /// The call it names.
        call: u64,
        /// The output it names.
        output: u64,
        /// Why there is no such tensor.
        reason: String,
    },
    /// Calls read each other in a circle.
    #[error("the model's calls form a cycle, so none of them can come first: {}", calls.join(", "))]
    Cycle {
        /// The calls.
        calls: Vec<String>,
    },
    /// There is nothing to compute.
    #[error("the model has no outputs")]
    NoOutputs,
    /// The graph refuses a layer or a call.
    #[error("{0}")]
    Graph(#[from] LayerGraphError),
}

/// A layer graph with its layers as the compiler knows them.
#[derive(Debug)]
pub struct Assembled {
    /// The calls.
    pub graph: LayerGraph,
    /// The graph's layers, in order.
    pub layers: Vec<Box<dyn Layer>>,
    /// Where each layer stands in the file, as a JSON pointer.
    pub pointers: Vec<String>,
    /// The names of the outputs that are given as a dict, in the model's order; empty if they are not.
    pub output_names: Vec<String>,
    /// The batches of the inputs, in the order of the layers.
    pub(crate) batches: Vec<InputBatch>,
}

/// Makes a layer graph of what a front end read; classes that are not of Keras may be in a registry.
pub fn assemble(mut raw: RawModel, registry: &Registry) -> Result<Assembled, AssembleError> {
    let pointers = raw.layers.iter_mut().map(|layer| std::mem::take(&mut layer.pointer)).collect();
    let settings: Vec<Map<String, Json>> =
        raw.layers.iter_mut().map(|layer| std::mem::take(&mut layer.settings)).collect();
    let raw = &raw;
    let mut graph = LayerGraph::new(&raw.name, raw.semantics);
    let mut symbols = Symbols::new(raw);
    let mut layers = Vec::with_capacity(raw.layers.len());
    let mut counted = None;
    for (place, (entry, mut settings)) in raw.layers.iter().zip(settings).enumerate() {
        let known = layers::find(&entry.class).map(|def| def.parse).or_else(|| registry.find(&entry.class));
        let parse = known.or_else(|| layers::unlisted(&settings)).ok_or_else(|| unknown(entry))?;
        let setting =
            |source| AssembleError::Setting { layer: entry.name.clone(), class: entry.class.clone(), source };
        symbols.name_sizes(place, entry, &mut settings).map_err(setting)?;
        count_outputs(raw, entry, &mut counted, &mut settings);
        let mut config = match entry.class.starts_with("ops.") {
            true => Config::of_operation(settings),
            false => Config::new(settings).map_err(setting)?.with_registry(registry),
        };
        let layer = parse(&mut config).map_err(setting)?;
        let settings = config.finish().map_err(setting)?;
        graph.add_layer(GraphLayer { name: entry.name.clone(), class: entry.class.clone(), settings })?;
        layers.push(layer);
    }
    let calls = Calls::new(raw, &layers);
    calls.check_outputs()?;
    let mut order = calls.order()?;
    calls.add_unread_inputs(&mut order)?;
    let mut ids: Ids = vec![None; calls.count];
    for (place, key) in order.iter().enumerate() {
        ids[calls.number(*key)] = Some(CallId(place as u32));
    }
    for key in &order {
        graph.add_call(calls.call(*key, &ids)?)?;
    }
    for output in &raw.outputs {
        graph.add_output(calls.tensor("the model's output", output, &ids)?)?;
    }
    let output_names = raw.output_names.clone();
    Ok(Assembled { graph, layers, pointers, output_names, batches: symbols.batches() })
}

fn unknown(entry: &RawLayer) -> AssembleError {
    let (layer, mut reason) = (entry.name.clone(), layers::refusal(&entry.class));
    if !entry.class.starts_with("ops.") {
        reason += "; the file does not say the type of what it gives, either: --opaque NAME=TYPE states it, for all that \
                   needs no numbers";
    }
    AssembleError::UnknownClass { layer, reason }
}

/// How many tensors a call may give: each of them is written down.
const MOST_OUTPUTS: u32 = 1 << 16;

/// `Unstack` and `Meshgrid` do not say how many tensors they give: as many as are read, at least. `counted` has these numbers once
/// somebody asked for one.
fn count_outputs<'a>(
    raw: &'a RawModel,
    layer: &RawLayer,
    counted: &mut Option<HashMap<&'a str, u64>>,
    settings: &mut Map<String, Json>,
) {
    let countless = matches!(layer.class.as_str(), "ops.Meshgrid" | "ops.Unstack");
    if !countless || settings.get("num").is_some_and(|num| !num.is_null()) {
        return;
    }
    let counted = counted.get_or_insert_with(|| {
        let mut read: Vec<&RawTensor> = raw.outputs.iter().collect();
        let arguments = raw.layers.iter().flat_map(|layer| layer.calls.iter().flatten());
        arguments.for_each(|(_, argument)| argument.visit(&mut read));
        let mut counted = HashMap::new();
        for tensor in read {
            let count = counted.entry(tensor.layer.as_str()).or_insert(0);
            *count = tensor.output.saturating_add(1).max(*count);
        }
        counted
    });
    settings.insert("outputs".into(), counted.get(layer.name.as_str()).copied().unwrap_or(1).into());
}

/// What a call is passed beside tensors, by parameter.
fn constants(call: &[(Option<String>, RawArgument)], parameters: &[&str]) -> Constants {
    let mut positional = parameters.iter();
    let named = call.iter().filter_map(|(keyword, argument)| {
        let name = keyword.clone().or_else(|| positional.next().map(ToString::to_string))?;
        match argument {
            RawArgument::Constant(value) => Some((name, value.clone())),
            RawArgument::Tensor(_) | RawArgument::List(_) => None,
        }
    });
    named.collect()
}

/// The calls of a raw model, with names resolved.
struct Calls<'a> {
    raw: &'a RawModel,
    by_name: HashMap<&'a str, usize>,
    /// How many tensors each call of each layer gives.
    outputs: Vec<Vec<u32>>,
    /// The number of each layer's first call, all calls being counted layer by layer.
    starts: Vec<usize>,
    count: usize,
}

/// The calls of the graph, by number; none for those that nothing needs.
type Ids = Vec<Option<CallId>>;

impl<'a> Calls<'a> {
    fn new(raw: &'a RawModel, layers: &[Box<dyn Layer>]) -> Calls<'a> {
        let by_name =
            raw.layers.iter().enumerate().map(|(place, layer)| (layer.name.as_str(), place)).collect();
        let count = |(entry, layer): (&RawLayer, &dyn Layer)| {
            entry
                .calls
                .iter()
                .map(|call| layer.outputs(&constants(call, layer.signature().parameters)))
                .collect()
        };
        let (mut starts, mut counted) = (Vec::with_capacity(raw.layers.len()), 0);
        for layer in &raw.layers {
            starts.push(counted);
            counted += layer.calls.len();
        }
        let outputs = raw.layers.iter().zip(layers.iter().map(AsRef::as_ref)).map(count).collect();
        Calls { raw, by_name, outputs, starts, count: counted }
    }

    fn number(&self, (layer, call): CallKey) -> usize {
        self.starts[layer] + call
    }

    fn check_outputs(&self) -> Result<(), AssembleError> {
        let most = self.outputs.iter().map(|calls| calls.iter().copied().max().unwrap_or(0));
        match self.raw.layers.iter().zip(most).find(|(_, most)| *most > MOST_OUTPUTS) {
            Some((entry, outputs)) => Err(AssembleError::Outputs { layer: entry.name.clone(), outputs }),
            None => Ok(()),
        }
    }

    /// The call that makes a tensor, if there is one.
    fn find(&self, reader: &str, tensor: &RawTensor) -> Result<CallKey, AssembleError> {
        let dangling = |reason: String| AssembleError::Dangling {
            reader: reader.to_owned(),
            layer: tensor.layer.clone(),
            call: tensor.call,
            output: tensor.output,
            reason,
        };
        let layer = self.by_name.get(tensor.layer.as_str());
        let &layer = layer.ok_or_else(|| dangling("there is no such layer".into()))?;
        let calls = self.raw.layers[layer].calls.len();
        if tensor.call >= calls as u64 {
            return Err(dangling(format!("the layer has {calls} calls")));
        }
        let outputs = self.outputs[layer][tensor.call as usize];
        if tensor.output >= u64::from(outputs) {
            return Err(dangling(format!("the call has {outputs} output(s)")));
        }
        Ok((layer, tensor.call as usize))
    }

    /// The calls in execution order.
    fn order(&self) -> Result<Vec<CallKey>, AssembleError> {
        let mut graph = DiGraph::<CallKey, usize>::with_capacity(self.count, self.count);
        for (layer, entry) in self.raw.layers.iter().enumerate() {
            for call in 0..entry.calls.len() {
                graph.add_node((layer, call));
            }
        }
        // Nodes have the numbers of their calls.
        let node = |key: CallKey| NodeIndex::new(self.number(key));
        for reader in graph.node_indices() {
            let (layer, call) = graph[reader];
            let mut reads = vec![];
            self.raw.layers[layer].calls[call].iter().for_each(|(_, argument)| argument.visit(&mut reads));
            for (place, tensor) in reads.into_iter().enumerate() {
                let from = self.find(&self.raw.layers[layer].name, tensor)?;
                graph.add_edge(node(from), reader, place);
            }
        }
        if self.raw.outputs.is_empty() {
            return Err(AssembleError::NoOutputs);
        }
        let outputs: Vec<NodeIndex> = self
            .raw
            .outputs
            .iter()
            .map(|output| self.find("the model's output", output).map(node))
            .collect::<Result<_, _>>()?;
        if let Some(order) = self.scheduled(&graph) {
            return Ok(order);
        }
        let name = |&(layer, call): &CallKey| match call {
            0 => format!("`{}`", self.raw.layers[layer].name),
            _ => format!("`{}:{call}`", self.raw.layers[layer].name),
        };
        let order = execution_order(&graph, &outputs)
            .map_err(|cycle| AssembleError::Cycle { calls: cycle.iter().take(8).map(name).collect() })?;
        Ok(order.into_iter().map(|node| graph[node]).collect())
    }

    /// Inputs that nothing reads are passed to the model all the same; Keras has them last.
    fn add_unread_inputs(&self, order: &mut Vec<CallKey>) -> Result<(), AssembleError> {
        let mut known: HashSet<CallKey> = order.iter().copied().collect();
        for input in &self.raw.inputs {
            let key = self.find("the model's input", input)?;
            let is_input = self.raw.layers[key.0].class == "InputLayer";
            if is_input && known.insert(key) {
                order.push(key);
            }
        }
        Ok(())
    }

    /// The order that the front end knows, if it names every call before those that read it. Calls that it does not name
    /// are none that the outputs need.
    fn scheduled(&self, graph: &DiGraph<CallKey, usize>) -> Option<Vec<CallKey>> {
        let (mut done, mut order) = (vec![false; self.count], Vec::with_capacity(self.raw.schedule.len()));
        for (name, call) in &self.raw.schedule {
            let (layer, call) = (*self.by_name.get(name.as_str())?, *call as usize);
            self.raw.layers[layer].calls.get(call)?;
            let number = self.number((layer, call));
            let mut reads = graph.neighbors_directed(NodeIndex::new(number), Direction::Incoming);
            if !reads.all(|read| done[read.index()]) || std::mem::replace(&mut done[number], true) {
                return None;
            }
            order.push((layer, call));
        }
        let mut outputs = self.raw.outputs.iter().filter_map(|output| self.find("", output).ok());
        (!order.is_empty() && outputs.all(|key| done[self.number(key)])).then_some(order)
    }

    fn tensor(&self, reader: &str, tensor: &RawTensor, ids: &Ids) -> Result<TensorRef, AssembleError> {
        let call = ids[self.number(self.find(reader, tensor)?)];
        Ok(TensorRef { call: call.expect("what is read is needed"), output: tensor.output as u32 })
    }

    fn value(&self, reader: &str, argument: &RawArgument, ids: &Ids) -> Result<ArgumentValue, AssembleError> {
        Ok(match argument {
            RawArgument::Tensor(tensor) => ArgumentValue::Tensor(self.tensor(reader, tensor, ids)?),
            RawArgument::List(items) => ArgumentValue::List(
                items.iter().map(|item| self.value(reader, item, ids)).collect::<Result<_, _>>()?,
            ),
            RawArgument::Constant(json) => ArgumentValue::Constant(json.clone()),
        })
    }

    /// One call as it stands in the graph; keywords that say nothing are left out.
    fn call(&self, (layer, call): CallKey, ids: &Ids) -> Result<Call, AssembleError> {
        let entry = &self.raw.layers[layer];
        let says_nothing = |keyword: &Option<String>, argument: &RawArgument| match argument {
            RawArgument::Constant(Json::Bool(_)) => keyword.as_deref() == Some("training"),
            RawArgument::Constant(Json::Null) => keyword.is_some(),
            _ => false,
        };
        let arguments =
            entry.calls[call].iter().filter(|(keyword, argument)| !says_nothing(keyword, argument));
        let arguments = arguments.map(|(keyword, argument)| {
            Ok(Argument { keyword: keyword.clone(), value: self.value(&entry.name, argument, ids)? })
        });
        Ok(Call {
            layer: masque_ir::layers::LayerId(layer as u32),
            index: call as u32,
            arguments: arguments.collect::<Result<_, AssembleError>>()?,
            outputs: self.outputs[layer][call],
        })
    }
}
