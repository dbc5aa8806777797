//! Models as deep as files may describe: the compiler walks them without a stack of its own calls.

use masque::{Model, Options};
use serde_json::{Value as Json, json};

/// A mask that is made in twenty thousand steps, one after another: nothing in the compiler calls itself as deep as a
/// model is.
#[test]
fn a_deep_model_needs_no_deep_stack() {
    let tensor =
        |layer: &str| json!({"class_name": "__keras_tensor__", "config": {"keras_history": [layer, 0, 0]}});
    let layer = |class: &str, name: &str, config: Json, args: Vec<Json>, mask: Json| {
        let calls = if args.is_empty() { json!([]) } else { json!([{"args": args, "kwargs": mask}]) };
        json!({"class_name": class, "name": name, "config": config, "inbound_nodes": calls})
    };
    let mut layers = vec![
        layer("InputLayer", "x", json!({"name": "x", "batch_shape": [null, null, 3]}), vec![], json!({})),
        layer(
            "InputLayer",
            "m",
            json!({"name": "m", "batch_shape": [null, null], "dtype": "bool"}),
            vec![],
            json!({}),
        ),
    ];
    let mut last = "m".to_owned();
    for step in 0..20_000 {
        let name = format!("or_{step}");
        let mut or =
            layer("LogicalOr", &name, json!({"name": name}), vec![tensor(&last), tensor("m")], json!({}));
        or["module"] = "keras.src.ops.numpy".into();
        layers.push(or);
        last = name;
    }
    let mask = json!({"mask": tensor(&last)});
    layers.push(layer("LSTM", "lstm", json!({"name": "lstm", "units": 2}), vec![tensor("x")], mask));
    let config = json!({
        "name": "deep", "layers": layers,
        "input_layers": [["x", 0, 0], ["m", 0, 0]], "output_layers": [["lstm", 0, 0]],
    });
    let text = json!({"class_name": "Functional", "config": config}).to_string();
    let compile = move || {
        let inferred = Model::from_bytes("deep.json", text.as_bytes())?.infer()?;
        let leaks = inferred.leaks(&inferred.padding()?).len();
        inferred.lower(Options::default())?.optimize();
        Ok::<_, masque::Error>(leaks)
    };
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(compile).unwrap();
    assert_eq!(thread.join().unwrap().unwrap(), 0);
}
