//! `SimpleRNN`, `LSTM` and `GRU`.

use masque_ir::activation::Activation;
use masque_ir::ops::{self, Elementwise, OpError, RecurrentOptions};
use masque_ir::program::Operand;
use masque_ir::{DType, Dim, Type};

use crate::layer::{
    Arguments, Config, ConfigError, Constants, Layer, LayerDef, MaskRule, Scope, ShapeError, Supports,
    WeightSpec,
};

const MASKS: &str = "keep, if return_sequences; else ends; states: ends";

pub(super) static GRU: LayerDef = LayerDef {
    class: "GRU",
    supports_masking: Supports::Always,
    masks: MASKS,
    parse: |config| Ok(Box::new(Recurrent::parse("GRU", config)?)),
};
pub(super) static LSTM: LayerDef = LayerDef {
    class: "LSTM",
    supports_masking: Supports::Always,
    masks: MASKS,
    parse: |config| Ok(Box::new(Recurrent::parse("LSTM", config)?)),
};
pub(super) static SIMPLE_RNN: LayerDef = LayerDef {
    class: "SimpleRNN",
    supports_masking: Supports::Always,
    masks: MASKS,
    parse: |config| Ok(Box::new(Recurrent::parse("SimpleRNN", config)?)),
};

/// A recurrent layer. The operation says which kind, and how it runs.
#[derive(Clone, Debug)]
pub(super) struct Recurrent {
    units: i64,
    use_bias: bool,
    unroll: bool,
    op: ops::Recurrent,
}

impl Recurrent {
    pub(super) fn parse(class: &str, config: &mut Config) -> Result<Recurrent, ConfigError> {
        config.ignore(&["dropout", "implementation", "recurrent_dropout", "unit_forget_bias", "use_cudnn"]);
        if config.bool("stateful", false)? {
            return Err(ConfigError::new("stateful", "false", &true.into()));
        }
        let units = config.size("units")?;
        let use_bias = config.bool("use_bias", true)?;
        let unroll = config.bool("unroll", false)?;
        let options = RecurrentOptions {
            activation: config.activation("activation", Activation::Tanh)?,
            sequences: config.bool("return_sequences", false)?,
            states: config.bool("return_state", false)?,
            backwards: config.bool("go_backwards", false)?,
            zero_masked: config.bool("zero_output_for_mask", false)?,
        };
        let op = match class {
            "SimpleRNN" => ops::Recurrent::SimpleRnn { options },
            _ => {
                let recurrent_activation = config.activation("recurrent_activation", Activation::Sigmoid)?;
                match class {
                    "LSTM" => ops::Recurrent::Lstm { options, recurrent_activation },
                    _ => {
                        let reset_after = config.bool("reset_after", true)?;
                        ops::Recurrent::Gru { options, recurrent_activation, reset_after }
                    }
                }
            }
        };
        Ok(Recurrent { units, use_bias, unroll, op })
    }

    pub(super) fn options(&self) -> &RecurrentOptions {
        self.op.options()
    }

    pub(super) fn options_mut(&mut self) -> &mut RecurrentOptions {
        match &mut self.op {
            ops::Recurrent::SimpleRnn { options }
            | ops::Recurrent::Lstm { options, .. }
            | ops::Recurrent::Gru { options, .. } => options,
        }
    }

    /// How many states are carried from step to step.
    pub(super) fn states(&self) -> usize {
        self.op.states()
    }

    /// Builds the layer over given data, mask and initial states.
    pub(super) fn build(
        &self,
        scope: &mut Scope<'_>,
        x: &Operand,
        mask: Option<&Operand>,
        states: &[Operand],
    ) -> Result<Vec<Operand>, OpError> {
        let mut operands = vec![scope.float(x)?];
        operands.extend(["kernel", "recurrent_kernel", "bias"].map(|name| scope.weight(name)));
        operands.push(mask.cloned().unwrap_or(Operand::Absent));
        for place in 0..self.states() {
            operands.push(match states.get(place) {
                Some(state) => scope.float(state)?,
                None => Operand::Absent,
            });
        }
        let options = self.options();
        match mask {
            Some(mask) if self.unroll && options.sequences && options.backwards && options.zero_masked => {
                self.build_unrolled(scope, &operands, mask)
            }
            _ => scope.builder.emit_all(self.op.clone(), &operands),
        }
    }

    /// Keras' unrolled loop runs backwards over a reversed mask, as it should, and then zeroes the outputs by the
    /// mask that was *not* reversed.
    fn build_unrolled(
        &self,
        scope: &mut Scope<'_>,
        operands: &[Operand],
        mask: &Operand,
    ) -> Result<Vec<Operand>, OpError> {
        let mut repeating = self.clone();
        repeating.options_mut().zero_masked = false;
        let mut results = scope.builder.emit_all(repeating.op, operands)?;
        let (mask, zero) = (scope.builder.trail_axes(mask, 3)?, scope.builder.number(&results[0], 0.0));
        results[0] = scope.builder.emit(Elementwise::Select, &[mask, results[0].clone(), zero])?;
        Ok(results)
    }
}

impl Layer for Recurrent {
    fn parameters(&self) -> &'static [&'static str] {
        &["sequences", "initial_state", "mask", "training"]
    }

    fn outputs(&self, _: &Constants) -> u32 {
        1 + if self.options().states { self.states() as u32 } else { 0 }
    }

    fn supports_masking(&self) -> bool {
        true
    }

    fn mask_rule(&self, _: &Arguments<Type>) -> MaskRule {
        let output = if self.options().sequences { MaskRule::Keep } else { MaskRule::Ends };
        MaskRule::PerOutput(vec![output])
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let (x, _) = features(arguments)?;
        let state = Type::new(DType::F32, vec![x.shape[0].clone(), Dim::constant(self.units)]);
        let states = arguments.tensors("initial_state");
        if !states.is_empty() && states.len() != self.states() {
            return Err(ShapeError::new(
                format!("{} tensors as `initial_state`", self.states()),
                states.len(),
            ));
        }
        let fits =
            |given: &Type| given.rank() == 2 && given.shape[1] == state.shape[1] && given.dtype != DType::Str;
        if let Some(given) = states.iter().find(|given| !fits(given)) {
            return Err(ShapeError::new(format!("{state} as `initial_state`"), given));
        }
        let mut output = state.clone();
        if self.options().sequences {
            output.shape.insert(1, x.shape[1].clone());
        }
        let states = if self.options().states { self.states() } else { 0 };
        Ok(std::iter::once(output).chain(std::iter::repeat_n(state, states)).collect())
    }

    fn weights(&self, arguments: &Arguments<Type>) -> Result<Vec<WeightSpec>, ShapeError> {
        let (_, features) = features(arguments)?;
        let columns = self.units * self.op.gates();
        let mut weights = vec![
            WeightSpec::new("kernel", "cell/vars/0", [features, columns]),
            WeightSpec::new("recurrent_kernel", "cell/vars/1", [self.units, columns]),
        ];
        if self.use_bias {
            let rows = matches!(self.op, ops::Recurrent::Gru { reset_after: true, .. }).then_some(2);
            weights.push(WeightSpec::new("bias", "cell/vars/2", rows.into_iter().chain([columns])));
        }
        Ok(weights)
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let states = arguments.tensors("initial_state").to_vec();
        self.build(scope, &arguments.data()[0], arguments.mask(), &states)
    }
}

/// The sequences and the size of their last axis, which must be known.
fn features(arguments: &Arguments<Type>) -> Result<(&Type, i64), ShapeError> {
    let expected = "numbers [batch, steps, features], features of known size";
    let x = arguments.first().ok_or_else(|| ShapeError::new(expected, "none"))?;
    let last = x.shape.last().and_then(Dim::known);
    match last {
        Some(last) if x.rank() == 3 && x.dtype != DType::Str => Ok((x, last)),
        _ => Err(ShapeError::new(expected, x)),
    }
}
