//! Element-wise operations, fused: one pass over memory for any number of them.
//!
//! The elements of the results are computed in blocks that fit into the first-level cache. Within a block one operation
//! after the other is applied to all elements, from registers of a block's length into such a register. So an operation
//! is chosen once for a block, and intermediate values never reach memory. What an element becomes depends on the
//! elements that it is made of alone, not on the block or the thread.

mod block;
mod load;

use super::activation::Activation;
use super::level;
use super::threads::parts;

pub use load::{Axis, Elements, Input};

/// The most elements that are computed together.
pub const BLOCK: usize = 256;

/// What an element costs, in operations that a thread has to save: mostly memory.
const COST: usize = 8;

/// Where a value of a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A register of the value's type.
    Register(u16),
    /// An operand.
    Input(u16),
    /// A result.
    Output(u16),
}

/// An element type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `f32`
    F32,
    /// `f64`
    F64,
    /// `i32`
    I32,
    /// `i64`
    I64,
    /// `bool`
    Bool,
}

/// An operation of elements. Where it has no meaning for a type, there is none: code does not ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// `-x`
    Neg,
    /// The magnitude of `x`.
    Abs,
    /// -1, 0 or 1.
    Sign,
    /// e to the power of `x`.
    Exp,
    /// The natural logarithm of `x`.
    Log,
    /// The square root of `x`.
    Sqrt,
    /// The hyperbolic tangent of `x`.
    Tanh,
    /// The sine of `x`.
    Sin,
    /// The cosine of `x`.
    Cos,
    /// The error function of `x`.
    Erf,
    /// The largest integer not above `x`.
    Floor,
    /// `a + b`
    Add,
    /// `a - b`
    Sub,
    /// `a * b`
    Mul,
    /// `a / b`; floats only.
    Div,
    /// `a` to the power of `b`.
    Pow,
    /// What is left of `a` after whole `b`s, with the sign of `b`; floats only.
    Mod,
    /// The angle of the point `(x, y)` from the positive `x` axis, between -pi and pi; floats only.
    Atan2,
    /// The greatest common divisor, not negative; integers only.
    Gcd,
    /// The bits that both integers have.
    BitAnd,
    /// The larger one; NaN if either is.
    Max,
    /// The smaller one; NaN if either is.
    Min,
    /// `a == b`
    Eq,
    /// `a != b`
    Ne,
    /// `a < b`
    Lt,
    /// `a <= b`
    Le,
    /// `a > b`
    Gt,
    /// `a >= b`
    Ge,
    /// True where both are.
    And,
    /// True where either is.
    Or,
    /// True where `x` is false.
    Not,
    /// `on_true` where `mask` holds, `on_false` elsewhere; the other one is not looked at.
    Select,
    /// The same numbers as another element type; to bool: not zero; to integers: toward zero.
    Cast(Kind),
}

/// What is applied to blocks.
#[derive(Clone, Debug, PartialEq)]
pub enum Function {
    /// An operation on operands of this type (of a selection: of what is selected).
    Element(Element, Kind),
    /// An activation function of every element.
    Activation(Activation),
}

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Which one.
    pub function: Function,
    /// Its operands; of fewer than three the last ones say nothing.
    pub operands: [Place; 3],
    /// Its result.
    pub to: Place,
}

/// A number in a register.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constant {
    /// The register's type.
    pub kind: Kind,
    /// The register.
    pub register: u16,
    /// The number; truth values are 0 and 1.
    pub number: f64,
}

/// Operations in order, and the registers that they need.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Code {
    /// The operations.
    pub steps: Vec<Step>,
    /// Numbers that registers hold from the start; no operation writes these.
    pub constants: Vec<Constant>,
    /// For each operand its type, and the register that it is loaded into where it does not lie as the results do.
    pub inputs: Vec<(Kind, u16)>,
    /// How many registers of each type there are, in the order of [`Kind`].
    pub registers: [u16; 5],
}

/// A result.
#[derive(Debug)]
pub enum Output<'a> {
    /// Elements of type `f32`.
    F32(&'a mut [f32]),
    /// Elements of type `f64`.
    F64(&'a mut [f64]),
    /// Elements of type `i32`.
    I32(&'a mut [i32]),
    /// Elements of type `i64`.
    I64(&'a mut [i64]),
    /// Elements of type `bool`.
    Bool(&'a mut [bool]),
}

impl<'a> Output<'a> {
    /// The first elements and the others.
    fn split_at(self, at: usize) -> (Output<'a>, Output<'a>) {
        macro_rules! halves {
            ($($kind:ident)*) => {
                match self {
                    $(Output::$kind(all) => {
                        let (first, second) = all.split_at_mut(at);
                        (Output::$kind(first), Output::$kind(second))
                    })*
                }
            };
        }
        halves!(F32 F64 I32 I64 Bool)
    }
}

/// Computes `count` elements of every result.
pub fn map(code: &Code, inputs: &[Input<'_>], outputs: Vec<Output<'_>>, count: usize) {
    if count == 0 {
        return;
    }
    let work = count.saturating_mul(COST * (code.steps.len() + inputs.len() + outputs.len()));
    split(code, inputs, outputs, 0, count, parts(work));
}

fn split(
    code: &Code,
    inputs: &[Input<'_>],
    outputs: Vec<Output<'_>>,
    start: usize,
    count: usize,
    parts: usize,
) {
    if parts < 2 || count < 2 * BLOCK {
        let level = level();
        return dispatch!(level, simd => block::run(simd, code, inputs, outputs, start, count));
    }
    let half = (count * (parts / 2) / parts).next_multiple_of(BLOCK).min(count);
    let (first, second): (Vec<_>, Vec<_>) = outputs.into_iter().map(|output| output.split_at(half)).unzip();
    rayon::join(
        || split(code, inputs, first, start, half, parts / 2),
        || split(code, inputs, second, start + half, count - half, parts - parts / 2),
    );
}

#[cfg(test)]
mod tests;
