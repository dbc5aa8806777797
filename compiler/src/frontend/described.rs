//! Custom layers that are described: each becomes a model inside the model, whose calls are those of its body.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use masque_ir::described::{ARGUMENT, Description, OwnMasks, WEIGHT};
use masque_ir::layers::{Argument, ArgumentValue, CallId, TensorRef};
use masque_ir::text::{TextError, parse_descriptions};
use serde_json::{Map, Value as Json};

use super::{LoadError, RawArgument, RawCall, RawLayer, RawModel, RawTensor, expression, opaque, read_file};
use crate::layer::arguments::takes_masks;
use crate::layer::config::brief;
use crate::layer::{Config, ConfigError};
use crate::layers;

/// How many calls may come out of descriptions within descriptions.
const LARGEST: u64 = 1 << 16;

/// How many descriptions may lie within one another.
const DEEPEST: u32 = 32;

/// A file of descriptions that says something else than it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescriptionError {
    /// It is not UTF-8.
    #[error("not UTF-8 text")]
    NotText,
    /// It is no text of ours.
    #[error("{0}")]
    Text(#[from] TextError),
    /// A description says something that means nothing.
    #[error("the description of {class}: expected {expected}, found {found}")]
    Meaning {
        /// The class.
        class: String,
        /// What it should say.
        expected: String,
        /// What it says.
        found: String,
    },
}

/// A layer is not as its description says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAsDescribed {
    /// A setting is another.
    #[error("layer `{layer}` ({class}): setting {source}")]
    Setting {
        /// The layer.
        layer: String,
        /// Its class.
        class: String,
        /// The setting.
        source: ConfigError,
    },
    /// A call passes other things.
    #[error("layer `{layer}` ({class}): expected {expected}, found {found}")]
    Call {
        /// The layer.
        layer: String,
        /// Its class.
        class: String,
        /// What its description takes.
        expected: String,
        /// What is passed.
        found: String,
    },
}

/// What a custom layer is beside the model that its body is.
#[derive(Clone, Debug, PartialEq)]
pub struct Described {
    /// Its settings.
    pub(super) settings: Map<String, Json>,
    /// Its name for what becomes of masks.
    pub(super) masks: &'static str,
    /// The tensors of the body that are the masks of its outputs.
    pub(super) given: Vec<Option<RawTensor>>,
    /// How many of its inputs are of the first argument.
    pub(super) first: usize,
}

/// What a layer comes to.
#[derive(Clone, Copy)]
struct Size {
    /// How many calls.
    calls: u64,
    /// How many descriptions within one another.
    depth: u32,
}

/// Descriptions by class.
#[derive(Clone, Debug, Default)]
pub struct Descriptions(HashMap<String, Description>);

impl Descriptions {
    /// Reads the descriptions of a file, in addition to those that there are.
    pub(super) fn read(&mut self, path: &Path) -> Result<Vec<u8>, LoadError> {
        let fail = |problem| LoadError { file: path.to_owned(), problem };
        let bytes = read_file(path).map_err(|error| fail(error.into()))?;
        self.add(&bytes).map_err(|error| fail(error.into()))?;
        Ok(bytes)
    }

    /// Adds the descriptions of a text.
    ///
    /// # Errors
    ///
    /// Those of [`DescriptionError`].
    pub fn add(&mut self, bytes: &[u8]) -> Result<(), DescriptionError> {
        let text = std::str::from_utf8(bytes).map_err(|_| DescriptionError::NotText)?;
        for description in parse_descriptions(text)? {
            check(&description)?;
            self.0.insert(description.class.clone(), description);
        }
        let mut sizes = HashMap::new();
        let mut classes: Vec<&String> = self.0.keys().collect();
        classes.sort();
        classes.into_iter().try_for_each(|class| self.size(class, &mut sizes, 0).map(|_| ()))
    }

    /// What a layer comes to, found `around` descriptions that have it within them. A class within itself has no size.
    fn size<'a>(
        &'a self,
        class: &'a str,
        sizes: &mut HashMap<&'a str, Option<Size>>,
        around: u32,
    ) -> Result<Size, DescriptionError> {
        let wrong = |expected: &str, found: String| {
            let (class, expected) = (class.to_owned(), expected.to_owned());
            Err(DescriptionError::Meaning { class, expected, found })
        };
        match sizes.get(class) {
            Some(Some(size)) => return Ok(*size),
            Some(None) => return wrong("a body without the layer itself", format!("{class} within itself")),
            None => sizes.insert(class, None),
        };
        let Some(description) = self.0.get(class) else { return Ok(Size { calls: 1, depth: 0 }) };
        let deep = |depth: u32| {
            wrong(&format!("at most {DEEPEST} descriptions within one another"), depth.to_string())
        };
        if around >= DEEPEST {
            return deep(around + 1);
        }
        let mut size = Size { calls: 1, depth: 0 };
        for call in description.body.calls() {
            let inner = self.find(&description.body.layer_of(call).class);
            let inner = match inner {
                Some(inner) => self.size(&inner.class, sizes, around + 1)?,
                None => Size { calls: 1, depth: 0 },
            };
            size = Size { calls: size.calls.saturating_add(inner.calls), depth: size.depth.max(inner.depth) };
        }
        size.depth += 1;
        if size.depth > DEEPEST {
            return deep(size.depth);
        }
        if size.calls > LARGEST {
            return wrong(&format!("a body of at most {LARGEST} calls"), size.calls.to_string());
        }
        sizes.insert(class, Some(size));
        Ok(size)
    }

    /// The description of a class; one without a package is of the class in any of them.
    fn find(&self, class: &str) -> Option<&Description> {
        if layers::find(class).is_some() || class.starts_with("ops.") {
            return None;
        }
        let name = class.rsplit_once(['>', '.']).map(|(_, name)| name);
        self.0.get(class).or_else(|| self.0.get(name?))
    }

    /// Puts bodies in the place of all layers that are described.
    pub(super) fn expand(&self, model: &mut RawModel) -> Result<(), NotAsDescribed> {
        if self.0.is_empty() {
            return Ok(());
        }
        for layer in &mut model.layers {
            let open = layer.nested.is_none() && !layers::is_described(&layer.settings);
            if open && let Some(description) = self.find(&layer.class) {
                layer.nested = Some(Box::new(instance(description, layer)?));
            }
            if let Some(nested) = &mut layer.nested {
                self.expand(nested)?;
            }
        }
        Ok(())
    }
}

/// Checks what can be told without a layer.
fn check(description: &Description) -> Result<(), DescriptionError> {
    let wrong = |expected: &str, found: String| {
        let class = description.class.clone();
        Err(DescriptionError::Meaning { class, expected: expected.to_owned(), found })
    };
    if layers::find(&description.class).is_some() || description.class.starts_with("ops.") {
        return wrong("a class of somebody's own", "one of Keras".to_owned());
    }
    for (name, setting) in &description.settings {
        if Setting::of(setting).is_none() {
            let expected =
                "int, float, bool, str or any, or {type = …, default = …}, as the type of a setting";
            return wrong(expected, format!("`{name} = {}`", brief(setting)));
        }
    }
    let body = &description.body;
    let mut called = HashSet::new();
    for id in body.calls() {
        let (call, layer) = (body.call(id), body.layer_of(id));
        let argument = layer.class == ARGUMENT;
        if argument && (!call.arguments.is_empty() || !called.insert(&layer.name)) {
            return wrong("one call of an argument, on nothing", format!("`{}`", body.call_name(id)));
        }
        if matches!(layer.class.as_str(), "InputLayer" | "Functional" | "Sequential") {
            return wrong("layers and operations in the body", layer.class.clone());
        }
    }
    match (&description.masks, body.outputs().len()) {
        (_, 0) => wrong("at least one output", "none".to_owned()),
        (OwnMasks::Given(given), outputs) if given.len() > outputs => {
            wrong(&format!("at most {outputs} masks"), given.len().to_string())
        }
        _ => Ok(()),
    }
}

/// What a setting may be.
struct Setting<'a> {
    ty: &'a str,
    default: Option<&'a Json>,
}

impl Setting<'_> {
    fn of(json: &Json) -> Option<Setting<'_>> {
        let setting = match json {
            Json::String(ty) => Setting { ty, default: None },
            Json::Object(map) if map.keys().all(|key| key == "type" || key == "default") => {
                Setting { ty: map.get("type")?.as_str()?, default: map.get("default") }
            }
            _ => return None,
        };
        let known = ["any", "bool", "float", "int", "str"].contains(&setting.ty);
        (known && setting.default.is_none_or(|default| default.is_null() || setting.takes(default)))
            .then_some(setting)
    }

    fn takes(&self, value: &Json) -> bool {
        match self.ty {
            "bool" => value.is_boolean(),
            "float" => value.is_number(),
            "int" => value.is_i64(),
            "str" => value.is_string(),
            _ => true,
        }
    }
}

/// Settings by name.
type Values = Map<String, Json>;

/// A layer's settings, with defaults for those that are missing, and those that the file has.
fn settings(description: &Description, layer: &RawLayer) -> Result<(Values, Values), ConfigError> {
    let mut config = Config::new(opaque::own(&layer.settings).clone())?;
    let mut values = Map::new();
    for (name, declared) in &description.settings {
        let Some(setting) = Setting::of(declared) else { continue };
        let value = config.take(name);
        if let Some(value) = &value {
            config.keep(name, value.clone());
        }
        let value = value.or_else(|| setting.default.cloned()).unwrap_or(Json::Null);
        let optional = value.is_null() && (setting.default.is_some() || setting.ty == "any");
        if !optional && !setting.takes(&value) {
            return Err(ConfigError::new(name, setting.ty, &value));
        }
        values.insert(name.clone(), value);
    }
    Ok((values, config.finish()?.into_iter().collect()))
}

/// The body of a description for one layer, whose calls then pass what the body's inputs are, in order.
fn instance(description: &Description, layer: &mut RawLayer) -> Result<RawModel, NotAsDescribed> {
    let (name, class) = (layer.name.clone(), layer.class.clone());
    let wrong = |source| NotAsDescribed::Setting { layer: name.clone(), class: class.clone(), source };
    let (values, kept) = settings(description, layer).map_err(wrong)?;
    let body = Body { description, values: &values };
    let mut model = body.layers(layer).map_err(wrong)?;
    let first = body.calls(layer, &mut model).map_err(wrong)?;
    let (masks, given) = match &description.masks {
        OwnMasks::Lost => ("lost", vec![]),
        OwnMasks::Keep => ("keep", vec![]),
        OwnMasks::Ends => ("ends", vec![]),
        OwnMasks::Given(given) => {
            ("given", given.iter().map(|mask| mask.map(|mask| body.tensor(mask))).collect())
        }
    };
    model.described = Some(Described { settings: kept, masks, given, first });
    for call in &mut layer.calls {
        *call = body.passed(call).map_err(|(expected, found)| NotAsDescribed::Call {
            layer: name.clone(),
            class: class.clone(),
            expected,
            found,
        })?;
    }
    Ok(model)
}

/// A description with the settings of a layer.
struct Body<'a> {
    description: &'a Description,
    values: &'a Map<String, Json>,
}

impl Body<'_> {
    /// A setting or an argument with the settings of the layer in it.
    fn value(&self, json: &Json) -> Result<Json, ConfigError> {
        expression::all(json, self.values).map_err(|wrong| {
            let (expected, found) = match wrong.split_once(", found ") {
                Some((expected, found)) => (expected.to_owned(), found.to_owned()),
                None => (wrong, brief(json)),
            };
            ConfigError { field: "in the description".to_owned(), expected, found }
        })
    }

    /// The body as a model of layers that are not called yet. Weights stand first, as Keras counts them.
    fn layers(&self, outer: &RawLayer) -> Result<RawModel, ConfigError> {
        let graph = &self.description.body;
        let frozen = opaque::own(&outer.settings).get("trainable") == Some(&Json::Bool(false));
        let mut ordered: Vec<_> = graph.layers().iter().filter(|layer| layer.class != ARGUMENT).collect();
        ordered.sort_by_key(|layer| layer.class != WEIGHT);
        let layer = |inner: &masque_ir::layers::Layer| {
            let settings = self.value(&Json::Object(inner.settings.clone().into_iter().collect()))?;
            let mut settings = settings.as_object().cloned().unwrap_or_default();
            if frozen && !inner.class.starts_with("ops.") {
                settings.insert("trainable".into(), false.into());
            }
            Ok(RawLayer {
                name: inner.name.clone(),
                class: inner.class.clone(),
                settings,
                calls: vec![],
                pointer: outer.pointer.clone(),
                nested: None,
            })
        };
        Ok(RawModel {
            name: outer.class.clone(),
            semantics: graph.semantics,
            layers: ordered.into_iter().map(layer).collect::<Result<_, _>>()?,
            inputs: vec![],
            outputs: graph.outputs().iter().map(|output| self.tensor(output.tensor)).collect(),
            output_names: vec![],
            compiled: Json::Null,
            schedule: vec![],
            described: None,
        })
    }

    /// Adds the calls, in the order in which they run; gives the number of inputs of the first argument.
    fn calls(&self, outer: &RawLayer, model: &mut RawModel) -> Result<usize, ConfigError> {
        let graph = &self.description.body;
        let places: HashMap<String, usize> =
            model.layers.iter().enumerate().map(|(place, layer)| (layer.name.clone(), place)).collect();
        let mut first = None;
        for id in graph.calls() {
            let (call, inner) = (graph.call(id), graph.layer_of(id));
            if inner.class == ARGUMENT {
                for output in 0..call.outputs {
                    let input = self.tensor(TensorRef { call: id, output });
                    model.layers.push(self.input(&input.layer, &outer.pointer));
                    model.schedule.push((input.layer.clone(), 0));
                    model.inputs.push(input);
                }
                first.get_or_insert(model.inputs.len());
                continue;
            }
            let argument =
                |argument: &Argument| Ok((argument.keyword.clone(), self.argument(&argument.value)?));
            let arguments = call.arguments.iter().map(argument).collect::<Result<_, ConfigError>>()?;
            model.layers[places[&inner.name]].calls.push(arguments);
            model.schedule.push((inner.name.clone(), u64::from(call.index)));
        }
        Ok(first.unwrap_or(0))
    }

    /// A tensor of the body. Each tensor of an argument is an input of its own.
    fn tensor(&self, tensor: TensorRef) -> RawTensor {
        let graph = &self.description.body;
        let (call, layer) = (graph.call(tensor.call), graph.layer_of(tensor.call));
        match (layer.class.as_str(), tensor.output) {
            (ARGUMENT, output @ 1..) => {
                RawTensor { layer: format!("{}.{output}", layer.name), call: 0, output: 0 }
            }
            (_, output) => {
                RawTensor { layer: layer.name.clone(), call: call.index.into(), output: output.into() }
            }
        }
    }

    fn input(&self, name: &str, pointer: &str) -> RawLayer {
        RawLayer {
            name: name.to_owned(),
            class: ARGUMENT.to_owned(),
            settings: Map::new(),
            calls: vec![vec![]],
            pointer: pointer.to_owned(),
            nested: None,
        }
    }

    fn argument(&self, value: &ArgumentValue) -> Result<RawArgument, ConfigError> {
        Ok(match value {
            ArgumentValue::Tensor(tensor) => RawArgument::Tensor(self.tensor(*tensor)),
            ArgumentValue::List(items) => {
                RawArgument::List(items.iter().map(|item| self.argument(item)).collect::<Result<_, _>>()?)
            }
            ArgumentValue::Constant(json) => RawArgument::Constant(self.value(json)?),
        })
    }

    /// What a call passes for the arguments, in the order of the body's inputs, and the masks that it passes for them:
    /// `mask`, or `masks` where they are no argument `mask` of the layer.
    fn passed(&self, call: &RawCall) -> Result<RawCall, (String, String)> {
        let graph = &self.description.body;
        let arguments: Vec<(CallId, &str)> = graph
            .calls()
            .filter(|&id| graph.layer_of(id).class == ARGUMENT)
            .map(|id| (id, graph.layer_of(id).name.as_str()))
            .collect();
        let names: Vec<&str> = arguments.iter().map(|(_, name)| *name).collect();
        let expected = || format!("arguments ({})", names.join(", "));
        let mut positional = names.iter();
        let mut by_name: HashMap<&str, &RawArgument> = HashMap::new();
        for (keyword, value) in call {
            let name = match keyword {
                Some(name) => name.as_str(),
                None => positional.next().ok_or_else(|| (expected(), "more".to_owned()))?,
            };
            let nothing = matches!(value, RawArgument::Constant(Json::Null));
            if name == "training" || nothing && takes_masks(name) {
                continue;
            }
            let known = names.contains(&name)
                || name == "mask"
                || name.strip_suffix("_mask").is_some_and(|name| names.contains(&name));
            if !known || by_name.insert(name, value).is_some() {
                return Err((expected(), format!("`{name}`")));
            }
        }
        let (mut passed, mut masks, mut any) = (vec![], vec![], false);
        for (place, (id, name)) in arguments.iter().enumerate() {
            let count = graph.call(*id).outputs as usize;
            let tensors = self.tensors(by_name.get(name).copied(), count);
            let tensors =
                tensors.ok_or_else(|| (format!("{count} tensor(s) for `{name}`"), "others".to_owned()))?;
            passed.extend(tensors.into_iter().map(|tensor| (None, tensor)));
            let own = format!("{name}_mask");
            let mask = by_name.get(own.as_str()).or_else(|| by_name.get("mask").filter(|_| place == 0));
            any |= mask.is_some();
            let none = || vec![RawArgument::Constant(Json::Null); count];
            let given = mask.and_then(|mask| self.tensors(Some(mask), count));
            masks.extend(given.unwrap_or_else(none));
        }
        if any {
            let keyword = if by_name.contains_key("mask") { "mask" } else { "masks" };
            passed.push((Some(keyword.to_owned()), RawArgument::List(masks)));
        }
        Ok(passed)
    }

    /// So many tensors, or nothing in the place of a mask.
    fn tensors(&self, value: Option<&RawArgument>, count: usize) -> Option<Vec<RawArgument>> {
        match value? {
            RawArgument::List(items) if items.len() == count => Some(items.clone()),
            tensor @ RawArgument::Tensor(_) if count == 1 => Some(vec![tensor.clone()]),
            _ => None,
        }
    }
}
