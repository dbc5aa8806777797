//! The operations on blocks.

use fearless_simd::Simd;

use super::load::Elements;
use super::{BLOCK, Code, Element, Function, Input, Kind, Output, Place, Step};
use crate::lanes::{self, LANES};
use crate::scalar;

/// Registers, operands and results of the block at hand.
struct Frame<'a, 'b> {
    f32: Vec<Vec<f32>>,
    f64: Vec<Vec<f64>>,
    i32: Vec<Vec<i32>>,
    i64: Vec<Vec<i64>>,
    bool: Vec<Vec<bool>>,
    inputs: &'b [Input<'a>],
    /// By operand: the register that it is loaded into, unless it is read where it lies.
    loaded: Vec<Option<u16>>,
    outputs: Vec<Output<'b>>,
    /// The first element of the block among all of the operands, and among those of the results.
    input: usize,
    output: usize,
    count: usize,
}

/// An element type, and where a frame keeps its elements.
trait Held: Copy + Default + 'static {
    fn registers<'f>(frame: &'f mut Frame<'_, '_>) -> &'f mut Vec<Vec<Self>>;
    fn register<'f>(frame: &'f Frame<'_, '_>, register: usize) -> &'f [Self];
    fn input<'f>(elements: &'f Elements<'_>) -> &'f [Self];
    fn output<'f>(output: &'f Output<'_>) -> &'f [Self];
    fn take<'b>(output: &mut Output<'b>) -> &'b mut [Self];
    fn put<'b>(elements: &'b mut [Self]) -> Output<'b>;
    fn number(number: f64) -> Self;
}

macro_rules! held {
    ($($kind:ident $ty:ident $number:expr;)*) => {$(
        impl Held for $ty {
            #[inline(always)]
            fn registers<'f>(frame: &'f mut Frame<'_, '_>) -> &'f mut Vec<Vec<Self>> {
                &mut frame.$ty
            }

            #[inline(always)]
            fn register<'f>(frame: &'f Frame<'_, '_>, register: usize) -> &'f [Self] {
                &frame.$ty[register]
            }

            #[inline(always)]
            fn input<'f>(elements: &'f Elements<'_>) -> &'f [Self] {
                if let Elements::$kind(elements) = elements { elements } else { &[] }
            }

            #[inline(always)]
            fn output<'f>(output: &'f Output<'_>) -> &'f [Self] {
                if let Output::$kind(elements) = output { elements } else { &[] }
            }

            #[inline(always)]
            fn take<'b>(output: &mut Output<'b>) -> &'b mut [Self] {
                match std::mem::replace(output, Output::Bool(&mut [])) {
                    Output::$kind(elements) => elements,
                    _ => &mut [],
                }
            }

            #[inline(always)]
            fn put<'b>(elements: &'b mut [Self]) -> Output<'b> {
                Output::$kind(elements)
            }

            #[inline(always)]
            fn number(number: f64) -> Self {
                ($number)(number)
            }
        }
    )*};
}

held! {
    F32 f32 |number| number as f32;
    F64 f64 |number| number;
    I32 i32 |number| number as i32;
    I64 i64 |number| number as i64;
    Bool bool |number| number != 0.0;
}

/// `by_kind!(kind, T => body)`: the same for every element type.
macro_rules! by_kind {
    ($kind:expr, $ty:ident => $body:expr) => {
        match $kind {
            Kind::F32 => {
                type $ty = f32;
                $body
            }
            Kind::F64 => {
                type $ty = f64;
                $body
            }
            Kind::I32 => {
                type $ty = i32;
                $body
            }
            Kind::I64 => {
                type $ty = i64;
                $body
            }
            Kind::Bool => {
                type $ty = bool;
                $body
            }
        }
    };
}

/// Computes `count` elements of the results, whose first one is made of the operands' elements from `start` on.
#[inline(always)]
pub(super) fn run<S: Simd>(
    simd: S,
    code: &Code,
    inputs: &[Input<'_>],
    outputs: Vec<Output<'_>>,
    start: usize,
    count: usize,
) {
    let room = |kind: Kind| usize::from(code.registers[kind as usize]);
    let mut frame = Frame {
        f32: vec![vec![0.0; BLOCK]; room(Kind::F32)],
        f64: vec![vec![0.0; BLOCK]; room(Kind::F64)],
        i32: vec![vec![0; BLOCK]; room(Kind::I32)],
        i64: vec![vec![0; BLOCK]; room(Kind::I64)],
        bool: vec![vec![false; BLOCK]; room(Kind::Bool)],
        loaded: code
            .inputs
            .iter()
            .zip(inputs)
            .map(|((_, register), input)| (!input.is_direct()).then_some(*register))
            .collect(),
        inputs,
        outputs,
        input: 0,
        output: 0,
        count: BLOCK,
    };
    for constant in &code.constants {
        by_kind!(constant.kind, T => {
            T::registers(&mut frame)[usize::from(constant.register)].fill(T::number(constant.number));
        });
    }
    let loads = frame.loaded.iter().enumerate().filter_map(|(input, register)| Some((input, (*register)?)));
    let (uniform, loads): (Vec<_>, Vec<_>) = loads.partition(|(input, _)| inputs[*input].is_uniform());
    uniform.iter().for_each(|&(input, register)| load(&mut frame, input, register));
    for done in (0..count).step_by(BLOCK) {
        (frame.input, frame.output, frame.count) = (start + done, done, BLOCK.min(count - done));
        loads.iter().for_each(|&(input, register)| load(&mut frame, input, register));
        for step in &code.steps {
            apply(simd, &mut frame, step);
        }
    }
}

fn load(frame: &mut Frame<'_, '_>, input: usize, register: u16) {
    let (start, count, input) = (frame.input, frame.count, &frame.inputs[input]);
    by_kind!(input.kind(), T => {
        let to = &mut T::registers(frame)[usize::from(register)];
        input.load(T::input(&input.elements), start, &mut to[..count]);
    });
}

/// The elements of the block at a place.
#[inline(always)]
fn read<'f, T: Held>(frame: &'f Frame<'_, '_>, place: Place) -> &'f [T] {
    let count = frame.count;
    match place {
        Place::Register(register) => &T::register(frame, usize::from(register))[..count],
        Place::Input(input) => match frame.loaded[usize::from(input)] {
            Some(register) => &T::register(frame, usize::from(register))[..count],
            None => &T::input(&frame.inputs[usize::from(input)].elements)[frame.input..][..count],
        },
        Place::Output(output) => &T::output(&frame.outputs[usize::from(output)])[frame.output..][..count],
    }
}

/// Writes the elements of the block at a place; no operand is at that place.
#[inline(always)]
fn write<T: Held>(frame: &mut Frame<'_, '_>, place: Place, f: impl FnOnce(&Frame<'_, '_>, &mut [T])) {
    let count = frame.count;
    let (mut register, mut output): (Vec<T>, &mut [T]) = (vec![], &mut []);
    match place {
        Place::Register(place) => register = std::mem::take(&mut T::registers(frame)[usize::from(place)]),
        Place::Output(place) => output = T::take(&mut frame.outputs[usize::from(place)]),
        // Code does not write operands.
        Place::Input(_) => return,
    }
    // One call for both, because it is inlined.
    let elements = match place {
        Place::Output(_) => &mut output[frame.output..],
        _ => register.as_mut_slice(),
    };
    f(frame, &mut elements[..count]);
    match place {
        Place::Register(place) => T::registers(frame)[usize::from(place)] = register,
        Place::Output(place) => frame.outputs[usize::from(place)] = T::put(output),
        Place::Input(_) => {}
    }
}

#[inline(always)]
fn one<T: Held, U: Held>(frame: &mut Frame<'_, '_>, step: &Step, f: impl Fn(T) -> U) {
    write(
        frame,
        step.to,
        #[inline(always)]
        |frame, to: &mut [U]| {
            let a: &[T] = read(frame, step.operands[0]);
            for (to, a) in to.iter_mut().zip(a) {
                *to = f(*a);
            }
        },
    );
}

#[inline(always)]
fn two<T: Held, U: Held>(frame: &mut Frame<'_, '_>, step: &Step, f: impl Fn(T, T) -> U) {
    write(
        frame,
        step.to,
        #[inline(always)]
        |frame, to: &mut [U]| {
            let (a, b): (&[T], &[T]) = (read(frame, step.operands[0]), read(frame, step.operands[1]));
            for (to, (a, b)) in to.iter_mut().zip(a.iter().zip(b)) {
                *to = f(*a, *b);
            }
        },
    );
}

/// A function of sixteen lanes.
macro_rules! vector {
    ($simd:ident, $frame:ident, $step:ident, $f:path) => {
        write(
            $frame,
            $step.to,
            #[inline(always)]
            |frame, to: &mut [f32]| {
                let a: &[f32] = read(frame, $step.operands[0]);
                for (to, a) in to.chunks_mut(LANES).zip(a.chunks(LANES)) {
                    lanes::store($f($simd, lanes::load($simd, a, 0.0)), to);
                }
            },
        )
    };
}

#[inline(always)]
fn apply<S: Simd>(simd: S, frame: &mut Frame<'_, '_>, step: &Step) {
    match step.function {
        Function::Activation(ref f) => write(frame, step.to, |frame, to: &mut [f32]| {
            to.copy_from_slice(read(frame, step.operands[0]));
            f.apply(to, 1);
        }),
        Function::Element(op, Kind::F32) => floats32(simd, frame, step, op),
        Function::Element(op, Kind::F64) => floats64(frame, step, op),
        Function::Element(op, Kind::I32) => integers::<i32>(frame, step, op),
        Function::Element(op, Kind::I64) => integers::<i64>(frame, step, op),
        Function::Element(op, Kind::Bool) => flags(frame, step, op),
    }
}

#[inline(always)]
fn floats32<S: Simd>(simd: S, frame: &mut Frame<'_, '_>, step: &Step, op: Element) {
    use Element::{Atan2, Cos, Div, Erf, Exp, Floor, Log, Mod, Pow, Sin, Sqrt, Tanh};
    match op {
        Exp => vector!(simd, frame, step, lanes::exp),
        Log => vector!(simd, frame, step, lanes::ln),
        Tanh => vector!(simd, frame, step, lanes::tanh),
        Erf => vector!(simd, frame, step, lanes::erf),
        Sqrt => one(frame, step, f32::sqrt),
        Floor => one(frame, step, f32::floor),
        Sin => one(frame, step, scalar::sin32),
        Cos => one(frame, step, scalar::cos32),
        Div => two(frame, step, |a: f32, b: f32| a / b),
        Pow => two(frame, step, scalar::pow32),
        Mod => two(frame, step, scalar::modulo::<f32>),
        Atan2 => two(frame, step, scalar::atan32),
        op => numbers::<f32>(frame, step, op),
    }
}

fn floats64(frame: &mut Frame<'_, '_>, step: &Step, op: Element) {
    use Element::{Atan2, Cos, Div, Erf, Exp, Floor, Log, Mod, Pow, Sin, Sqrt, Tanh};
    match op {
        Exp => one(frame, step, libm::exp),
        Log => one(frame, step, libm::log),
        Tanh => one(frame, step, libm::tanh),
        Erf => one(frame, step, libm::erf),
        Sqrt => one(frame, step, f64::sqrt),
        Floor => one(frame, step, f64::floor),
        Sin => one(frame, step, libm::sin),
        Cos => one(frame, step, libm::cos),
        Div => two(frame, step, |a: f64, b: f64| a / b),
        Pow => two(frame, step, libm::pow),
        Mod => two(frame, step, scalar::modulo::<f64>),
        Atan2 => two(frame, step, libm::atan2),
        op => numbers::<f64>(frame, step, op),
    }
}

fn integers<T: Held + scalar::Number + scalar::Whole>(frame: &mut Frame<'_, '_>, step: &Step, op: Element) {
    match op {
        Element::Gcd => two(frame, step, T::common_divisor),
        Element::BitAnd => two(frame, step, T::common_bits),
        op => numbers::<T>(frame, step, op),
    }
}

#[inline(always)]
fn numbers<T: Held + scalar::Number>(frame: &mut Frame<'_, '_>, step: &Step, op: Element) {
    use Element::{Abs, Add, Ge, Gt, Le, Lt, Max, Min, Mul, Neg, Sign, Sub};
    match op {
        Neg => one(frame, step, T::negative),
        Abs => one(frame, step, T::magnitude),
        Sign => one(frame, step, T::sign),
        Add => two(frame, step, T::plus),
        Sub => two(frame, step, T::minus),
        Mul => two(frame, step, T::times),
        Max => two(frame, step, T::larger),
        Min => two(frame, step, T::smaller),
        Lt => two(frame, step, |a: T, b: T| a < b),
        Le => two(frame, step, |a: T, b: T| a <= b),
        Gt => two(frame, step, |a: T, b: T| a > b),
        Ge => two(frame, step, |a: T, b: T| a >= b),
        op => anything::<T>(frame, step, op),
    }
}

fn flags(frame: &mut Frame<'_, '_>, step: &Step, op: Element) {
    match op {
        Element::And => two(frame, step, |a: bool, b: bool| a & b),
        Element::Or => two(frame, step, |a: bool, b: bool| a | b),
        Element::Not => one(frame, step, |a: bool| !a),
        op => anything::<bool>(frame, step, op),
    }
}

#[inline(always)]
fn anything<T: Held + scalar::Cast + PartialEq>(frame: &mut Frame<'_, '_>, step: &Step, op: Element) {
    match op {
        Element::Eq => two(frame, step, |a: T, b: T| a == b),
        Element::Ne => two(frame, step, |a: T, b: T| a != b),
        Element::Select => write(frame, step.to, |frame, to: &mut [T]| {
            let mask: &[bool] = read(frame, step.operands[0]);
            let (a, b): (&[T], &[T]) = (read(frame, step.operands[1]), read(frame, step.operands[2]));
            let chosen = mask.iter().zip(a.iter().zip(b));
            to.iter_mut().zip(chosen).for_each(|(to, (mask, (a, b)))| *to = if *mask { *a } else { *b });
        }),
        Element::Cast(Kind::F32) => one(frame, step, T::f32),
        Element::Cast(Kind::F64) => one(frame, step, T::f64),
        Element::Cast(Kind::I32) => one(frame, step, T::i32),
        Element::Cast(Kind::I64) => one(frame, step, T::i64),
        Element::Cast(Kind::Bool) => one(frame, step, T::bool),
        // The table of kernels has no other operation for this type.
        _ => {}
    }
}
