//! Keras configs: the object that `config.json` holds, that `to_json()` gives, and that an `.h5` file has as an
//! attribute. Keras 2 and Keras 3 write the same tree of models and layers; what they write differently has a
//! [`Dialect`]. A layer of Keras 2 is handed over as the one of today that does the same.

mod calls2;
mod calls3;
mod settings1;
mod settings2;
mod steps;
mod tensorflow;

use std::collections::{BTreeSet, HashSet};

use masque_ir::Semantics;
use serde_json::{Map, Value as Json, json};

use super::config::{Node, Result};
use super::constants;
use super::json::ConfigText;
use super::opaque::Types;
use super::{Origin, Problem, RawArgument, RawCall, RawLayer, RawModel, RawTensor};
use crate::layer::classes::{custom, is_inside};
use crate::layers;

/// How a config is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// By Keras 2.
    Keras2,
    /// By Keras 3.
    Keras3,
    /// By Keras 3 into an `.h5` file: without the modules that tell a layer from an operation of the same name.
    Keras3WithoutModules,
}

impl Dialect {
    /// Whose rules such a config is read under.
    pub(super) fn semantics(self) -> Semantics {
        match self {
            Dialect::Keras2 => Semantics::Keras2,
            Dialect::Keras3 | Dialect::Keras3WithoutModules => Semantics::Keras3_15,
        }
    }
}

pub(super) use steps::CLASS as TIME_DISTRIBUTED;

/// Reads a whole model.
pub(super) fn read(config: &ConfigText<'_>, dialect: Dialect) -> std::result::Result<RawModel, Problem> {
    let root = Node::root(&config.around);
    let class = root.get("class_name");
    root.object()?;
    let kind = match class.text()? {
        "Sequential" => Kind::Chain(Place::Root),
        "Functional" => Kind::Graph,
        "Model" if dialect == Dialect::Keras2 => Kind::Graph,
        _ => class.fail(&format!(
            "a model of class Sequential or Functional, which is described by its layers alone; for another one use {}",
            layers::EXPORT
        ))?,
    };
    let mut model = Reading::new(dialect, kind, &root);
    model.add_listed()?;
    for (place, layer) in config.layers().enumerate() {
        model.add(&model.list.item(place, &layer?))?;
    }
    Ok(RawModel { compiled: root.get("compile_config").value.clone(), ..model.finish()? })
}

/// How a model says what its layers read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Every layer reads the one before it: `Sequential`.
    Chain(Place),
    /// Every layer says it: `Functional`.
    Graph,
}

/// Where a model stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// It is the whole.
    Root,
    /// It is a layer of another one, which hands it its inputs.
    Inside,
}

/// A model while its layers are read.
struct Reading<'a> {
    dialect: Dialect,
    kind: Kind,
    entry: Node<'a>,
    list: Node<'a>,
    layers: Vec<RawLayer>,
    /// The inputs of the models that a chain begins with.
    inputs: Vec<RawTensor>,
    sizes: tensorflow::Sizes,
    types: Types,
}

impl<'a> Reading<'a> {
    fn new(dialect: Dialect, kind: Kind, entry: &Node<'a>) -> Reading<'a> {
        let body = entry.get("config");
        // The first Keras 2 wrote the list of layers of a Sequential and nothing else.
        let list = if body.value.is_array() && kind != Kind::Graph { body } else { body.get("layers") };
        Reading {
            dialect,
            kind,
            entry: entry.clone(),
            list,
            layers: vec![],
            inputs: vec![],
            sizes: tensorflow::Sizes::default(),
            types: Types::default(),
        }
    }

    /// The model that stands in `entry`, with everything in it.
    fn whole(dialect: Dialect, kind: Kind, entry: &Node<'a>) -> Result<RawModel> {
        let mut model = Reading::new(dialect, kind, entry);
        model.add_listed()?;
        model.finish()
    }

    fn add_listed(&mut self) -> Result<()> {
        self.list.list()?.iter().try_for_each(|layer| self.add(layer))
    }

    fn add(&mut self, entry: &Node<'_>) -> Result<()> {
        let mut layer = self.dialect.layer(entry)?;
        let held = entry.get("config").get("layers");
        match self.kind {
            Kind::Chain(_) if self.layers.is_empty() && entry.get("class_name").value == "Merge" => {
                layer.settings.remove("layers");
                layer.calls = vec![vec![(None, RawArgument::List(self.branches(&held)?))]];
            }
            Kind::Chain(place) => {
                if self.layers.is_empty() && layer.class != "InputLayer" {
                    self.layers.push(unwritten_input(&self.entry, entry, &layer, place)?);
                }
                let before = self.layers.last().map(first_output);
                layer.calls =
                    vec![before.map(|tensor| (None, RawArgument::Tensor(tensor))).into_iter().collect()];
                self.types.learn(entry, &layer.calls);
            }
            Kind::Graph => {
                layer.calls = self.dialect.calls(&layer.class, &entry.get("inbound_nodes"))?;
                self.types.learn(entry, &layer.calls);
                if self.dialect == Dialect::Keras2 {
                    layer = tensorflow::translated(layer, entry, &mut self.sizes)?;
                }
                self.layers.extend(constants::lift(&mut layer));
            }
        }
        self.layers.push(layer);
        Ok(())
    }

    /// Takes in the models that a layer of Keras 1 joins, which it holds, as branches of this one: what they give.
    fn branches(&mut self, held: &Node<'_>) -> Result<Vec<RawArgument>> {
        let mut joined = vec![];
        for branch in held.list()? {
            let class = branch.get("class_name");
            let kind = match class.text()? {
                "Sequential" => Kind::Chain(Place::Root),
                "Model" => Kind::Graph,
                _ => class.fail("a model")?,
            };
            let branch = Reading::whole(self.dialect, kind, &branch)?;
            self.layers.extend(branch.layers);
            self.inputs.extend(branch.inputs);
            joined.extend(branch.outputs.into_iter().map(RawArgument::Tensor));
        }
        Ok(joined)
    }

    fn finish(mut self) -> Result<RawModel> {
        let body = self.entry.get("config");
        let (mut inputs, mut outputs) = (vec![], vec![]);
        match (self.kind, self.layers.first(), self.layers.last()) {
            (Kind::Graph, ..) => {
                tensors(&body.get("input_layers"), &mut inputs)?;
                tensors(&body.get("output_layers"), &mut outputs)?;
                self.dialect.count_from_zero(&mut self.layers, &mut outputs);
            }
            (Kind::Chain(_), Some(first), Some(last)) => {
                inputs = std::mem::take(&mut self.inputs);
                if inputs.is_empty() {
                    inputs.push(first_output(first));
                }
                outputs.push(first_output(last));
            }
            (Kind::Chain(_), ..) => return self.list.fail("at least one layer"),
        }
        self.types.write(&mut self.layers, &outputs);
        let name = body.value.get("name").and_then(Json::as_str).unwrap_or("model").to_owned();
        let output_names = names(body.get("output_layers").value);
        let (semantics, layers) = (self.dialect.semantics(), self.layers);
        let compiled = Json::Null;
        let (schedule, described) = (vec![], None);
        Ok(RawModel { name, semantics, layers, inputs, outputs, output_names, schedule, compiled, described })
    }
}

impl Dialect {
    /// The calls of a layer of a graph.
    fn calls(self, class: &str, nodes: &Node<'_>) -> Result<Vec<RawCall>> {
        let nodes = nodes.list()?;
        match (class, self) {
            ("InputLayer", _) => Ok(vec![vec![]]),
            (_, Dialect::Keras2) => nodes.iter().map(|node| calls2::call(node, class)).collect(),
            _ => nodes.iter().map(calls3::call).collect(),
        }
    }

    /// Calls of some inner models are counted from 1: by Keras 3 among a model's own outputs, if the inner model is
    /// functional; by Keras 2 everywhere, if the inner model begins with an input. (That input's own call is 0.)
    fn count_from_zero(self, layers: &mut [RawLayer], outputs: &mut [RawTensor]) {
        let begins_with_input = |inner: &RawModel| {
            inner.layers.first().is_some_and(|layer| layer.class == "InputLayer" && !is_unwritten(layer))
        };
        let counted = layers.iter().filter(|layer| match &layer.nested {
            Some(_) if layer.class == steps::CLASS => false,
            Some(inner) if self == Dialect::Keras2 => begins_with_input(inner),
            Some(_) => layer.class == "Functional",
            None => false,
        });
        let counted: HashSet<String> = counted.map(|layer| layer.name.clone()).collect();
        let lower = |tensor: &mut RawTensor| {
            if counted.contains(&tensor.layer) {
                tensor.call = tensor.call.saturating_sub(1);
            }
        };
        outputs.iter_mut().for_each(lower);
        if self == Dialect::Keras2 {
            let arguments = layers.iter_mut().flat_map(|layer| layer.calls.iter_mut().flatten());
            arguments.for_each(|(_, argument)| argument.tensors_mut(&lower));
        }
    }

    /// Class, name and settings of one entry.
    fn layer(self, entry: &Node<'_>) -> Result<RawLayer> {
        let (class, config) = (self.class(entry)?, entry.get("config"));
        let place = if entry.value.get("name").is_some() { entry.get("name") } else { config.get("name") };
        let name = match place.value {
            // The first Keras 2 and Keras 1 wrote no names of these.
            Json::Null if class == "Sequential" && config.value.is_array() => unnamed(entry),
            _ => place.name()?.to_owned(),
        };
        if class.chars().any(char::is_control) {
            return entry
                .get("class_name")
                .fail_with("a class without control characters", format!("{class:?}"));
        }
        let nested = match class.as_str() {
            "Functional" => Some(Box::new(Reading::whole(self, Kind::Graph, entry)?)),
            "Sequential" => Some(Box::new(Reading::whole(self, Kind::Chain(Place::Inside), entry)?)),
            _ if steps::wraps_model(&class, &config) => {
                let inner = self.layer(&config.get("layer"))?;
                Some(Box::new(steps::around(inner, &name, &config, self.semantics())?))
            }
            _ => None,
        };
        let settings = if nested.is_some() { Map::new() } else { config.object()?.clone() };
        let (class, settings) = match self {
            Dialect::Keras2 => settings2::translated(class, settings),
            _ => (class, settings),
        };
        let pointer = entry.pointer();
        Ok(RawLayer { name, class, settings, calls: vec![], pointer, nested, origin: origin(entry) })
    }

    /// Keras' name of a layer, or `ops.` and Keras' name of an operation.
    fn class(self, entry: &Node<'_>) -> Result<String> {
        let class = entry.get("class_name").text()?;
        let module = entry.value.get("module").and_then(Json::as_str);
        let registered = entry.value.get("registered_name").and_then(Json::as_str);
        Ok(match (self, module) {
            (Dialect::Keras2, _) if class == "Model" => "Functional".to_owned(),
            // Keras' own classes of Keras 2; any other name has `>` in it, or no layer of ours has it.
            (Dialect::Keras2, Some(module)) if is_inside(module, "tf_keras") => class.to_owned(),
            // An operation says how it was made, but neither if it can be trained nor with which precision.
            (Dialect::Keras3WithoutModules, None) if is_operation(entry) => format!("ops.{class}"),
            // Without a module a class has the name that it has in Python, which is another one here.
            (Dialect::Keras3WithoutModules, None) if class == "GroupedQueryAttention" => {
                "GroupQueryAttention".to_owned()
            }
            (_, Some(module)) if is_inside(module, "keras.src.ops") || is_inside(module, "keras.ops") => {
                format!("ops.{class}")
            }
            (_, Some(module)) if is_inside(module, "keras") => class.to_owned(),
            _ => custom(class, module, registered),
        })
    }
}

/// Is an entry without a module an operation? A layer's settings say whether it is trained, those of a few layers
/// excepted, whose names no operation has.
fn is_operation(entry: &Node<'_>) -> bool {
    let class = entry.value.get("class_name").and_then(Json::as_str).unwrap_or_default();
    let trainable = entry.value.pointer("/config/trainable").is_some();
    let is_layer = layers::find(class).is_some() || matches!(class, "Functional" | "Sequential");
    !trainable && (!is_layer || layers::find(&format!("ops.{class}")).is_some())
}

/// A layer among the settings of another one.
pub(super) fn held(entry: &Json) -> Result<RawLayer> {
    let dialect = if entry.get("module").is_some() { Dialect::Keras3 } else { Dialect::Keras3WithoutModules };
    let mut layer = dialect.layer(&Node::root(entry))?;
    layer.origin.held = true;
    Ok(layer)
}

/// What an entry says beside settings and calls.
fn origin(entry: &Node<'_>) -> Origin {
    let built = entry.get("build_config");
    let shapes = ["input_shape", "shapes_dict"].into_iter().map(|key| built.get(key).value);
    let built = shapes.into_iter().find(|shapes| !shapes.is_null());
    let read = || entry.value.pointer("/inbound_nodes/0/args/0/config/shape");
    let built = built.or_else(read).cloned().unwrap_or(Json::Null);
    Origin { class: None, held: false, built, shared: entry.get("shared_object_id").value.as_u64() }
}

/// A name by place.
fn unnamed(entry: &Node<'_>) -> String {
    let pointer = entry.pointer();
    let numbers: Vec<&str> = pointer.split('/').filter(|part| part.parse::<usize>().is_ok()).collect();
    format!("sequential_{}", numbers.join("_"))
}

fn first_output(layer: &RawLayer) -> RawTensor {
    RawTensor { layer: layer.name.clone(), call: 0, output: 0 }
}

/// The input of a Sequential model that is not among its layers: its shape stands at the first layer, or with what
/// the model was built for; inside another model it does not matter.
fn unwritten_input(entry: &Node<'_>, item: &Node<'_>, first: &RawLayer, place: Place) -> Result<RawLayer> {
    let body = entry.get("config");
    let places = [
        item.get("config").get("batch_input_shape"),
        body.get("build_input_shape"),
        entry.get("build_config").get("input_shape"),
    ];
    let shape = match (places.into_iter().find(|place| !place.value.is_null()), place) {
        (Some(place), _) => place.value.clone(),
        (None, Place::Inside) => Json::Null,
        (None, Place::Root) => {
            return item
                .fail("an InputLayer first: the model was saved before its input was known; build it first");
        }
    };
    let old = item.get("config").get("input_dtype");
    let dtype = if old.value.is_null() { item.get("config").get("dtype") } else { old };
    let dtype = dtype.value.pointer("/config/name").unwrap_or(dtype.value).as_str();
    let dtype = dtype.filter(|name| name.starts_with("int") || *name == "string").unwrap_or("float32");
    let settings = json!({ "batch_shape": shape, "dtype": dtype });
    Ok(RawLayer {
        name: format!("{}_input", first.name),
        class: "InputLayer".to_owned(),
        settings: settings.as_object().cloned().unwrap_or_default(),
        calls: vec![vec![]],
        pointer: entry.pointer(),
        nested: None,
        origin: Origin::default(),
    })
}

/// Was this input made by [`unwritten_input`] for a model inside another one?
fn is_unwritten(input: &RawLayer) -> bool {
    input.settings.get("batch_shape").is_none_or(Json::is_null)
}

/// The tensors of a nest of lists and objects, objects by sorted keys.
fn tensors(node: &Node<'_>, found: &mut Vec<RawTensor>) -> Result<()> {
    let items = match node.value {
        Json::Array(items) if items.first().is_some_and(Json::is_string) => {
            found.push(node.tensor()?);
            return Ok(());
        }
        Json::Array(_) => node.list()?,
        Json::Object(_) => node.sorted()?,
        _ => return node.fail("tensors: [layer name, call, output], in lists or by name"),
    };
    items.iter().try_for_each(|item| tensors(item, found))
}

/// The names in a dict of tensors, in the order of [`tensors`]; none of anything else, and where a name has several.
fn names(tensors: &Json) -> Vec<String> {
    let is_tensor = |value: &Json| value.get(0).is_some_and(Json::is_string);
    match tensors.as_object().filter(|tensors| tensors.values().all(is_tensor)) {
        Some(tensors) => tensors.keys().cloned().collect::<BTreeSet<_>>().into_iter().collect(),
        None => vec![],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Node, is_operation, names};
    use crate::layers::{LAYERS, find};

    #[test]
    fn the_names_in_a_dict_are_in_the_order_of_its_tensors() {
        let (a, b) = (json!(["a", 0, 0]), json!(["b", 0, 0]));
        assert_eq!(names(&json!({"q": a, "p": b})), ["p", "q"]);
        for unnamed in [json!([a, b]), a.clone(), json!({"q": [a, b], "p": b}), json!(null)] {
            assert_eq!(names(&unnamed), [""; 0], "{unnamed}");
        }
    }

    #[test]
    fn layers_and_operations_are_told_apart_without_modules() {
        let told = |class: &str, settings: &serde_json::Value| {
            is_operation(&Node::root(&json!({"class_name": class, "config": settings})))
        };
        let (plain, trained) = (json!({"name": "x"}), json!({"name": "x", "trainable": true}));
        for def in LAYERS {
            let name = def.class.strip_prefix("ops.").unwrap_or(def.class);
            let [layer, operation] =
                [name.to_owned(), format!("ops.{name}")].map(|class| find(&class).is_some());
            assert_eq!(told(name, &plain), operation, "{name}");
            assert!(!told(name, &trained), "{name}");
            assert!(layer || operation);
        }
        // Those of Keras 3.15 that do not say whether they are trained: no operation has such a name.
        let silent = [
            "Discretization",
            "HashedCrossing",
            "InputLayer",
            "Pipeline",
            "SpatialDropout1D",
            "SpatialDropout2D",
            "SpatialDropout3D",
        ];
        assert!(silent.iter().all(|class| find(class).is_some() && !told(class, &plain)));
        assert!(["Functional", "Sequential"].iter().all(|class| !told(class, &plain)));
    }
}
