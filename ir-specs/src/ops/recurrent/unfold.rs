//! Recurrent layers as loops of primitives: what `gru`, `lstm` and `simple_rnn` mean.
//!
//! ```text
//! y_t = m_t ? cell(x_t, s_{t-1}) : (zero_masked ? 0 : y_{t-1})        y before the first step = 0
//! s_t = m_t ? new state          : s_{t-1}
//! ```
//!
//! Rows at some places are put among zeros first, and taken from there afterwards.

use std::sync::Arc;

use super::Recurrent;
use crate::activation::Activation;
use crate::dim::Dim;
use crate::float::Float;
use crate::ops::Elementwise::{Add, Mul, Select, Sub};
use crate::ops::{Index, OpError, Product, Rows, Scan, Shape};
use crate::program::{Builder, Literal, Operand};
use crate::ty::{Sizes, Type};

/// Builds the loop and gives the layer's results.
pub(super) fn unfold(op: &Recurrent, b: &mut Builder, operands: &[Operand]) -> Result<Vec<Operand>, OpError> {
    let [x, kernel, recurrent, bias, mask] = &operands[..5] else { return Ok(vec![]) };
    let given = |place: usize| operands.get(place).filter(|operand| **operand != Operand::Absent);
    let (rows, places) = (op.rows().and_then(given), op.places().and_then(given));
    let mut x = x.clone();
    if let Some(rows) = rows {
        x = b.emit(Index::Gather, &[x, rows.clone()])?;
    }
    if let Some(places) = places {
        x = b.emit(Rows::Unpack { fill: Float(0.0) }, &[x, places.clone(), mask.clone()])?;
    }
    let x = &x;
    let options = op.options();
    let (input_bias, hidden_bias) = split_bias(op, b, bias, *kernel == Operand::Absent)?;
    let mut projected = match kernel {
        Operand::Absent => x.clone(),
        kernel => project(op, b, x, kernel)?,
    };
    if let Some(bias) = input_bias {
        projected = b.emit(Add, &[projected, bias])?;
    }
    let mut sequences = vec![projected];
    sequences.extend((*mask != Operand::Absent).then(|| mask.clone()));
    if options.backwards {
        for sequence in &mut sequences {
            *sequence = b.emit(Shape::Reverse { axis: 1 }, std::slice::from_ref(sequence))?;
        }
    }
    let shape = state_shape(b, &sequences[0], recurrent);
    let zero = b.number(x, 0.0);
    let zeros = b.emit(Shape::Broadcast { shape }, &[zero])?;
    let initial = |place: usize| {
        operands[..5 + op.states()]
            .get(place)
            .filter(|state| **state != Operand::Absent)
            .unwrap_or(&zeros)
            .clone()
    };
    let mut carried: Vec<Operand> = (0..op.states()).map(|state| initial(5 + state)).collect();
    carried.push(zeros.clone());
    let constants: Vec<Operand> = std::iter::once(recurrent.clone()).chain(hidden_bias).collect();

    let body = step(op, b, &carried, &sequences, &constants)?;
    let (carries, runs) = (carried.len(), sequences.len());
    let all: Vec<Operand> = [carried, sequences, constants].concat();
    let scan = Scan::Scan { carried: carries as u32, sequences: runs as u32, body: Arc::new(body) };
    let mut results = b.emit_all(scan, &all)?;
    let mut output = if options.sequences { results[carries].clone() } else { results[carries - 1].clone() };
    if options.sequences && options.backwards && options.in_order {
        output = b.emit(Shape::Reverse { axis: 1 }, &[output])?;
    }
    if let Some(places) = places.filter(|_| options.sequences) {
        output = b.emit(Rows::Pack, &[output, places.clone()])?;
    }
    results.truncate(if options.states { op.states() } else { 0 });
    results.insert(0, output);
    Ok(results)
}

/// The input's product with the kernel, at all steps at once.
fn project(op: &Recurrent, b: &mut Builder, x: &Operand, kernel: &Operand) -> Result<Operand, OpError> {
    let Some(conv) = op.input_conv() else {
        return b.emit(Product::Matmul, &[x.clone(), kernel.clone()]);
    };
    let shape = b.type_of(x).shape;
    let (front, rest) = shape.split_at(2);
    let steps = std::iter::once(&front[0] * &front[1]).chain(rest.iter().cloned()).collect();
    let steps = b.emit(Shape::Reshape { shape: steps }, std::slice::from_ref(x))?;
    let products = b.emit(conv, &[steps, kernel.clone()])?;
    let products_shape = b.type_of(&products).shape;
    let shape = front.iter().chain(&products_shape[1..]).cloned().collect();
    b.emit(Shape::Reshape { shape }, &[products])
}

/// That of the input's products at one step, with as many columns as the recurrent kernel takes.
fn state_shape(b: &Builder, products: &Operand, recurrent: &Operand) -> Sizes {
    let mut shape = b.type_of(products).shape;
    shape.remove(1);
    if let (Some(columns), [.., units, _]) = (shape.last_mut(), b.type_of(recurrent).shape.as_slice()) {
        *columns = units.clone();
    }
    shape
}

/// The bias of the input and, for a GRU that resets behind the product, that of the state.
fn split_bias(
    op: &Recurrent,
    b: &mut Builder,
    bias: &Operand,
    projected: bool,
) -> Result<(Option<Operand>, Option<Operand>), OpError> {
    if *bias == Operand::Absent {
        return Ok((None, None));
    }
    if projected {
        return Ok((None, Some(bias.clone())));
    }
    if !op.has_two_biases() {
        return Ok((Some(bias.clone()), None));
    }
    let columns = b.type_of(bias).shape[1].clone();
    let mut row = |start: i64| {
        let slice = Shape::Slice { axis: 0, start: start.into(), stop: (start + 1).into(), step: 1 };
        let row = b.emit(slice, std::slice::from_ref(bias))?;
        b.emit(Shape::Reshape { shape: [columns.clone()].into() }, &[row])
    };
    Ok((Some(row(0)?), Some(row(1)?)))
}

/// One step: takes states, the output before, the position of each sequence, and the constants.
fn step(
    op: &Recurrent,
    outer: &Builder,
    carried: &[Operand],
    sequences: &[Operand],
    constants: &[Operand],
) -> Result<crate::program::Program, OpError> {
    let options = op.options();
    let mut b = Builder::new("step", outer.program().semantics);
    let mut input = |name: &str, ty: Type| b.input(name, ty);
    let states: Vec<Operand> =
        (0..op.states()).map(|place| input(["h", "c"][place], outer.type_of(&carried[place]))).collect();
    let before = input("y", outer.type_of(&carried[op.states()]));
    let position = |sequence: &Operand| {
        let mut ty = outer.type_of(sequence);
        ty.shape.remove(1);
        ty
    };
    let x = input("x", position(&sequences[0]));
    let mask = sequences.get(1).map(|mask| input("mask", position(mask)));
    let recurrent = input("recurrent", outer.type_of(&constants[0]));
    let bias = constants.get(1).map(|bias| input("bias", outer.type_of(bias)));

    let mut cell = Cell { op, b: &mut b, x, recurrent, bias };
    let mut new = cell.new_states(&states)?;
    let mut output = new[0].clone();
    if let Some(mask) = mask {
        let rank = b.type_of(&before).rank();
        let mask = b.trail_axes(&mask, rank)?;
        for (new, old) in new.iter_mut().zip(&states) {
            *new = b.emit(Select, &[mask.clone(), new.clone(), old.clone()])?;
        }
        let masked = if options.zero_masked { b.number(&before, 0.0) } else { before };
        output = b.emit(Select, &[mask, output, masked])?;
    }
    for (place, state) in new.into_iter().enumerate() {
        b.output(["h", "c"][place], state);
    }
    b.output("y", output.clone());
    if options.sequences {
        b.output("sequence", output);
    }
    Ok(b.finish())
}

/// The arithmetic of one step of a layer.
struct Cell<'a> {
    op: &'a Recurrent,
    b: &'a mut Builder,
    x: Operand,
    recurrent: Operand,
    bias: Option<Operand>,
}

impl Cell<'_> {
    fn new_states(&mut self, states: &[Operand]) -> Result<Vec<Operand>, OpError> {
        match *self.op {
            Recurrent::SimpleRnn { .. } => self.simple(&states[0]),
            Recurrent::Lstm { recurrent_activation, .. }
            | Recurrent::ConvLstm { recurrent_activation, .. } => {
                self.lstm(&states[0], &states[1], recurrent_activation)
            }
            Recurrent::Gru { recurrent_activation, reset_after: true, .. } => {
                self.gru_reset_after(&states[0], recurrent_activation)
            }
            Recurrent::Gru { recurrent_activation, .. } => {
                self.gru_reset_before(&states[0], recurrent_activation)
            }
        }
    }

    fn simple(&mut self, h: &Operand) -> Result<Vec<Operand>, OpError> {
        let product = self.b.emit(Product::Matmul, &[h.clone(), self.recurrent.clone()])?;
        let sum = self.b.emit(Add, &[self.x.clone(), product])?;
        Ok(vec![self.op.options().activation.decompose(self.b, sum)?])
    }

    fn lstm(&mut self, h: &Operand, c: &Operand, gate: Activation) -> Result<Vec<Operand>, OpError> {
        let f = self.op.options().activation;
        let operands = [h.clone(), self.recurrent.clone()];
        let product = match self.op.state_conv() {
            Some(conv) => self.b.emit(conv, &operands)?,
            None => self.b.emit(Product::Matmul, &operands)?,
        };
        let z = self.b.emit(Add, &[self.x.clone(), product])?;
        let mut block = |place: i64, f: Activation| {
            let z = self.block(&z, place)?;
            f.decompose(self.b, z)
        };
        let (i, forget, candidate, o) = (block(0, gate)?, block(1, gate)?, block(2, f)?, block(3, gate)?);
        let kept = self.b.emit(Mul, &[forget, c.clone()])?;
        let added = self.b.emit(Mul, &[i, candidate])?;
        let c = self.b.emit(Add, &[kept, added])?;
        let shown = f.decompose(self.b, c.clone())?;
        Ok(vec![self.b.emit(Mul, &[o, shown])?, c])
    }

    fn gru_reset_after(&mut self, h: &Operand, gate: Activation) -> Result<Vec<Operand>, OpError> {
        let mut inner = self.b.emit(Product::Matmul, &[h.clone(), self.recurrent.clone()])?;
        if let Some(bias) = self.bias.clone() {
            inner = self.b.emit(Add, &[inner, bias])?;
        }
        let x = self.x.clone();
        let (z, r) = (self.gate(&x, &inner, 0, gate)?, self.gate(&x, &inner, 1, gate)?);
        let inner = self.block(&inner, 2)?;
        let reset = self.b.emit(Mul, &[r, inner])?;
        self.gru_mix(h, z, reset)
    }

    fn gru_reset_before(&mut self, h: &Operand, gate: Activation) -> Result<Vec<Operand>, OpError> {
        let inner = self.b.emit(Product::Matmul, &[h.clone(), self.recurrent.clone()])?;
        let x = self.x.clone();
        let (z, r) = (self.gate(&x, &inner, 0, gate)?, self.gate(&x, &inner, 1, gate)?);
        let reset = self.b.emit(Mul, &[r, h.clone()])?;
        let recurrent = self.recurrent.clone();
        let recurrent = self.block(&recurrent, 2)?;
        let inner = self.b.emit(Product::Matmul, &[reset, recurrent])?;
        self.gru_mix(h, z, inner)
    }

    /// `z * h + (1 - z) * f(x_h + inner)`
    fn gru_mix(&mut self, h: &Operand, z: Operand, inner: Operand) -> Result<Vec<Operand>, OpError> {
        let x = self.x.clone();
        let x = self.block(&x, 2)?;
        let sum = self.b.emit(Add, &[x, inner])?;
        let candidate = self.op.options().activation.decompose(self.b, sum)?;
        let kept = self.b.emit(Mul, &[z.clone(), h.clone()])?;
        let one = Operand::Literal(Literal { dtype: self.b.type_of(h).dtype, number: Float(1.0) });
        let rest = self.b.emit(Sub, &[one, z])?;
        let added = self.b.emit(Mul, &[rest, candidate])?;
        Ok(vec![self.b.emit(Add, &[kept, added])?])
    }

    /// `f(x_block + h_block)`
    fn gate(&mut self, x: &Operand, h: &Operand, place: i64, f: Activation) -> Result<Operand, OpError> {
        let (x, h) = (self.block(x, place)?, self.block(h, place)?);
        let sum = self.b.emit(Add, &[x, h])?;
        f.decompose(self.b, sum)
    }

    /// The columns of one gate.
    fn block(&mut self, x: &Operand, place: i64) -> Result<Operand, OpError> {
        let shape = self.b.type_of(x).shape;
        let axis = shape.len() - 1;
        let units = shape[axis].floor_div(self.op.gates());
        let start = &units * &Dim::constant(place);
        let stop = &units * &Dim::constant(place + 1);
        let slice = Shape::Slice { axis: axis as u32, start, stop, step: 1 };
        self.b.emit(slice, std::slice::from_ref(x))
    }
}
