//! A model at every stage of the compiler, all of them kept.
//!
//! The library's types lead from one stage to the next and give up the one before; a test wants to look at them side
//! by side.

use std::collections::BTreeMap;
use std::path::Path;

use masque::diagnostics::UnsupportedMask;
use masque::{Error, Model, Options, Padded, Planned};
use masque_ir::facts::InferredGraph;
use masque_ir::layers::LayerGraph;
use masque_ir::program::Program;
use masque_ir::text::Document;
use masque_ir::text::ProgramStage::{Optimized, Tensor};
use masque_ir::verify::{self, Violations};

/// Keras' numbers under every policy: masks may be dropped, and all masks are among the outputs.
pub const KERAS: Options = Options {
    on_unsupported_mask: UnsupportedMask::Warn,
    mask_outputs: true,
    logits: false,
    padded: Padded::Keep,
    growth: masque::Growth::Quarter,
};

/// A model at every stage.
pub struct Stages {
    /// As it was read.
    pub layers: LayerGraph,
    /// Where each layer stands in the model's config.
    pub pointers: Vec<String>,
    /// What it was compiled with for training.
    pub compiled: serde_json::Value,
    /// With types and masks.
    pub masks: InferredGraph,
    /// Where a run has the masks that its outputs have at its end.
    pub output_masks: Vec<Option<String>>,
    /// As operations.
    pub lowered: Program,
    /// The operations rewritten.
    pub optimized: Program,
    /// As the runtime runs it; none for a model without weights.
    pub planned: Option<Planned>,
    /// The weights, as Keras stores them.
    pub weights: BTreeMap<String, masque_runtime::Tensor>,
}

impl Stages {
    /// Compiles a model as far as its file allows.
    ///
    /// # Errors
    ///
    /// Those of the compiler, but for a model that came without weights.
    pub fn of(model: &Path, options: Options) -> Result<Stages, Box<Error>> {
        Stages::compile(Model::open(model)?, options)
    }

    /// The same of a model that was read.
    ///
    /// # Errors
    ///
    /// As of [`Stages::of`].
    pub fn compile(model: Model, options: Options) -> Result<Stages, Box<Error>> {
        let (layers, pointers) = (model.graph().clone(), model.pointers().to_vec());
        let mut inferred = model.infer()?;
        inferred.load_weights()?;
        let (masks, compiled) = (inferred.graph().clone(), inferred.compiled().clone());
        let output_masks = inferred.output_masks();
        let lowered = inferred.lower(options)?;
        let (program, weights) = (lowered.program().clone(), lowered.weights().clone());
        let optimized = lowered.optimize();
        let rewritten = optimized.program().clone();
        let planned = match optimized.plan() {
            Err(Error::Plan { .. }) if weights.is_empty() => None,
            planned => Some(planned?),
        };
        Ok(Stages {
            layers,
            pointers,
            compiled,
            masks,
            output_masks,
            lowered: program,
            optimized: rewritten,
            planned,
            weights,
        })
    }

    /// Every stage as a document.
    pub fn documents(&self) -> Vec<Document> {
        let mut documents = vec![
            Document::Layers(self.layers.clone()),
            Document::Masks(self.masks.clone()),
            Document::Program(Tensor, self.lowered.clone()),
            Document::Program(Optimized, self.optimized.clone()),
        ];
        documents.extend(self.planned.iter().map(|planned| Document::Plan(planned.plan.clone())));
        documents
    }

    /// How many outputs are the model's, logits included; those behind them are masks.
    pub fn outputs(&self) -> usize {
        let logits = self.lowered.outputs.iter().filter(|output| output.name.starts_with("logits_"));
        self.layers.outputs().len() + logits.count()
    }
}

/// Is a document well formed?
///
/// # Errors
///
/// Every property that does not hold.
pub fn verified(document: &Document) -> Result<(), Violations> {
    match document {
        Document::Layers(graph) => verify::layers(graph),
        Document::Masks(inferred) => verify::inferred(inferred),
        Document::Program(_, program) => verify::program(program),
        Document::Plan(plan) => verify::plan(plan),
    }
}
