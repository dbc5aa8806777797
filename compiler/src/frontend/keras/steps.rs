//! `TimeDistributed` around a model: the model on every step, as if each were an example of its own.
//!
//! Batch and steps are made one axis, the model is called on that, and both come apart again: three calls in a model
//! around it. That is Keras' loop over the steps as long as nothing in the model looks from one example at another.

use masque_ir::Semantics;
use serde_json::{Map, Value as Json};

use super::super::config::{Node, Result};
use super::super::{Origin, RawArgument, RawLayer, RawModel, RawTensor};
use crate::layers::keeps_states;

/// The class of the layer and of what stands for it.
pub(in crate::frontend) const CLASS: &str = "TimeDistributed";

/// Operations that work element by element: whatever else a model applies may look along the batch.
#[rustfmt::skip]
const ELEMENTWISE: [&str; 45] = [
    "ops.Absolute", "ops.Add", "ops.Cast", "ops.Constant", "ops.Cos", "ops.Divide", "ops.Elu", "ops.Equal", "ops.Erf",
    "ops.Exp", "ops.Floor", "ops.Gelu", "ops.Greater", "ops.GreaterEqual", "ops.LeakyRelu", "ops.Less", "ops.LessEqual",
    "ops.Log", "ops.Log1p", "ops.LogicalAnd", "ops.LogicalNot", "ops.LogicalOr", "ops.Maximum", "ops.Minimum",
    "ops.Multiply", "ops.Negative", "ops.NotEqual", "ops.OnesLike", "ops.Power", "ops.Relu", "ops.Relu6", "ops.Rsqrt",
    "ops.Sigmoid", "ops.Sign", "ops.Silu", "ops.Sin", "ops.Softplus", "ops.Sqrt", "ops.Square", "ops.Subtract", "ops.Tan",
    "ops.Tanh", "ops.TrueDivide", "ops.Where", "ops.ZerosLike",
];

/// Operations that look along the axes that their settings name, and along no other.
#[rustfmt::skip]
const ALONG_AXES: [&str; 22] = [
    "ops.All", "ops.Any", "ops.Argmax", "ops.Argmin", "ops.Concatenate", "ops.CountNonzero", "ops.Cumsum", "ops.ExpandDims",
    "ops.Flip", "ops.LogSoftmax", "ops.Logsumexp", "ops.Max", "ops.Mean", "ops.Min", "ops.Norm", "ops.Normalize", "ops.Prod",
    "ops.Softmax", "ops.Squeeze", "ops.Std", "ops.Sum", "ops.Var",
];

/// Is it a model that the layer is put around?
pub(super) fn wraps_model(class: &str, config: &Node<'_>) -> bool {
    let inner = config.value.pointer("/layer/class_name").and_then(Json::as_str);
    class == CLASS && matches!(inner, Some("Functional" | "Sequential" | "Model"))
}

/// The model that stands for the layer around `inner`.
pub(super) fn around(
    mut inner: RawLayer,
    name: &str,
    config: &Node<'_>,
    semantics: Semantics,
) -> Result<RawModel> {
    if let Some(model) = &inner.nested
        && let Some(reason) = looks_around(model)
    {
        return config.get("layer").fail_with("a model whose layers treat each example by itself", reason);
    }
    let tensor = |layer: &str| RawTensor { layer: layer.to_owned(), call: 0, output: 0 };
    let argument = |layer: &str| (None, RawArgument::Tensor(tensor(layer)));
    let layer = |name: &str, class: &str, call: Vec<&str>| RawLayer {
        name: name.to_owned(),
        class: class.to_owned(),
        settings: Map::new(),
        calls: vec![call.into_iter().map(argument).collect()],
        pointer: config.pointer(),
        nested: None,
        origin: Origin::default(),
    };
    // Named after the model, so that none of them can have its name.
    let model = inner.name.clone();
    let [steps, fold, unfold] = ["steps", "fold", "unfold"].map(|what| format!("{model}_{what}"));
    inner.calls = vec![vec![argument(&fold)]];
    let mut layers = vec![layer(&steps, "InputLayer", vec![]), layer(&fold, "ops.FoldSteps", vec![&steps])];
    layers.push(inner);
    layers.push(layer(&unfold, "ops.UnfoldSteps", vec![&steps, &model]));
    Ok(RawModel {
        name: name.to_owned(),
        semantics,
        layers,
        inputs: vec![tensor(&steps)],
        outputs: vec![tensor(&unfold)],
        output_names: vec![],
        compiled: Json::Null,
        schedule: vec![],
        described: None,
    })
}

/// What looks from one example at another, if anything does.
fn looks_around(model: &RawModel) -> Option<String> {
    if model.inputs.len() != 1 || model.outputs.len() != 1 {
        return Some(format!("{} inputs and {} outputs", model.inputs.len(), model.outputs.len()));
    }
    model.layers.iter().find_map(|layer| {
        let RawLayer { name, class, settings, nested, .. } = layer;
        if let Some(inner) = nested {
            return looks_around(inner);
        }
        let along = |axis: &Json| axis.as_i64().is_some_and(|axis| axis < 1 && axis != -1);
        let axes = ["axis", "axes"].into_iter().filter_map(|key| settings.get(key));
        let axes = axes.flat_map(|axes| axes.as_array().cloned().unwrap_or_else(|| vec![axes.clone()]));
        let axes: Vec<Json> = axes.filter(|axis| !axis.is_null()).collect();
        let by_example =
            ELEMENTWISE.contains(&class.as_str()) || ALONG_AXES.contains(&class.as_str()) && !axes.is_empty();
        let text = match () {
            () if class == "TextVectorization" => "makes all rows as long as the longest",
            () if class.starts_with("ops.") && !by_example => "may look along the batch",
            () if keeps_states(settings) => "keeps its states",
            () if axes.iter().any(along) => "may look along the batch",
            () => return None,
        };
        Some(format!("`{name}` ({class}), which {text}"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{ALONG_AXES, ELEMENTWISE};
    use crate::{Error, Inferred, Model};

    #[test]
    fn operations_that_work_by_example_are_known() {
        for class in ELEMENTWISE.iter().chain(&ALONG_AXES) {
            assert!(crate::layers::find(class).is_some(), "{class}");
        }
    }

    /// A model over `[B, 4, 5]` ids, with a model on every step that ends in these layers.
    fn model(mask_zero: bool, inside: &[(&str, serde_json::Value)]) -> Result<Inferred, Error> {
        let layer = |class: &str, config: serde_json::Value, reads: &[&str]| {
            let tensor = |layer: &&str| json!({"class_name": "__keras_tensor__", "config": {"keras_history": [layer, 0, 0]}});
            let calls: Vec<_> =
                reads.iter().map(|read| json!({"args": [tensor(read)], "kwargs": {}})).collect();
            let module = class.strip_prefix("ops.").map(|_| "keras.src.ops.numpy");
            let class = class.strip_prefix("ops.").unwrap_or(class);
            json!({
                "class_name": class, "module": module, "name": config["name"], "config": config, "inbound_nodes": calls
            })
        };
        let mut layers = vec![layer("InputLayer", json!({"name": "y", "batch_shape": [null, 5, 3]}), &[])];
        let mut before = "y".to_owned();
        for (class, config) in inside {
            layers.push(layer(class, config.clone(), &[&before]));
            before = config["name"].as_str().unwrap_or_default().to_owned();
        }
        let ends = |layer: &str| json!([[layer, 0, 0]]);
        let inside = json!({
            "name": "inside", "layers": layers, "input_layers": ends("y"), "output_layers": ends(&before),
        });
        let embedding = json!({"name": "embedding", "input_dim": 6, "output_dim": 3, "mask_zero": mask_zero});
        let steps = json!({"name": "steps", "layer": {"class_name": "Functional", "config": inside}});
        let layers = [
            layer("InputLayer", json!({"name": "x", "batch_shape": [null, 4, 5], "dtype": "int32"}), &[]),
            layer("Embedding", embedding, &["x"]),
            layer("TimeDistributed", steps, &["embedding"]),
        ];
        let config = json!({
            "name": "m", "layers": layers, "input_layers": ends("x"), "output_layers": ends("steps"),
        });
        let text = json!({"class_name": "Functional", "config": config}).to_string();
        Model::from_bytes("model.json", text.as_bytes()).and_then(Model::infer)
    }

    #[test]
    fn a_mask_is_the_inner_models_of_each_step() {
        let lstm = [("LSTM", json!({"name": "lstm", "units": 2}))];
        let lines = |mask_zero: bool| {
            let text = crate::table::text(model(mask_zero, &lstm).unwrap().graph());
            text.lines().map(str::to_owned).filter(|line| line.contains("steps")).collect::<Vec<_>>()
        };
        assert!(lines(false).iter().all(|line| !line.contains("!=")), "{:#?}", lines(false));
        let masked = lines(true).join("\n");
        assert!(masked.contains("fold(%x != 0)"), "{masked}");
    }

    #[test]
    fn an_operation_along_an_axis_is_by_example_if_it_is_not_the_batch() {
        let squeezed = |axis: serde_json::Value| {
            let scores = ("Dense", json!({"name": "scores", "units": 1}));
            model(false, &[scores, ("ops.Squeeze", json!({"name": "squeeze", "axis": axis}))])
        };
        assert!(squeezed(json!(-1)).is_ok() && squeezed(json!([2])).is_ok());
        for axis in [json!(null), json!(0), json!([1, -3])] {
            let refusal = squeezed(axis).err().unwrap().to_string();
            assert!(refusal.contains("`squeeze` (ops.Squeeze), which may look along the batch"), "{refusal}");
        }
    }
}
