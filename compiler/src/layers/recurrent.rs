//! The layers over time: `SimpleRNN`, `LSTM`, `GRU`, `RNN` over cells of these kinds, and `ConvLSTM`.
//!
//! They differ in what a step does ([`Steps`]): a [`cells::Stack`] or a [`conv_lstm::Convolution`]. How the steps follow
//! one another, what comes out, and what a mask does to it is the same for all of them, and stands here.

mod cells;
mod conv_lstm;

use std::fmt::Debug;

use masque_ir::ops::{Elementwise, OpError, Shape};
use masque_ir::program::Operand;
use masque_ir::{DType, Dim, Type};

use crate::layer::{
    Arguments, CallMasks, Config, ConfigError, Constants, KernelCondition, Layer, LayerDef, MaskRule,
    Masking, Scope, ShapeError, Signature, Supports, Takes, WeightSpec,
};

/// The rows of the registry, and the list of their classes.
macro_rules! over_time {
    ($($name:ident = $class:literal),* $(,)?) => {
        $(pub(super) static $name: LayerDef = LayerDef {
            class: $class,
            supports_masking: Supports::Always,
            masks: "keep, if return_sequences; else ends; states: ends",
            parse: |config| Ok(Box::new(Recurrent::parse($class, config)?)),
        };)*

        /// The classes of layers over time.
        const CLASSES: &[&str] = &[$($class),*];
    };
}

over_time! {
    CONV_LSTM1D = "ConvLSTM1D",
    CONV_LSTM2D = "ConvLSTM2D",
    CONV_LSTM3D = "ConvLSTM3D",
    GRU = "GRU",
    LSTM = "LSTM",
    RNN = "RNN",
    SIMPLE_RNN = "SimpleRNN",
}

/// How the steps follow one another, and what comes out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Walk {
    /// Every step's output, or only the last one?
    pub(super) sequences: bool,
    /// Are the final states outputs, too?
    pub(super) states: bool,
    /// From the last step to the first?
    pub(super) backwards: bool,
    /// Zero where the mask is false, in place of the output before it?
    pub(super) zero_masked: bool,
    /// Does Keras write every step out? It computes the same then, but for [`Walk::zeroes_by_unreversed_mask`].
    unroll: bool,
    /// Does a walk begin with the states that the one before it ended with?
    pub(super) stateful: bool,
}

impl Walk {
    fn parse(config: &mut Config) -> Result<Walk, ConfigError> {
        Ok(Walk {
            sequences: config.bool("return_sequences", false)?,
            states: config.bool("return_state", false)?,
            backwards: config.bool("go_backwards", false)?,
            zero_masked: config.bool("zero_output_for_mask", false)?,
            unroll: config.bool("unroll", false)?,
            stateful: config.bool("stateful", false)?,
        })
    }

    /// Keras' unrolled loop runs backwards over a reversed mask, as it should, and then zeroes the outputs by the
    /// mask that was *not* reversed.
    fn zeroes_by_unreversed_mask(&self) -> bool {
        self.unroll && self.sequences && self.backwards && self.zero_masked
    }
}

/// What a layer over time does at each step.
pub(super) trait Steps: Debug + Send + Sync {
    /// How many states are carried from step to step.
    fn count(&self) -> usize;

    /// What Keras asks of the steps before it takes a fast kernel on a GPU; none where there is no such kernel.
    fn gpu_kernel(&self) -> Option<Vec<KernelCondition>> {
        None
    }

    /// Can a mask hold a part of the states while the rest goes on?
    fn holds_parts(&self) -> bool {
        true
    }

    /// The state whose type the output has, by place.
    fn shown(&self) -> usize;

    /// The types of the states, given the data's.
    fn states(&self, x: &Type) -> Result<Vec<Type>, ShapeError>;

    /// The weights, given the data's type.
    fn weights(&self, x: &Type) -> Result<Vec<WeightSpec>, ShapeError>;

    /// Builds the whole walk over floats: the output, then the final states if they are wanted. Absent initial states
    /// are zeros.
    fn run(
        &self,
        scope: &mut Scope<'_>,
        x: &Operand,
        mask: &Operand,
        initial: &[Operand],
        walk: &Walk,
    ) -> Result<Vec<Operand>, OpError>;
}

/// A layer over time.
#[derive(Debug)]
pub(super) struct Recurrent {
    pub(super) walk: Walk,
    pub(super) steps: Box<dyn Steps>,
    /// Are sequences `[steps, batch, ...]`, as Keras 2 could have them? Their masks and the outputs then are, too.
    pub(super) time_major: bool,
}

impl Recurrent {
    /// How many tensors a call gives: the output, and the states if they are asked for.
    fn results(&self) -> u32 {
        1 + if self.walk.states { self.steps.count() as u32 } else { 0 }
    }

    /// Reads the settings of a layer of one of the [`CLASSES`].
    pub(super) fn parse(class: &str, config: &mut Config) -> Result<Recurrent, ConfigError> {
        config.ignore(&["use_cudnn"]);
        let walk = Walk::parse(config)?;
        let steps: Box<dyn Steps> = match class {
            "ConvLSTM1D" => Box::new(conv_lstm::Convolution::parse(config, 1)?),
            "ConvLSTM2D" => Box::new(conv_lstm::Convolution::parse(config, 2)?),
            "ConvLSTM3D" => Box::new(conv_lstm::Convolution::parse(config, 3)?),
            "RNN" => Box::new(cells::Stack::parse(config)?),
            _ => Box::new(cells::Stack::single(class, config)?),
        };
        let time_major = !class.starts_with("ConvLSTM") && config.bool("time_major", false)?;
        Ok(Recurrent { walk, steps, time_major })
    }

    /// The axis of the steps in what it reads, and in a sequence that it gives.
    pub(super) fn time_axis(&self) -> u32 {
        u32::from(!self.time_major)
    }

    /// A type of sequences with the batch first, or one with the batch first as the layer has it.
    fn turned(&self, ty: &Type) -> Type {
        let mut ty = ty.clone();
        if self.time_major && ty.rank() >= 2 {
            ty.shape.swap(0, 1);
        }
        ty
    }

    /// The same for tensors.
    fn turn(&self, scope: &mut Scope<'_>, x: &Operand) -> Result<Operand, OpError> {
        if !self.time_major {
            return Ok(x.clone());
        }
        let rank = scope.builder.type_of(x).rank() as u32;
        let perm = [1, 0].into_iter().chain(2..rank).collect();
        scope.builder.emit(Shape::Transpose { perm }, std::slice::from_ref(x))
    }

    /// Is that the class of a layer over time?
    pub(super) fn is_class(class: &str) -> bool {
        CLASSES.contains(&class)
    }

    /// The classes, for people.
    pub(super) fn classes() -> String {
        CLASSES.join(", ")
    }

    /// A mask says of each step whether it is there. Further axes are those of the states, from the front: then it says so
    /// of each part of them, the same for parts along an axis of size 1.
    fn check_mask(&self, mask: &Type, x: &Type, states: &[Type]) -> Result<(), ShapeError> {
        let agrees = |axis: usize| match (mask.shape[axis].known(), x.shape[axis].known()) {
            (Some(mask), Some(size)) => mask == size,
            _ => true,
        };
        let fits = |state: &Type| {
            let mut parts = mask.shape[2..].iter().zip(&state.shape[1..]);
            mask.rank() <= state.rank() + 1 && parts.all(|(part, size)| part.is_one() || part == size)
        };
        // Keras' unrolled loop repeats the mask along all axes of the state.
        let parts = self.steps.holds_parts() && !self.walk.unroll;
        let steps = mask.rank() >= 2 && agrees(0) && agrees(1);
        if steps && states.iter().all(fits) && (parts || is_of_whole_steps(mask)) {
            return Ok(());
        }
        let expected = Type::new(DType::Bool, x.shape[..2].to_vec());
        let expected = match states {
            [state, ..] if parts => format!("a mask {expected}, or one of parts of the state {state}"),
            _ => format!("a mask {expected}"),
        };
        Err(ShapeError::new(expected, mask))
    }

    /// Builds the layer over given data, mask and initial states.
    pub(super) fn build(
        &self,
        scope: &mut Scope<'_>,
        x: &Operand,
        mask: Option<&Operand>,
        initial: &[Operand],
    ) -> Result<Vec<Operand>, OpError> {
        let mask = mask.map(|mask| self.turn(scope, mask)).transpose()?;
        let x = self.turn(scope, x)?;
        let mut results = self.build_turned(scope, &x, mask.as_ref(), initial)?;
        if self.walk.sequences {
            results[0] = self.turn(scope, &results[0])?;
        }
        Ok(results)
    }

    /// Builds the layer over data with the batch first.
    fn build_turned(
        &self,
        scope: &mut Scope<'_>,
        x: &Operand,
        mask: Option<&Operand>,
        initial: &[Operand],
    ) -> Result<Vec<Operand>, OpError> {
        let x = scope.float(x)?;
        let mut states = initial.iter().map(|state| scope.float(state)).collect::<Result<Vec<_>, _>>()?;
        if !self.walk.stateful {
            states.resize(self.steps.count(), Operand::Absent);
            return self.run(scope, &x, mask, &states, &self.walk);
        }
        let types = self.steps.states(&scope.builder.type_of(&x));
        let types =
            types.map_err(|error| OpError { op: "state", expected: error.expected, found: error.found })?;
        let name = |place: usize| format!("state.{place}");
        if states.is_empty() {
            states = types.into_iter().enumerate().map(|(place, ty)| scope.state(&name(place), ty)).collect();
        }
        let all = Walk { states: true, ..self.walk.clone() };
        let mut results = self.run(scope, &x, mask, &states, &all)?;
        for (place, state) in results[1..].iter().enumerate() {
            scope.keep(&name(place), state.clone());
        }
        results.truncate(self.results() as usize);
        Ok(results)
    }

    /// Builds one walk.
    fn run(
        &self,
        scope: &mut Scope<'_>,
        x: &Operand,
        mask: Option<&Operand>,
        states: &[Operand],
        walk: &Walk,
    ) -> Result<Vec<Operand>, OpError> {
        let Some(mask) = mask else { return self.steps.run(scope, x, &Operand::Absent, states, walk) };
        // Further axes of size 1 say nothing.
        let ty = scope.builder.type_of(mask);
        let shape = Shape::Reshape { shape: ty.shape[..2].to_vec().into() };
        let mask = match ty.rank() > 2 && is_of_whole_steps(&ty) {
            true => scope.builder.emit(shape, std::slice::from_ref(mask))?,
            false => mask.clone(),
        };
        if !walk.zeroes_by_unreversed_mask() {
            return self.steps.run(scope, x, &mask, states, walk);
        }
        let repeating = Walk { zero_masked: false, ..walk.clone() };
        let mut results = self.steps.run(scope, x, &mask, states, &repeating)?;
        let rank = scope.builder.type_of(&results[0]).rank();
        let (mask, zero) = (scope.builder.trail_axes(&mask, rank)?, scope.builder.number(&results[0], 0.0));
        results[0] = scope.builder.emit(Elementwise::Select, &[mask, results[0].clone(), zero])?;
        Ok(results)
    }
}

impl Layer for Recurrent {
    fn signature(&self) -> Signature {
        Signature::of(&["sequences", "initial_state", "mask", "training"])
            .taking(&[("initial_state", Takes::Tensors)])
    }

    fn outputs(&self, _: &Constants) -> u32 {
        self.results()
    }

    fn masking(&self) -> Masking {
        let mut conditions = self.steps.gpu_kernel();
        if let Some(conditions) = &mut conditions {
            conditions.push(KernelCondition::new("unroll=False", !self.walk.unroll));
        }
        Masking::SUPPORTED.with_gpu_kernel(conditions)
    }

    /// Outputs of a layer that runs backwards come in its own order, and Keras leaves their mask in the other one.
    fn call_masks(&self, _: &Arguments<Type>) -> CallMasks {
        let output = if self.walk.sequences { MaskRule::Keep } else { MaskRule::Ends };
        let masks = CallMasks::new(MaskRule::PerOutput(vec![output]));
        match self.walk.sequences && self.walk.backwards {
            true => masks
                .intended(MaskRule::PerOutput(vec![MaskRule::Reversed { axis: self.time_axis() as usize }])),
            false => masks,
        }
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let x = &self.turned(sequences(arguments)?);
        let states = self.steps.states(x)?;
        if let Some(mask) = arguments.mask() {
            self.check_mask(&self.turned(mask), x, &states)?;
        }
        check_initial(arguments.tensors("initial_state"), &states)?;
        if self.walk.stateful && states.iter().any(|state| state.known_elements().is_none()) {
            let expected = "a batch of known size, of which a stateful layer keeps the states";
            return Err(ShapeError::new(expected, x));
        }
        let mut output = states[self.steps.shown()].clone();
        if self.walk.sequences {
            output.shape.insert(1, x.shape[1].clone());
            output = self.turned(&output);
        }
        let states = if self.walk.states { states } else { vec![] };
        Ok(std::iter::once(output).chain(states).collect())
    }

    fn weights(&self, arguments: &Arguments<Type>) -> Result<Vec<WeightSpec>, ShapeError> {
        self.steps.weights(&self.turned(sequences(arguments)?))
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let states = arguments.tensors("initial_state").to_vec();
        self.build(scope, &arguments.data()[0], arguments.mask(), &states)
    }
}

/// The data.
fn sequences(arguments: &Arguments<Type>) -> Result<&Type, ShapeError> {
    let expected = "numbers [batch, steps, ...]";
    let x = arguments.first().ok_or_else(|| ShapeError::new(expected, "none"))?;
    if x.rank() >= 3 && x.dtype != DType::Str { Ok(x) } else { Err(ShapeError::new(expected, x)) }
}

/// Either there are none, or one for each state and of its type.
fn check_initial(given: &[Type], states: &[Type]) -> Result<(), ShapeError> {
    if !given.is_empty() && given.len() != states.len() {
        return Err(ShapeError::new(format!("{} tensors as `initial_state`", states.len()), given.len()));
    }
    let fits = |given: &Type, state: &Type| {
        given.dtype != DType::Str && given.rank() == state.rank() && given.shape[1..] == state.shape[1..]
    };
    match given.iter().zip(states).find(|(given, state)| !fits(given, state)) {
        Some((given, state)) => Err(ShapeError::new(format!("{state} as `initial_state`"), given)),
        None => Ok(()),
    }
}

/// Does a mask say of each step whether it is there, and nothing of parts of the states?
fn is_of_whole_steps(mask: &Type) -> bool {
    mask.shape.iter().skip(2).all(Dim::is_one)
}
