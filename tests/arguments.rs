//! What a file passes to calls: nothing of it is passed over, and wherever a tensor may stand, an array may.
//!
//! Both are tried on the calls of the golden models, so that whoever adds a layer or an operation, and a golden model
//! with it, has it tried.

use std::collections::{BTreeMap, BTreeSet};

use masque::Model;
use masque::frontend::{self, OpenOptions, RawArgument, RawCall, RawModel};
use masque::infer::infer;
use masque::layer::Registry;
use masque::layers::{LAYERS, find};
use masque_ir::facts::MaskSource;
use masque_ir::layers::{Argument, ArgumentValue, TensorRef};
use masque_ir::{DType, Dim, Type};
use masque_runtime::Tensor;
use masque_runtime::io::Named;
use masque_tests::compare::{self, bits};
use masque_tests::corpus::{self, Case};
use masque_tests::engines;
use masque_tests::stages::{KERAS, Stages};
use ndarray::ArrayD;
use serde_json::{Value as Json, json};

/// Classes that no golden model calls with an argument: Keras itself makes another operation of `conj`.
const WITHOUT_CALLS: [&str; 4] = ["Equalization", "InputLayer", "ops.Conj", "ops.Constant"];

/// The golden models that masque reads.
fn cases() -> Vec<Case> {
    let not_yet = corpus::listed("not-yet.txt");
    corpus::cases().into_iter().filter(|case| !not_yet.contains_key(&case.name)).collect()
}

fn raw(case: &Case) -> RawModel {
    let layers = Some(case.folder.join("layers.mq")).filter(|file| file.exists());
    let options = OpenOptions { layers: layers.into_iter().collect(), ..OpenOptions::default() };
    frontend::read(&case.model(), &options).unwrap_or_else(|error| panic!("{error}")).raw
}

/// Why a model is refused; nothing if it is not.
fn refusal(raw: RawModel) -> Option<String> {
    match frontend::assemble(raw, &Registry::new()) {
        Err(error) => Some(error.to_string()),
        Ok(model) => {
            infer(&model.graph, &model.layers, MaskSource::Keras).err().map(|error| error.to_string())
        }
    }
}

fn nonsense() -> RawArgument {
    RawArgument::Constant("nonsense".into())
}

/// A call in which something is passed that its layer does not know, with a word that the refusal has to say.
fn spoiled(call: &RawCall, parameters: &[&str]) -> Vec<(RawCall, String)> {
    let mut all = vec![];
    for argument in [RawArgument::Constant(7.into()), nonsense(), call[0].1.clone()] {
        let mut more = call.clone();
        more.push((Some("unheard_of".to_owned()), argument));
        all.push((more, "`unheard_of`".to_owned()));
    }
    let mut more: RawCall =
        parameters.iter().map(|name| (Some((*name).to_owned()), call[0].1.clone())).collect();
    more.insert(0, call[0].clone());
    all.push((more, String::new()));
    for (place, (keyword, argument)) in call.iter().enumerate() {
        let name = keyword.clone().or_else(|| parameters.get(place).map(ToString::to_string));
        let name = format!("`{}`", name.unwrap_or_default());
        let list = match argument {
            RawArgument::List(items) => items.iter().cloned().chain([nonsense()]).collect(),
            one => vec![one.clone(), nonsense()],
        };
        for instead in [nonsense(), RawArgument::List(list)] {
            let mut other = call.clone();
            other[place].1 = instead;
            all.push((other, name.clone()));
        }
    }
    all
}

/// Every class of the registry is fed arguments that it does not know; it refuses each, and names it.
#[test]
fn nothing_that_is_passed_is_passed_over() {
    let mut fed: BTreeSet<String> = BTreeSet::new();
    for case in cases().into_iter().chain(corpus::described()) {
        let raw = raw(&case);
        for (place, layer) in raw.layers.iter().enumerate() {
            let Some(call) = layer.calls.first().filter(|call| !call.is_empty()) else { continue };
            if fed.contains(&layer.class) || find(&layer.class).is_none() {
                continue;
            }
            let assembled = frontend::assemble(raw.clone(), &Registry::new()).unwrap();
            let mut calls = assembled.graph.calls();
            // Nobody looks at a call that no output needs.
            if !calls.any(|id| assembled.graph.call(id).layer.0 as usize == place) {
                continue;
            }
            fed.insert(layer.class.clone());
            for (call, word) in spoiled(call, assembled.layers[place].signature().parameters) {
                let mut other = raw.clone();
                other.layers[place].calls[0] = call.clone();
                let refusal =
                    refusal(other).unwrap_or_else(|| panic!("{}: {} takes {call:?}", case.name, layer.class));
                assert!(refusal.contains(&word), "{}: {} {call:?}: {refusal}", case.name, layer.class);
            }
        }
    }
    let all: BTreeSet<String> = LAYERS.iter().map(|def| def.class.to_owned()).collect();
    let left: Vec<&String> = all.difference(&fed).collect();
    assert_eq!(left, WITHOUT_CALLS, "a golden model calls every class");
}

/// An output: element type, shape and bits.
type Given = (DType, Vec<usize>, Vec<u64>);

/// A call of a golden model, to be made a model of its own.
struct Alone<'a> {
    name: String,
    class: &'a str,
    settings: Json,
    arguments: &'a [Argument],
    outputs: u32,
    /// What it reads, with a size in the place of every symbol.
    operands: BTreeMap<TensorRef, Type>,
}

/// A type with a size for each of its symbols.
fn sized(ty: &Type) -> Option<Type> {
    let size = |dim: &Dim| {
        let symbols = dim.symbols().into_iter().map(|name| (name.clone(), if &*name == "B" { 2 } else { 4 }));
        dim.eval(&symbols.collect()).map(Dim::constant)
    };
    Some(Type::new(ty.dtype, ty.shape.iter().map(size).collect::<Option<Vec<_>>>()?))
}

/// Small numbers, all of them valid positions of an axis where they are whole.
fn numbers(ty: &Type, number: usize) -> Tensor {
    let shape: Vec<usize> = ty.shape.iter().map(|dim| dim.known().unwrap() as usize).collect();
    let count: usize = shape.iter().product();
    let steps = (0..count).map(|place| (place * 7 + number * 3) % 11);
    let floats = steps.map(|step| match ty.dtype.is_float() {
        true => step as f64 / 8.0 + 0.125,
        false => (step % 2) as f64,
    });
    let array = ArrayD::from_shape_vec(shape, floats.collect()).unwrap();
    compare::cast(&Tensor::F64(array), ty.dtype)
}

/// The same as Keras writes an array into a model's description.
fn described(tensor: &Tensor) -> Json {
    fn nested(values: &mut impl Iterator<Item = Json>, shape: &[usize]) -> Json {
        match shape {
            [] => values.next().unwrap(),
            [size, rest @ ..] => (0..*size).map(|_| nested(values, rest)).collect(),
        }
    }
    let wide = compare::cast(tensor, DType::F64);
    let mut values = wide.as_f64().unwrap().iter().map(|&number| match tensor.dtype() {
        DType::Bool => json!(number != 0.0),
        dtype if dtype.is_int() => json!(number as i64),
        _ => json!(number),
    });
    let dtype = keras_name(tensor.dtype());
    let value = nested(&mut values, tensor.shape());
    json!({ "class_name": "__numpy__", "config": { "value": value, "dtype": dtype } })
}

fn keras_name(dtype: DType) -> &'static str {
    match dtype {
        DType::Bool => "bool",
        DType::F32 => "float32",
        DType::F64 => "float64",
        DType::I32 => "int32",
        DType::I64 => "int64",
        DType::Str => "string",
    }
}

impl Alone<'_> {
    /// The config of a model with this call alone. What `constant` names is an array in it, everything else an input.
    fn config(&self, constant: Option<TensorRef>) -> Json {
        let name = |tensor: TensorRef| {
            let place = self.operands.keys().position(|other| *other == tensor).unwrap();
            format!("x{place}")
        };
        let tensor = |tensor: TensorRef| json!({ "class_name": "__keras_tensor__", "config": { "keras_history": [name(tensor), 0, 0] } });
        let place = |argument: TensorRef| match constant == Some(argument) {
            true => described(&self.value(argument)),
            false => tensor(argument),
        };
        let inputs = self.operands.iter().filter(|(tensor, _)| Some(**tensor) != constant);
        let mut layers: Vec<Json> = inputs
            .clone()
            .map(|(tensor, ty)| {
                let shape: Vec<i64> = ty.shape.iter().map(|dim| dim.known().unwrap()).collect();
                let config = json!({ "name": name(*tensor), "batch_shape": shape, "dtype": keras_name(ty.dtype) });
                let inbound: [Json; 0] = [];
                json!({ "class_name": "InputLayer", "module": "keras.layers", "name": name(*tensor), "config": config, "inbound_nodes": inbound })
            })
            .collect();
        let positional = self.arguments.iter().filter(|argument| argument.keyword.is_none());
        let named = self
            .arguments
            .iter()
            .filter_map(|argument| Some((argument.keyword.clone()?, written(&argument.value, &place))));
        let args: Vec<Json> = positional.map(|argument| written(&argument.value, &place)).collect();
        let node = json!({ "args": args, "kwargs": Json::Object(named.collect()) });
        let (module, class) = match self.class.strip_prefix("ops.") {
            Some(class) => ("keras.src.ops", class),
            None => ("keras.layers", self.class),
        };
        layers.push(json!({
            "class_name": class, "module": module, "name": "call", "config": self.settings, "inbound_nodes": [node],
        }));
        let inputs: Vec<Json> = inputs.map(|(tensor, _)| json!([name(*tensor), 0, 0])).collect();
        let outputs: Vec<Json> = (0..self.outputs).map(|output| json!(["call", 0, output])).collect();
        let config =
            json!({ "name": "alone", "layers": layers, "input_layers": inputs, "output_layers": outputs });
        json!({ "class_name": "Functional", "module": "keras", "config": config })
    }

    fn value(&self, tensor: TensorRef) -> Tensor {
        let place = self.operands.keys().position(|other| *other == tensor).unwrap();
        numbers(&self.operands[&tensor], place)
    }

    /// What the model gives: element types, shapes and bits; the element types alone of one with weights.
    fn run(&self, constant: Option<TensorRef>) -> Result<Vec<Given>, String> {
        let model = Model::from_bytes("alone.json", self.config(constant).to_string().as_bytes());
        let stages = model.map_err(Box::new).and_then(|model| Stages::compile(model, KERAS));
        let stages = stages.map_err(|error| error.to_string())?;
        if stages.planned.is_none() {
            let outputs = stages.masks.graph.outputs().iter();
            let types = outputs.map(|output| stages.masks.facts.tensor(output.tensor).ty.dtype);
            return Ok(types.map(|dtype| (dtype, vec![], vec![])).collect());
        }
        let inputs = self.operands.keys().enumerate().filter(|(_, tensor)| Some(**tensor) != constant);
        let inputs: Named =
            inputs.map(|(place, tensor)| (format!("x{place}"), self.value(*tensor))).collect();
        let found = engines::plan(&stages, &inputs, 1)?;
        let given = |tensor: &Tensor| (tensor.dtype(), tensor.shape().to_vec(), bits(tensor));
        Ok(found.outputs.iter().map(|(_, tensor)| given(tensor)).collect())
    }

    /// Every operand in turn as an array: the same types, the same bits. Gives what is not so.
    fn differences(&self) -> Vec<String> {
        let Ok(expected) = self.run(None) else { return vec![] };
        let each = self.operands.keys().map(|&operand| match self.run(Some(operand)) {
            Ok(found) if found == expected => None,
            Ok(found) => Some(format!("{} {}: {found:?}, expected {expected:?}", self.class, self.name)),
            Err(error) => Some(format!("{} {}: {error}", self.class, self.name)),
        });
        each.flatten().collect()
    }
}

/// An argument as Keras writes it.
fn written(value: &ArgumentValue, tensor: &impl Fn(TensorRef) -> Json) -> Json {
    match value {
        ArgumentValue::Tensor(argument) => tensor(*argument),
        ArgumentValue::List(items) => items.iter().map(|item| written(item, tensor)).collect(),
        ArgumentValue::Constant(json) => json.clone(),
    }
}

/// Every operand of every operation, and of every layer that takes more than one tensor, may be an array.
#[test]
fn wherever_a_tensor_stands_an_array_may() {
    let (mut tried, mut wrong): (BTreeMap<String, usize>, Vec<String>) = (BTreeMap::new(), vec![]);
    for case in cases() {
        let raw = raw(&case);
        let settings: BTreeMap<String, Json> =
            raw.layers.iter().map(|layer| (layer.name.clone(), layer.settings.clone().into())).collect();
        let Ok(model) = frontend::assemble(raw, &Registry::new()) else { continue };
        let facts = infer(&model.graph, &model.layers, MaskSource::Keras).unwrap().facts;
        for id in model.graph.calls() {
            let (call, layer) = (model.graph.call(id), model.graph.layer_of(id));
            let read: BTreeSet<TensorRef> =
                call.arguments.iter().flat_map(|argument| argument.value.tensors()).collect();
            let operands = read.iter().map(|&tensor| Some((tensor, sized(&facts.tensor(tensor).ty)?)));
            let Some(operands) = operands.collect::<Option<BTreeMap<_, _>>>() else { continue };
            let numeric = operands.values().all(|ty| ty.dtype != DType::Str && ty.rank() > 0);
            let inside = matches!(
                layer.class.as_str(),
                "Functional" | "Sequential" | "ops.FoldSteps" | "ops.UnfoldSteps"
            );
            let count = tried.entry(layer.class.clone()).or_default();
            if operands.len() < 2 || !numeric || inside || *count > 1 {
                continue;
            }
            *count += 1;
            let alone = Alone {
                name: format!("{} {}", case.name, layer.name),
                class: &layer.class,
                settings: settings[&layer.name].clone(),
                arguments: &call.arguments,
                outputs: call.outputs,
                operands,
            };
            wrong.extend(alone.differences());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let tried = tried.values().filter(|count| **count > 0).count();
    assert!(tried >= 80, "only {tried} classes take two tensors");
}
