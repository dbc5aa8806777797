//! What is not known of a model because layers of it are of unknown classes.

use masque_ir::layers::CallId;
use masque_ir::program::Program;

use crate::frontend::WeightError;
use crate::layer::{Arguments, Kind, Layer, MaskRule};
use crate::{Error, Inferred, rebuild};

/// Is it known what a layer does with masks?
pub(crate) fn states_rule(layer: &dyn Layer) -> bool {
    layer.call_masks(&Arguments::of("inputs", vec![])).rule != MaskRule::Unknown
}

impl Inferred {
    /// The calls of layers of unknown classes, of which only what they give is known.
    pub fn opaque(&self) -> Vec<CallId> {
        let graph = &self.graph.graph;
        let is_opaque =
            |call: &CallId| self.layers[graph.call(*call).layer.0 as usize].kind() == Kind::Opaque;
        graph.calls().filter(is_opaque).collect()
    }

    /// Can a model be looked at though its weights were not read?
    pub(crate) fn does_without(&self, error: &Error) -> bool {
        match error {
            Error::Weights { source: WeightError::NoWeights { .. }, .. } => true,
            // In the order of layers, the weights of a layer that is not known are in the way.
            Error::Weights { source: WeightError::Layers { .. } | WeightError::Number { .. }, .. } => {
                !self.opaque().is_empty()
            }
            _ => false,
        }
    }

    /// Refuses what has no numbers.
    ///
    /// # Errors
    ///
    /// [`Error::Opaque`] of the first layer that is not known.
    pub fn require_known(&self) -> Result<(), Error> {
        self.opaque().first().map_or(Ok(()), |&call| {
            let (file, layer, class) = self.named(call);
            Err(Error::Opaque { file, layer, class })
        })
    }

    /// Refuses a verdict where nobody says what a layer that is not known does with masks.
    ///
    /// # Errors
    ///
    /// [`Error::Unstated`] of the first such layer.
    pub fn require_stated(&self) -> Result<(), Error> {
        let graph = &self.graph.graph;
        let unstated = |call: &CallId| !states_rule(self.layers[graph.call(*call).layer.0 as usize].as_ref());
        self.opaque().into_iter().find(unstated).map_or(Ok(()), |call| {
            let (file, layer, class) = self.named(call);
            Err(Error::Unstated { file, layer, class })
        })
    }

    fn named(&self, call: CallId) -> (String, String, String) {
        let graph = &self.graph.graph;
        (self.file.path.clone(), graph.call_name(call), graph.layer_of(call).class.clone())
    }

    /// The outputs that depend on a layer of an unknown class: what they read of the padding is not known.
    pub fn unknown_outputs(&self) -> Vec<String> {
        let graph = &self.graph.graph;
        let mut holed = vec![false; graph.calls().len()];
        for call in self.opaque() {
            holed[call.0 as usize] = true;
        }
        for call in graph.calls() {
            let mut read = graph.call(call).arguments.iter().flat_map(|argument| argument.value.tensors());
            holed[call.0 as usize] |= read.any(|tensor| holed[tensor.call.0 as usize]);
        }
        let unknown = graph.outputs().iter().filter(|output| holed[output.tensor.call.0 as usize]);
        unknown.map(|output| output.name.clone()).collect()
    }

    /// Takes the outputs that are not known out of a program, and all that only they need.
    pub(crate) fn leave_unknown(&self, program: &mut Program) {
        let unknown = self.unknown_outputs();
        if !unknown.is_empty() {
            program.outputs.retain(|output| !unknown.contains(&output.name));
            *program = rebuild::needed(program);
        }
    }
}
