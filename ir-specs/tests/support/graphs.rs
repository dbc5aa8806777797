//! Layer graphs, and facts about them.

use std::collections::BTreeMap;

use masque_ir::facts::{CallFact, Facts, InferredGraph, MaskSource, MaskStatus, TensorFact, WeightDecl};
use masque_ir::layers::{Argument, ArgumentValue, Call, Layer, LayerGraph, LayerId, TensorRef};
use masque_ir::mask::{Band, MaskId, MaskPool};
use masque_ir::{DType, Dim, Float, Semantics, Type};
use serde_json::{Value as Json, json};

use super::Choices;

pub(crate) fn layer_graph(c: &mut Choices) -> LayerGraph {
    let mut graph = LayerGraph::new(c.name(), Semantics::Keras3_15);
    let mut calls = BTreeMap::new();
    let mut tensors = vec![];
    for place in 0..c.below(8) {
        let name = format!("{}{}", c.name(), if place > 0 { place.to_string() } else { String::new() });
        let settings = (0..c.below(4)).map(|_| (c.name(), json(c, 2))).collect();
        let class = c.pick(&["GRU", "ops.NotEqual", "Mine>Layer", "Dense"]).to_owned();
        let Ok(layer) = graph.add_layer(Layer { name, class, settings }) else { continue };
        if c.chance() {
            call(c, &mut graph, layer, &mut calls, &mut tensors);
        }
    }
    for _ in 0..c.below(12) {
        if !graph.layers().is_empty() {
            let layer = LayerId(c.below(graph.layers().len()) as u32);
            call(c, &mut graph, layer, &mut calls, &mut tensors);
        }
    }
    for _ in 0..c.below(3).min(tensors.len()) {
        graph.add_output(c.pick(&tensors)).unwrap();
    }
    graph
}

/// Calls of one layer may come in any order, with any numbers.
fn call(
    c: &mut Choices,
    graph: &mut LayerGraph,
    layer: LayerId,
    calls: &mut BTreeMap<LayerId, u32>,
    tensors: &mut Vec<TensorRef>,
) {
    let last = calls.entry(layer).or_insert(5);
    let index = if *last == 5 && c.chance() { 0 } else { *last };
    *last += 1;
    let mut arguments = vec![];
    for _ in 0..c.below(3) {
        arguments.push(Argument { keyword: None, value: argument(c, tensors, 2) });
    }
    for place in 0..c.below(3) {
        let keyword = Some(format!("{}{place}", c.name()));
        arguments.push(Argument { keyword, value: argument(c, tensors, 2) });
    }
    let outputs = 1 + c.below(3) as u32;
    let call = graph.add_call(Call { layer, index, arguments, outputs }).unwrap();
    tensors.extend((0..outputs).map(|output| TensorRef { call, output }));
}

fn argument(c: &mut Choices, tensors: &[TensorRef], depth: usize) -> ArgumentValue {
    match c.below(4) {
        0 | 1 if !tensors.is_empty() => ArgumentValue::Tensor(c.pick(tensors)),
        2 if !tensors.is_empty() && depth > 0 => {
            let mut items = vec![ArgumentValue::Tensor(c.pick(tensors))];
            items.extend((0..c.below(3)).map(|_| argument(c, tensors, depth - 1)));
            ArgumentValue::List(items)
        }
        _ => ArgumentValue::Constant(json(c, 2)),
    }
}

fn json(c: &mut Choices, depth: usize) -> Json {
    let leaves = [
        json!(null),
        json!(true),
        json!(1),
        json!(1.0),
        json!(-3),
        json!(-0.0),
        json!(1e-7),
        json!(1e300),
        json!(u64::MAX),
        json!(i64::MIN),
        json!("tanh"),
        json!("-inf"),
        json!("nan"),
        Float(f64::NAN).to_json(),
        Float(f64::INFINITY).to_json(),
        Float(f64::NEG_INFINITY).to_json(),
        json!("null"),
        json!("5d41402abc4b2a76b9719d911017c592"),
    ];
    match c.below(23) {
        19 if depth > 0 => Json::Array((0..c.below(4)).map(|_| json(c, depth - 1)).collect()),
        20 if depth > 0 => Json::Object((0..c.below(4)).map(|_| (c.name(), json(c, depth - 1))).collect()),
        21.. => Json::String(c.name()),
        leaf => leaves[leaf % leaves.len()].clone(),
    }
}

pub(crate) fn ty(c: &mut Choices) -> Type {
    let sizes = ["B", "T", "8", "2*T + 1", "floor((T - 1)/2)", "1"];
    let shape: Vec<Dim> = (0..c.below(4)).map(|_| c.pick(&sizes).parse().unwrap()).collect();
    Type::new(c.pick(&DType::ALL), shape)
}

pub(crate) fn inferred_graph(c: &mut Choices) -> InferredGraph {
    let graph = layer_graph(c);
    let mut masks = MaskPool::default();
    let mut calls: Vec<CallFact> = graph
        .calls()
        .map(|call| {
            let status = c.pick(&MaskStatus::ALL);
            let outputs = (0..graph.call(call).outputs).map(|_| TensorFact { ty: ty(c), mask: None });
            CallFact { mask_in: vec![], status, outputs: outputs.collect() }
        })
        .collect();
    let pool = pool(c, &calls, &mut masks);
    for (call, fact) in graph.calls().zip(&mut calls) {
        let data: usize = graph.call(call).positional().map(|value| value.tensors().len()).sum();
        let places = if c.chance() { data } else { c.below(3) };
        let mut mask = || if pool.is_empty() || c.chance() { None } else { Some(c.pick(&pool)) };
        fact.mask_in = (0..places).map(|_| mask()).collect();
        fact.outputs.iter_mut().for_each(|output| output.mask = mask());
    }
    let weights = (0..c.below(3))
        .map(|place| WeightDecl {
            name: format!("{}/{place}", c.name()),
            ty: ty(c),
            hash: c.pick(&[None, Some("5d41402abc4b2a76b9719d911017c592".into()), Some("abc".into())]),
        })
        .collect();
    let source = c.pick(&[MaskSource::Keras, MaskSource::Intended]);
    InferredGraph { graph, facts: Facts { source, calls, masks, weights } }
}

/// Some masks, the later ones made of the earlier ones.
fn pool(c: &mut Choices, calls: &[CallFact], masks: &mut MaskPool) -> Vec<MaskId> {
    let tensors: Vec<(TensorRef, u32)> = calls
        .iter()
        .enumerate()
        .flat_map(|(call, fact)| {
            let call = masque_ir::layers::CallId(call as u32);
            fact.outputs.iter().enumerate().map(move |(output, known)| {
                (TensorRef { call, output: output as u32 }, known.ty.rank() as u32)
            })
        })
        .collect();
    let mut made: Vec<MaskId> = vec![];
    if tensors.is_empty() {
        return made;
    }
    for _ in 0..c.below(30) {
        let (tensor, rank) = c.pick(&tensors);
        let parts: Vec<MaskId> = (0..made.len().min(2 + c.below(3))).map(|_| c.pick(&made)).collect();
        let mask = match (c.below(18), parts.as_slice()) {
            (0, _) | (_, []) => masks.not_equal(tensor, c.pick(&[0.0, -0.0, 2.5, f64::NAN, -1.0]), rank),
            (1, _) => masks.tensor(tensor, rank),
            (2, _) => masks.ones(tensor, rank),
            (3, _) => masks.zeros(tensor, rank),
            (4, parts) => masks.or(parts),
            (5, parts) => masks.and(parts),
            (6, parts) => masks.concat(c.below(3) as u32, parts),
            (7, [part, ..]) => masks.not(*part),
            (8, [part, ..]) => masks.any_last(*part),
            (9, [part, ..]) => masks.expand_last(*part),
            (10, [part, ..]) => masks.reverse(c.below(3) as u32, *part),
            (11, [part, ..]) => masks.expand(c.below(3) as u32, *part),
            (12, _) => masks.band(Band::Causal, tensor, c.pick(&tensors).0),
            (13, _) => masks.band(Band::Within(c.below(9) as u32), tensor, c.pick(&tensors).0),
            (14, [part, ..]) => masks.fold(*part),
            (16, _) => masks.unknown(tensor, rank),
            (15, [part, ..]) => masks.unfold(*part, tensor),
            (_, [part, ..]) => masks.spread(*part, tensor),
        };
        made.push(mask);
    }
    made
}
