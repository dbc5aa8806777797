//! Models inside models become part of the model around them.
//!
//! Every call of an inner model becomes calls of its layers, named by their path (`encoder/gru`); the inner model's
//! inputs become `Identity` calls on what was passed. The inner model itself stays as one call that gives its outputs:
//! a scope in dumps, nothing at run time. A model that is called twice has each of its layers called twice, with the
//! same weights. It runs as one unit, so the order of the calls is settled here ([`RawModel::schedule`]).

mod held;

use std::collections::HashMap;

use masque_ir::described::MASK_OF;
use serde_json::{Map, Value as Json};

use super::config::{KerasConfigError, Result};
use super::order;
use super::{Described, RawArgument, RawCall, RawLayer, RawModel, RawTensor};
use crate::layer::config::brief;

/// How many calls, and values passed to them, may come out of models inside models. Each level can call the one below
/// it many times, so that a short file could be a model without end.
const LARGEST: u64 = 1 << 22;

/// The model without models inside.
pub(super) fn flatten(model: RawModel) -> Result<RawModel> {
    for layer in &model.layers {
        let size = written_out(layer);
        if layer.nested.is_some() && size > LARGEST {
            let expected = format!("a model whose calls, written out, are at most {LARGEST}");
            let (pointer, found) = (layer.pointer.clone(), size.to_string());
            return Err(KerasConfigError { pointer, expected, found });
        }
    }
    let mut model = flat(model)?;
    held::unite(&mut model);
    Ok(model)
}

/// How many calls and values a layer comes to, with everything inside it.
fn written_out(layer: &RawLayer) -> u64 {
    let own = layer.calls.iter().flatten().map(|(_, argument)| values(argument));
    let own = own.fold(layer.calls.len() as u64 + 1, u64::saturating_add);
    let inside = layer.nested.iter().flat_map(|inner| &inner.layers).map(written_out);
    let inside = inside.fold(0, u64::saturating_add);
    own.saturating_add(inside.saturating_mul(layer.calls.len() as u64))
}

fn values(argument: &RawArgument) -> u64 {
    match argument {
        RawArgument::Tensor(_) => 1,
        RawArgument::List(items) => items.iter().map(values).fold(1, u64::saturating_add),
        RawArgument::Constant(json) => 1 + nodes(json),
    }
}

fn nodes(json: &Json) -> u64 {
    match json {
        Json::Array(items) => items.iter().map(nodes).sum::<u64>() + 1,
        Json::Object(map) => {
            map.iter().map(|(key, item)| nodes(item) + 1 + key.len() as u64 / 16).sum::<u64>() + 1
        }
        Json::String(text) => 1 + text.len() as u64 / 16,
        _ => 1,
    }
}

fn flat(mut model: RawModel) -> Result<RawModel> {
    // A model without models inside runs as its connections say.
    if model.layers.iter().all(|layer| layer.nested.is_none()) {
        return Ok(model);
    }
    let order = order_of(&model);
    model.schedule.clear();
    let layers = std::mem::take(&mut model.layers);
    let mut units = vec![];
    for mut layer in layers {
        let name = layer.name.clone();
        let inner = layer.nested.take().map(|inner| flat(*inner)).transpose()?;
        units.push((name, inner.as_ref().map(Unit::new)));
        match inner {
            Some(inner) => expand(layer, inner, &mut model.layers)?,
            None => model.layers.push(layer),
        }
    }
    for (layer, call) in order {
        let (name, unit) = &units[layer];
        unit.iter().for_each(|unit| unit.run(name, call as u64, &mut model.schedule));
        model.schedule.push((name.clone(), call as u64));
    }
    Ok(model)
}

/// The calls of a model in order: as it says, or as its connections do.
fn order_of(model: &RawModel) -> Vec<order::CallKey> {
    if model.schedule.is_empty() {
        return order::of_model(model);
    }
    let places: HashMap<&str, usize> =
        model.layers.iter().enumerate().map(|(place, layer)| (layer.name.as_str(), place)).collect();
    let call = |(name, call): &(String, u64)| Some((*places.get(name.as_str())?, *call as usize));
    model.schedule.iter().filter_map(call).collect()
}

/// An inner model as it runs.
struct Unit {
    /// Its calls in order, each with the number of its layer's calls.
    calls: Vec<(String, u64, u64)>,
}

impl Unit {
    fn new(inner: &RawModel) -> Unit {
        let counts: HashMap<&str, u64> =
            inner.layers.iter().map(|layer| (layer.name.as_str(), layer.calls.len() as u64)).collect();
        let schedule = match inner.schedule.is_empty() {
            false => inner.schedule.clone(),
            true => {
                let order = order::of_model(inner).into_iter();
                order.map(|(layer, call)| (inner.layers[layer].name.clone(), call as u64)).collect()
            }
        };
        let count = |name: &str| counts.get(name).copied().unwrap_or(0);
        Unit { calls: schedule.into_iter().map(|(name, call)| (name.clone(), call, count(&name))).collect() }
    }

    /// Adds the calls of one call of the inner model.
    fn run(&self, scope: &str, outer: u64, schedule: &mut Vec<(String, u64)>) {
        let inside =
            |(name, call, count): &(String, u64, u64)| (format!("{scope}/{name}"), outer * count + call);
        schedule.extend(self.calls.iter().map(inside));
    }
}

/// Adds an inner model's layers, then the inner model as a scope.
fn expand(mut scope: RawLayer, inner: RawModel, flat: &mut Vec<RawLayer>) -> Result<()> {
    let calls: HashMap<String, u64> =
        inner.layers.iter().map(|layer| (layer.name.clone(), layer.calls.len() as u64)).collect();
    let inputs: HashMap<&str, usize> =
        inner.inputs.iter().enumerate().rev().map(|(place, input)| (input.layer.as_str(), place)).collect();
    let passed = scope.calls.iter().map(|call| Passed::new(&scope, call, &inner));
    let passed: Vec<Passed> = passed.collect::<Result<_>>()?;
    for layer in inner.layers {
        let place = inputs.get(layer.name.as_str()).copied();
        let mut expanded = RawLayer {
            name: format!("{}/{}", scope.name, layer.name),
            pointer: layer.pointer,
            class: if place.is_some() { "Identity".to_owned() } else { layer.class },
            settings: match place {
                Some(_) => Map::from_iter([("is_input".to_owned(), true.into())]),
                None => layer.settings,
            },
            calls: vec![],
            nested: None,
            origin: layer.origin,
        };
        for (outer, passed) in passed.iter().enumerate() {
            match place {
                Some(place) => expanded.calls.push(passed.input(place, inner.described.is_none())),
                None => {
                    let rename = |tensor: &RawTensor| inside(&scope.name, tensor, outer as u64, &calls);
                    let masked = expanded.class == MASK_OF && inner.described.is_some();
                    expanded.calls.extend(layer.calls.iter().map(|call| {
                        let mask = if masked { passed.mask_of(call, &inputs) } else { None };
                        renamed(call, &rename).into_iter().chain(mask).collect()
                    }));
                }
            }
        }
        flat.push(expanded);
    }
    for (outer, (arguments, passed)) in scope.calls.iter_mut().zip(passed).enumerate() {
        let outputs = inner.outputs.iter().map(|tensor| inside(&scope.name, tensor, outer as u64, &calls));
        let outputs = RawArgument::List(outputs.map(RawArgument::Tensor).collect());
        let rename = |tensor: &RawTensor| inside(&scope.name, tensor, outer as u64, &calls);
        let (data, mask) = match &inner.described {
            None => (passed.data, None),
            Some(described) => (inner.inputs.iter().map(rename).collect(), described.mask(&passed, rename)),
        };
        let inputs = RawArgument::List(data.into_iter().map(RawArgument::Tensor).collect());
        *arguments = vec![(None, outputs), (Some("inputs".to_owned()), inputs)];
        arguments.extend(mask.map(|masks| (Some("mask".to_owned()), RawArgument::List(masks))));
    }
    scope.settings =
        inner.described.map(|described| described.into_settings(inner.inputs.len())).unwrap_or_default();
    scope.settings.insert("outputs".into(), inner.outputs.len().into());
    flat.push(scope);
    Ok(())
}

/// An inner tensor as the model around it names it, in the given call of the inner model.
fn inside(scope: &str, tensor: &RawTensor, outer: u64, calls: &HashMap<String, u64>) -> RawTensor {
    let each = calls.get(&tensor.layer).copied().unwrap_or(0);
    RawTensor {
        layer: format!("{scope}/{}", tensor.layer),
        call: outer * each + tensor.call,
        output: tensor.output,
    }
}

fn renamed(call: &RawCall, rename: &impl Fn(&RawTensor) -> RawTensor) -> RawCall {
    fn argument(value: &RawArgument, rename: &impl Fn(&RawTensor) -> RawTensor) -> RawArgument {
        match value {
            RawArgument::Tensor(tensor) => RawArgument::Tensor(rename(tensor)),
            RawArgument::List(items) => {
                RawArgument::List(items.iter().map(|item| argument(item, rename)).collect())
            }
            constant => constant.clone(),
        }
    }
    call.iter().map(|(keyword, value)| (keyword.clone(), argument(value, rename))).collect()
}

/// Every tensor in an argument, in order, and nothing where nothing is passed; or a constant that is neither.
fn tensors(value: &RawArgument) -> std::result::Result<Vec<Option<RawTensor>>, &Json> {
    match value {
        RawArgument::Tensor(tensor) => Ok(vec![Some(tensor.clone())]),
        RawArgument::List(items) => {
            let items = items.iter().map(tensors).collect::<std::result::Result<Vec<_>, _>>()?;
            Ok(items.concat())
        }
        RawArgument::Constant(Json::Null) => Ok(vec![None]),
        RawArgument::Constant(Json::Array(items)) if items.iter().all(Json::is_null) => {
            Ok(vec![None; items.len()])
        }
        RawArgument::Constant(other) => Err(other),
    }
}

/// What one call of an inner model passes.
struct Passed {
    data: Vec<RawTensor>,
    /// The masks passed by hand.
    masks: Vec<Option<RawTensor>>,
    /// Are they passed as `mask`?
    as_mask: bool,
}

impl Passed {
    fn new(scope: &RawLayer, arguments: &RawCall, inner: &RawModel) -> Result<Passed> {
        let (inputs, described) = (inner.inputs.len(), inner.described.is_some());
        let fail = |expected: String, found: String| {
            let pointer = scope.pointer.clone();
            Err(KerasConfigError { pointer, expected, found })
        };
        let (mut data, mut masks, mut as_mask) = (vec![], vec![], false);
        for (keyword, value) in arguments {
            let into = match keyword.as_deref() {
                None | Some("inputs") => &mut data,
                Some("mask") => {
                    as_mask = true;
                    &mut masks
                }
                Some("masks") if described => &mut masks,
                Some("training") if matches!(value, RawArgument::Constant(_)) => continue,
                Some(other) => {
                    return fail("arguments of a model: inputs, training, mask".into(), format!("`{other}`"));
                }
            };
            match tensors(value) {
                Ok(tensors) => into.extend(tensors),
                Err(other) => return fail("tensors as arguments of a model".into(), brief(other)),
            }
        }
        let given: Vec<RawTensor> = data.iter().flatten().cloned().collect();
        if data.len() != inputs || given.len() != inputs || masks.len() > inputs {
            let found = format!("{} tensors and {} masks", given.len(), masks.len());
            return fail(
                format!("a tensor for each of {inputs} inputs of a model, and no more masks"),
                found,
            );
        }
        Ok(Passed { data: given, masks, as_mask })
    }

    /// The call of an inner input: the tensor passed in its place, and the mask if one was passed by hand and is attached
    /// to it.
    fn input(&self, place: usize, attached: bool) -> RawCall {
        let argument = |tensor: &RawTensor| RawArgument::Tensor(tensor.clone());
        let data = self.data.get(place).map(|tensor| (None, argument(tensor)));
        let mask = self.masks.get(place).and_then(Option::as_ref).filter(|_| attached);
        let mask = mask.map(|mask| (Some("mask".to_owned()), argument(mask)));
        data.into_iter().chain(mask).collect()
    }

    /// The mask passed by hand for what a call inside reads first.
    fn mask_of(
        &self,
        call: &RawCall,
        inputs: &HashMap<&str, usize>,
    ) -> Option<(Option<String>, RawArgument)> {
        let Some((_, RawArgument::Tensor(read))) = call.first() else { return None };
        let mask = self.masks.get(*inputs.get(read.layer.as_str())?)?.clone()?;
        Some((Some("mask".to_owned()), RawArgument::Tensor(mask)))
    }
}

impl Described {
    /// The masks that go with the outputs of a call: those passed by hand for what it is called on, or those that the body
    /// computes.
    fn mask(&self, passed: &Passed, rename: impl Fn(&RawTensor) -> RawTensor) -> Option<Vec<RawArgument>> {
        let masks: Vec<Option<RawTensor>> = match self.masks {
            "given" => self.given.iter().map(|mask| mask.as_ref().map(&rename)).collect(),
            "keep" if passed.as_mask => passed.masks.iter().take(self.first).cloned().collect(),
            _ => vec![],
        };
        let argument =
            |mask: Option<RawTensor>| mask.map_or(RawArgument::Constant(Json::Null), RawArgument::Tensor);
        let any = masks.iter().any(Option::is_some);
        any.then(|| masks.into_iter().map(argument).collect())
    }

    /// The settings of the layer that ends its body.
    fn into_settings(self, inputs: usize) -> Map<String, Json> {
        let mut settings = Map::from_iter([("masks".to_owned(), self.masks.into())]);
        if self.first < inputs {
            settings.insert("first".into(), self.first.into());
        }
        if !self.settings.is_empty() {
            settings.insert("config".into(), self.settings.into());
        }
        settings
    }
}
