//! Element-wise operations, moves and folds.

use masque_ir::float::Float;
use masque_ir::ops::{Elementwise, Map, Reduce, Rows, Shape};
use masque_ir::program::{Builder, Literal, Operand};
use masque_ir::{DType, Dim, Semantics, Type};
use masque_runtime::Tensor;

use crate::case::{Case, compare};
use crate::random::Random;

/// An operation that takes operands of some element type, its operands' types, and how it is called.
fn elementwise(random: &mut Random) -> (Elementwise, Vec<DType>) {
    use Elementwise::*;
    let dtype = random.dtype();
    let one = random.pick(&[Neg, Abs, Sign]);
    let two = random.pick(&[Add, Sub, Mul, Max, Min, Eq, Ne, Lt, Le, Gt, Ge]);
    let to = random.dtype();
    match (dtype, random.below(6)) {
        (dtype, 0) => (Cast { to }, vec![dtype]),
        (dtype, 1) => (Select, vec![DType::Bool, dtype, dtype]),
        (DType::Bool, 2) => (Not, vec![dtype]),
        (DType::Bool, _) => (random.pick(&[And, Or, Eq, Ne]), vec![dtype; 2]),
        (DType::F32 | DType::F64, 2) => {
            (random.pick(&[Exp, Log, Sqrt, Tanh, Sin, Cos, Erf, Floor]), vec![dtype])
        }
        (DType::F32 | DType::F64, 3) => (random.pick(&[Div, Mod, Atan2]), vec![dtype; 2]),
        (DType::I32 | DType::I64, 3) => (random.pick(&[Gcd, BitAnd]), vec![dtype; 2]),
        (dtype, 4) => (one, vec![dtype]),
        (dtype, _) => (two, vec![dtype; 2]),
    }
}

#[test]
fn element_by_element() {
    compare("elementwise", |random| {
        let (op, dtypes) = elementwise(random);
        let shape = random.shape(4);
        let mut case = Case::new(op);
        for dtype in dtypes {
            let shape = random.narrower(&shape);
            case = case.input(random.elements(dtype, &shape));
        }
        case
    });
}

/// A body of several operations, each on operands, numbers and results before it.
#[test]
fn several_operations_in_one() {
    compare("map", |random| {
        let mut body = Builder::new("body", Semantics::Keras3_15);
        let shape = random.shape(4);
        let mut operands = vec![];
        let mut values: Vec<(DType, Operand)> = vec![];
        for place in 0..1 + random.below(3) {
            let dtype = random.dtype();
            let narrower = random.narrower(&shape);
            operands.push(random.elements(dtype, &narrower));
            values.push((dtype, body.input(&format!("x{place}"), Type::scalar(dtype))));
        }
        for _ in 0..random.below(8) {
            let (op, dtypes) = elementwise(random);
            let mut chosen = vec![];
            for dtype in dtypes {
                let known: Vec<&Operand> =
                    values.iter().filter(|(known, _)| *known == dtype).map(|(_, operand)| operand).collect();
                chosen.push(match known.as_slice() {
                    [] => Operand::Literal(Literal { dtype, number: Float(1.0) }),
                    _ if random.once_in(6) => Operand::Literal(Literal { dtype, number: Float(0.0) }),
                    known => (*random.pick(known)).clone(),
                });
            }
            let result = body.emit(op, &chosen).unwrap();
            values.push((body.type_of(&result).dtype, result));
        }
        for output in 0..1 + random.below(3) {
            let (_, operand) = random.pick(&values);
            body.output(format!("y{output}"), operand);
        }
        let mut case = Case::new(Map::Map { body: body.finish().into() });
        for operand in operands {
            case = case.input(operand);
        }
        case
    });
}

#[test]
fn what_is_moved_is_the_same() {
    compare("move", |random| {
        let mut shape = random.shape(4);
        shape.push(random.size());
        let rank = shape.len();
        let dtype = random.dtype();
        let x = random.elements(dtype, &shape);
        let axis = random.below(rank);
        let op = match random.below(7) {
            0 => {
                let mut perm: Vec<u32> = (0..rank as u32).collect();
                (1..rank).rev().for_each(|place| perm.swap(place, random.below(place + 1)));
                Shape::Transpose { perm }
            }
            1 => {
                let mut wide: Vec<usize> =
                    shape.iter().map(|&size| if size == 1 { random.size() } else { size }).collect();
                (0..random.below(3)).for_each(|_| wide.insert(0, random.size()));
                Shape::Broadcast { shape: wide.iter().map(|&size| Dim::constant(size as i64)).collect() }
            }
            2 => {
                let start = random.below(shape[axis] + 1);
                let stop = start + random.below(shape[axis] + 1 - start);
                let [start, stop] = [start, stop].map(|place| Dim::constant(place as i64));
                Shape::Slice { axis: axis as u32, start, stop, step: 1 + random.below(3) as u32 }
            }
            3 => Shape::Reverse { axis: axis as u32 },
            4 => Shape::Positions { axis: axis as u32 },
            5 => Shape::Size { axes: vec![axis as u32] },
            _ => return concat_or_pad(random, x, &shape, axis),
        };
        Case::new(op).input(x)
    });
}

fn concat_or_pad(random: &mut Random, x: Tensor, shape: &[usize], axis: usize) -> Case {
    let dtype = x.dtype();
    if random.once_in(2) {
        let mut case = Case::new(Shape::Concat { axis: axis as u32 }).input(x);
        for _ in 0..random.below(3) {
            let mut part = shape.to_vec();
            part[axis] = random.size();
            case = case.input(random.elements(dtype, &part));
        }
        return case;
    }
    let mut margin =
        || -> Vec<i64> { shape.iter().map(|&size| random.below(5) as i64 - i64::from(size > 2)).collect() };
    let (low, high) = (margin(), margin());
    let spread = shape.iter().map(|_| random.below(3) as u32).collect();
    let value = random.elements(dtype, &[]);
    Case::new(Shape::Pad { low, high, spread }).input(x).input(value)
}

#[test]
fn folds() {
    compare("fold", |random| {
        let shape = random.shape(4);
        let dtype = random.dtype();
        let axes: Vec<u32> = (0..shape.len() as u32).filter(|_| random.once_in(2)).collect();
        let keep = random.once_in(2);
        let op = match (dtype, random.below(4)) {
            (DType::Bool, place) if place < 2 => Reduce::Any { axes, keep },
            (DType::Bool, _) => Reduce::All { axes, keep },
            (_, 0) => Reduce::Sum { axes, keep },
            (_, 1) => Reduce::Product { axes, keep },
            (_, 2) => Reduce::ReduceMax { axes, keep },
            _ => Reduce::ReduceMin { axes, keep },
        };
        Case::new(op).input(random.elements(dtype, &shape))
    });
}

/// Rows at the places of a mask, or at any places in any order.
#[test]
fn rows() {
    compare("rows", |random| {
        let (batch, steps) = (random.below(4), random.size());
        let mask = random.mask(batch, steps);
        let all = mask.as_bool().unwrap().iter().enumerate();
        let places: Vec<i32> = all.filter(|(_, valid)| **valid).map(|(place, _)| place as i32).collect();
        let dtype = random.dtype();
        let rest = random.shape(2);
        let shape = |front: [usize; 2]| [&front, rest.as_slice()].concat();
        let count = places.len();
        let places: Tensor = ndarray::Array1::from(places).into_dyn().into();
        match random.below(3) {
            0 => Case::new(Rows::Places { count: Dim::symbol("N") }).input(mask),
            1 => {
                let x = random.elements(dtype, &shape([batch, steps]));
                Case::new(Rows::Pack).input(x).input(places)
            }
            _ => {
                let x = random.elements(dtype, &shape([1, count]));
                Case::new(Rows::Unpack { fill: Float(1.0) }).input(x).input(places).input(mask)
            }
        }
    });
}
