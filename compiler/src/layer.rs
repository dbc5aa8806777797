//! What a layer is to the compiler: one trait that holds everything known about it — settings, weights, shape
//! rule, mask rule, lowering.
//!
//! A layer never computes masks. It *names* its rule out of a small vocabulary ([`MaskRule`]) and one function
//! applies all of them ([`crate::masks`]), so that rules are data: printed, compared with Keras, read by analyses.
//!
//! Other programs extend masque here. A custom layer is a type that implements [`Layer`]; a model is opened with a
//! [`Registry`] that has it under its class. Two methods are required:
//!
//! | method | what it says | unless it says so |
//! |---|---|---|
//! | [`infer`](Layer::infer) | the types of the outputs, or a [`ShapeError`]; [`infer_by_lowering`] finds them | |
//! | [`lower`](Layer::lower) | what is computed, as operations, in a [`Scope`] that has the weights | |
//! | [`weights`](Layer::weights) | the weights, and where a Keras file keeps each ([`WeightSpec`]) | none |
//! | [`signature`](Layer::signature) | the parameters of `call`, and what they take ([`Signature`]) | one tensor |
//! | [`masking`](Layer::masking) | which masks are supported and used ([`Masking`]) | not supported |
//! | [`call_masks`](Layer::call_masks) | the mask of each output ([`MaskRule`]) | that of the first input, or lost |
//! | [`outputs`](Layer::outputs) | the number of outputs | one |
//!
//! [`Layer::kind`] and [`Layer::as_mask`] are for what masque brings itself. Settings are read from a [`Config`], which
//! refuses by name whatever was not read. `lower` is only called on arguments whose types `infer` took.
//! `examples/own_layers.rs` is a whole program.

mod activations;
pub mod advice;
pub mod arguments;
pub(crate) mod classes;
pub mod config;
mod definition;
pub mod kernel;
pub(crate) mod literals;
pub mod masking;
pub mod parts;
pub mod registry;
pub mod signature;
mod way;

use std::collections::HashMap;
use std::fmt::Debug;

use masque_ir::ops::{Op, OpError};
use masque_ir::program::{Builder, Operand};
use masque_ir::{DType, Dim, Semantics, Type};

pub use advice::Advice;
pub use arguments::{Arguments, Passed};
pub use config::{Config, ConfigError};
pub use definition::{LayerDef, MASK_WORDS, Supports};
pub use kernel::KernelCondition;
pub use masking::{Birth, CallMasks, Effect, MaskFit, MaskRule, Masking, Reads};
pub use parts::MaskParts;
pub use registry::{Parse, Registry};
pub use signature::{Signature, Takes};
pub use way::Way;

/// A layer with its settings; see the module's documentation.
///
/// A layer that says nothing of masks is as Keras' own base class: it does not support them, and they are lost.
pub trait Layer: Debug + Send + Sync {
    /// What it is.
    fn kind(&self) -> Kind {
        Kind::Layer
    }

    /// The parameters of Keras' `call`, and what they take.
    fn signature(&self) -> Signature {
        Signature::of(&["inputs"])
    }

    /// How many tensors a call gives that gets these arguments, beside tensors.
    fn outputs(&self, _constants: &Constants) -> u32 {
        1
    }

    /// What it has to do with masks in any call.
    fn masking(&self) -> Masking {
        Masking::UNSUPPORTED
    }

    /// What becomes of masks in a call. A layer that supports them passes on that of its first input, as Keras'
    /// `compute_mask` does; for any other they are lost.
    fn call_masks(&self, _arguments: &Arguments<Type>) -> CallMasks {
        if self.masking().supported { MaskRule::Keep.into() } else { MaskRule::Lost.into() }
    }

    /// What its output is as a mask, where it is one of the operations of which Keras builds masks.
    fn as_mask(&self, _parts: &MaskParts<'_>) -> Option<masque_ir::mask::MaskId> {
        None
    }

    /// The types of its outputs.
    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError>;

    /// The weights it needs; all sizes known.
    fn weights(&self, _arguments: &Arguments<Type>) -> Result<Vec<WeightSpec>, ShapeError> {
        Ok(vec![])
    }

    /// Builds what it computes; one operand for each output.
    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError>;
}

/// What a layer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A layer of Keras, or one like it.
    #[default]
    Layer,
    /// An operation (`keras.ops`), which drops masks without a word and converts nothing.
    Operation,
    /// A layer of a class that is not known. What it computes is a hole in the tensor graph.
    Opaque,
    /// The end of a custom layer that is described, whose body is before it.
    Described,
}

/// The arguments of a call that hold no tensor, by parameter.
pub type Constants = serde_json::Map<String, serde_json::Value>;

/// The types that a layer is called on do not fit it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found}")]
pub struct ShapeError {
    /// What the layer needs.
    pub expected: String,
    /// What it got.
    pub found: String,
}

impl ShapeError {
    /// An error with both halves.
    pub fn new(expected: impl Into<String>, found: impl ToString) -> ShapeError {
        ShapeError { expected: expected.into(), found: found.to_string() }
    }
}

/// The types of a layer's outputs as its lowering gives them: then no rule has to be written down twice. The layer's own
/// [`Layer::infer`] looks before at whatever its lowering takes for granted.
///
/// # Errors
///
/// An operation that does not take what the lowering gives it.
pub fn infer_by_lowering(layer: &dyn Layer, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
    let mut builder = Builder::new("infer", Semantics::Keras3_15);
    let weights: HashMap<String, Operand> = layer
        .weights(arguments)?
        .into_iter()
        .map(|weight| (weight.name.clone(), builder.weight(&weight.name, weight.ty, None)))
        .collect();
    let mut operands = arguments.map(|ty| builder.input("x", ty.clone()));
    let mask = |mask: &Option<Type>| mask.clone().map(|ty| builder.input("mask", ty));
    operands.masks = arguments.masks.iter().map(mask).collect();
    let outputs = layer
        .lower(&mut Scope::new(&mut builder, &weights, String::new()), &operands)
        .map_err(|error| ShapeError { expected: error.expected, found: error.found })?;
    Ok(outputs.iter().map(|output| builder.type_of(output)).collect())
}

/// A weight that a layer needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightSpec {
    /// The name in the layer: `kernel`.
    pub name: String,
    /// Element type and shape, all sizes known.
    pub ty: Type,
    /// Where a Keras weights file keeps it.
    pub place: WeightPlace,
    /// Is it one that training changes by gradients? Older files have the others behind these.
    pub trained: bool,
    /// The scales of a weight that quantized models keep as whole numbers.
    pub scales: Option<Scales>,
    /// Is it a kernel of a transposed convolution, whose last two axes Keras 1 kept the other way round?
    pub transposed: bool,
}

/// Where quantized models keep the scales of a weight: each number is a whole number divided by its scale.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scales {
    /// The number of the dataset, in the group of the weight's own.
    pub number: usize,
    /// The axes of the weight that have scales of their own, in the order in which the scales have them.
    pub axes: Vec<usize>,
}

/// Where a Keras file keeps a weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WeightPlace {
    /// A dataset of the weights file, below the layer's group: `cell/vars/0`.
    Dataset(String),
    /// A dataset that has another name in some files.
    Renamed {
        /// The usual name.
        now: String,
        /// That of older files, or of quantized ones.
        before: String,
    },
    /// The vocabulary of a text layer.
    Vocabulary {
        /// What may stand at its beginning and has no number of its own.
        special: Vec<String>,
        /// What is put there instead.
        first: Vec<String>,
    },
    /// The inverse document frequencies of a text layer, one for each column; the vocabulary's special tokens get the
    /// mean of the others where they have none.
    IdfWeights {
        /// These tokens.
        special: Vec<String>,
    },
    /// Texts that stand in the settings.
    Words(Vec<String>),
}

impl WeightPlace {
    /// Is it a dataset of the weights file?
    pub fn is_dataset(&self) -> bool {
        self.datasets().next().is_some()
    }

    /// The names that the dataset has or had, the present one first; none for what is no dataset.
    pub fn datasets(&self) -> impl Iterator<Item = &str> {
        let (now, before) = match self {
            WeightPlace::Dataset(now) => (Some(now), None),
            WeightPlace::Renamed { now, before } => (Some(now), Some(before)),
            WeightPlace::Vocabulary { .. } | WeightPlace::IdfWeights { .. } | WeightPlace::Words(_) => {
                (None, None)
            }
        };
        now.into_iter().chain(before).map(String::as_str)
    }
}

impl WeightSpec {
    /// Floats in a dataset of the weights file.
    pub fn new(name: &str, dataset: &str, shape: impl IntoIterator<Item = i64>) -> WeightSpec {
        let ty = Type::new(DType::F32, shape.into_iter().map(Dim::from).collect::<Vec<_>>());
        WeightSpec {
            name: name.to_owned(),
            ty,
            place: WeightPlace::Dataset(dataset.to_owned()),
            trained: true,
            scales: None,
            transposed: false,
        }
    }

    /// The same weight as a kernel of a transposed convolution.
    pub fn transposed(mut self) -> WeightSpec {
        self.transposed = true;
        self
    }

    /// The same weight as one that training does not change by gradients.
    pub fn untrained(mut self) -> WeightSpec {
        self.trained = false;
        self
    }

    /// The same weight as one that quantized models keep with scales.
    pub fn scaled(mut self, number: usize, axes: impl IntoIterator<Item = usize>) -> WeightSpec {
        self.scales = Some(Scales { number, axes: axes.into_iter().collect() });
        self
    }

    /// The same weight inside a wrapper: its name and its dataset below the wrapper's.
    pub fn inside(mut self, name: &str, group: &str) -> WeightSpec {
        self.name = format!("{name}/{}", self.name);
        match &mut self.place {
            WeightPlace::Dataset(dataset) => *dataset = format!("{group}/{dataset}"),
            WeightPlace::Renamed { now, before } => {
                [now, before].into_iter().for_each(|dataset| *dataset = format!("{group}/{dataset}"));
            }
            WeightPlace::Vocabulary { .. } | WeightPlace::IdfWeights { .. } | WeightPlace::Words(_) => {}
        }
        self
    }
}

/// Where a layer builds what it computes: the program so far, and the layer's weights by name.
pub struct Scope<'a> {
    /// The program so far.
    pub builder: &'a mut Builder,
    weights: &'a HashMap<String, Operand>,
    prefix: String,
}

impl<'a> Scope<'a> {
    /// A scope for the layer whose weights are named with this prefix.
    pub fn new(builder: &'a mut Builder, weights: &'a HashMap<String, Operand>, prefix: String) -> Scope<'a> {
        Scope { builder, weights, prefix }
    }

    /// The rules that the model is read under.
    pub fn semantics(&self) -> Semantics {
        self.builder.program().semantics
    }

    /// The scope of a layer inside a wrapper.
    pub fn inside(&mut self, name: &str) -> Scope<'_> {
        Scope { builder: self.builder, weights: self.weights, prefix: format!("{}{name}/", self.prefix) }
    }

    /// A weight of the layer; absent if the layer has none of that name.
    pub fn weight(&self, name: &str) -> Operand {
        self.weights.get(&format!("{}{name}", self.prefix)).cloned().unwrap_or(Operand::Absent)
    }

    /// What a layer that keeps its state has of it by now: zeros, what the last run left, or an earlier call.
    pub fn state(&mut self, name: &str, ty: Type) -> Operand {
        self.builder.state(&format!("{}{name}", self.prefix), ty)
    }

    /// What the state is from here on, for later calls and the next run.
    pub fn keep(&mut self, name: &str, state: Operand) {
        self.builder.keep(&format!("{}{name}", self.prefix), state);
    }

    /// Applies one operation of the tensor graph.
    ///
    /// # Errors
    ///
    /// Operands that the operation does not take.
    pub fn emit(&mut self, op: impl Into<Op>, operands: &[&Operand]) -> Result<Operand, OpError> {
        let operands: Vec<Operand> = operands.iter().map(|&operand| operand.clone()).collect();
        self.builder.emit(op, &operands)
    }

    /// Applies an operation to an operand and a number of its element type.
    ///
    /// # Errors
    ///
    /// As of [`Scope::emit`].
    pub fn with(&mut self, op: impl Into<Op>, x: &Operand, number: f64) -> Result<Operand, OpError> {
        let number = self.builder.number(x, number);
        self.emit(op, &[x, &number])
    }

    /// The same numbers as floats of the compute type.
    pub fn float(&mut self, x: &Operand) -> Result<Operand, OpError> {
        self.cast(x, DType::F32)
    }

    /// The same numbers as another element type.
    pub fn cast(&mut self, x: &Operand, to: DType) -> Result<Operand, OpError> {
        if self.builder.type_of(x).dtype == to {
            return Ok(x.clone());
        }
        self.emit(masque_ir::ops::Elementwise::Cast { to }, &[x])
    }
}
