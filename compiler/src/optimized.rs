//! The last form of a model that is a graph, and the way to its plan.

use std::borrow::Cow;
use std::collections::BTreeMap;

use masque_ir::program::Program;
use masque_ir::verify;
use masque_runtime::Tensor;

use crate::{Error, Lowered, Planned, pack, plan, rewrite, verified};

/// A model as a tensor graph, after rewriting.
pub struct Optimized {
    pub(crate) lowered: Lowered,
    pub(crate) report: rewrite::Report,
}

impl Optimized {
    /// The tensor graph.
    pub fn program(&self) -> &Program {
        &self.lowered.program
    }

    /// The weights by name; empty for a model without.
    pub fn weights(&self) -> &BTreeMap<String, Tensor> {
        &self.lowered.weights
    }

    /// How the search for better forms went.
    pub fn report(&self) -> &rewrite::Report {
        &self.report
    }

    /// The tensor graph, with what nobody sees of the padding left out.
    pub fn packed(&self) -> Cow<'_, Program> {
        let packed = pack::pack(&self.lowered.program);
        verified("packing", || verify::program(&packed));
        packed
    }

    /// Packs rows, chooses kernels, places values, lays out weights.
    ///
    /// # Errors
    ///
    /// [`Error::Plan`] if the model came without weights.
    pub fn plan(self) -> Result<Planned, Error> {
        let program = self.packed().into_owned();
        let Lowered { file, outputs, weights, provenance, growth, .. } = self.lowered;
        let planned = plan::plan(&program, outputs, &weights, provenance, growth)
            .map_err(|source| Error::Plan { file: file.path, source })?;
        verified("planning", || verify::plan(&planned.plan));
        Ok(planned)
    }
}
