//! One element from one element of each operand, shapes broadcast from the right as numpy does.

use super::{Family, Notation, OpError, OpInfo, OperandTypes, at, element, family};
use crate::flow::{Element, Flow, Fold, Joint, Known};
use crate::ty::{DType, Type, broadcast};

family! {
    /// One element from one element of each operand.
    Elementwise {
        /// `-x`
        Neg = "neg" ("x");
        /// The magnitude of `x`.
        Abs = "abs" ("x");
        /// -1, 0 or 1.
        Sign = "sign" ("x");
        /// e to the power of `x`.
        Exp = "exp" ("x");
        /// The natural logarithm of `x`.
        Log = "log" ("x");
        /// The square root of `x`.
        Sqrt = "sqrt" ("x");
        /// The hyperbolic tangent of `x`.
        Tanh = "tanh" ("x");
        /// The sine of `x`.
        Sin = "sin" ("x");
        /// The cosine of `x`.
        Cos = "cos" ("x");
        /// The error function of `x`.
        Erf = "erf" ("x");
        /// The largest integer not above `x`.
        Floor = "floor" ("x");
        /// `a + b`
        Add = "add" ("a", "b");
        /// `a - b`
        Sub = "sub" ("a", "b");
        /// `a * b`
        Mul = "mul" ("a", "b");
        /// `a / b`; floats only.
        Div = "div" ("a", "b");
        /// `a` to the power of `b`.
        Pow = "pow" ("a", "b");
        /// What is left of `a` after whole `b`s, with the sign of `b`; floats only.
        Mod = "mod" ("a", "b");
        /// The angle of the point `(x, y)` from the positive `x` axis, between -pi and pi; floats only.
        Atan2 = "atan2" ("y", "x");
        /// `a / b` rounded down; integers only, and none divides by 0: that is an error of the run.
        FloorDiv = "floor_div" ("a", "b");
        /// The greatest common divisor, not negative; integers only.
        Gcd = "gcd" ("a", "b");
        /// The bits that both integers have.
        BitAnd = "bit_and" ("a", "b");
        /// The larger one; NaN if either is.
        Max = "max" ("a", "b");
        /// The smaller one; NaN if either is.
        Min = "min" ("a", "b");
        /// `a == b`
        Eq = "eq" ("a", "b");
        /// `a != b`
        Ne = "ne" ("a", "b");
        /// `a < b`
        Lt = "lt" ("a", "b");
        /// `a <= b`
        Le = "le" ("a", "b");
        /// `a > b`
        Gt = "gt" ("a", "b");
        /// `a >= b`
        Ge = "ge" ("a", "b");
        /// True where both are.
        And = "and" ("a", "b");
        /// True where either is.
        Or = "or" ("a", "b");
        /// True where `x` is false.
        Not = "not" ("x");
        /// `on_true` where `mask` holds, `on_false` elsewhere; the other one is not looked at.
        Select = "select" ("mask", "on_true", "on_false");
        /// The same numbers as another element type; to bool: not zero; to integers: toward zero.
        Cast = "cast" ("x") {
            /// The element type of the result.
            to: DType,
        };
    }
}

impl Family for Elementwise {
    fn info(&self) -> &'static OpInfo {
        self.row()
    }

    fn notation(&self, _: OperandTypes<'_>) -> Notation {
        use Elementwise::*;
        match self {
            Or => Notation::infix("or", r"\lor", 1),
            And => Notation::infix("and", r"\land", 2),
            Eq => Notation::infix("=", "=", 3),
            Ne => Notation::infix("≠", r"\ne", 3),
            Lt => Notation::infix("<", "<", 3),
            Le => Notation::infix("≤", r"\le", 3),
            Gt => Notation::infix(">", ">", 3),
            Ge => Notation::infix("≥", r"\ge", 3),
            Add => Notation::infix("+", "+", 4),
            Sub => Notation::infix("-", "-", 4),
            Mul => Notation::infix("·", r"\cdot", 5),
            Div => Notation::infix("/", "/", 5),
            Pow => Notation::infix("^", "^", 7),
            Neg => Notation::Prefix { symbol: "-", latex: "-" },
            Not => Notation::Prefix { symbol: "not ", latex: r"\lnot " },
            _ => Notation::Function,
        }
    }

    fn flow(&self, operands: OperandTypes<'_>) -> Flow<'_> {
        let ranks: Vec<usize> = operands.iter().flatten().map(|ty| ty.rank()).collect();
        let rank = ranks.iter().copied().max().unwrap_or(0);
        let operands = ranks.iter().map(|own| at((rank - own) as u32..rank as u32)).collect();
        Flow::Joint(Joint { operands, rank, fold: Fold::EVERY })
    }

    fn element(&self, operands: &[Known]) -> Element {
        element::of(self, operands)
    }

    fn infer(&self, operands: OperandTypes<'_>) -> Result<Vec<Type>, OpError> {
        let types: Vec<&Type> = operands.iter().flatten().copied().collect();
        let dtype = self.dtype(&types)?;
        let mut shape = types[0].shape.clone();
        for ty in &types[1..] {
            if ty.shape != shape {
                shape = broadcast(&shape, &ty.shape)
                    .ok_or_else(|| self.expects("shapes that broadcast", format!("{} and {ty}", types[0])))?;
            }
        }
        Ok(vec![Type { dtype, shape }])
    }
}

impl Elementwise {
    fn dtype(&self, types: &[&Type]) -> Result<DType, OpError> {
        use Elementwise::*;
        let first = types[0].dtype;
        let same = types.iter().all(|ty| ty.dtype == first);
        let found = || types.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ");
        let require = |holds: bool, expected: &str, gives: DType| {
            if holds { Ok(gives) } else { Err(self.expects(expected, found())) }
        };
        match self {
            Neg | Abs | Sign => require(first.is_float() || first.is_int(), "numbers", first),
            Exp | Log | Sqrt | Tanh | Sin | Cos | Erf | Floor => require(first.is_float(), "floats", first),
            FloorDiv | Gcd | BitAnd => require(same && first.is_int(), "integers of one type", first),
            Div | Pow | Mod | Atan2 => require(same && first.is_float(), "floats of one type", first),
            Add | Sub | Mul | Max | Min => {
                require(same && (first.is_float() || first.is_int()), "numbers of one type", first)
            }
            Eq | Ne => require(same && first != DType::Str, "elements of one type, not text", DType::Bool),
            Lt | Le | Gt | Ge => {
                require(same && (first.is_float() || first.is_int()), "numbers of one type", DType::Bool)
            }
            And | Or | Not => require(same && first == DType::Bool, "truth values", DType::Bool),
            Select => require(
                first == DType::Bool && types[1].dtype == types[2].dtype && types[1].dtype != DType::Str,
                "truth values, then two operands of one type",
                types[1].dtype,
            ),
            Cast { to } => require(first != DType::Str && *to != DType::Str, "anything but text", *to),
        }
    }
}
