//! Recurrent layers over `[B, T, D]`, as Keras computes them with and without a mask.
//!
//! Where a mask `[B, T]` is false, the states are held and the output repeats the one before it; before the
//! first valid step the output is zero, whatever the initial state.

mod unfold;

use serde::{Deserialize, Serialize};

use super::{Family, OpError, OpInfo, OperandTypes, agree, family};
use crate::activation::Activation;
use crate::dim::Dim;
use crate::program::{Builder, Operand};
use crate::ty::{DType, Type};

/// What all recurrent layers have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecurrentOptions {
    /// Applied to the candidate state.
    pub activation: Activation,
    /// Every step's output, `[B, T, U]`, or only the last one, `[B, U]`?
    pub sequences: bool,
    /// Are the final states results, too?
    pub states: bool,
    /// From the last step to the first? Outputs come in the order in which they are computed.
    pub backwards: bool,
    /// Zero where the mask is false, in place of the output before it?
    pub zero_masked: bool,
}

family! {
    /// Recurrent layers. Results: the output, then (with `states`) the final states.
    Recurrent {
        /// `h' = f(x·W + b + h·R)`
        SimpleRnn = "simple_rnn" ("x", "kernel", "recurrent", "bias?", "mask?", "state?") {
            /// What all recurrent layers have in common.
            options: RecurrentOptions,
        };
        /// Long short-term memory; kernel columns in blocks i, f, c, o. States: h, c.
        Lstm = "lstm" ("x", "kernel", "recurrent", "bias?", "mask?", "state?", "cell?") {
            /// What all recurrent layers have in common.
            options: RecurrentOptions,
            /// Applied to the gates.
            recurrent_activation: Activation,
        };
        /// Gated recurrent unit; kernel columns in blocks z, r, h.
        Gru = "gru" ("x", "kernel", "recurrent", "bias?", "mask?", "state?") {
            /// What all recurrent layers have in common.
            options: RecurrentOptions,
            /// Applied to the gates.
            recurrent_activation: Activation,
            /// Is the reset gate applied behind the recurrent product? Then the bias has two rows.
            reset_after: bool,
        };
    }
}

impl Recurrent {
    /// What all recurrent layers have in common.
    pub fn options(&self) -> &RecurrentOptions {
        match self {
            Recurrent::SimpleRnn { options }
            | Recurrent::Lstm { options, .. }
            | Recurrent::Gru { options, .. } => options,
        }
    }

    /// How many gates stand side by side in the kernels.
    pub fn gates(&self) -> i64 {
        match self {
            Recurrent::SimpleRnn { .. } => 1,
            Recurrent::Lstm { .. } => 4,
            Recurrent::Gru { .. } => 3,
        }
    }

    /// How many states are carried from step to step.
    pub fn states(&self) -> usize {
        match self {
            Recurrent::Lstm { .. } => 2,
            _ => 1,
        }
    }

    fn activations(&self) -> impl Iterator<Item = &Activation> {
        let gates = match self {
            Recurrent::SimpleRnn { .. } => None,
            Recurrent::Lstm { recurrent_activation, .. } | Recurrent::Gru { recurrent_activation, .. } => {
                Some(recurrent_activation)
            }
        };
        std::iter::once(&self.options().activation).chain(gates)
    }

    /// The shape of the bias for that many units.
    fn bias_shape(&self, columns: &Dim) -> Vec<Dim> {
        match self {
            Recurrent::Gru { reset_after: true, .. } => vec![Dim::constant(2), columns.clone()],
            _ => vec![columns.clone()],
        }
    }
}

impl Family for Recurrent {
    fn info(&self) -> &'static OpInfo {
        self.row()
    }

    fn infer(&self, operands: OperandTypes<'_>) -> Result<Vec<Type>, OpError> {
        let required = |place: usize| operands[place].expect("arity was checked");
        let (x, kernel, recurrent) = (required(0), required(1), required(2));
        let found = |ty: &Type| self.expects("floats x [B, T, D], kernel [D, G*U], recurrent [U, G*U]", ty);
        if x.rank() != 3 || !x.dtype.is_float() {
            return Err(found(x));
        }
        let units = match recurrent.shape.as_slice() {
            [units, _] => units.clone(),
            _ => return Err(found(recurrent)),
        };
        let columns = &units * &Dim::constant(self.gates());
        let (batch, time, features) = (&x.shape[0], &x.shape[1], &x.shape[2]);
        let state = vec![batch.clone(), units.clone()];
        let expected = [
            (Some(kernel), x.dtype, vec![features.clone(), columns.clone()]),
            (Some(recurrent), x.dtype, vec![units.clone(), columns.clone()]),
            (operands[3], x.dtype, self.bias_shape(&columns)),
            (operands[4], DType::Bool, vec![batch.clone(), time.clone()]),
            (operands[5], x.dtype, state.clone()),
            (operands.get(6).copied().flatten(), x.dtype, state.clone()),
        ];
        for (operand, dtype, shape) in expected {
            let expected = Type { dtype, shape };
            if let Some(ty) = operand.filter(|ty| ty.dtype != dtype || !agree(&ty.shape, &expected.shape)) {
                return Err(self.expects(expected.to_string(), ty));
            }
        }
        let options = self.options();
        if !self.activations().all(|activation| activation.fits(state.len())) {
            return Err(self.expects("activations along an axis of [B, U]", "another axis"));
        }
        let state = Type { dtype: x.dtype, shape: state };
        let mut output = state.clone();
        if options.sequences {
            output.shape.insert(1, time.clone());
        }
        let states = if options.states { self.states() } else { 0 };
        Ok(std::iter::once(output).chain(std::iter::repeat_n(state, states)).collect())
    }

    fn is_composite(&self) -> bool {
        true
    }

    fn decompose(
        &self,
        builder: &mut Builder,
        operands: &[Operand],
    ) -> Option<Result<Vec<Operand>, OpError>> {
        Some(unfold::unfold(self, builder, operands))
    }
}
