//! What a model reads of its padding: the analysis, its witnesses and its findings.

use std::collections::BTreeMap;

use crate::diagnostics::Diagnostic;
use crate::liveness::view::Reads;
use crate::liveness::{Padding, Together, report};
use crate::witness::Witness;
use crate::{Error, Inferred, lower, witness};

impl Inferred {
    /// Every output that reads padding, as a warning.
    pub fn leaks(&self, padding: &Padding) -> Vec<Diagnostic> {
        report::diagnostics(&self.graph, &self.layers, padding, &[])
    }

    /// The same; what no run shows, output by output, is said to be possible: see [`Inferred::shown`].
    pub fn leaks_shown(&self, padding: &Padding, shown: &[Reads]) -> Vec<Diagnostic> {
        report::diagnostics(&self.graph, &self.layers, padding, shown)
    }

    /// Finds out what every output reads of the padding. A mask that reaches a layer without support for it is dropped.
    ///
    /// # Errors
    ///
    /// [`Error::Lower`]: a mistake of ours.
    pub fn padding(&self) -> Result<Padding, Error> {
        self.padding_of(&Together::default())
    }

    /// The same, where callers pad some inputs together.
    ///
    /// # Errors
    ///
    /// Those of [`Inferred::padding`].
    pub fn padding_of(&self, together: &Together) -> Result<Padding, Error> {
        let mut program = lower::lower(&self.graph, &self.layers, false, &[])
            .map_err(|source| Error::Lower { file: self.file.path.clone(), source })?;
        self.leave_unknown(&mut program);
        Ok(Padding::of(program, together))
    }

    /// Looks for witnesses of what the outputs are said to read of the padding, output by output. A model whose weights
    /// were not loaded gets made-up ones.
    pub fn witnesses(&self, padding: &Padding) -> Vec<Vec<Witness>> {
        witness::search(padding, self.weights.as_ref().unwrap_or(&BTreeMap::new()))
    }

    /// Says of every output what runs show of what it is said to read of the padding.
    pub fn shown(&self, padding: &Padding) -> Vec<Reads> {
        self.witnesses(padding).iter().map(|found| witness::shown(found)).collect()
    }
}
