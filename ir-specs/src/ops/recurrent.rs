//! Recurrent layers over `[B, T, …]`, as Keras computes them with and without a mask.
//!
//! Where a mask `[B, T]` is false, the states are held and the output repeats the one before it; before the
//! first valid step the output is zero, whatever the initial state. A mask of more axes does so for parts of the
//! states: its further axes are theirs, from the front, or of size 1.

mod unfold;

use serde::{Deserialize, Serialize};

use super::{Family, Index, Op, OpError, OpInfo, OperandTypes, Window, agree, family};
use crate::activation::Activation;
use crate::dim::Dim;
use crate::program::{Builder, Operand, Value};
use crate::ty::{DType, Sizes, Type};

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
    /// Do outputs come in the order of the input's steps, backwards as well?
    pub in_order: bool,
    /// Zero where the mask is false, in place of the output before it?
    pub zero_masked: bool,
}

family! {
    /// Recurrent layers. Results: the output, then (with `states`) the final states. With `rows`, integers `[B, T]`, `x` is
    /// a table, and each step's input the row of that number; a number outside the table is an error of the run. With
    /// `places`, i32 `[N]`, `x` (or `rows`) and the output of every step are `[1, N, …]`: what stands at these places of
    /// `[B, T]`, in order, among them all at which `mask` is true. There is a mask then, and outputs are in the order of
    /// the input's steps. Without `kernel`, `x` is `x·W + b` of every step already, and a bias only what `gru` adds to the
    /// product of its state if it resets after it.
    Recurrent {
        /// `h' = f(x·W + b + h·R)`
        SimpleRnn = "simple_rnn" ("x", "kernel?", "recurrent", "bias?", "mask?", "state?", "rows?", "places?") {
            /// What all recurrent layers have in common.
            options: RecurrentOptions,
        };
        /// Long short-term memory; kernel columns in blocks i, f, c, o. States: h, c.
        Lstm = "lstm" ("x", "kernel?", "recurrent", "bias?", "mask?", "state?", "cell?", "rows?", "places?") {
            /// What all recurrent layers have in common.
            options: RecurrentOptions,
            /// Applied to the gates.
            recurrent_activation: Activation,
        };
        /// Gated recurrent unit; kernel columns in blocks z, r, h.
        Gru = "gru" ("x", "kernel?", "recurrent", "bias?", "mask?", "state?", "rows?", "places?") {
            /// What all recurrent layers have in common.
            options: RecurrentOptions,
            /// Applied to the gates.
            recurrent_activation: Activation,
            /// Is the reset gate applied behind the recurrent product? Then the bias has two rows.
            reset_after: bool,
        };
        /// Long short-term memory whose products are convolutions (`conv`): of every step of `x` `[B, T, …, C]` with the kernel `[…, C, 4*F]`, and of the state `[B, …, F]` with `recurrent` `[…, F, 4*F]`, which leaves its size as it is. Blocks and states as in `lstm`.
        ConvLstm = "conv_lstm" ("x", "kernel", "recurrent", "bias?", "mask?", "state?", "cell?") {
            /// What all recurrent layers have in common.
            options: RecurrentOptions,
            /// Applied to the gates.
            recurrent_activation: Activation,
            /// The distance between the input's windows, for each spatial axis.
            strides: Vec<u32>,
            /// The distance between the positions of the input's windows, for each spatial axis.
            dilation: Vec<u32>,
            /// Is there a window of the input for every stride begun?
            same: bool,
        };
    }
}

impl Recurrent {
    /// What all recurrent layers have in common.
    pub fn options(&self) -> &RecurrentOptions {
        match self {
            Recurrent::SimpleRnn { options }
            | Recurrent::Lstm { options, .. }
            | Recurrent::Gru { options, .. }
            | Recurrent::ConvLstm { options, .. } => options,
        }
    }

    /// The same, to be set.
    pub fn options_mut(&mut self) -> &mut RecurrentOptions {
        match self {
            Recurrent::SimpleRnn { options }
            | Recurrent::Lstm { options, .. }
            | Recurrent::Gru { options, .. }
            | Recurrent::ConvLstm { options, .. } => options,
        }
    }

    /// How many gates stand side by side in the kernels.
    pub fn gates(&self) -> i64 {
        match self {
            Recurrent::SimpleRnn { .. } => 1,
            Recurrent::Lstm { .. } | Recurrent::ConvLstm { .. } => 4,
            Recurrent::Gru { .. } => 3,
        }
    }

    /// How many states are carried from step to step.
    pub fn states(&self) -> usize {
        match self {
            Recurrent::Lstm { .. } | Recurrent::ConvLstm { .. } => 2,
            Recurrent::SimpleRnn { .. } | Recurrent::Gru { .. } => 1,
        }
    }

    /// The activation functions of a step.
    pub fn activations(&self) -> impl Iterator<Item = &Activation> {
        let gates = match self {
            Recurrent::SimpleRnn { .. } => None,
            Recurrent::Lstm { recurrent_activation, .. }
            | Recurrent::Gru { recurrent_activation, .. }
            | Recurrent::ConvLstm { recurrent_activation, .. } => Some(recurrent_activation),
        };
        std::iter::once(&self.options().activation).chain(gates)
    }

    /// Which operand says what rows of a table the steps are; none where the input is never one.
    pub fn rows(&self) -> Option<usize> {
        match self {
            Recurrent::SimpleRnn { .. } | Recurrent::Gru { .. } | Recurrent::Lstm { .. } => {
                Some(5 + self.states())
            }
            Recurrent::ConvLstm { .. } => None,
        }
    }

    /// Which operand says at what places the steps are; none where the input is always whole.
    pub fn places(&self) -> Option<usize> {
        self.rows().map(|rows| rows + 1)
    }

    /// Can it be computed from rows, among them all at which that mask is true? It reads no other steps if this is its own
    /// mask, and outputs of every step have to be in the order of the input's.
    pub fn among(&self, operands: &[Operand], mask: Value) -> bool {
        let absent =
            |place: Option<usize>| place.is_some_and(|place| operands.get(place) == Some(&Operand::Absent));
        let RecurrentOptions { sequences, backwards, in_order, .. } = self.options();
        let masked = operands.get(4).and_then(Operand::value) == Some(mask);
        masked && absent(self.rows()) && absent(self.places()) && (!sequences || !backwards || *in_order)
    }

    /// The input's type where it is rows of a table.
    fn looked_up(&self, table: &Type, rows: &Type) -> Result<Type, OpError> {
        if table.rank() != 2 || rows.rank() != 2 {
            return Err(self.expects("a table [V, D] and rows [B, T]", format!("{table} and {rows}")));
        }
        let types = Op::from(Index::Gather).infer(&[Some(table), Some(rows)])?;
        Ok(types[0].clone())
    }

    /// The type of an input `[1, N, D]` with all positions of its mask.
    fn unpacked(&self, x: &Type, mask: Option<&Type>, places: &Type) -> Result<Type, OpError> {
        let options = self.options();
        let rows = places.dtype == DType::I32 && places.rank() == 1 && x.rank() == 3;
        let rows = rows && x.shape[0].is_one() && agree(&places.shape, &x.shape[1..2]);
        let in_order = !options.sequences || !options.backwards || options.in_order;
        match mask.filter(|mask| rows && in_order && mask.rank() == 2) {
            Some(mask) => {
                let shape = mask.shape.iter().chain(&x.shape[2..]).cloned().collect();
                Ok(Type { dtype: x.dtype, shape })
            }
            None => Err(self.expects(
                "with places i32[N] a mask [B, T], rows [1, N, D], and steps given in order",
                format!("{places}, {} and {x}", mask.map_or("no mask".to_owned(), Type::to_string)),
            )),
        }
    }

    /// Is there a bias for the product of the state, beside that for the input's?
    fn has_two_biases(&self) -> bool {
        matches!(self, Recurrent::Gru { reset_after: true, .. })
    }

    /// The type of the bias for that many columns.
    fn bias_type(&self, dtype: DType, columns: &Dim, for_input: bool) -> Type {
        let rows = (self.has_two_biases() && for_input).then(|| Dim::constant(2));
        Type { dtype, shape: rows.into_iter().chain([columns.clone()]).collect() }
    }

    /// The convolution of the input's steps, where there is one.
    fn input_conv(&self) -> Option<Window> {
        let Recurrent::ConvLstm { strides, dilation, same, .. } = self else { return None };
        Some(Window::Conv { strides: strides.clone(), dilation: dilation.clone(), groups: 1, same: *same })
    }

    /// The convolution of the state, where there is one.
    fn state_conv(&self) -> Option<Window> {
        let Recurrent::ConvLstm { strides, .. } = self else { return None };
        let ones = vec![1; strides.len()];
        Some(Window::Conv { strides: ones.clone(), dilation: ones, groups: 1, same: true })
    }

    /// The type of the input's product with the kernel, at one step: that of the state, but for the columns.
    fn product(&self, x: &Type, kernel: Option<&Type>) -> Result<Type, OpError> {
        let found = |ty: &Type| self.expects("floats x [B, T, …, D] and a kernel that goes with them", ty);
        let mut step = x.clone();
        if x.rank() < 3 || !x.dtype.is_float() {
            return Err(found(x));
        }
        step.shape.remove(1);
        let Some(kernel) = kernel else {
            return if x.rank() == 3 { Ok(step) } else { Err(found(x)) };
        };
        match self.input_conv() {
            Some(conv) => Ok(Op::from(conv).infer(&[Some(&step), Some(kernel)])?.swap_remove(0)),
            None if x.rank() == 3 && kernel.rank() == 2 && agree(&kernel.shape[..1], &x.shape[2..]) => {
                step.shape[1] = kernel.shape[1].clone();
                Ok(step)
            }
            None => Err(found(kernel)),
        }
    }
}

/// The type of a mask that has as many axes as the one given.
fn mask_type(mask: &Type, x: &Type, state: &Type) -> Type {
    let parts = mask.shape.get(2..).unwrap_or_default();
    let sizes = parts.iter().zip(&state.shape[1..]);
    let sizes = sizes.map(|(part, size)| if part.is_one() { part } else { size });
    Type::new(DType::Bool, x.shape[..2].iter().chain(sizes).cloned().collect::<Vec<_>>())
}

impl Family for Recurrent {
    fn info(&self) -> &'static OpInfo {
        self.row()
    }

    fn infer(&self, operands: OperandTypes<'_>) -> Result<Vec<Type>, OpError> {
        let required = |place: usize| operands[place].expect("arity was checked");
        let (kernel, recurrent) = (operands[1], required(2));
        let looked_up = match self.rows().and_then(|place| operands[place]) {
            Some(rows) => Some(self.looked_up(required(0), rows)?),
            None => None,
        };
        let rows = looked_up.as_ref().unwrap_or(required(0));
        let places = self.places().and_then(|place| operands[place]);
        let unpacked = places.map(|places| self.unpacked(rows, operands[4], places)).transpose()?;
        let x = unpacked.as_ref().unwrap_or(rows);
        let product = self.product(x, kernel)?;
        let rank = product.rank();
        let [.., units, _] = recurrent.shape.as_slice() else {
            return Err(self.expects("a recurrent kernel [.., U, G*U]", recurrent));
        };
        let columns = units * &Dim::constant(self.gates());
        let with_last = |ty: &Type, last: &Dim| {
            let mut ty = ty.clone();
            ty.shape[rank - 1] = last.clone();
            ty
        };
        let state = with_last(&product, units);
        let kernel_of = |kernel: &Type, inputs: &Dim| {
            let window = kernel.shape[..kernel.rank() - 2].iter().cloned();
            let shape: Sizes = window.chain([inputs.clone(), columns.clone()]).collect();
            Type { dtype: x.dtype, shape }
        };
        let features = &x.shape[x.rank() - 1];
        let expected = [
            kernel.map(|kernel| (kernel, kernel_of(kernel, features))),
            Some((&product, with_last(&product, &columns))),
            Some((recurrent, kernel_of(recurrent, units))),
            operands[3].map(|bias| (bias, self.bias_type(x.dtype, &columns, kernel.is_some()))),
            operands[4].map(|mask| (mask, mask_type(mask, x, &state))),
            operands[5].map(|initial| (initial, state.clone())),
            operands[6].filter(|_| self.states() > 1).map(|initial| (initial, state.clone())),
        ];
        for (found, expected) in expected.into_iter().flatten() {
            if found.dtype != expected.dtype || !agree(&found.shape, &expected.shape) {
                return Err(self.expects(expected.to_string(), found));
            }
        }
        if kernel.is_some_and(|kernel| recurrent.rank() != kernel.rank()) {
            return Err(self.expects("kernels with the same number of axes", recurrent));
        }
        if kernel.is_none() && operands[3].is_some() && !self.has_two_biases() {
            return Err(self.expects("no bias where there is no kernel", "one"));
        }
        if !self.activations().all(|activation| activation.fits(rank)) {
            return Err(self.expects("activations along an axis of the state", "another axis"));
        }
        let mut output = state.clone();
        if self.options().sequences {
            output.shape.insert(1, rows.shape[1].clone());
            output.shape[0] = rows.shape[0].clone();
        }
        let states = if self.options().states { self.states() } else { 0 };
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
