//! What an element is known to be, of what is known of those it is made of: the rules of the elementwise operations.

use super::Elementwise;
use crate::flow::{Element, Known};

/// The largest whole number that every float type has exactly.
const EXACT: f64 = 16_777_216.0;

/// The rule of each operation; without one, nothing is known.
pub(super) fn of(op: &Elementwise, operands: &[Known]) -> Element {
    use Elementwise::*;
    let numbers: Option<Vec<f64>> = operands.iter().map(|known| known.number()).collect();
    if let Some(known) = numbers.and_then(|numbers| computed(op, &numbers)) {
        return Element::Is(known);
    }
    let known = match (op, operands) {
        (Select, [mask, on_true, on_false]) => match mask.number() {
            Some(0.0) => return Element::Of(2),
            Some(_) => return Element::Of(1),
            None => on_true.or(*on_false),
        },
        (And | Or, [a, b]) => {
            let ends = if *op == And { 0.0 } else { 1.0 };
            match (a.number(), b.number()) {
                (Some(number), _) | (_, Some(number)) if number == ends => Known::Number(ends),
                (Some(_), _) => return Element::Of(1),
                (_, Some(_)) => return Element::Of(0),
                _ => Known::Anything,
            }
        }
        (Eq | Ne | Lt | Le | Gt | Ge, [a, b]) => compared(op, *a, *b),
        (Mul, [a, b]) if *a == Known::Number(0.0) || *b == Known::Number(0.0) => Known::Number(0.0),
        (Div, [a, _]) if *a == Known::Number(0.0) => Known::Number(0.0),
        (Exp, [x]) if x.is_low() => Known::Number(0.0),
        (Add | Sub | Mul | Div, [a, b]) => low(op, *a, *b),
        (Cast { to }, [x]) if *to != crate::DType::Bool => match x {
            // A number may lose its fraction on the way, and become another.
            Known::Low | Known::Position { .. } => *x,
            _ => Known::Anything,
        },
        (Cast { .. }, [Known::Not(0.0)]) => Known::Number(1.0),
        _ => Known::Anything,
    };
    known.into()
}

/// Operations on numbers, where the result is the same in every type.
fn computed(op: &Elementwise, numbers: &[f64]) -> Option<Known> {
    use Elementwise::*;
    let truth = |holds: bool| Some(f64::from(u8::from(holds)));
    let number = match (op, numbers) {
        (Neg, [x]) => Some(-x),
        (Abs, [x]) => Some(x.abs()),
        (Sign, [x]) if *x == 0.0 => Some(0.0),
        (Sign, [x]) => Some(x.signum()),
        (Floor, [x]) => Some(x.floor()),
        (Sqrt | Tanh | Sin | Erf, [x]) => (*x == 0.0).then_some(0.0),
        (Exp | Cos, [x]) => (*x == 0.0).then_some(1.0),
        (Log, [x]) => (*x == 1.0).then_some(0.0),
        (Add, [a, b]) => Some(a + b),
        (Sub, [a, b]) => Some(a - b),
        (Mul, [a, b]) => Some(a * b),
        (Div, [a, b]) => Some(a / b),
        (Max, [a, b]) => Some(a.max(*b)),
        (Min, [a, b]) => Some(a.min(*b)),
        (Eq, [a, b]) => truth(a == b),
        (Ne, [a, b]) => truth(a != b),
        (Lt, [a, b]) => truth(a < b),
        (Le, [a, b]) => truth(a <= b),
        (Gt, [a, b]) => truth(a > b),
        (Ge, [a, b]) => truth(a >= b),
        (And, [a, b]) => truth(*a != 0.0 && *b != 0.0),
        (Or, [a, b]) => truth(*a != 0.0 || *b != 0.0),
        (Not, [x]) => truth(*x == 0.0),
        (Cast { to }, [x]) if *to == crate::DType::Bool => truth(*x != 0.0),
        (Cast { .. }, [x]) => Some(*x),
        _ => None,
    }?;
    if number <= Known::LOW {
        return Some(Known::Low);
    }
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(Known::Number(number))
}

/// Comparisons with what something is not, and of positions: padding lies behind everything else.
fn compared(op: &Elementwise, a: Known, b: Known) -> Known {
    use Elementwise::*;
    let truth = |holds: bool| Known::Number(f64::from(u8::from(holds)));
    match (a, b) {
        (Known::Number(number), Known::Not(not)) | (Known::Not(not), Known::Number(number))
            if number == not && matches!(op, Eq | Ne) =>
        {
            truth(*op == Ne)
        }
        (
            Known::Position { axis: left, padded: a_padded },
            Known::Position { axis: right, padded: b_padded },
        ) if left == right && a_padded != b_padded => match op {
            Lt | Le => truth(b_padded),
            Gt | Ge => truth(a_padded),
            _ => truth(*op == Ne),
        },
        _ => Known::Anything,
    }
}

/// What stays low: less something ordinary, plus anything, in proportion.
fn low(op: &Elementwise, a: Known, b: Known) -> Known {
    use Elementwise::*;
    let ordinary = |known: Known| known.number().is_some_and(|number| (1e-3..=1e3).contains(&number));
    let high = |known: Known| known.number().is_some_and(|number| number > 1e3);
    let low = match op {
        Add => a.is_low() && !high(b) || b.is_low() && !high(a),
        Sub => {
            a.is_low() && !b.is_low() || b.number().is_some_and(|number| number >= -Known::LOW) && !a.is_low()
        }
        Mul => a.is_low() && ordinary(b) || b.is_low() && ordinary(a),
        Div => a.is_low() && ordinary(b),
        _ => false,
    };
    if low { Known::Low } else { Known::Anything }
}
