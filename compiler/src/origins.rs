//! Which call of a layer a value was lowered from: values are named after it, with more behind a `/` or a `.`.

use std::collections::HashMap;

use masque_ir::layers::{CallId, LayerGraph};

/// The calls of a graph by the names that their values begin with.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    calls: HashMap<String, CallId>,
}

impl Origins {
    /// The calls of this graph.
    pub fn of(graph: &LayerGraph) -> Origins {
        Origins { calls: graph.calls().map(|call| (graph.call_name(call), call)).collect() }
    }

    /// The call that a value of this name was lowered from.
    pub fn call(&self, value: &str) -> Option<CallId> {
        let mut name = value;
        loop {
            if let Some(&call) = self.calls.get(name) {
                return Some(call);
            }
            name = &name[..name.rfind(['/', '.'])?];
        }
    }
}
