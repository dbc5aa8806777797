//! What a layer is to the compiler: one trait that holds everything known about it — settings, weights, shape
//! rule, mask rule, lowering.
//!
//! A layer never computes masks. It *names* its rule out of a small vocabulary ([`MaskRule`]) and one function
//! applies all of them ([`crate::masks`]), so that rules are data: printed, compared with Keras, read by analyses.

mod activations;
pub mod advice;
pub mod arguments;
pub mod config;
mod definition;
pub mod kernel;
pub(crate) mod literals;
pub mod takes;

use std::collections::HashMap;
use std::fmt::Debug;

use masque_ir::mask::Band;
use masque_ir::ops::{Op, OpError};
use masque_ir::program::{Builder, Operand};
use masque_ir::{DType, Dim, Semantics, Type};

pub use advice::Advice;
pub use arguments::{Arguments, Passed};
pub use config::{Config, ConfigError};
pub use definition::{LayerDef, MASK_WORDS, Supports};
pub use kernel::KernelCondition;
pub use takes::Takes;

/// A layer with its settings; see the module's documentation.
pub trait Layer: Debug + Send + Sync {
    /// The names of the parameters of Keras' `call`, in order; the first takes the data.
    fn parameters(&self) -> &'static [&'static str] {
        &["inputs"]
    }

    /// Parameters that take other things than usual; see [`Takes::of`].
    fn takes(&self) -> &'static [(&'static str, Takes)] {
        &[]
    }

    /// How many tensors a call gives that gets these arguments, beside tensors.
    fn outputs(&self, _constants: &Constants) -> u32 {
        1
    }

    /// Keras' `supports_masking`.
    fn supports_masking(&self) -> bool;

    /// The same for the layer of that name in Keras 2.
    fn supports_masking_in_keras2(&self) -> bool {
        self.supports_masking()
    }

    /// What its outputs' masks are.
    fn mask_rule(&self, arguments: &Arguments<Type>) -> MaskRule;

    /// What its outputs' masks should be, where Keras' rule falls short of it.
    fn intended_mask_rule(&self, arguments: &Arguments<Type>) -> MaskRule {
        self.mask_rule(arguments)
    }

    /// Which masks it computes with; its lowering finds them in [`Arguments::mask`] and [`Arguments::mask_of`].
    fn reads(&self) -> Reads {
        if self.parameters().contains(&"mask") { Reads::Argument } else { Reads::Nothing }
    }

    /// What a call does to the tensors that it gets, beside computing.
    fn effect(&self, _arguments: &Arguments<Type>) -> Effect {
        Effect::None
    }

    /// The number that fills each row of its output behind the end, and stands nowhere before it, whatever its inputs
    /// are; none where that is not so.
    fn behind_the_end(&self) -> Option<f64> {
        None
    }

    /// Does a mask of that type fit what it is applied to, for whatever sizes the symbols stand for? Where it does not,
    /// Keras raises when the model runs.
    fn fits(&self, _x: &Type, _mask: &Type) -> bool {
        true
    }

    /// Does a mask change what it computes at inference?
    fn uses_masks(&self) -> bool {
        self.reads() != Reads::Nothing
    }

    /// Does the mask of what it reads as data at that place decide what it gives at valid positions? That of a query only
    /// decides what its padded positions get.
    fn decides(&self, _place: usize) -> bool {
        true
    }

    /// What Keras asks before it takes a fast kernel for the layer on a GPU; none for a layer without such a kernel.
    fn gpu_kernel(&self) -> Option<Vec<KernelCondition>> {
        None
    }

    /// What to tell somebody whose mask it cannot take.
    fn advice(&self) -> Advice {
        Advice::GENERAL
    }

    /// The types of its outputs.
    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError>;

    /// The weights it needs; all sizes known.
    fn weights(&self, _arguments: &Arguments<Type>) -> Result<Vec<WeightSpec>, ShapeError> {
        Ok(vec![])
    }

    /// Builds what it computes; one operand for each output.
    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError>;

    /// Is it a layer of a class that is not known? What it computes is a hole in the tensor graph.
    fn is_opaque(&self) -> bool {
        false
    }

    /// The masks of how many tensors that it reads it has to pass on; those of others may end with it.
    fn answers_for(&self) -> usize {
        usize::MAX
    }

    /// Is it the end of a custom layer, whose body stands before it?
    fn is_described(&self) -> bool {
        false
    }

    /// Is it an operation (`keras.ops`), which drops masks without a word and converts nothing?
    fn is_operation(&self) -> bool {
        false
    }

    /// The parameter whose tensors come from outside, where that is not the first one.
    fn received(&self) -> Option<&'static str> {
        None
    }

    /// What its output is as a mask, where it is one of the operations of which Keras builds masks.
    fn as_mask(&self, _parts: &MaskParts<'_>) -> Option<masque_ir::mask::MaskId> {
        None
    }
}

/// The arguments of a call that hold no tensor, by parameter.
pub type Constants = serde_json::Map<String, serde_json::Value>;

/// What an operation sees that may be part of a mask's computation.
pub type MaskParts<'a> = crate::masks::Parts<'a>;

/// Which masks a layer computes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// None.
    Nothing,
    /// Its `mask` argument: what is passed for it; else, if exactly one argument holds tensors, these tensors' own masks.
    Argument,
    /// Those of the tensors of its first argument, which nothing passed by hand replaces: the merging layers.
    Own,
    /// One for each argument that holds data: what is passed for its `NAME_mask`, else the tensor's own. The attention
    /// layers.
    Each {
        /// Arguments whose tensors' own masks count, whatever is passed for their `NAME_mask`.
        always_own: &'static [&'static str],
    },
}

/// What a call does to the tensors that it gets, beside computing. Masks hang on tensors, so whoever else reads the same
/// tensor afterwards sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing; its outputs are tensors of their own.
    None,
    /// Its outputs are the very tensors it got, by place: with their masks, and masks passed by hand are hung on them.
    GivesInputs,
    /// It takes the masks off every tensor that it reads.
    TakesMasks,
    /// Its outputs are the very tensors it got, by place, with their masks; only those without get others.
    Wraps,
    /// Nobody can tell: it may take the masks off what it reads.
    Unknown,
}

/// What the masks of a call's outputs are. The vocabulary of all layers.
#[derive(Clone, Debug, PartialEq)]
pub enum MaskRule {
    /// Made from the values of the first input.
    Born(Birth),
    /// That of the first input.
    Keep,
    /// That of one of the inputs, by place.
    KeepOf(usize),
    /// That of one of the tensors that came from outside, by place, as it was when the tensor was made.
    Received(usize),
    /// True where any input's mask is; none as soon as one input has none. In Keras 2 true where all masks are.
    Union,
    /// True where the mask of any input is that has one; inputs without do not count.
    Either,
    /// That of the first input, the other way round along an axis.
    Reversed {
        /// The axis, from the front.
        axis: usize,
    },
    /// Joined along an axis; an input without a mask counts as valid everywhere.
    Concat {
        /// The axis, from the front.
        axis: usize,
    },
    /// That of the first input, batch and steps as one axis.
    FoldSteps,
    /// That of the first input, whose steps a model was applied to. In Keras 2 that of the second input, which the model
    /// gave, batch and steps apart again; if it has none, whether there is anything valid at each step.
    UnfoldSteps,
    /// That of the first input, whose steps a layer of this rule is applied to. In Keras 2 what becomes of it there.
    OverSteps(Box<MaskRule>),
    /// For each pair of positions whether the first may attend to the second: where the masks of query, value and key
    /// hold, and what is passed by hand for pairs, and the bands; none if there is none of these. The scores carry it,
    /// with axes of size 1 for what it does not tell apart.
    Sees {
        /// Which may by where they stand.
        bands: Vec<Band>,
        /// The number of axes that positions have.
        axes: usize,
    },
    /// None, and rightly: the mask was used, or the outputs have no such axis.
    Ends,
    /// None: the mask is lost.
    Lost,
    /// Nobody can tell.
    Unknown,
    /// One rule for each output.
    PerOutput(Vec<MaskRule>),
}

/// How a mask is made from values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Birth {
    /// `x != 0`
    NonZero,
    /// `any(x != number, axis = -1)`
    AnyDiffers(f64),
}

impl MaskRule {
    /// The rule of one output.
    pub fn of_output(&self, output: usize) -> &MaskRule {
        match self {
            MaskRule::PerOutput(rules) => rules.get(output).unwrap_or(&MaskRule::Ends),
            // With several outputs only the first one gets the mask.
            MaskRule::Keep | MaskRule::Born(_) | MaskRule::Reversed { .. } if output > 0 => &MaskRule::Ends,
            rule => rule,
        }
    }
}

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
