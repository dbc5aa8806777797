//! `TimeDistributed` around a model: the model on every step, as if each were an example of its own.
//!
//! Batch and steps are made one axis, the model is called on that, and both come apart again: three calls in a model
//! around it. That is Keras' loop over the steps as long as nothing in the model looks from one example at another.

use masque_ir::Semantics;
use serde_json::{Map, Value as Json};

use super::super::config::{Node, Result};
use super::super::{RawArgument, RawLayer, RawModel, RawTensor};
use crate::layers::keeps_states;

/// The class of the layer and of what stands for it.
pub(in crate::frontend) const CLASS: &str = "TimeDistributed";

/// Operations that work element by element: whatever else a model applies may look along the batch.
const ELEMENTWISE: [&str; 19] = [
    "ops.Absolute",
    "ops.Add",
    "ops.Cast",
    "ops.Constant",
    "ops.Divide",
    "ops.Equal",
    "ops.Greater",
    "ops.GreaterEqual",
    "ops.Less",
    "ops.LessEqual",
    "ops.LogicalAnd",
    "ops.LogicalNot",
    "ops.LogicalOr",
    "ops.Maximum",
    "ops.Minimum",
    "ops.Multiply",
    "ops.NotEqual",
    "ops.Relu",
    "ops.Subtract",
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
    };
    // Named after the model, so that none of them can have its name.
    let model = inner.name.clone();
    let [steps, fold, unfold] = ["steps", "fold", "unfold"].map(|what| format!("{model}_{what}"));
    inner.calls = vec![vec![argument(&fold)]];
    let mut layers = vec![layer(&steps, "InputLayer", vec![]), layer(&fold, "ops.FoldSteps", vec![&steps])];
    layers.push(inner);
    layers.push(layer(&unfold, "ops.UnfoldSteps", vec![&model, &steps]));
    Ok(RawModel {
        name: name.to_owned(),
        semantics,
        layers,
        inputs: vec![tensor(&steps)],
        outputs: vec![tensor(&unfold)],
        compiled: Json::Null,
        schedule: vec![],
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
        let mut axes = axes.flat_map(|axes| axes.as_array().cloned().unwrap_or_else(|| vec![axes.clone()]));
        let text = match () {
            () if class == "TextVectorization" => "makes all rows as long as the longest",
            () if class.starts_with("ops.") && !ELEMENTWISE.contains(&class.as_str()) => {
                "may look along the batch"
            }
            () if keeps_states(settings) => "keeps its states",
            () if axes.any(|axis| along(&axis)) => "may look along the batch",
            () => return None,
        };
        Some(format!("`{name}` ({class}), which {text}"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::ELEMENTWISE;
    use crate::Model;

    #[test]
    fn what_works_element_by_element_is_known() {
        for class in ELEMENTWISE {
            assert!(crate::layers::find(class).is_some(), "{class}");
        }
    }

    #[test]
    fn a_model_on_every_step_refuses_a_mask_by_name() {
        let layer = |class: &str, config: serde_json::Value, reads: &[&str]| {
            let tensor = |layer: &&str| json!({"class_name": "__keras_tensor__", "config": {"keras_history": [layer, 0, 0]}});
            let calls: Vec<_> =
                reads.iter().map(|read| json!({"args": [tensor(read)], "kwargs": {}})).collect();
            json!({"class_name": class, "name": config["name"], "config": config, "inbound_nodes": calls})
        };
        let inside = json!({"name": "inside", "layers": [
            layer("InputLayer", json!({"name": "y", "batch_shape": [null, 5, 3]}), &[]),
            layer("LSTM", json!({"name": "lstm", "units": 2}), &[]),
        ]});
        let model = |mask_zero: bool| {
            let embedding =
                json!({"name": "embedding", "input_dim": 6, "output_dim": 3, "mask_zero": mask_zero});
            let steps = json!({"name": "steps", "layer": {"class_name": "Sequential", "config": inside}});
            let layers = [
                layer("InputLayer", json!({"name": "x", "batch_shape": [null, 4, 5], "dtype": "int32"}), &[]),
                layer("Embedding", embedding, &["x"]),
                layer("TimeDistributed", steps, &["embedding"]),
            ];
            let ends = |layer: &str| json!([[layer, 0, 0]]);
            let config = json!({
                "name": "m", "layers": layers, "input_layers": ends("x"), "output_layers": ends("steps"),
            });
            let text = json!({"class_name": "Functional", "config": config}).to_string();
            Model::from_bytes("model.json", text.as_bytes()).and_then(Model::infer)
        };
        assert!(model(false).is_ok());
        let refusal = model(true).err().unwrap().to_string();
        assert!(refusal.contains("steps") && refusal.contains("found a mask bool[B, 4, 5]"), "{refusal}");
    }
}
