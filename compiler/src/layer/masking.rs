//! What a layer has to do with masks: in any call ([`Masking`]), and in a call with certain arguments ([`CallMasks`]).

use masque_ir::Type;
use masque_ir::mask::Band;

use super::{Advice, KernelCondition};

/// What a layer has to do with masks, whatever it is called on.
///
/// ```
/// use masque::layer::{Masking, Reads};
///
/// let masking = Masking::SUPPORTED.in_keras2(false).reading(Reads::Argument);
/// assert!(masking.supported && !masking.supported_in_keras2);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Masking {
    /// Keras' `supports_masking`.
    pub supported: bool,
    /// The same for the layer of that name in Keras 2.
    pub supported_in_keras2: bool,
    /// Which masks it computes with. If `None`, those of its `mask` parameter, where it has one, as in Keras.
    pub reads: Option<Reads>,
    /// Do the masks that it reads change what it computes at inference?
    pub used_at_inference: bool,
    /// Which masks fit what they are applied to. With any other, Keras raises when the model runs.
    pub fit: MaskFit,
    /// Is the first tensor that it reads a query? The mask of a query decides only what its padded positions get.
    pub has_query: bool,
    /// The number of tensors that it reads whose masks it has to pass on; those of others may end with it.
    pub answers_for: usize,
    /// The number that fills each row of its output after the end of the row and never occurs before, whatever its inputs
    /// are; `None` where that is not so.
    pub filler: Option<f64>,
    /// What Keras asks, beside a mask of padding at the end, before it takes a fast kernel for the layer on a GPU; `None`
    /// for a layer without such a kernel.
    pub gpu_kernel: Option<Vec<KernelCondition>>,
    /// What to tell somebody whose mask it cannot take.
    pub advice: Advice,
}

impl Masking {
    /// Keras' `supports_masking = True`.
    pub const SUPPORTED: Masking = Masking {
        supported: true,
        supported_in_keras2: true,
        reads: None,
        used_at_inference: true,
        fit: MaskFit::Any,
        has_query: false,
        answers_for: usize::MAX,
        filler: None,
        gpu_kernel: None,
        advice: Advice::GENERAL,
    };

    /// Keras' `supports_masking = False`.
    pub const UNSUPPORTED: Masking =
        Masking { supported: false, supported_in_keras2: false, ..Masking::SUPPORTED };

    /// One of both.
    pub const fn supported(supported: bool) -> Masking {
        if supported { Masking::SUPPORTED } else { Masking::UNSUPPORTED }
    }

    /// The same, but whether the layer of that name in Keras 2 supports masks is stated.
    pub const fn in_keras2(mut self, supported: bool) -> Masking {
        self.supported_in_keras2 = supported;
        self
    }

    /// The same, but the masks that it computes with are stated.
    pub const fn reading(mut self, reads: Reads) -> Masking {
        self.reads = Some(reads);
        self
    }

    /// The same, but whether the masks that it reads change what it computes at inference is stated.
    pub const fn used_at_inference(mut self, used: bool) -> Masking {
        self.used_at_inference = used;
        self
    }

    /// The same, but not every mask fits.
    pub const fn fitting(mut self, fit: MaskFit) -> Masking {
        self.fit = fit;
        self
    }

    /// The same, but the first tensor that it reads is a query.
    pub const fn with_query(mut self) -> Masking {
        self.has_query = true;
        self
    }

    /// The same, but it has to pass on the masks of the first tensors only.
    pub const fn answering_for(mut self, tensors: usize) -> Masking {
        self.answers_for = tensors;
        self
    }

    /// The same with a number that fills its rows.
    pub const fn filling(mut self, filler: Option<f64>) -> Masking {
        self.filler = filler;
        self
    }

    /// The same with the conditions of a fast kernel.
    pub fn with_gpu_kernel(mut self, conditions: Option<Vec<KernelCondition>>) -> Masking {
        self.gpu_kernel = conditions;
        self
    }

    /// The same with advice.
    pub const fn advised(mut self, advice: Advice) -> Masking {
        self.advice = advice;
        self
    }

    /// Does the mask of what it reads as data at that place decide what it gives at valid positions?
    pub fn decides(&self, place: usize) -> bool {
        !self.has_query || place != 0
    }
}

/// Which masks fit a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaskFit {
    /// Any; the layer looks at them itself, if at all.
    Any,
    /// Those that broadcast to the tensor from the right.
    Broadcast,
}

impl MaskFit {
    /// Does a mask of that type fit, for whatever sizes the symbols stand for?
    pub fn fits(self, x: &Type, mask: &Type) -> bool {
        let mut aligned = mask.shape.iter().rev().zip(x.shape.iter().rev());
        match self {
            MaskFit::Any => true,
            MaskFit::Broadcast => {
                mask.rank() <= x.rank() && aligned.all(|(mask, size)| mask.is_one() || mask == size)
            }
        }
    }
}

/// What becomes of masks in one call.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CallMasks {
    /// What its outputs' masks are.
    pub rule: MaskRule,
    /// What they should be, where Keras' rule falls short of it.
    pub intended: Option<MaskRule>,
    /// What the call does to the tensors that it gets, beside computing.
    pub effect: Effect,
}

impl CallMasks {
    /// Masks by a rule, in a call that gives tensors of its own.
    pub const fn new(rule: MaskRule) -> CallMasks {
        CallMasks { rule, intended: None, effect: Effect::None }
    }

    /// The same, but the rule should be another one.
    pub fn intended(mut self, rule: MaskRule) -> CallMasks {
        self.intended = Some(rule);
        self
    }

    /// The same with an effect.
    pub fn with_effect(mut self, effect: Effect) -> CallMasks {
        self.effect = effect;
        self
    }
}

impl From<MaskRule> for CallMasks {
    fn from(rule: MaskRule) -> CallMasks {
        CallMasks::new(rule)
    }
}

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
