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
        (Add | Sub, [Known::Count { .. }, _] | [_, Known::Count { .. }]) => shifted(op, operands),
        (Max, [a, b]) if compared(&Ge, *a, *b) == Known::Number(1.0) => return Element::Of(0),
        (Max, [a, b]) if compared(&Le, *a, *b) == Known::Number(1.0) => return Element::Of(1),
        (Add | Sub | Mul | Div, [a, b]) => low(op, *a, *b),
        (Cast { to }, [x]) if *to != crate::DType::Bool => match x {
            // A number may lose its fraction on the way, and become another.
            Known::Low | Known::Position { .. } | Known::Count { .. } => *x,
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
        (Known::Count { .. }, _) => counted(op, a, b),
        (_, Known::Count { .. }) => counted(&turned(op), b, a),
        _ => Known::Anything,
    }
}

/// A comparison with its operands the other way round.
fn turned(op: &Elementwise) -> Elementwise {
    use Elementwise::*;
    match op {
        Lt => Gt,
        Le => Ge,
        Gt => Lt,
        Ge => Le,
        other => other.clone(),
    }
}

/// Comparisons of how many positions are no padding: at least one is, the numbers of those that are none are below it,
/// and those of padding are not.
fn counted(op: &Elementwise, count: Known, other: Known) -> Known {
    let Known::Count { axis, less } = count else { return Known::Anything };
    // The least that the count is more than the other, or that it is less.
    let (more, below) = match other {
        Known::Number(number) => (Some(1.0 - less as f64 - number), None),
        Known::Position { axis: of, padded: false } if of == axis => (Some(1.0 - less as f64), None),
        Known::Position { axis: of, padded: true } if of == axis => (None, Some(less as f64)),
        _ => return Known::Anything,
    };
    let above = |least: f64| more.is_some_and(|more| more >= least);
    let under = |least: f64| below.is_some_and(|below| below >= least);
    use Elementwise::*;
    let (holds, fails) = match op {
        Gt => (above(1.0), under(0.0)),
        Ge => (above(0.0), under(1.0)),
        Lt => (under(1.0), above(0.0)),
        Le => (under(0.0), above(1.0)),
        Ne => (above(1.0) || under(1.0), false),
        Eq => (false, above(1.0) || under(1.0)),
        _ => (false, false),
    };
    match (holds, fails) {
        (true, _) => Known::Number(1.0),
        (_, true) => Known::Number(0.0),
        _ => Known::Anything,
    }
}

/// A count, more or less a number.
fn shifted(op: &Elementwise, operands: &[Known]) -> Known {
    let whole = |number: f64| (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64);
    match (op, operands) {
        (Elementwise::Sub, [Known::Count { axis, less }, Known::Number(number)]) => {
            whole(*number).map_or(Known::Anything, |number| Known::Count { axis: *axis, less: less + number })
        }
        (Elementwise::Add, [Known::Count { axis, less }, Known::Number(number)])
        | (Elementwise::Add, [Known::Number(number), Known::Count { axis, less }]) => {
            whole(*number).map_or(Known::Anything, |number| Known::Count { axis: *axis, less: less - number })
        }
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
