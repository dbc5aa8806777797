//! The order in which Keras runs a functional model's calls: by falling distance from the outputs; among equals,
//! in the order in which a walk from the outputs meets them. (`map_graph` of `keras.src.models.functional`,
//! Keras 3.15.) It matters where one call changes what another sees.

use std::collections::HashMap;

use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};

use super::RawModel;

/// One call: which layer, which of its calls.
pub(super) type CallKey = (usize, usize);

/// The calls of a model, models inside it left whole, in execution order; none if its connections do not fit, which is
/// found out where it is assembled.
pub(super) fn of_model(model: &RawModel) -> Vec<CallKey> {
    let mut graph = DiGraph::new();
    let mut nodes: HashMap<(&str, u64), NodeIndex> = HashMap::new();
    for (place, layer) in model.layers.iter().enumerate() {
        for call in 0..layer.calls.len() {
            nodes.insert((layer.name.as_str(), call as u64), graph.add_node((place, call)));
        }
    }
    for node in graph.node_indices() {
        let (layer, call) = graph[node];
        let mut reads = vec![];
        model.layers[layer].calls[call].iter().for_each(|(_, argument)| argument.visit(&mut reads));
        for (place, tensor) in reads.into_iter().enumerate() {
            if let Some(&from) = nodes.get(&(tensor.layer.as_str(), tensor.call)) {
                graph.add_edge(from, node, place);
            }
        }
    }
    let outputs = model.outputs.iter().filter_map(|output| nodes.get(&(output.layer.as_str(), output.call)));
    let outputs: Vec<NodeIndex> = outputs.copied().collect();
    let order = execution_order(&graph, &outputs).unwrap_or_default();
    order.into_iter().map(|node| graph[node]).collect()
}

/// The calls that the outputs need, in execution order; an error holds the calls of a cycle.
///
/// An edge goes from a call to the call that reads it; its weight is the place among the reader's tensors.
pub(super) fn execution_order(
    graph: &DiGraph<CallKey, usize>,
    outputs: &[NodeIndex],
) -> Result<Vec<NodeIndex>, Vec<CallKey>> {
    let cycle =
        kosaraju_scc(graph).into_iter().find(|part| part.len() > 1 || graph.contains_edge(part[0], part[0]));
    if let Some(cycle) = cycle {
        let mut calls: Vec<CallKey> = cycle.into_iter().map(|node| graph[node]).collect();
        calls.sort_unstable();
        return Err(calls);
    }
    let parents = parents(graph);
    let walk = walk_from(outputs, &parents);
    Ok(by_depth(graph, &walk, &parents))
}

/// What each call reads, in the order in which it reads.
fn parents(graph: &DiGraph<CallKey, usize>) -> Vec<Vec<NodeIndex>> {
    let mut parents: Vec<Vec<(usize, NodeIndex)>> = vec![vec![]; graph.node_count()];
    for edge in graph.edge_indices() {
        if let Some((from, to)) = graph.edge_endpoints(edge) {
            parents[to.index()].push((graph[edge], from));
        }
    }
    let in_order = |mut reads: Vec<(usize, NodeIndex)>| {
        reads.sort_unstable();
        reads.into_iter().map(|(_, from)| from).collect()
    };
    parents.into_iter().map(in_order).collect()
}

/// Depth first from the outputs, every call behind all that it reads.
fn walk_from(outputs: &[NodeIndex], parents: &[Vec<NodeIndex>]) -> Vec<NodeIndex> {
    let mut seen = vec![false; parents.len()];
    let mut walk = vec![];
    for &output in outputs {
        let mut open = vec![(output, 0)];
        if std::mem::replace(&mut seen[output.index()], true) {
            continue;
        }
        while let Some((node, next)) = open.last_mut() {
            match parents[node.index()].get(*next) {
                Some(&parent) => {
                    *next += 1;
                    if !std::mem::replace(&mut seen[parent.index()], true) {
                        open.push((parent, 0));
                    }
                }
                None => {
                    walk.push(*node);
                    open.pop();
                }
            }
        }
    }
    walk
}

fn by_depth(
    graph: &DiGraph<CallKey, usize>,
    walk: &[NodeIndex],
    parents: &[Vec<NodeIndex>],
) -> Vec<NodeIndex> {
    let layers = graph.node_weights().map(|(layer, _)| layer + 1).max().unwrap_or(0);
    let mut layer_depth = vec![0usize; layers];
    let mut depth: Vec<Option<usize>> = vec![None; parents.len()];
    // Calls in the order in which they got a depth first.
    let mut met = vec![];
    for &node in walk.iter().rev() {
        let own = *depth[node.index()].get_or_insert_with(|| {
            met.push(node);
            0
        });
        let layer = graph[node].0;
        let own = own.max(layer_depth[layer]);
        layer_depth[layer] = own;
        depth[node.index()] = Some(own);
        for parent in &parents[node.index()] {
            let entry = depth[parent.index()].get_or_insert_with(|| {
                met.push(*parent);
                0
            });
            *entry = (*entry).max(own + 1);
        }
    }
    let deepest = met.iter().filter_map(|node| depth[node.index()]).max().unwrap_or(0);
    let inputs = |node: &NodeIndex| parents[node.index()].is_empty();
    // Inputs are there before anything runs.
    met.sort_by_key(|node| (!inputs(node), deepest - depth[node.index()].unwrap_or(0)));
    met
}
