//! What is at most so many lines away from a call or an operation.

use std::collections::{BTreeSet, HashMap};

use masque_ir::layers::{CallId, LayerGraph};
use masque_ir::program::{Operand, Program, ResultInfo};

/// The calls of a graph that are at most so many tensors away from one; `None` if none has that name.
pub fn of_calls(graph: &LayerGraph, name: &str, hops: usize) -> Option<BTreeSet<CallId>> {
    let middle = graph.calls().find(|&call| graph.call_name(call) == name)?;
    let edges = graph.calls().flat_map(|call| {
        let read = graph.call(call).arguments.iter().flat_map(|argument| argument.value.tensors());
        read.map(move |tensor| (tensor.call.0 as usize, call.0 as usize))
    });
    let near = reached(edges, middle.0 as usize, hops);
    Some(near.into_iter().map(|call| CallId(call as u32)).collect())
}

/// The nodes of a program that are at most so many values away from the one that gives a value of this name; `None` if there
/// is none.
pub fn of_nodes(program: &Program, name: &str, hops: usize) -> Option<BTreeSet<usize>> {
    let gives = |results: &[ResultInfo]| results.iter().any(|result| result.name == name);
    let middle = program.nodes.iter().position(|node| gives(&node.results))?;
    let edges = program.nodes.iter().enumerate().flat_map(|(place, node)| {
        let read = node.operands.iter().filter_map(Operand::value);
        read.map(move |value| (value.node as usize, place))
    });
    Some(reached(edges, middle, hops))
}

/// What can be reached from a place along at most so many edges, in either direction.
pub(crate) fn reached(
    edges: impl Iterator<Item = (usize, usize)>,
    from: usize,
    hops: usize,
) -> BTreeSet<usize> {
    let mut beside: HashMap<usize, Vec<usize>> = HashMap::new();
    for (one, other) in edges {
        beside.entry(one).or_default().push(other);
        beside.entry(other).or_default().push(one);
    }
    let mut found = BTreeSet::from([from]);
    let mut open = vec![from];
    for _ in 0..hops {
        let next = open.iter().filter_map(|place| beside.get(place)).flatten().copied();
        open = next.filter(|&place| found.insert(place)).collect();
        if open.is_empty() {
            break;
        }
    }
    found
}
