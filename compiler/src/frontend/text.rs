//! `.mq`: a layer graph in its text form, as `masque dump --stage layers` prints it. It has no weights. What the stage
//! `masks` says of it beyond that is found out anew.

use masque_ir::layers::{ArgumentValue, CallId, LayerGraph, LayerId, TensorRef};
use masque_ir::text::{Document, TextError, parse};

use super::{Origin, RawArgument, RawCall, RawLayer, RawModel, RawTensor};

/// A text that can't be read as a model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelTextError {
    /// It is not UTF-8.
    #[error("not UTF-8 text")]
    NotText,
    /// It is no text of ours.
    #[error("{0}")]
    Text(#[from] TextError),
    /// It shows a later stage.
    #[error("expected stage layers or masks, found stage {0}: only `masque dump` goes on from there")]
    Stage(masque_ir::text::Stage),
    /// A layer's calls are not numbered as they should be.
    #[error("the calls of `{layer}`: expected the numbers 0 to {last}, each once")]
    Calls {
        /// The layer.
        layer: String,
        /// How many calls it has, less one.
        last: usize,
    },
}

/// Reads a text of stage `layers` or `masks`.
pub fn read(bytes: &[u8]) -> Result<RawModel, ModelTextError> {
    let text = std::str::from_utf8(bytes).map_err(|_| ModelTextError::NotText)?;
    match parse(text)? {
        Document::Layers(graph) => raw(&graph),
        Document::Masks(inferred) => raw(&inferred.graph),
        other => Err(ModelTextError::Stage(other.stage())),
    }
}

/// A layer graph as a front end would have read it, so that it goes through the same door as all others.
pub fn raw(graph: &LayerGraph) -> Result<RawModel, ModelTextError> {
    let mut calls: Vec<Vec<(u32, RawCall)>> = vec![vec![]; graph.layers().len()];
    for id in graph.calls() {
        let call = graph.call(id);
        calls[call.layer.0 as usize].push((call.index, arguments(graph, id)));
    }
    let mut model = RawModel {
        name: graph.name.clone(),
        semantics: graph.semantics,
        layers: vec![],
        inputs: vec![],
        outputs: graph.outputs().iter().map(|output| tensor(graph, output.tensor)).collect(),
        output_names: vec![],
        compiled: serde_json::Value::Null,
        // The text has the calls in the order in which they run.
        schedule: graph.calls().map(|id| scheduled(graph, id)).collect(),
        described: None,
    };
    for (place, mut calls) in calls.into_iter().enumerate() {
        let layer = graph.layer(LayerId(place as u32));
        calls.sort_by_key(|(index, _)| *index);
        if calls.iter().enumerate().any(|(place, (index, _))| place as u32 != *index) {
            return Err(ModelTextError::Calls {
                layer: layer.name.clone(),
                last: calls.len().saturating_sub(1),
            });
        }
        model.layers.push(RawLayer {
            name: layer.name.clone(),
            class: layer.class.clone(),
            settings: layer.settings.clone().into_iter().collect(),
            calls: calls.into_iter().map(|(_, arguments)| arguments).collect(),
            pointer: format!("%{}", layer.name),
            nested: None,
            origin: Origin::default(),
        });
    }
    Ok(model)
}

fn scheduled(graph: &LayerGraph, id: CallId) -> (String, u64) {
    (graph.layer_of(id).name.clone(), graph.call(id).index.into())
}

fn arguments(graph: &LayerGraph, call: CallId) -> RawCall {
    let arguments = graph.call(call).arguments.iter();
    arguments.map(|argument| (argument.keyword.clone(), value(graph, &argument.value))).collect()
}

fn value(graph: &LayerGraph, passed: &ArgumentValue) -> RawArgument {
    match passed {
        ArgumentValue::Tensor(reference) => RawArgument::Tensor(tensor(graph, *reference)),
        ArgumentValue::List(items) => {
            RawArgument::List(items.iter().map(|item| value(graph, item)).collect())
        }
        ArgumentValue::Constant(json) => RawArgument::Constant(json.clone()),
    }
}

fn tensor(graph: &LayerGraph, reference: TensorRef) -> RawTensor {
    let call = graph.call(reference.call);
    RawTensor {
        layer: graph.layer(call.layer).name.clone(),
        call: call.index.into(),
        output: reference.output.into(),
    }
}
