//! The body of a description for one layer.

use std::collections::{HashMap, HashSet};

use masque_ir::described::{ARGUMENT, Body, COALESCE, OwnMasks, WEIGHT, WHEN};
use masque_ir::layers::{Argument, ArgumentValue, CallId, Layer, LayerGraph, TensorRef};
use serde_json::{Map, Value as Json};

use super::super::expression::{self, Room};
use super::super::{Origin, RawArgument, RawCall, RawLayer, RawModel, RawTensor, keras, opaque};
use super::arguments::{self, Given};
use super::settings::{self, Values};
use super::{Described, NotAsDescribed};
use crate::layer::ConfigError;
use crate::layer::config::brief;

/// The model that a description is for one layer, whose calls then pass what the model's inputs are, in order.
pub(super) fn instance(
    body: &Body,
    layer: &mut RawLayer,
    room: &mut Room,
) -> Result<RawModel, NotAsDescribed> {
    let given = arguments::bind(&body.graph, layer)?;
    let wrong = |source| NotAsDescribed::setting(layer, source);
    let (values, kept) = settings::values(body, layer).map_err(wrong)?;
    let mut making = Making::new(&body.graph, layer, values, &given, room);
    making.add_calls().map_err(wrong)?;
    making.model(&body.masks, kept).map_err(wrong)?.ok_or_else(|| {
        let expected = "settings and arguments for which the description gives each output".to_owned();
        NotAsDescribed::call(layer, (expected, "others".to_owned()))
    })
}

/// What was expected and found, where a setting or an argument in the description comes to nothing.
fn in_description(wrong: &str, json: &Json) -> ConfigError {
    let (expected, found) = match wrong.split_once(", found ") {
        Some((expected, found)) => (expected.to_owned(), found.to_owned()),
        None => (wrong.to_owned(), brief(json)),
    };
    ConfigError { field: "in the description".to_owned(), expected, found }
}

/// What a tensor of the body is for this layer.
#[derive(Clone)]
enum Found {
    Tensor(RawTensor),
    Value(Json),
    /// It is not there: an argument that is not passed, what is for another condition, and what is made of such.
    Nothing,
}

/// A body with the settings of a layer, while it is made into a model.
struct Making<'a> {
    graph: &'a LayerGraph,
    outer: &'a RawLayer,
    values: Values,
    given: &'a HashMap<String, Given>,
    /// What the first output of each call so far is.
    made: Vec<Found>,
    /// The calls of each layer of the graph.
    calls: Vec<Vec<RawCall>>,
    inputs: Vec<RawTensor>,
    /// How many of the inputs are of the first argument.
    first: Option<usize>,
    schedule: Vec<(String, u64)>,
    room: &'a mut Room,
}

impl<'a> Making<'a> {
    fn new(
        graph: &'a LayerGraph,
        outer: &'a RawLayer,
        mut values: Values,
        given: &'a HashMap<String, Given>,
        room: &'a mut Room,
    ) -> Making<'a> {
        let arguments = graph.layers().iter().filter(|layer| layer.class == ARGUMENT);
        for (place, argument) in arguments.enumerate() {
            if let Some(Given::Value(value)) = given.get(&argument.name) {
                values.insert(argument.name.clone(), value.clone());
            }
            let shape = format!("{}_shape", argument.name);
            let built = match &outer.origin.built {
                Json::Object(shapes) => shapes.get(&shape).cloned(),
                shape => Some(shape.clone()).filter(|_| place == 0),
            };
            let known = values.entry(shape).or_insert(Json::Null);
            if known.is_null() {
                *known = built.unwrap_or(Json::Null);
            }
        }
        let calls = vec![vec![]; graph.layers().len()];
        Making {
            graph,
            outer,
            values,
            given,
            made: vec![],
            calls,
            inputs: vec![],
            first: None,
            schedule: vec![],
            room,
        }
    }

    /// A setting or an argument with the settings of the layer in it.
    fn value(&mut self, json: &Json) -> Result<Json, ConfigError> {
        expression::all(json, &self.values, self.room).map_err(|wrong| in_description(&wrong, json))
    }

    /// Goes through the calls, in the order in which they run.
    fn add_calls(&mut self) -> Result<(), ConfigError> {
        for id in self.graph.calls() {
            let layer = self.graph.layer_of(id);
            let made = match layer.class.as_str() {
                ARGUMENT => self.argument(id, layer),
                WHEN => self.when(id, layer)?,
                COALESCE => self.coalesce(id)?,
                _ => self.call(id, layer)?,
            };
            self.made.push(made);
        }
        Ok(())
    }

    fn argument(&mut self, id: CallId, layer: &Layer) -> Found {
        let tensors = match self.given.get(&layer.name) {
            Some(Given::Value(value)) => return Found::Value(value.clone()),
            Some(Given::Tensors) => self.graph.call(id).outputs,
            _ => 0,
        };
        for output in 0..tensors {
            let layer = self.name(TensorRef { call: id, output });
            self.schedule.push((layer.clone(), 0));
            self.inputs.push(RawTensor { layer, call: 0, output: 0 });
        }
        self.first.get_or_insert(self.inputs.len());
        match tensors {
            0 => Found::Nothing,
            _ => Found::Tensor(RawTensor { layer: layer.name.clone(), call: 0, output: 0 }),
        }
    }

    fn when(&mut self, id: CallId, layer: &Layer) -> Result<Found, ConfigError> {
        let condition = self.value(layer.settings.get("condition").unwrap_or(&Json::Null))?;
        match condition {
            Json::Bool(true) => Ok(self.operands(id)?.into_iter().next().unwrap_or(Found::Nothing)),
            Json::Bool(false) => Ok(Found::Nothing),
            other => Err(ConfigError::new("condition", "true or false", &other)),
        }
    }

    fn coalesce(&mut self, id: CallId) -> Result<Found, ConfigError> {
        let found = self.operands(id)?.into_iter().find(|found| !matches!(found, Found::Nothing));
        Ok(found.unwrap_or(Found::Nothing))
    }

    /// What is passed to a call that passes no lists.
    fn operands(&mut self, id: CallId) -> Result<Vec<Found>, ConfigError> {
        let arguments = &self.graph.call(id).arguments;
        let operand = |argument: &Argument| {
            Ok(match &argument.value {
                ArgumentValue::Tensor(tensor) => self.find(*tensor),
                ArgumentValue::List(_) => Found::Nothing,
                ArgumentValue::Constant(json) => Found::Value(self.value(json)?),
            })
        };
        arguments.iter().map(operand).collect()
    }

    /// A call of a layer or an operation. What is not there takes the place of no positional argument.
    fn call(&mut self, id: CallId, layer: &Layer) -> Result<Found, ConfigError> {
        let call = self.graph.call(id);
        self.room.take(1).map_err(|wrong| in_description(&wrong, &Json::Null))?;
        let mut arguments = RawCall::new();
        for Argument { keyword, value } in &call.arguments {
            match self.passed(value)? {
                Some(value) => arguments.push((keyword.clone(), value)),
                None if keyword.is_some() => {}
                None => return Ok(Found::Nothing),
            }
        }
        let calls = &mut self.calls[call.layer.0 as usize];
        calls.push(arguments);
        let number = calls.len() as u64 - 1;
        self.schedule.push((layer.name.clone(), number));
        Ok(Found::Tensor(RawTensor { layer: layer.name.clone(), call: number, output: 0 }))
    }

    /// An argument; none if something in it is not there.
    fn passed(&mut self, value: &ArgumentValue) -> Result<Option<RawArgument>, ConfigError> {
        Ok(match value {
            ArgumentValue::Tensor(tensor) => match self.find(*tensor) {
                Found::Tensor(tensor) => Some(RawArgument::Tensor(tensor)),
                Found::Value(value) => Some(RawArgument::Constant(value)),
                Found::Nothing => None,
            },
            ArgumentValue::List(items) => {
                let items: Option<Vec<RawArgument>> =
                    items.iter().map(|item| self.passed(item)).collect::<Result<_, _>>()?;
                items.map(RawArgument::List)
            }
            ArgumentValue::Constant(json) => Some(RawArgument::Constant(self.value(json)?)),
        })
    }

    /// What a tensor of the body is. Each tensor of an argument is an input of its own.
    fn find(&self, tensor: TensorRef) -> Found {
        match &self.made[tensor.call.0 as usize] {
            Found::Tensor(made) if self.graph.layer_of(tensor.call).class == ARGUMENT => {
                Found::Tensor(RawTensor { layer: self.name(tensor), ..made.clone() })
            }
            Found::Tensor(made) if tensor.output > 0 => {
                Found::Tensor(RawTensor { output: tensor.output.into(), ..made.clone() })
            }
            other => other.clone(),
        }
    }

    /// The name of the input that a tensor of an argument is.
    fn name(&self, tensor: TensorRef) -> String {
        let name = &self.graph.layer_of(tensor.call).name;
        if tensor.output == 0 { name.clone() } else { format!("{name}.{}", tensor.output) }
    }

    /// The operations that nothing needs: they have neither weights nor effects.
    fn idle(&self, needed: &[RawTensor]) -> HashSet<String> {
        let mut needed: HashSet<&str> = needed.iter().map(|tensor| tensor.layer.as_str()).collect();
        let mut idle = HashSet::new();
        for id in self.graph.calls().collect::<Vec<_>>().into_iter().rev() {
            let (call, layer) = (self.graph.call(id), self.graph.layer_of(id));
            let calls = &self.calls[call.layer.0 as usize];
            let operation = layer.class.starts_with("ops.") && layer.class != WEIGHT && calls.len() == 1;
            if operation && !needed.contains(layer.name.as_str()) {
                idle.insert(layer.name.clone());
                continue;
            }
            let mut reads = vec![];
            calls.iter().flatten().for_each(|(_, value)| value.visit(&mut reads));
            needed.extend(reads.into_iter().map(|tensor| tensor.layer.as_str()));
        }
        idle
    }

    /// The layers that are called, weights first, as Keras counts them, and the inputs.
    fn layers(&mut self) -> Result<Vec<RawLayer>, ConfigError> {
        let mut unused: HashSet<&str> = HashSet::new();
        for id in self.graph.calls() {
            let layer = self.graph.call(id).layer;
            if self.calls[layer.0 as usize].is_empty() {
                unused.insert(&self.graph.layer(layer).name);
            }
        }
        let mut made = vec![];
        for (place, layer) in self.graph.layers().iter().enumerate() {
            if !unused.contains(layer.name.as_str()) {
                let calls = std::mem::take(&mut self.calls[place]);
                made.push(RawLayer { calls, ..self.layer(layer)? });
            }
        }
        let fixed = |layer: &RawLayer| layer.settings.get("trainable") == Some(&Json::Bool(false));
        made.sort_by_key(|layer| if layer.class == WEIGHT { usize::from(fixed(layer)) } else { 2 });
        let input = |input: &RawTensor| self.without_calls(&input.layer, ARGUMENT, Map::new());
        let inputs = self.inputs.iter().map(input);
        made.extend(inputs.map(|input| RawLayer { calls: vec![vec![]], ..input }));
        Ok(made)
    }

    fn layer(&mut self, inner: &Layer) -> Result<RawLayer, ConfigError> {
        if inner.class.starts_with('$') {
            let held = self.value(&Json::String(inner.class.clone()))?;
            let held = keras::held(&held).map_err(|wrong| ConfigError {
                field: "in the description".to_owned(),
                expected: format!("a layer for {}: {}", inner.class, wrong.expected),
                found: wrong.found,
            })?;
            return Ok(RawLayer { name: inner.name.clone(), pointer: self.outer.pointer.clone(), ..held });
        }
        let settings = self.value(&Json::Object(inner.settings.clone().into_iter().collect()))?;
        let mut settings = settings.as_object().cloned().unwrap_or_default();
        let frozen = opaque::own(&self.outer.settings).get("trainable") == Some(&Json::Bool(false));
        if frozen && !inner.class.starts_with("ops.") {
            settings.insert("trainable".into(), false.into());
        }
        Ok(self.without_calls(&inner.name, &inner.class, settings))
    }

    fn without_calls(&self, name: &str, class: &str, settings: Map<String, Json>) -> RawLayer {
        RawLayer {
            name: name.to_owned(),
            class: class.to_owned(),
            settings,
            calls: vec![],
            pointer: self.outer.pointer.clone(),
            nested: None,
            origin: Origin::default(),
        }
    }

    /// The model; none if an output is not there.
    fn model(mut self, masks: &OwnMasks, kept: Values) -> Result<Option<RawModel>, ConfigError> {
        let mut outputs = vec![];
        for output in self.graph.outputs() {
            let Found::Tensor(tensor) = self.find(output.tensor) else { return Ok(None) };
            outputs.push(tensor);
        }
        let (masks, given) = self.masks(masks);
        let needed: Vec<RawTensor> = outputs.iter().chain(given.iter().flatten()).cloned().collect();
        let idle = self.idle(&needed);
        let first = self.first.unwrap_or(0);
        let layers = self.layers()?.into_iter().filter(|layer| !idle.contains(&layer.name)).collect();
        self.schedule.retain(|(name, _)| !idle.contains(name));
        Ok(Some(RawModel {
            name: self.outer.class.clone(),
            semantics: self.graph.semantics,
            layers,
            inputs: self.inputs,
            outputs,
            output_names: vec![],
            compiled: Json::Null,
            schedule: self.schedule,
            described: Some(Described { settings: kept, masks, given, first }),
        }))
    }

    /// What becomes of masks, by name, and the masks that are given. Where none of those to be given is there, not even as
    /// null, they are lost.
    fn masks(&self, masks: &OwnMasks) -> (&'static str, Vec<Option<RawTensor>>) {
        let given = match masks {
            OwnMasks::Lost => return ("lost", vec![]),
            OwnMasks::Keep => return ("keep", vec![]),
            OwnMasks::Ends => return ("ends", vec![]),
            OwnMasks::Given(given) => given,
        };
        let found: Vec<Found> = given.iter().flatten().map(|mask| self.find(*mask)).collect();
        if !found.is_empty() && found.iter().all(|found| matches!(found, Found::Nothing)) {
            return ("lost", vec![]);
        }
        let tensor = |mask: &Option<TensorRef>| match self.find((*mask)?) {
            Found::Tensor(tensor) => Some(tensor),
            _ => None,
        };
        ("given", given.iter().map(tensor).collect())
    }
}
