//! Layers that Keras named, numbered anew: `dense_7` becomes `dense` if it is the first `Dense` of the model.
//!
//! Keras counts the layers of a process, not of a model, so the same code gives other names each time. Names that
//! somebody chose stay.

use std::collections::{HashMap, HashSet};

use masque_ir::layers::{Layer, LayerGraph, LayerGraphError};

/// The graph with its automatic names counted from the beginning, in each nested model anew.
///
/// # Errors
///
/// [`LayerGraphError`]: two layers would have one name, which a chosen name that looks automatic can cause.
pub fn renumbered(graph: &LayerGraph) -> Result<LayerGraph, LayerGraphError> {
    let chosen: HashSet<&str> = graph
        .layers()
        .iter()
        .filter(|layer| !is_automatic(last(&layer.name), &layer.class))
        .map(|layer| layer.name.as_str())
        .collect();
    let mut paths: HashMap<&str, String> = HashMap::new();
    let mut counts: HashMap<String, u32> = HashMap::new();
    let mut outer: Vec<&Layer> = graph.layers().iter().collect();
    // A nested model stands behind its layers, and its name is part of theirs.
    outer.sort_by_key(|layer| layer.name.matches('/').count());
    for layer in outer {
        let parent =
            layer.name.rsplit_once('/').map(|(path, _)| paths.get(path).map_or(path, String::as_str));
        let within = parent.map_or(String::new(), |parent| format!("{parent}/"));
        let name = match is_automatic(last(&layer.name), &layer.class) {
            false => format!("{within}{}", last(&layer.name)),
            true => loop {
                let base = format!("{within}{}", snake(&layer.class));
                let count = counts.entry(base.clone()).or_insert(0);
                let name = if *count == 0 { base } else { format!("{base}_{count}") };
                *count += 1;
                if !chosen.contains(name.as_str()) {
                    break name;
                }
            },
        };
        paths.insert(&layer.name, name);
    }
    let mut anew = LayerGraph::new(graph.name.clone(), graph.semantics);
    for layer in graph.layers() {
        anew.add_layer(Layer { name: paths[layer.name.as_str()].clone(), ..layer.clone() })?;
    }
    for call in graph.calls() {
        anew.add_call(graph.call(call).clone())?;
    }
    for output in graph.outputs() {
        anew.add_output(output.tensor)?;
    }
    Ok(anew)
}

fn last(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// Is this the name that Keras gives to a layer of this class, with or without a number?
fn is_automatic(name: &str, class: &str) -> bool {
    name.strip_prefix(snake(class).as_str()).is_some_and(|rest| {
        rest.is_empty()
            || rest
                .strip_prefix('_')
                .is_some_and(|number| !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit()))
    })
}

/// A class as Keras writes it in a name: `LayerNormalization` as `layer_normalization`, `Conv1D` as `conv1d`.
fn snake(class: &str) -> String {
    let letters: Vec<char> = class.rsplit('.').next().unwrap_or(class).chars().collect();
    let mut name = String::new();
    for (place, &letter) in letters.iter().enumerate() {
        let before = place.checked_sub(1).map(|before| letters[before]);
        let small = |letter: Option<&char>| letter.is_some_and(|letter| letter.is_ascii_lowercase());
        let begins = letter.is_ascii_uppercase() && (small(letters.get(place + 1)) || small(before.as_ref()));
        if begins && before.is_some() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend::builder::ModelBuilder;
    use serde_json::json;

    #[test]
    fn classes_are_written_as_keras_writes_them() {
        let classes =
            ["GRU", "Conv1D", "LayerNormalization", "MultiHeadAttention", "ops.NotEqual", "LSTM", "PReLU"];
        let names =
            ["gru", "conv1d", "layer_normalization", "multi_head_attention", "not_equal", "lstm", "p_re_lu"];
        assert_eq!(classes.map(snake), names);
    }

    #[test]
    fn the_numbers_of_a_process_go_and_chosen_names_stay() {
        let mut model = ModelBuilder::new("m");
        let ids = model.input("ids", "float32", &[Some(4)]);
        let a = model.layer("Dense", "dense_7", json!({ "units": 2 }), &[&ids]);
        let b = model.layer("Dense", "score", json!({ "units": 2 }), &[&a]);
        let c = model.layer("Dense", "dense_9", json!({ "units": 2 }), &[&b]);
        let d = model.layer("Dense", "dense_of_mine", json!({ "units": 2 }), &[&c]);
        let graph = renumbered(model.finish(&[&d]).unwrap().graph()).unwrap();
        let names: Vec<&str> = graph.layers().iter().map(|layer| layer.name.as_str()).collect();
        assert_eq!(names, ["ids", "dense", "score", "dense_1", "dense_of_mine"]);
        assert_eq!(renumbered(&graph).unwrap(), graph);
    }
}
