//! The first form of a model that is a graph, and the way to it from its layers.

use std::collections::BTreeMap;

use masque_ir::plan::Provenance;
use masque_ir::program::Program;
use masque_ir::verify;
use masque_runtime::Tensor;

use crate::Growth;
use crate::diagnostics::Severity;
use crate::{
    Error, File, Inferred, Optimized, Options, Padded, apart, liveness, lower, rewrite, table, verified,
};

/// A model as a tensor graph, before rewriting.
pub struct Lowered {
    pub(crate) file: File,
    pub(crate) program: Program,
    pub(crate) outputs: usize,
    pub(crate) weights: BTreeMap<String, Tensor>,
    pub(crate) provenance: Provenance,
    pub(crate) growth: Growth,
}

impl Inferred {
    /// Lowers the layers to operations.
    ///
    /// # Errors
    ///
    /// [`Error::UnsupportedMasks`] if the policy says so; [`Error::Opaque`] for a model with a layer of an unknown class.
    pub fn lower(mut self, options: Options) -> Result<Lowered, Error> {
        let weights = self.weights.take();
        self.lowered(options, weights.unwrap_or_default())
    }

    /// The same, of a model that is still needed, with these weights.
    pub(crate) fn lowered(
        &self,
        options: Options,
        weights: BTreeMap<String, Tensor>,
    ) -> Result<Lowered, Error> {
        self.require_known()?;
        let file = || self.file.path.clone();
        let mut diagnostics = self.diagnostics(options.on_unsupported_mask);
        diagnostics.retain(|finding| finding.severity == Severity::Error);
        if !diagnostics.is_empty() {
            return Err(Error::UnsupportedMasks { file: file(), diagnostics });
        }
        let zeroed = match options.padded {
            Padded::Keep => &[][..],
            Padded::Zero => &self.output_masks,
        };
        let program = lower::lower(&self.graph, &self.layers, options.mask_outputs, zeroed)
            .map_err(|source| Error::Lower { file: file(), source })?;
        let outputs = self.graph.graph.outputs().len();
        let (program, logits) = match options.logits {
            true => lower::logits::give(program, &self.graph.graph)
                .map_err(|source| Error::Logits { file: file(), source })?,
            false => (program, 0),
        };
        verified("lowering", || verify::program(&program));
        let provenance = Provenance {
            apart: apart::is_apart(&program, outputs + logits),
            padding: liveness::verdict::read_by(&program, outputs + logits),
            file: self.file.name.clone(),
            hash: self.file.hash.clone(),
            compiler: format!("masque {}", env!("CARGO_PKG_VERSION")),
            mask_table: table::text(&self.graph),
            output_names: self.output_names(),
        };
        let (file, outputs) = (self.file.clone(), outputs + logits);
        Ok(Lowered { file, program, outputs, weights, provenance, growth: options.growth })
    }
}

impl Lowered {
    /// The tensor graph.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The weights by name; empty for a model without.
    pub fn weights(&self) -> &BTreeMap<String, Tensor> {
        &self.weights
    }

    /// Rewrites the tensor graph.
    pub fn optimize(self) -> Optimized {
        let (program, report) = rewrite::optimize(&self.program, rewrite::Limits::DEFAULT);
        verified("rewriting", || verify::program(&program));
        Optimized { lowered: Lowered { program, ..self }, report }
    }
}
