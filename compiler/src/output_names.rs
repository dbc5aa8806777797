//! What the outputs of a model are called.

use crate::Inferred;

impl Inferred {
    /// The names that Keras knows the outputs by: the keys of a dict, or, of several outputs, the layers that give them.
    /// `output_0` and so on where that is no name of one output alone, and for the only output of a model.
    pub fn output_names(&self) -> Vec<String> {
        let graph = &self.graph.graph;
        let layer = |output: &masque_ir::layers::Output| graph.layer_of(output.tensor.call).name.clone();
        let names: Vec<String> = match graph.outputs() {
            outputs if outputs.len() == self.output_names.len() => self.output_names.clone(),
            [_] => vec![],
            outputs => outputs.iter().map(layer).collect(),
        };
        let numbered = graph.outputs().iter().map(|output| output.name.clone());
        let own = |place: usize| {
            let name = names.get(place)?;
            (names.iter().filter(|other| *other == name).count() == 1).then(|| name.clone())
        };
        numbered.enumerate().map(|(place, numbered)| own(place).unwrap_or(numbered)).collect()
    }
}
