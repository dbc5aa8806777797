//! Changes of a model, line by line, and the model that they make.

use std::collections::{BTreeSet, HashMap, HashSet};

use masque_ir::layers::{CallId, LayerGraph, LayerId, TensorRef};
use serde_json::{Map, Value as Json, json};

use super::expr::Expr;
use crate::frontend::{Origin, RawArgument, RawCall, RawLayer, RawModel, RawTensor};

/// One line of a change.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Line {
    /// `mask = …`: a name for the lines after it.
    Let {
        /// The name, that of no call.
        name: String,
        /// What it stands for.
        value: Expr,
    },
    /// `flatten = …`: whatever reads the tensor reads this in its place.
    Tensor {
        /// The tensor.
        tensor: TensorRef,
        /// What is in its place; where it reads the tensor itself, that is the tensor as it was.
        value: Expr,
    },
    /// `gru(x, mask=mask)`: the call is passed these arguments.
    Call {
        /// The call.
        call: CallId,
        /// All its arguments.
        arguments: Vec<(Option<String>, Expr)>,
    },
    /// `embedding = Embedding(..., mask_zero=False)`: the layer has these settings, and its others as before.
    Setting {
        /// The layer.
        layer: LayerId,
        /// The settings.
        settings: Vec<(&'static str, Json)>,
    },
}

/// Makes the model that these lines make of another.
pub(super) fn apply(graph: &LayerGraph, raw: RawModel, lines: &[Line]) -> RawModel {
    let names = raw.layers.iter().map(|layer| layer.name.clone()).collect();
    let calls = raw.layers.iter().map(|layer| layer.calls.len()).collect();
    let mut changing = Changing {
        graph,
        raw,
        names,
        calls,
        locals: HashMap::new(),
        replaced: vec![],
        passed: HashSet::new(),
    };
    lines.iter().for_each(|line| changing.line(line));
    changing.finish()
}

struct Changing<'a> {
    graph: &'a LayerGraph,
    raw: RawModel,
    names: HashSet<String>,
    /// How many calls each layer had.
    calls: Vec<usize>,
    locals: HashMap<String, RawArgument>,
    replaced: Vec<(RawTensor, RawTensor)>,
    /// Calls whose arguments are new: the layer's place, and which of its calls.
    passed: HashSet<(usize, usize)>,
}

impl Changing<'_> {
    fn line(&mut self, line: &Line) {
        match line {
            Line::Let { name, value } => {
                let value = self.value(value);
                self.locals.insert(name.clone(), value);
            }
            Line::Tensor { tensor, value } => {
                let old = self.tensor(*tensor);
                if let RawArgument::Tensor(new) = self.value(value) {
                    self.replaced.push((old, new));
                }
            }
            Line::Call { call, arguments } => {
                let arguments = self.arguments(arguments);
                let (layer, index) =
                    (self.graph.call(*call).layer.0 as usize, self.graph.call(*call).index as usize);
                self.raw.layers[layer].calls[index] = arguments;
                self.passed.insert((layer, index));
            }
            Line::Setting { layer, settings } => {
                let layer = &mut self.raw.layers[layer.0 as usize];
                let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
                layer.settings.extend(settings);
            }
        }
    }

    /// Lets every call that was there before read what is in place of a tensor.
    fn finish(mut self) -> RawModel {
        let replaced = self.replaced;
        let change = |tensor: &mut RawTensor| {
            if let Some((_, new)) = replaced.iter().rev().find(|(old, _)| old == tensor) {
                *tensor = new.clone();
            }
        };
        for (place, layer) in self.raw.layers.iter_mut().enumerate() {
            let before = self.calls.get(place).copied().unwrap_or(0);
            for (index, call) in layer.calls.iter_mut().take(before).enumerate() {
                if !self.passed.contains(&(place, index)) {
                    call.iter_mut().for_each(|(_, argument)| argument.tensors_mut(&change));
                }
            }
        }
        self.raw.outputs.iter_mut().for_each(change);
        needed(self.raw)
    }

    fn tensor(&self, tensor: TensorRef) -> RawTensor {
        let call = self.graph.call(tensor.call);
        RawTensor {
            layer: self.graph.layer(call.layer).name.clone(),
            call: call.index.into(),
            output: tensor.output.into(),
        }
    }

    fn arguments(&mut self, arguments: &[(Option<String>, Expr)]) -> RawCall {
        arguments.iter().map(|(keyword, value)| (keyword.clone(), self.value(value))).collect()
    }

    fn value(&mut self, expr: &Expr) -> RawArgument {
        match expr {
            Expr::Tensor(tensor) => {
                let own = self.tensor(*tensor);
                let new = self.replaced.iter().rev().find(|(old, _)| *old == own).map(|(_, new)| new.clone());
                RawArgument::Tensor(new.unwrap_or(own))
            }
            Expr::Local(name) => self.locals.get(name).cloned().unwrap_or(RawArgument::Constant(Json::Null)),
            Expr::Constant(json) => RawArgument::Constant(json.clone()),
            Expr::List(items) => RawArgument::List(items.iter().map(|item| self.value(item)).collect()),
            Expr::Op { name, operands, settings } => {
                let operands = operands.iter().map(|operand| (None, self.value(operand))).collect();
                let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
                self.layer(format!("ops.{}", camel(name)), name, settings.collect(), operands)
            }
            Expr::Slice { of, axes } => {
                let of = self.value(of);
                let axes: Vec<Json> = axes.iter().map(slice).collect();
                let arguments = vec![(None, of), (None, RawArgument::Constant(axes.into()))];
                self.layer("ops.GetItem".into(), "get_item", Map::new(), arguments)
            }
            Expr::New { class, settings, arguments } => {
                let arguments = self.arguments(arguments);
                let settings = settings.clone().into_iter().collect();
                self.layer(class.clone(), &class.to_lowercase(), settings, arguments)
            }
            Expr::Again { layer, arguments } => {
                let arguments = self.arguments(arguments);
                let layer = &mut self.raw.layers[layer.0 as usize];
                layer.calls.push(arguments);
                let call = layer.calls.len() as u64 - 1;
                RawArgument::Tensor(RawTensor { layer: layer.name.clone(), call, output: 0 })
            }
        }
    }

    /// Adds a layer with one call.
    fn layer(
        &mut self,
        class: String,
        name: &str,
        settings: Map<String, Json>,
        arguments: RawCall,
    ) -> RawArgument {
        let mut numbered = (1..).map(|number| format!("{name}_{number}"));
        let name = numbered.find(|name| !self.names.contains(name)).unwrap_or_default();
        self.names.insert(name.clone());
        self.raw.layers.push(RawLayer {
            name: name.clone(),
            class,
            settings,
            calls: vec![arguments],
            pointer: String::new(),
            nested: None,
            origin: Origin::default(),
        });
        RawArgument::Tensor(RawTensor { layer: name, call: 0, output: 0 })
    }
}

/// The model without the calls that its outputs do not need; a layer's other calls are numbered anew.
fn needed(mut raw: RawModel) -> RawModel {
    let places: HashMap<&str, usize> =
        raw.layers.iter().enumerate().map(|(place, layer)| (layer.name.as_str(), place)).collect();
    let mut open: Vec<&RawTensor> = raw.outputs.iter().chain(&raw.inputs).collect();
    let mut calls: BTreeSet<(usize, u64)> = BTreeSet::new();
    while let Some(tensor) = open.pop() {
        let Some(&place) = places.get(tensor.layer.as_str()) else { continue };
        let Some(call) = raw.layers[place].calls.get(tensor.call as usize) else { continue };
        if calls.insert((place, tensor.call)) {
            call.iter().for_each(|(_, argument)| argument.visit(&mut open));
        }
    }
    let (mut numbers, mut counts) = (HashMap::new(), vec![0u64; raw.layers.len()]);
    for (place, call) in calls {
        numbers.insert((raw.layers[place].name.clone(), call), counts[place]);
        counts[place] += 1;
    }
    let renumber = |tensor: &mut RawTensor| {
        let number = numbers.get(&(tensor.layer.clone(), tensor.call)).copied();
        tensor.call = number.unwrap_or(tensor.call);
    };
    for layer in &mut raw.layers {
        let mut index = 0..;
        layer.calls.retain(|_| numbers.contains_key(&(layer.name.clone(), index.next().unwrap_or(0))));
        layer.calls.iter_mut().flatten().for_each(|(_, argument)| argument.tensors_mut(&renumber));
    }
    raw.outputs.iter_mut().chain(&mut raw.inputs).for_each(renumber);
    raw
}

/// `NotEqual` for `not_equal`.
fn camel(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters
            .next()
            .map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
    };
    name.split('_').map(capital).collect()
}

/// A slice as a Keras file has it.
fn slice([start, stop, step]: &[Option<i64>; 3]) -> Json {
    json!({ "class_name": "__slice__", "config": { "start": start, "stop": stop, "step": step } })
}
