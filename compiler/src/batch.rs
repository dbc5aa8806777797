//! Batch sizes that a file names without need.
//!
//! `fit` leaves the size of the first batch in a Sequential's file, and `Input(batch_size=…)` is often no more than a
//! habit; Keras takes batches of any size all the same. A named size is therefore dropped, unless something in the model
//! needs it: a layer that keeps states for each example, or an operation that fits no other size.

use masque_ir::facts::MaskSource;
use masque_ir::layers::LayerId;
use serde_json::Value as Json;

use crate::frontend::{Assembled, InputBatch};
use crate::infer::infer;
use crate::layer::Config;
use crate::layers;

/// Sizes that divide nothing: where types fit a batch of such a size, other than the named one, and a batch of unknown
/// size, they fit any.
const PROBES: [i64; 2] = [1009, 1013];

/// Drops the batch sizes that the model does not need: all of them, or none.
pub(crate) fn drop_named(assembled: &mut Assembled) {
    let batches = std::mem::take(&mut assembled.batches);
    if batches.iter().all(|batch| batch.named.is_none()) || !agree(&batches) {
        return;
    }
    if assembled.graph.layers().iter().any(|layer| layers::keeps_states(&layer.settings)) {
        return;
    }
    let fits = |assembled: &Assembled| infer(&assembled.graph, &assembled.layers, MaskSource::Keras).is_ok();
    let named = |size: &&i64| batches.iter().any(|batch| batch.named == Some(**size));
    let probe = PROBES.iter().find(|size| !named(size)).copied().unwrap_or(PROBES[0]);
    for batch in &batches {
        set(assembled, batch, probe.into());
    }
    let any_known = fits(assembled);
    for batch in &batches {
        set(assembled, batch, batch.symbol.as_str().into());
    }
    if any_known && fits(assembled) {
        return;
    }
    for batch in &batches {
        set(assembled, batch, batch.named.map_or_else(|| batch.symbol.as_str().into(), Json::from));
    }
}

/// Do the inputs that meet have one size, where they have any? A size of 1 beside an unknown one is meant: that input is
/// the same for every example.
fn agree(batches: &[InputBatch]) -> bool {
    let meet = |a: &InputBatch, b: &InputBatch| a.symbol == b.symbol;
    batches.iter().enumerate().all(|(place, a)| {
        batches[..place].iter().filter(|b| meet(a, b)).all(|b| match (a.named, b.named) {
            (Some(1), None) | (None, Some(1)) => false,
            (Some(a), Some(b)) => a == b,
            _ => true,
        })
    })
}

/// Gives an input another batch.
fn set(assembled: &mut Assembled, batch: &InputBatch, size: Json) {
    let id = LayerId(batch.layer as u32);
    let layer = assembled.graph.layer(id);
    let mut settings = layer.settings.clone();
    if let Some(Json::Array(shape)) = settings.get_mut("shape")
        && let Some(first) = shape.first_mut()
    {
        *first = size;
    }
    let parsed = layers::find(&layer.class)
        .zip(Config::new(settings.clone().into_iter().collect()).ok())
        .and_then(|(def, mut config)| (def.parse)(&mut config).ok());
    if let Some(parsed) = parsed {
        assembled.layers[batch.layer] = parsed;
        assembled.graph.set_settings(id, settings);
    }
}

#[cfg(test)]
mod tests {
    use masque_ir::layers::LayerId;
    use serde_json::{Value as Json, json};

    use crate::Model;

    fn layer(class: &str, config: Json, reads: &[&str]) -> Json {
        let tensor = |name: &&str| json!({"class_name": "__keras_tensor__", "config": {"keras_history": [name, 0, 0]}});
        let read: Vec<Json> = reads.iter().map(tensor).collect();
        let arguments = if read.len() == 1 { json!(read) } else { json!([read]) };
        let calls = if reads.is_empty() { json!([]) } else { json!([{"args": arguments, "kwargs": {}}]) };
        let module = if class.starts_with("ops.") { "keras.src.ops.numpy" } else { "keras.layers" };
        json!({
            "module": module, "class_name": class.trim_start_matches("ops."), "name": config["name"], "config": config,
            "inbound_nodes": calls,
        })
    }

    /// The first sizes of the inputs `a` and `b`, which have these in the file and are joined by the layers.
    fn batches(a: Json, b: Json, layers: &[Json]) -> [String; 2] {
        let input = |name: &str, batch: Json| {
            layer("InputLayer", json!({"name": name, "batch_shape": [batch, 3, 2]}), &[])
        };
        let mut all = vec![input("a", a), input("b", b)];
        all.extend_from_slice(layers);
        let last = all.last().map(|layer| layer["name"].clone());
        let config = json!({
            "name": "m", "layers": all, "output_layers": [[last, 0, 0]], "input_layers": [["a", 0, 0], ["b", 0, 0]],
        });
        let text = json!({"class_name": "Functional", "config": config}).to_string();
        let model = Model::from_bytes("m.json", text.as_bytes()).unwrap();
        ["a", "b"].map(|name| {
            let graph = model.graph();
            let id = graph.layer_named(name).unwrap_or(LayerId(0));
            graph.layer(id).settings["shape"][0].to_string()
        })
    }

    #[test]
    fn a_batch_size_is_kept_where_something_needs_it() {
        let add = || layer("Add", json!({"name": "add"}), &["a", "b"]);
        let free = ["\"B\"", "\"B\""].map(str::to_owned);
        assert_eq!(batches(json!(4), json!(4), &[add()]), free);
        assert_eq!(batches(json!(4), json!(null), &[add()]), free);
        assert_eq!(batches(json!(1), json!(1), &[add()]), free);
        // One row for all others.
        assert_eq!(batches(json!(1), json!(null), &[add()]), ["1", "\"B\""]);
        assert_eq!(batches(json!(4), json!(1), &[add()]), ["4", "1"]);
        let after = |class: &str, config: Json| [add(), layer(class, config, &["add"])];
        let kept = ["4", "4"];
        let lstm = json!({"name": "lstm", "units": 2, "stateful": true});
        assert_eq!(batches(json!(4), json!(4), &after("LSTM", lstm.clone())), kept);
        let both = json!({"name": "both", "layer": {"class_name": "LSTM", "config": lstm}});
        assert_eq!(batches(json!(4), json!(4), &after("Bidirectional", both)), kept);
        let reshape = |shape: Json| after("ops.Reshape", json!({"name": "reshape", "newshape": shape}));
        assert_eq!(batches(json!(4), json!(4), &reshape(json!([4, 6]))), kept);
        assert_eq!(batches(json!(4), json!(4), &reshape(json!([-1, 6]))), free);
        let wide = json!({"name": "wide", "shape": [4, 3, 2]});
        assert_eq!(batches(json!(4), json!(4), &after("ops.BroadcastTo", wide)), kept);
        // A size that a weight has.
        let turned = layer("ops.Transpose", json!({"name": "turned", "axes": [1, 2, 0]}), &["add"]);
        let dense = layer("Dense", json!({"name": "dense", "units": 2}), &["turned"]);
        assert_eq!(batches(json!(4), json!(4), &[add(), turned, dense]), kept);
    }
}
