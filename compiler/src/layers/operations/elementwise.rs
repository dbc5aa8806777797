//! Element-wise operations: of one tensor, or of two tensors or numbers that are broadcast together.

use masque_ir::activation::Activation;
use masque_ir::float::Float;
use masque_ir::mask::MaskId;
use masque_ir::ops::{Activate, Elementwise, Leaf, OpError};
use masque_ir::program::{Literal, Operand};
use masque_ir::ty::broadcast;
use masque_ir::{DType, Type};
use serde_json::Value as Json;

use super::formula::{Term, term};
use super::{common, def, masks_of};
use crate::layer::{
    Arguments, CallMasks, Kind, Layer, LayerDef, MaskParts, MaskRule, Passed, Scope, ShapeError, Signature,
};

/// An operation of two tensors or numbers.
#[derive(Clone, Copy, Debug)]
enum Binary {
    /// Numbers in, numbers of their common type out.
    Arithmetic(fn() -> Elementwise),
    /// The same, in floats whatever comes in.
    Fraction(fn() -> Elementwise),
    /// Numbers in, truth values out.
    Comparison(fn() -> Elementwise),
    /// Computed in floats; integers in, integers out.
    Real(fn() -> Elementwise),
    /// Truth values in and out.
    Logic(fn() -> Elementwise),
}

/// An operation of one tensor.
#[derive(Clone, Copy, Debug)]
enum Unary {
    /// Numbers in, numbers of the same type out.
    Same(fn() -> Elementwise),
    /// Floats out, whatever comes in.
    Float(fn() -> Elementwise),
    /// An activation function; floats out.
    Function(Activation),
    /// `x` above 0; numbers of the same type out.
    Relu,
    /// The magnitude; truth values are theirs already.
    Absolute,
    /// `x * x`
    Square,
    /// Truth values in and out.
    Not,
}

macro_rules! binary {
    ($($name:ident = $class:literal, $kind:ident($op:ident);)*) => {
        $(pub(in crate::layers) static $name: LayerDef =
            def($class, |_| Ok(Box::new(Binary::$kind(|| Elementwise::$op))));)*
    };
}

macro_rules! unary {
    ($($name:ident = $class:literal, $unary:expr;)*) => {
        $(pub(in crate::layers) static $name: LayerDef = def($class, |_| Ok(Box::new($unary)));)*
    };
}

binary! {
    ADD = "ops.Add", Arithmetic(Add);
    DIVIDE = "ops.Divide", Fraction(Div);
    EQUAL = "ops.Equal", Comparison(Eq);
    FLOOR_DIVIDE = "ops.FloorDivide", Real(Div);
    GREATER = "ops.Greater", Comparison(Gt);
    GREATER_EQUAL = "ops.GreaterEqual", Comparison(Ge);
    LESS = "ops.Less", Comparison(Lt);
    LESS_EQUAL = "ops.LessEqual", Comparison(Le);
    LOGICAL_AND = "ops.LogicalAnd", Logic(And);
    LOGICAL_OR = "ops.LogicalOr", Logic(Or);
    LOGICAL_XOR = "ops.LogicalXor", Logic(Ne);
    MAXIMUM = "ops.Maximum", Arithmetic(Max);
    MINIMUM = "ops.Minimum", Arithmetic(Min);
    MOD = "ops.Mod", Real(Mod);
    MULTIPLY = "ops.Multiply", Arithmetic(Mul);
    NOT_EQUAL = "ops.NotEqual", Comparison(Ne);
    POWER = "ops.Power", Real(Pow);
    SUBTRACT = "ops.Subtract", Arithmetic(Sub);
    TRUE_DIVIDE = "ops.TrueDivide", Fraction(Div);
}

unary! {
    ABSOLUTE = "ops.Absolute", Unary::Absolute;
    EXP = "ops.Exp", Unary::Float(|| Elementwise::Exp);
    LOG = "ops.Log", Unary::Float(|| Elementwise::Log);
    LOGICAL_NOT = "ops.LogicalNot", Unary::Not;
    NEGATIVE = "ops.Negative", Unary::Same(|| Elementwise::Neg);
    RELU = "ops.Relu", Unary::Relu;
    SIGN = "ops.Sign", Unary::Same(|| Elementwise::Sign);
    SIGMOID = "ops.Sigmoid", Unary::Function(Activation::Sigmoid);
    SQRT = "ops.Sqrt", Unary::Float(|| Elementwise::Sqrt);
    SQUARE = "ops.Square", Unary::Square;
    TANH = "ops.Tanh", Unary::Float(|| Elementwise::Tanh);
}

/// One side of an operation with two.
#[derive(Clone, Debug)]
enum Side<T> {
    Tensor(T),
    /// An array in the model's description.
    Array(Type, Vec<Float>),
    /// A number as Python has it: a whole one takes the type of the other side.
    Number {
        value: f64,
        whole: bool,
    },
}

/// Both sides, in order.
fn sides<T: Clone>(arguments: &Arguments<T>) -> Option<[Side<T>; 2]> {
    let side = |passed: &Passed<T>| match passed {
        Passed::Tensor(tensor) => Some(Side::Tensor(tensor.clone())),
        Passed::Constant(Json::Bool(truth)) => {
            Some(Side::Number { value: f64::from(u8::from(*truth)), whole: true })
        }
        Passed::Constant(json) => match Float::of_json(json) {
            Some(Float(value)) => Some(Side::Number { value, whole: json.is_i64() || json.is_u64() }),
            None => super::built::array(json).map(|(ty, values)| Side::Array(ty, values)),
        },
        Passed::List(_) => None,
    };
    let sides: Vec<Side<T>> =
        ["x1", "x2"].iter().filter_map(|name| arguments.get(name).and_then(side)).collect();
    sides.try_into().ok()
}

impl Binary {
    /// What both sides are converted to, and what comes out.
    fn dtypes(self, sides: &[Side<Type>; 2]) -> (DType, DType) {
        let of = |side: &Side<Type>| match side {
            Side::Tensor(ty) | Side::Array(ty, _) => Some(ty.dtype),
            Side::Number { whole: true, .. } => None,
            Side::Number { whole: false, .. } => Some(DType::F32),
        };
        let operands = match (of(&sides[0]), of(&sides[1])) {
            (Some(a), Some(b)) => common(a, b),
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => DType::I32,
        };
        let number = if operands == DType::Bool { DType::I32 } else { operands };
        match self {
            Binary::Logic(_) => (DType::Bool, DType::Bool),
            Binary::Comparison(_) => (operands, DType::Bool),
            Binary::Real(_) if number.is_int() && self.op() == Elementwise::Pow => (DType::F64, number),
            Binary::Arithmetic(_) | Binary::Real(_) => (number, number),
            Binary::Fraction(_) => match number {
                DType::F64 => (DType::F64, DType::F64),
                _ => (DType::F32, DType::F32),
            },
        }
    }

    fn op(self) -> Elementwise {
        match self {
            Binary::Arithmetic(op)
            | Binary::Fraction(op)
            | Binary::Real(op)
            | Binary::Comparison(op)
            | Binary::Logic(op) => op(),
        }
    }
}

/// A number beside a tensor of that type.
fn number(dtype: DType, value: f64) -> Literal {
    let number = if dtype == DType::Bool { f64::from(u8::from(value != 0.0)) } else { value };
    Literal { dtype, number: Float(number) }
}

impl Layer for Binary {
    fn kind(&self) -> Kind {
        Kind::Operation
    }

    fn signature(&self) -> Signature {
        Signature::of(&["x1", "x2"])
    }

    /// What works position by position could carry masks on.
    fn call_masks(&self, _: &Arguments<Type>) -> CallMasks {
        CallMasks::new(MaskRule::Lost).intended(MaskRule::Either)
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let expected = "two tensors of numbers, or a tensor and a number";
        let sides = sides(arguments).ok_or_else(|| ShapeError::new(expected, "other arguments"))?;
        let shape = match &sides {
            [Side::Tensor(a), Side::Tensor(b) | Side::Array(b, _)] | [Side::Array(a, _), Side::Tensor(b)] => {
                broadcast(&a.shape, &b.shape)
                    .ok_or_else(|| ShapeError::new("shapes that broadcast", format!("{a} and {b}")))?
            }
            [Side::Tensor(x), _] | [_, Side::Tensor(x)] => x.shape.clone(),
            _ => return Err(ShapeError::new(expected, "no tensor")),
        };
        let (operands, result) = self.dtypes(&sides);
        for side in &sides {
            let numbers = match side {
                Side::Tensor(_) => vec![],
                Side::Array(ty, values) => {
                    values.iter().map(|&number| Literal { dtype: ty.dtype, number }).collect()
                }
                Side::Number { value, .. } => vec![number(operands, *value)],
            };
            if let Some(Literal { dtype, number }) = numbers.into_iter().find(|number| !number.is_exact()) {
                return Err(ShapeError::new(format!("numbers of {dtype}"), number.0));
            }
        }
        let texts = sides.iter().any(|side| matches!(side, Side::Tensor(ty) if ty.dtype == DType::Str));
        if texts { Err(ShapeError::new(expected, "texts")) } else { Ok(vec![Type::new(result, shape)]) }
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let Some(sides) = sides(arguments) else { return Ok(vec![]) };
        let types = sides.each_ref().map(|side| match side {
            Side::Tensor(x) => Side::Tensor(scope.builder.type_of(x)),
            Side::Array(ty, _) => Side::Tensor(ty.clone()),
            Side::Number { value, whole } => Side::Number { value: *value, whole: *whole },
        });
        let (dtype, result) = self.dtypes(&types);
        let mut operands = vec![];
        for side in sides {
            operands.push(match side {
                Side::Tensor(x) => scope.cast(&x, dtype)?,
                Side::Array(ty, values) => {
                    let array = scope.builder.emit(Leaf::Constant { ty, values }, &[])?;
                    scope.cast(&array, dtype)?
                }
                Side::Number { value, .. } => Operand::Literal(number(dtype, value)),
            });
        }
        let [a, b] = [term(&operands[0]), term(&operands[1])];
        let y = match (self, self.op()) {
            (Binary::Real(_), Elementwise::Div) if dtype.is_int() => a.quotient(b),
            (Binary::Real(_), Elementwise::Mod) if dtype.is_int() => a.clone() - a.quotient(&b) * b,
            (Binary::Real(_), Elementwise::Div) => (a / b).floor(),
            (_, op) => Term::of(op, vec![a, b]),
        };
        let y = y.build(scope)?;
        Ok(vec![scope.cast(&y, result)?])
    }

    fn as_mask(&self, parts: &MaskParts<'_>) -> Option<MaskId> {
        let masks = || masks_of(parts).filter(|masks| masks.len() == 2);
        match self.op() {
            Elementwise::And => Some(parts.pool.borrow_mut().and(&masks()?)),
            Elementwise::Or => {
                let masks = masks()?;
                Some(parts.pool.borrow_mut().spread_or(masks[0], masks[1]))
            }
            Elementwise::Ne if matches!(self, Binary::Comparison(_)) => match sides(parts.arguments)? {
                [Side::Tensor(x), Side::Number { value, .. }]
                | [Side::Number { value, .. }, Side::Tensor(x)] => {
                    Some(parts.pool.borrow_mut().not_equal(x, value, parts.rank(x)))
                }
                _ => None,
            },
            _ => None,
        }
    }
}

impl Unary {
    fn dtype(self, x: DType) -> DType {
        match self {
            Unary::Not => DType::Bool,
            Unary::Same(_) | Unary::Square | Unary::Relu if x == DType::Bool => DType::I32,
            Unary::Same(_) | Unary::Square | Unary::Relu | Unary::Absolute => x,
            Unary::Float(_) if x == DType::F64 => x,
            Unary::Float(_) | Unary::Function(_) => DType::F32,
        }
    }
}

impl Layer for Unary {
    fn kind(&self) -> Kind {
        Kind::Operation
    }

    fn signature(&self) -> Signature {
        Signature::of(&["x"])
    }

    /// What works position by position could carry masks on.
    fn call_masks(&self, _: &Arguments<Type>) -> CallMasks {
        CallMasks::new(MaskRule::Lost).intended(MaskRule::Either)
    }

    fn infer(&self, arguments: &Arguments<Type>) -> Result<Vec<Type>, ShapeError> {
        let x = arguments.first().filter(|x| x.dtype != DType::Str);
        let x = x.ok_or_else(|| ShapeError::new("numbers", "none"))?;
        Ok(vec![x.with_dtype(self.dtype(x.dtype))])
    }

    fn lower(&self, scope: &mut Scope<'_>, arguments: &Arguments<Operand>) -> Result<Vec<Operand>, OpError> {
        let x = arguments.data()[0].clone();
        let dtype = self.dtype(scope.builder.type_of(&x).dtype);
        let x = scope.cast(&x, dtype)?;
        let y = match *self {
            Unary::Same(op) | Unary::Float(op) => scope.builder.emit(op(), &[x])?,
            Unary::Function(f) => scope.builder.emit(Activate::Activate { f }, &[x])?,
            Unary::Relu if dtype.is_int() => term(&x).larger(0.0).build(scope)?,
            Unary::Relu => scope.builder.emit(Activate::Activate { f: Activation::RELU }, &[x])?,
            Unary::Absolute if dtype == DType::Bool => x,
            Unary::Absolute => scope.builder.emit(Elementwise::Abs, &[x])?,
            Unary::Square => scope.builder.emit(Elementwise::Mul, &[x.clone(), x])?,
            Unary::Not => scope.builder.emit(Elementwise::Not, &[x])?,
        };
        Ok(vec![y])
    }

    fn as_mask(&self, parts: &MaskParts<'_>) -> Option<MaskId> {
        match self {
            Unary::Not => {
                let mask = *masks_of(parts)?.first()?;
                Some(parts.pool.borrow_mut().not(mask))
            }
            _ => None,
        }
    }
}
