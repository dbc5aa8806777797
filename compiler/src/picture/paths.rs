//! The nested models around a call, by the names of layers: `encoder/block/dense` is in `encoder/block`.

use std::collections::HashMap;

use masque_ir::layers::{CallId, LayerGraph};

/// How many groups there are around a box at most; a path that is longer than any model's is cut.
const DEEPEST: usize = 12;

pub(super) struct Paths<'a> {
    graph: &'a LayerGraph,
    /// How often each layer is called.
    calls: HashMap<&'a str, u32>,
}

impl<'a> Paths<'a> {
    pub(super) fn of(graph: &'a LayerGraph) -> Paths<'a> {
        let mut calls = HashMap::new();
        for call in graph.calls() {
            *calls.entry(graph.layer_of(call).name.as_str()).or_insert(0) += 1;
        }
        Paths { graph, calls }
    }

    /// The names of the groups around a call, the outermost first. A model that is called twice is two groups: each of
    /// its calls calls the layers in it equally often.
    pub(super) fn around(&self, call: CallId) -> Vec<String> {
        let mut name = self.graph.layer_of(call).name.as_str();
        let mut index = self.graph.call(call).index;
        let mut around = vec![];
        while let Some((path, _)) = name.rsplit_once('/').filter(|(path, _)| !path.is_empty()) {
            let times = |name| self.calls.get(name).copied().unwrap_or(1).max(1);
            index = (u64::from(index) * u64::from(times(path)) / u64::from(times(name))) as u32;
            around.push(if index == 0 { path.to_owned() } else { format!("{path}:{index}") });
            name = path;
        }
        around.reverse();
        around.truncate(DEEPEST);
        around
    }
}
