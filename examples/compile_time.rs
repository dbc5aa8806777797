//! How does the time of compiling grow with the model? `cargo run --release --example compile_time`
//!
//! Makes the configs of models of 1 000, 10 000 and 100 000 layer calls, a mixed stack of what sequence models are made
//! of, and takes each from its text to a plan: reading, types and masks, findings, weights, operations with the mask
//! table, rewriting, planning. What is asked of the compiler is that the time grows with the model and not much faster.

#![expect(clippy::print_stdout, reason = "a program for people")]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use masque::session::Tensor;
use masque::{Inferred, Model, Options};
use ndarray::{ArrayD, IxDyn};
use serde_json::{Value as Json, json};

/// As in the `masque` command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many calls the models have, how often each is compiled in a round, and how many times the first one's time it
/// may take.
const MODELS: [(usize, usize, f64); 3] = [(1_000, 9, 1.0), (10_000, 3, 13.0), (100_000, 1, 150.0)];

/// How many rounds there are.
const ROUNDS: usize = 7;

/// The stages that are timed.
const STAGES: [&str; 7] = ["read", "infer", "check", "weights", "lower", "rewrite", "plan"];

fn main() -> ExitCode {
    masque_examples::finish(measure())
}

fn measure() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    match (arguments.next().as_deref(), arguments.next()) {
        (Some("--once"), Some(file)) => once(file.as_ref()),
        (None, _) => all(),
        _ => Err("expected no arguments".into()),
    }
}

/// Compiles the model of a file and prints the time of each stage, in seconds.
fn once(file: &Path) -> Result<(), Box<dyn Error>> {
    let stages = compile(&std::fs::read(file)?)?;
    println!("{}", stages.map(|stage| stage.as_secs_f64().to_string()).join(" "));
    Ok(())
}

/// Every model in processes of its own, as a compiler is run: none finds the caches warm from the one before it. In
/// rounds, as a machine is faster at one time than at another: what is compared was measured side by side.
fn all() -> Result<(), Box<dyn Error>> {
    let mut models = vec![];
    for (calls, repeats, most) in MODELS {
        let file = tempfile::Builder::new().suffix(".json").tempfile()?;
        serde_json::to_writer(std::io::BufWriter::new(file.as_file()), &model(calls))?;
        models.push((calls, repeats, most, file, vec![], vec![]));
    }
    for _ in 0..ROUNDS {
        let mut first = None;
        for (_, repeats, _, file, runs, times) in &mut models {
            let mut round = (0..*repeats).map(|_| process(file.path())).collect::<Result<Vec<_>, _>>()?;
            let run = median(&mut round, |run| total(run)).clone();
            times.push(total(&run) / *first.get_or_insert(total(&run)));
            runs.push(run);
        }
    }
    let heads = STAGES.map(|stage| format!("{stage:>8}")).join(" ");
    println!("{:>8}  {:>9}  {:>7}  {heads}", "calls", "seconds", "times");
    let mut slow = false;
    for (calls, _, most, _, runs, times) in &mut models {
        let (run, times) = (median(runs, |run| total(run)), *median(times, |times| *times));
        slow |= times > *most;
        let stages: Vec<String> = run.iter().map(|stage| format!("{stage:>8.3}")).collect();
        println!("{calls:>8}  {:>9.3}  {times:>7.1}  {}", total(run), stages.join(" "));
    }
    if slow { Err("the time grows faster than it should".into()) } else { Ok(()) }
}

fn total(run: &[f64]) -> f64 {
    run.iter().sum()
}

fn median<T>(all: &mut [T], by: impl Fn(&T) -> f64) -> &T {
    all.sort_by(|a, b| by(a).total_cmp(&by(b)));
    &all[all.len() / 2]
}

/// The times of the stages in a process of its own.
fn process(model: &Path) -> Result<Vec<f64>, Box<dyn Error>> {
    let done = Command::new(std::env::current_exe()?).arg("--once").arg(model).output()?;
    if !done.status.success() {
        return Err(String::from_utf8_lossy(&done.stderr).into());
    }
    let text = String::from_utf8(done.stdout)?;
    Ok(text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
}

/// From the text of a config to a plan; the time of each stage.
fn compile(config: &[u8]) -> Result<[Duration; 7], Box<dyn Error>> {
    let mut times = vec![];
    let clock = Cell::new(Instant::now());
    let mut lap = || times.push(clock.replace(Instant::now()).elapsed());
    let model = Model::from_bytes("model.json", config)?;
    lap();
    let mut inferred = model.infer()?;
    lap();
    let findings = inferred.diagnostics(Default::default());
    lap();
    let weights = zeros(&inferred);
    clock.set(Instant::now());
    inferred.give_weights(weights)?;
    lap();
    let lowered = inferred.lower(Options { mask_outputs: true, ..Options::default() })?;
    lap();
    let optimized = lowered.optimize();
    lap();
    let planned = optimized.plan()?;
    lap();
    assert!(findings.is_empty() && !planned.plan.steps.is_empty());
    Ok(times.try_into().map_err(|_| "a stage was not timed")?)
}

fn zeros(inferred: &Inferred) -> BTreeMap<String, Tensor> {
    let weights = inferred.graph().facts.weights.iter().map(|weight| {
        let sizes = weight.ty.shape.iter().filter_map(|size| size.known()).map(|size| size as usize);
        let shape = IxDyn(&sizes.collect::<Vec<_>>());
        (weight.name.clone(), Tensor::F32(ArrayD::zeros(shape)))
    });
    weights.collect()
}

/// How wide everything is.
const WIDTH: usize = 4;

/// A config of so many calls: blocks behind a masked embedding, each of a dense layer, a normalization, a dropout, a
/// recurrent layer, a sum with what came before, a dense layer that all blocks share, and a model inside the model.
fn model(calls: usize) -> Json {
    let mut layers = vec![input("ids", &[Json::Null, Json::Null], "int32")];
    let embedding = json!({"input_dim": 100, "output_dim": WIDTH, "mask_zero": true});
    layers.push(layer("Embedding", "embedding", embedding, vec![call(tensor("ids", 0))]));
    let (mut last, mut shared, mut count, mut block) = (tensor("embedding", 0), vec![], 3, 0);
    // A block is 6 calls of its own, 1 of the shared layer, and 3 of the inner model: its input, its layer, itself.
    while count + 10 <= calls {
        let name = |what: &str| format!("{what}_{block}");
        let mut add = |class: &str, what: &str, settings: Json, argument: Json| {
            layers.push(layer(class, &name(what), settings, vec![call(argument)]));
            tensor(&name(what), 0)
        };
        let dense = add("Dense", "dense", json!({"units": WIDTH, "activation": "relu"}), last.clone());
        let norm = add("LayerNormalization", "norm", json!({}), dense);
        let dropout = add("Dropout", "dropout", json!({"rate": 0.1}), norm);
        let gru = add("GRU", "gru", json!({"units": WIDTH, "return_sequences": true}), dropout);
        let sum = add("Add", "add", json!({}), json!([gru, last]));
        let inner = add("Functional", "inner", Json::Null, sum);
        shared.push(call(inner));
        last = tensor("shared", shared.len() - 1);
        let passed = add("Activation", "tanh", json!({"activation": "tanh"}), last);
        (last, count, block) = (passed, count + 10, block + 1);
    }
    layers.push(layer("Dense", "shared", json!({"units": WIDTH}), shared));
    layers.push(layer("GRU", "answer", json!({"units": WIDTH}), vec![call(last)]));
    functional("stack", layers, "ids", "answer")
}

fn input(name: &str, shape: &[Json], dtype: &str) -> Json {
    layer("InputLayer", name, json!({"batch_shape": shape, "dtype": dtype}), vec![])
}

/// A layer with its calls; `Functional` is the inner model.
fn layer(class: &str, name: &str, mut settings: Json, calls: Vec<Json>) -> Json {
    let module = if class == "Functional" { "keras.src.models.functional" } else { "keras.layers" };
    if class == "Functional" {
        let inside = vec![
            input("x", &[Json::Null, Json::Null, WIDTH.into()], "float32"),
            layer("Dense", "inside", json!({"units": WIDTH}), vec![call(tensor("x", 0))]),
        ];
        settings = functional(name, inside, "x", "inside")["config"].take();
    }
    settings["name"] = name.into();
    json!({"module": module, "class_name": class, "config": settings, "name": name, "inbound_nodes": calls})
}

fn functional(name: &str, layers: Vec<Json>, input: &str, output: &str) -> Json {
    let config = json!({
        "name": name, "layers": layers, "input_layers": [[input, 0, 0]], "output_layers": [[output, 0, 0]],
    });
    json!({"module": "keras.src.models.functional", "class_name": "Functional", "config": config})
}

fn call(argument: Json) -> Json {
    json!({"args": [argument], "kwargs": {}})
}

fn tensor(layer: &str, call: usize) -> Json {
    let history = json!([layer, call, 0]);
    json!({"class_name": "__keras_tensor__", "config": {"keras_history": history}})
}
