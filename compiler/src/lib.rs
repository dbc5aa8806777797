//! A compiler for sequence models on padded batches: a Keras model in, one self-contained executable out.
//!
//! A model travels one way, through a chain of types; each can be looked at, and none can be had without the one
//! before it:
//!
//! ```text
//! Model ──infer──▶ Inferred ──lower──▶ Lowered ──optimize──▶ Optimized ──plan──▶ Planned
//!   │                 │                   │                      │                  │
//!   layers            masks, diagnostics  tensor graph           tensor graph       plan, weights
//! ```
//!
//! | part | what it does |
//! |---|---|
//! | [`frontend`] | reads and checks files, nothing else |
//! | [`layers`], [`layer`] | everything known about each Keras layer, one file each |
//! | [`mod@infer`], [`masks`], [`diagnostics`] | types, masks, what is wrong with them |
//! | [`advice`] | what to do about it, tried before it is said |
//! | [`mod@lower`] | layers to operations |
//! | [`mathematics`] | what a call computes, printed from its operations |
//! | [`summary`], [`costs`] | a model line by line; how much it computes |
//! | [`json`] | stages as JSON |
//! | [`passes`] | the program after each pass between the stages |
//! | [`picture`] | what a stage looks like: DOT, SVG, a page to look around in |
//! | [`mod@liveness`], [`witness`] | what every output reads of the padding, and runs that show it |
//! | [`rewrite`] | equality saturation |
//! | [`mod@plan`], [`executable`] | what the runtime runs, and the file that holds it; is it as it was built? |
//! | [`session`] | compile and run in one process |
//! | [`renumber`] | automatic names, counted from the beginning |
//! | [`repeats`] | blocks of calls that are repeated |
//! | [`table`], [`diff`], [`testing`], [`compare`] | the mask table; how two tables, or two models, differ |
//!
//! ```no_run
//! # fn main() -> Result<(), masque::Error> {
//! use masque::{Model, Options};
//!
//! let mut inferred = Model::open("tagger.keras")?.infer()?;
//! for finding in inferred.findings(Default::default()) {
//!     eprintln!("{}", finding.message);
//! }
//! inferred.load_weights()?;
//! let planned = inferred.lower(Options::default())?.optimize().plan()?;
//! planned.write_executable("tagger".as_ref())?;
//! # Ok(())
//! # }
//! ```

pub mod advice;
mod apart;
mod batch;
pub mod bind;
pub mod compare;
pub mod costs;
mod decompose;
pub mod diagnostics;
pub mod diff;
mod error;
pub mod evaluate;
pub mod executable;
pub mod frontend;
pub mod infer;
pub mod json;
pub mod layer;
pub mod layers;
pub mod liveness;
pub mod lower;
mod lowered;
pub mod masks;
pub mod mathematics;
pub mod near;
mod opaque;
mod optimized;
pub mod origins;
mod output_names;
pub mod pack;
mod padding;
pub mod passes;
pub mod picture;
pub mod plan;
mod rebuild;
pub mod renumber;
pub mod repeats;
pub mod rewrite;
pub mod session;
pub mod summary;
pub mod table;
pub mod testing;
pub mod witness;
mod xml;

use std::collections::BTreeMap;
use std::path::Path;

use masque_ir::facts::{Facts, InferredGraph, MaskSource};
use masque_ir::layers::{LayerGraph, TensorRef};
use masque_ir::verify::{self, Violations};
use masque_runtime::Tensor;

use diagnostics::{Diagnostic, Severity, UnsupportedMask};
pub use error::Error;
use evaluate::Objective;
pub use frontend::OpenOptions;
use frontend::{Assembled, LoadError, ModelFile, Problem, RawModel, WeightError, WeightSource};
use layer::config::{NARROW_POLICIES, QUANTIZED_POLICIES};
use layer::{Layer, Registry, WeightSpec};
pub use lowered::Lowered;
pub use optimized::Optimized;
pub use plan::{Growth, Planned};

/// Version, with the commit in parentheses if it is known: that of a package, or of a release build in a git repository.
pub const VERSION: &str = env!("MASQUE_VERSION");

/// How a model is compiled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// What to do with masks that reach layers without support for them.
    pub on_unsupported_mask: UnsupportedMask,
    /// Can the masks be asked for when the model runs? What only computes them costs nothing unless they are.
    pub mask_outputs: bool,
    /// Are the numbers given, too, that an output's softmax or sigmoid was applied to? A crossentropy wants them. They
    /// stand behind the model's outputs, see [`lower::logits`].
    pub logits: bool,
    /// What outputs hold at padded positions.
    pub padded: Padded,
    /// By how much weights may grow for products of embedding tables and kernels, computed once for all runs.
    pub growth: Growth,
}

/// What an output holds where its mask is false.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Padded {
    /// What it holds in Keras.
    #[default]
    Keep,
    /// Zero, so that nothing is computed for what nobody reads. Texts stay as they are.
    Zero,
}

/// A model as it stands in its file.
pub struct Model {
    file: File,
    assembled: Assembled,
    compiled: serde_json::Value,
    weights: WeightSource,
    registry: Registry,
}

/// Where a model came from.
#[derive(Clone, Debug)]
struct File {
    /// As it was given; errors say it.
    path: String,
    /// Without folders; dumps and executables say it.
    name: String,
    hash: String,
}

impl Model {
    /// Reads a model file: `.keras` (a folder will do), `.h5`, or `.json` with its weights beside it or without.
    ///
    /// # Errors
    ///
    /// [`Error::Load`]: file, place, what was expected there and what was found.
    pub fn open(path: impl AsRef<Path>) -> Result<Model, Error> {
        Model::open_with(path, &OpenOptions::default())
    }

    /// The same, where more has to be said than the file's name.
    ///
    /// # Errors
    ///
    /// Those of [`Model::open`].
    pub fn open_with(path: impl AsRef<Path>, options: &OpenOptions) -> Result<Model, Error> {
        let file = frontend::read(path.as_ref(), options)?;
        Model::of(path.as_ref(), file, &options.registry)
    }

    /// Reads what a model file holds, and no other file. Errors name `path`, whose ending names the format.
    ///
    /// # Errors
    ///
    /// Those of [`Model::open`].
    pub fn from_bytes(path: impl AsRef<Path>, bytes: &[u8]) -> Result<Model, Error> {
        Model::from_bytes_with(path, bytes, &frontend::Descriptions::default())
    }

    /// The same with descriptions of custom layers.
    ///
    /// # Errors
    ///
    /// Those of [`Model::open`].
    pub fn from_bytes_with(
        path: impl AsRef<Path>,
        bytes: &[u8],
        described: &frontend::Descriptions,
    ) -> Result<Model, Error> {
        Model::of(path.as_ref(), frontend::read_bytes(path.as_ref(), bytes, described)?, described.registry())
    }

    fn of(path: &Path, file: ModelFile, registry: &Registry) -> Result<Model, Error> {
        let ModelFile { mut raw, weights, hash } = file;
        let fail = |error| LoadError { file: path.to_owned(), problem: Problem::Graph(error) };
        let compiled = raw.compiled.take();
        let mut assembled = frontend::assemble(raw, registry).map_err(fail)?;
        batch::drop_named(&mut assembled);
        let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let file = File { path: path.display().to_string(), name, hash };
        Ok(Model { file, assembled, compiled, weights, registry: registry.clone() })
    }

    /// Makes a model of what a front end, or a person, put together; it has no weights.
    pub(crate) fn build(mut raw: RawModel, registry: &Registry) -> Result<Model, Error> {
        let (name, compiled) = (raw.name.clone(), raw.compiled.take());
        let fail = |error| LoadError { file: name.clone().into(), problem: Problem::Graph(error) };
        let assembled = frontend::assemble(raw, registry).map_err(fail)?;
        let file = File { path: name.clone(), name, hash: String::new() };
        let (weights, registry) = (WeightSource::none(), registry.clone());
        Ok(Model { file, assembled, compiled, weights, registry })
    }

    /// Makes a model of a layer graph: what its text form says. It has no weights.
    ///
    /// # Errors
    ///
    /// [`Error::Load`]: a class or a setting that no layer has, calls that do not fit.
    pub fn of_graph(graph: &LayerGraph) -> Result<Model, Error> {
        Model::of_graph_with(graph, &Registry::default())
    }

    /// The same for a layer graph with layers of a registry.
    ///
    /// # Errors
    ///
    /// Those of [`Model::of_graph`].
    pub fn of_graph_with(graph: &LayerGraph, registry: &Registry) -> Result<Model, Error> {
        let raw = frontend::text::raw(graph)
            .map_err(|error| LoadError { file: graph.name.clone().into(), problem: error.into() })?;
        Model::build(raw, registry)
    }

    /// The layer graph.
    pub fn graph(&self) -> &LayerGraph {
        &self.assembled.graph
    }

    /// Where each layer stands in the model's config, as JSON pointers, in the graph's order; for a model that is a text,
    /// the layer's name there.
    pub fn pointers(&self) -> &[String] {
        &self.assembled.pointers
    }

    /// The layers, in the graph's order.
    pub(crate) fn into_layers(self) -> Vec<Box<dyn Layer>> {
        self.assembled.layers
    }

    /// The dtype policies of floats narrower than float32 and of quantized layers, each with the number of layers that
    /// ask for it. All is computed in float32, from weights as the file has them.
    pub fn narrow_policies(&self) -> BTreeMap<&str, usize> {
        let mut policies = BTreeMap::new();
        let layers = self.graph().layers().iter();
        let of_data = |class: &str| class == "InputLayer" || class.starts_with("ops.");
        let named =
            layers.filter(|layer| !of_data(&layer.class)).filter_map(|layer| layer.settings.get("dtype"));
        for policy in named.filter_map(|name| name.as_str()).filter(|name| NARROW_POLICIES.contains(name)) {
            *policies.entry(policy).or_insert(0) += 1;
        }
        policies
    }

    /// Is that one of [`Model::narrow_policies`] whose layers also quantize what they compute with?
    pub fn is_quantized(policy: &str) -> bool {
        QUANTIZED_POLICIES.contains(&policy)
    }

    /// Infers types and masks.
    ///
    /// # Errors
    ///
    /// [`Error::Infer`] names the first call whose types do not fit.
    pub fn infer(self) -> Result<Inferred, Error> {
        self.infer_masks(MaskSource::Keras)
    }

    /// Infers types, and the masks of a running Keras model or those that its layers' rules intend.
    ///
    /// # Errors
    ///
    /// Those of [`Model::infer`].
    pub fn infer_masks(self, source: MaskSource) -> Result<Inferred, Error> {
        let Model { file, assembled, compiled, weights, registry } = self;
        let Assembled { graph, layers, pointers, output_names, .. } = assembled;
        let inference = infer::infer(&graph, &layers, source)
            .map_err(|source| Error::Infer { file: file.path.clone(), source })?;
        let graph = InferredGraph { graph, facts: inference.facts };
        verified("inference", || verify::inferred(&graph));
        Ok(Inferred {
            file,
            graph,
            others: inference.others,
            differing: inference.differing,
            output_masks: inference.output_masks,
            layers,
            pointers,
            output_names,
            compiled,
            specs: inference.weights,
            source: weights,
            registry,
            weights: None,
        })
    }
}

/// A model with the types and masks of all its tensors.
pub struct Inferred {
    file: File,
    graph: InferredGraph,
    others: Facts,
    differing: Vec<infer::Differing>,
    output_masks: Vec<Option<TensorRef>>,
    layers: Vec<Box<dyn Layer>>,
    pointers: Vec<String>,
    output_names: Vec<String>,
    compiled: serde_json::Value,
    specs: Vec<Vec<WeightSpec>>,
    source: WeightSource,
    registry: Registry,
    weights: Option<BTreeMap<String, Tensor>>,
}

impl Inferred {
    /// The layer graph with everything that was inferred.
    pub fn graph(&self) -> &InferredGraph {
        &self.graph
    }

    /// The facts with the masks of the other source: the intended ones beside those of Keras, or the other way round.
    pub fn others(&self) -> &Facts {
        &self.others
    }

    /// The calls that compute with other masks under one source than under the other, in execution order.
    pub fn differing(&self) -> &[infer::Differing] {
        &self.differing
    }

    /// The graph's layers, in order.
    pub fn layers(&self) -> &[Box<dyn Layer>] {
        &self.layers
    }

    /// What the model was compiled with for training, as its file has it: `loss`, `loss_weights` and more. Null if it
    /// was not.
    pub fn compiled(&self) -> &serde_json::Value {
        &self.compiled
    }

    /// What may keep the model from being compiled: masks that do not fit, and those that reach layers without support
    /// for them, of which nothing is said under [`UnsupportedMask::Drop`]. See [`Inferred::findings`] for all that is
    /// worth knowing.
    pub fn diagnostics(&self, policy: UnsupportedMask) -> Vec<Diagnostic> {
        let mut found = diagnostics::misfit_masks(&self.graph, &self.layers, &self.pointers);
        let severity = match policy {
            UnsupportedMask::Error => Severity::Error,
            UnsupportedMask::Warn => Severity::Warning,
            UnsupportedMask::Drop => return found,
        };
        let unsupported = diagnostics::unsupported_masks(&self.graph, &self.layers, &self.pointers, severity);
        found.extend(unsupported);
        found
    }

    /// Everything that is wrong with the masks, by place: what keeps the model from being compiled, masks that are lost
    /// silently or not the intended ones, layers that are not known. [`Inferred::advise`] adds what to do about it.
    pub fn findings(&self, policy: UnsupportedMask) -> Vec<Diagnostic> {
        let mut findings = self.diagnostics(policy);
        let lost = diagnostics::lost_masks(&self.graph, &self.layers, &self.pointers);
        let missing = lost.iter().flat_map(Diagnostic::missed_by).collect();
        findings.extend(lost);
        findings.extend(diagnostics::opaque_layers(&self.graph, &self.layers, &self.pointers));
        findings.extend(diagnostics::unborn_masks(&self.graph, &self.layers, &self.pointers));
        let (loss, weights) = (&self.compiled["loss"], &self.compiled["loss_weights"]);
        // A loss that is not known may well do without padding by itself.
        if let Ok(objective) = Objective::new(loss, weights, &self.output_layers()) {
            findings.extend(self.unmasked_losses(&objective));
        }
        findings.extend(diagnostics::differing_masks(
            &self.graph,
            &self.others,
            &self.differing,
            &missing,
            &self.layers,
            &self.pointers,
        ));
        findings.sort_by_key(|finding| finding.labels.last().map(|label| label.call));
        findings
    }

    /// Losses that count padded steps, because a mask ended before the output. [`Inferred::findings`] has those of the
    /// losses that the model was compiled with.
    pub fn unmasked_losses(&self, objective: &Objective) -> Vec<Diagnostic> {
        diagnostics::unmasked_losses(&self.graph, &self.layers, &self.pointers, objective)
    }

    /// Names of the layers that make the outputs, by which losses are assigned to them.
    pub fn output_layers(&self) -> Vec<&str> {
        let graph = &self.graph.graph;
        let layer = |output: &masque_ir::layers::Output| graph.layer_of(output.tensor.call).name.as_str();
        graph.outputs().iter().map(layer).collect()
    }

    /// Reads the weights, and writes their hashes into the facts. A model without weights stays without.
    ///
    /// # Errors
    ///
    /// [`Error::Weights`]: a weight that is missing, of another shape, damaged, or belongs to no layer.
    pub fn load_weights(&mut self) -> Result<(), Error> {
        match self.require_weights() {
            Err(error) if self.does_without(&error) => Ok(()),
            other => other,
        }
    }

    /// Reads the weights as [`load_weights`](Inferred::load_weights) does; a model without the weights that it needs
    /// cannot be run.
    ///
    /// # Errors
    ///
    /// [`Error::Weights`]: also for a model without weights, with the files where they were looked for.
    pub fn require_weights(&mut self) -> Result<(), Error> {
        match bind::bind(&self.graph.graph, &mut self.graph.facts, &self.specs, &self.source) {
            Ok(weights) => self.weights = Some(weights),
            Err(WeightError::NoWeights { .. }) if self.weights.is_some() => {}
            Err(source) => return Err(Error::Weights { file: self.file.path.clone(), source }),
        }
        Ok(())
    }

    /// Gives the weights of a model that has none in its file, by name: `dense/kernel`. Their hashes go into the facts.
    ///
    /// # Errors
    ///
    /// [`Error::Weights`]: one that is missing, or is of another type than declared.
    pub fn give_weights(&mut self, weights: BTreeMap<String, Tensor>) -> Result<(), Error> {
        bind::give(&mut self.graph.facts, &weights)
            .map_err(|source| Error::Weights { file: self.file.path.clone(), source })?;
        self.weights = Some(weights);
        Ok(())
    }

    /// Where a run has the masks that hang on the model's outputs at its end, which is when losses are computed: for each
    /// output the key among the masks of all calls. A call may have taken an output's mask off it.
    pub fn output_masks(&self) -> Vec<Option<String>> {
        let key = |tensor: &TensorRef| lower::mask_key(&self.graph.graph, *tensor);
        self.output_masks.iter().map(|tensor| tensor.as_ref().map(key)).collect()
    }

    /// The masks that a call computes with, one for each tensor that it reads as data, in order; fewer or none where it
    /// does not look.
    pub fn used_masks(&self, call: masque_ir::layers::CallId) -> Vec<Option<masque_ir::mask::MaskId>> {
        let graph = &self.graph.graph;
        let layer = self.layers[graph.call(call).layer.0 as usize].as_ref();
        let rules = masks::Rules::of(graph, &self.graph.facts);
        // Calls were bound when they were inferred.
        let arguments = layer::Arguments::bind(graph.call(call), layer.signature().parameters);
        let all = &self.graph.facts.call(call).mask_in;
        arguments.map_or_else(|_| vec![], |arguments| masks::used(rules, layer, &arguments, all))
    }

    /// What is known of the masks before anything runs.
    pub fn mask_statics(&self) -> masks::statics::Statics<'_> {
        masks::statics::Statics::of(&self.graph, &self.layers)
    }
}

/// In debug builds and tests, every pass is checked by the verifier of what it makes. What it finds is a mistake of
/// ours, whatever the model.
fn verified(pass: &str, check: impl FnOnce() -> Result<(), Violations>) {
    if cfg!(debug_assertions)
        && let Err(violations) = check()
    {
        panic!("{pass} made something that is not well formed: {violations}");
    }
}
