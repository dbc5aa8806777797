//! What the calls of a described layer pass, held against the arguments that its description has.

use std::collections::HashMap;

use masque_ir::described::ARGUMENT;
use masque_ir::layers::{Layer, LayerGraph};
use serde_json::Value as Json;

use super::super::{RawArgument, RawCall, RawLayer};
use super::NotAsDescribed;
use super::settings::Setting;
use crate::layer::arguments::takes_masks;
use crate::layer::config::brief;

/// What was expected, and what was found.
type Wrong = (String, String);

/// What an argument takes.
#[derive(Debug)]
pub(super) enum Kind<'a> {
    /// Tensors.
    Tensors,
    /// A tensor, or nothing.
    Optional,
    /// Something without tensors.
    Value(Setting<'a>),
}

impl Kind<'_> {
    /// What the description says of it.
    pub(super) fn of(layer: &Layer) -> Option<Kind<'_>> {
        let settings = &layer.settings;
        match settings.get("optional") {
            None if settings.is_empty() => Some(Kind::Tensors),
            Some(Json::Bool(true)) if settings.len() == 1 => Some(Kind::Optional),
            Some(_) => None,
            None => Setting::among(settings.iter()).map(Kind::Value),
        }
    }
}

/// What all calls of a layer have in common of what they pass for an argument.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Given {
    /// Tensors.
    Tensors,
    /// Nothing.
    Nothing,
    /// Something without tensors.
    Value(Json),
}

/// An argument of a description.
struct Declared<'a> {
    name: &'a str,
    kind: Kind<'a>,
    /// How many tensors it takes.
    count: usize,
}

/// The arguments of a layer's calls: what they have in common, by name. The calls then pass tensors alone, those of the
/// body's inputs in order, and their masks.
pub(super) fn bind(
    graph: &LayerGraph,
    layer: &mut RawLayer,
) -> Result<HashMap<String, Given>, NotAsDescribed> {
    let declared = graph.calls().filter(|&id| graph.layer_of(id).class == ARGUMENT).filter_map(|id| {
        let (layer, count) = (graph.layer_of(id), graph.call(id).outputs as usize);
        Some(Declared { name: &layer.name, kind: Kind::of(layer)?, count })
    });
    let declared = Arguments(declared.collect());
    let mut common: Option<Vec<Given>> = None;
    for place in 0..layer.calls.len() {
        let bound = declared.bound(&layer.calls[place]);
        let (passed, given) = bound.map_err(|wrong| NotAsDescribed::call(layer, wrong))?;
        layer.calls[place] = passed;
        let first = common.get_or_insert_with(|| given.clone());
        let differs = first.iter().zip(&given).position(|(first, given)| first != given);
        if let Some(argument) = differs {
            let name = declared.0[argument].name;
            let wrong = (format!("calls that pass the same for `{name}`"), "others".to_owned());
            return Err(NotAsDescribed::call(layer, wrong));
        }
    }
    let common = match common {
        Some(common) => common,
        None => declared.of_no_call(),
    };
    Ok(declared.0.iter().map(|argument| argument.name.to_owned()).zip(common).collect())
}

struct Arguments<'a>(Vec<Declared<'a>>);

impl Arguments<'_> {
    fn expected(&self) -> String {
        let names: Vec<&str> = self.0.iter().map(|argument| argument.name).collect();
        format!("arguments ({})", names.join(", "))
    }

    fn of_no_call(&self) -> Vec<Given> {
        let given = |argument: &Declared<'_>| match &argument.kind {
            Kind::Tensors => Given::Tensors,
            Kind::Optional => Given::Nothing,
            Kind::Value(setting) => Given::Value(setting.value(argument.name, None).unwrap_or(Json::Null)),
        };
        self.0.iter().map(given).collect()
    }

    /// What a call passes, by name; masks of arguments as `NAME_mask` or `mask`.
    fn by_name<'a>(&self, call: &'a RawCall) -> Result<HashMap<String, &'a RawArgument>, Wrong> {
        let has = |name: &str| self.0.iter().any(|argument| argument.name == name);
        let mut positional = self.0.iter();
        let mut by_name: HashMap<String, &RawArgument> = HashMap::new();
        for (keyword, value) in call {
            let name = match keyword {
                Some(name) => name.as_str(),
                None => positional.next().ok_or_else(|| (self.expected(), "more".to_owned()))?.name,
            };
            let nothing = matches!(value, RawArgument::Constant(Json::Null));
            if name == "training" || nothing && takes_masks(name) {
                continue;
            }
            let known = has(name) || name == "mask" || name.strip_suffix("_mask").is_some_and(has);
            if !known || by_name.insert(name.to_owned(), value).is_some() {
                return Err((self.expected(), format!("`{name}`")));
            }
        }
        Ok(by_name)
    }

    /// What a call passes for the arguments, in the order of the body's inputs, and the masks that it passes for them:
    /// `mask`, or `masks` where they are no argument `mask` of the layer.
    fn bound(&self, call: &RawCall) -> Result<(RawCall, Vec<Given>), Wrong> {
        let by_name = self.by_name(call)?;
        let (mut passed, mut masks, mut given, mut any) = (vec![], vec![], vec![], false);
        for (place, argument) in self.0.iter().enumerate() {
            let value = by_name.get(argument.name).copied();
            given.push(argument.given(value)?);
            if given.last() != Some(&Given::Tensors) {
                continue;
            }
            passed.extend(argument.tensors(value)?.into_iter().map(|tensor| (None, tensor)));
            let own = format!("{}_mask", argument.name);
            let mask = by_name.get(&own).or_else(|| by_name.get("mask").filter(|_| place == 0)).copied();
            any |= mask.is_some();
            let none = || vec![RawArgument::Constant(Json::Null); argument.count];
            masks.extend(argument.tensors(mask).unwrap_or_else(|_| none()));
        }
        if any {
            let keyword = if by_name.contains_key("mask") { "mask" } else { "masks" };
            passed.push((Some(keyword.to_owned()), RawArgument::List(masks)));
        }
        Ok((passed, given))
    }
}

impl Declared<'_> {
    /// What is passed for it, as far as all calls have it in common.
    fn given(&self, value: Option<&RawArgument>) -> Result<Given, Wrong> {
        let name = self.name;
        match (&self.kind, value) {
            (Kind::Tensors, _) => Ok(Given::Tensors),
            (Kind::Optional, None | Some(RawArgument::Constant(Json::Null))) => Ok(Given::Nothing),
            (Kind::Optional, Some(_)) => Ok(Given::Tensors),
            (Kind::Value(setting), None | Some(RawArgument::Constant(_))) => {
                let value = match value {
                    Some(RawArgument::Constant(value)) => Some(value.clone()),
                    _ => None,
                };
                let value = setting
                    .value(name, value)
                    .map_err(|wrong| (format!("{} for `{name}`", wrong.expected), wrong.found));
                value.map(Given::Value)
            }
            (Kind::Value(setting), Some(_)) => {
                Err((format!("{} for `{name}`", setting.expected()), "a tensor".to_owned()))
            }
        }
    }

    /// So many tensors, or nothing in the place of a mask.
    fn tensors(&self, value: Option<&RawArgument>) -> Result<Vec<RawArgument>, Wrong> {
        let found = match value {
            Some(RawArgument::List(items)) if items.len() == self.count => return Ok(items.clone()),
            Some(tensor @ RawArgument::Tensor(_)) if self.count == 1 => return Ok(vec![tensor.clone()]),
            Some(RawArgument::Constant(other)) => brief(other),
            Some(_) => "others".to_owned(),
            None => "nothing".to_owned(),
        };
        Err((format!("{} tensor(s) for `{}`", self.count, self.name), found))
    }
}
