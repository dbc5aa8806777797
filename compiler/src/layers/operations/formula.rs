//! Formulas over tensors, written as they read: `(x.exp() + 1.0).log()`.
//!
//! A number in a formula has the element type of the tensor that it meets. Nothing is looked at before [`Term::build`].

use std::collections::HashMap;
use std::ops::{Add, Div, Mul, Neg, Sub};
use std::rc::Rc;

use masque_ir::DType;
use masque_ir::ops::Elementwise;
use masque_ir::program::Operand;

use super::built::{Outcome, dtype_of, literal, refuse};
use crate::layer::Scope;

/// A formula.
#[derive(Clone, Debug)]
pub(super) enum Term {
    /// A tensor, or a number that has a type.
    Tensor(Operand),
    /// A number without a type of its own.
    Number(f64),
    /// An operation of other formulas; what is used twice is computed once.
    Of(Rc<(Elementwise, Vec<Term>)>),
}

/// A tensor as a formula.
pub(super) fn term(x: &Operand) -> Term {
    Term::Tensor(x.clone())
}

impl From<f64> for Term {
    fn from(number: f64) -> Term {
        Term::Number(number)
    }
}

impl From<&Term> for Term {
    fn from(term: &Term) -> Term {
        term.clone()
    }
}

macro_rules! of_one {
    ($($name:ident = $op:ident;)*) => {
        $(pub(super) fn $name(&self) -> Term {
            Term::of(Elementwise::$op, vec![self.clone()])
        })*
    };
}

macro_rules! of_two {
    ($($name:ident = $op:ident;)*) => {
        $(pub(super) fn $name(&self, other: impl Into<Term>) -> Term {
            Term::of(Elementwise::$op, vec![self.clone(), other.into()])
        })*
    };
}

impl Term {
    of_one! {
        abs = Abs;
        cos = Cos;
        erf = Erf;
        exp = Exp;
        floor = Floor;
        log = Log;
        sign = Sign;
        sin = Sin;
        sqrt = Sqrt;
    }

    of_two! {
        and = And;
        atan2 = Atan2;
        bits = BitAnd;
        equals = Eq;
        differs = Ne;
        above = Gt;
        below = Lt;
        at_most = Le;
        gcd = Gcd;
        larger = Max;
        modulo = Mod;
        or = Or;
        power = Pow;
        quotient = FloorDiv;
        smaller = Min;
    }

    /// An operation of other formulas.
    pub(super) fn of(op: Elementwise, parts: Vec<Term>) -> Term {
        Term::Of(Rc::new((op, parts)))
    }

    /// This where a condition holds, `other` elsewhere.
    pub(super) fn if_so(&self, condition: Term, other: impl Into<Term>) -> Term {
        Term::of(Elementwise::Select, vec![condition, self.clone(), other.into()])
    }

    /// The same numbers as another element type.
    pub(super) fn cast(&self, to: DType) -> Term {
        Term::of(Elementwise::Cast { to }, vec![self.clone()])
    }

    pub(super) fn is_nan(&self) -> Term {
        self.differs(self)
    }

    /// The nearest whole number; the even one of two.
    pub(super) fn round(&self) -> Term {
        let (below, above) = (self.floor(), self.floor() + 1.0);
        let rest = self.clone() - &below;
        let odd = below.modulo(2.0).equals(1.0);
        let up = rest.above(0.5).or(rest.equals(0.5).and(odd));
        above.if_so(up, below)
    }

    /// The whole number next to it on the way to 0.
    pub(super) fn trunc(&self) -> Term {
        self.sign() * self.abs().floor()
    }

    /// The operations that compute it.
    pub(super) fn build(&self, scope: &mut Scope<'_>) -> Outcome {
        self.shared(scope, &mut HashMap::new())
    }

    fn shared(
        &self,
        scope: &mut Scope<'_>,
        done: &mut HashMap<*const (Elementwise, Vec<Term>), Operand>,
    ) -> Outcome {
        let node = match self {
            Term::Tensor(x) => return Ok(x.clone()),
            Term::Number(number) => return refuse("a tensor", number),
            Term::Of(node) => node,
        };
        if let Some(x) = done.get(&Rc::as_ptr(node)) {
            return Ok(x.clone());
        }
        let (op, parts) = &**node;
        let mut built = vec![];
        for part in parts {
            built.push(match part {
                Term::Number(_) => None,
                part => Some(part.shared(scope, done)?),
            });
        }
        let dtype = built.iter().flatten().last().map(|x| dtype_of(scope, x));
        let Some(dtype) = dtype else { return refuse("a tensor", "numbers only") };
        let operands: Vec<Operand> = (parts.iter().zip(built))
            .filter_map(|(part, built)| match part {
                Term::Number(number) => Some(literal(dtype, *number)),
                _ => built,
            })
            .collect();
        let x = scope.builder.emit(op.clone(), &operands)?;
        done.insert(Rc::as_ptr(node), x.clone());
        Ok(x)
    }
}

macro_rules! operators {
    ($($trait:ident, $function:ident, $op:ident;)*) => {
        $(impl<T: Into<Term>> $trait<T> for Term {
            type Output = Term;

            fn $function(self, other: T) -> Term {
                Term::of(Elementwise::$op, vec![self, other.into()])
            }
        })*
    };
}

operators! {
    Add, add, Add;
    Div, div, Div;
    Mul, mul, Mul;
    Sub, sub, Sub;
}

impl Neg for Term {
    type Output = Term;

    fn neg(self) -> Term {
        Term::of(Elementwise::Neg, vec![self])
    }
}
