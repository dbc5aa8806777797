//! Element-wise operations, alone or fused.

use std::collections::HashMap;

use masque_ir::by_value::ByValue;
use masque_ir::ops::{Activate, Elementwise, Leaf, Map, Op};
use masque_ir::program::{Literal, Node, Operand, Program, Value};
use masque_ir::{DType, Type};

use super::{Call, Writes, function};
use crate::data::{Elements, ElementsMut};
use crate::error::OpFailure;
use crate::kernels::map::{self, Code, Constant, Element, Function, Input, Kind, Output, Place, Step, map};

#[derive(Debug)]
struct Mapped(Code);

/// Makes ready an operation on operands of these types.
pub(super) fn prepare(op: &Op, types: &[Option<&Type>]) -> Option<Box<dyn Writes>> {
    let code = match op {
        Op::Map(Map::Map { body }) => compiled(body)?,
        Op::Elementwise(op) => alone(op, types)?,
        _ => return None,
    };
    Some(Box::new(Mapped(code)))
}

impl Writes for Mapped {
    fn write(&self, call: &mut Call<'_>) -> Result<(), OpFailure> {
        let shape = call.result_shape(0);
        let mut inputs = Vec::with_capacity(call.operands.len());
        for place in 0..call.operands.len() {
            let operand = call.operand(place)?;
            let elements = match operand.elements {
                Elements::F32(elements) => map::Elements::F32(elements),
                Elements::F64(elements) => map::Elements::F64(elements),
                Elements::I32(elements) => map::Elements::I32(elements),
                Elements::I64(elements) => map::Elements::I64(elements),
                Elements::Bool(elements) => map::Elements::Bool(elements),
                Elements::Str(_) | Elements::Panels(_) => return Err(call.unfit(place)),
            };
            if !broadcasts(operand.shape, shape) {
                let expected = format!("a shape that broadcasts to {shape:?}");
                return Err(OpFailure::mismatch(expected, format!("{:?}", operand.shape)));
            }
            inputs.push(Input::new(elements, operand.shape, shape));
        }
        let outputs = call.results.iter_mut().map(|room| match &mut room.elements {
            ElementsMut::F32(elements) => Output::F32(elements),
            ElementsMut::F64(elements) => Output::F64(elements),
            ElementsMut::I32(elements) => Output::I32(elements),
            ElementsMut::I64(elements) => Output::I64(elements),
            ElementsMut::Bool(elements) => Output::Bool(elements),
        });
        map(&self.0, &inputs, outputs.collect(), super::elements(shape));
        Ok(())
    }
}

fn broadcasts(shape: &[usize], to: &[usize]) -> bool {
    shape.len() <= to.len() && shape.iter().rev().zip(to.iter().rev()).all(|(&a, &b)| a == b || a == 1)
}

fn kind(dtype: DType) -> Option<Kind> {
    Some(match dtype {
        DType::F32 => Kind::F32,
        DType::F64 => Kind::F64,
        DType::I32 => Kind::I32,
        DType::I64 => Kind::I64,
        DType::Bool => Kind::Bool,
        DType::Str => return None,
    })
}

/// What an operation does to elements, given the types of its operands.
fn what(op: &Op, types: &[Option<DType>]) -> Option<Function> {
    match op {
        Op::Elementwise(op) => {
            let place = usize::from(*op == Elementwise::Select);
            Some(Function::Element(element(op)?, kind(types.get(place).copied().flatten()?)?))
        }
        Op::Activate(Activate::Activate { f }) => Some(Function::Activation(function(f)?)),
        _ => None,
    }
}

/// An operation's function of elements. A division that may fail has none.
fn element(op: &Elementwise) -> Option<Element> {
    Some(match op {
        Elementwise::Neg => Element::Neg,
        Elementwise::Abs => Element::Abs,
        Elementwise::Sign => Element::Sign,
        Elementwise::Exp => Element::Exp,
        Elementwise::Log => Element::Log,
        Elementwise::Sqrt => Element::Sqrt,
        Elementwise::Tanh => Element::Tanh,
        Elementwise::Sin => Element::Sin,
        Elementwise::Cos => Element::Cos,
        Elementwise::Erf => Element::Erf,
        Elementwise::Floor => Element::Floor,
        Elementwise::Add => Element::Add,
        Elementwise::Sub => Element::Sub,
        Elementwise::Mul => Element::Mul,
        Elementwise::Div => Element::Div,
        Elementwise::Pow => Element::Pow,
        Elementwise::Mod => Element::Mod,
        Elementwise::Atan2 => Element::Atan2,
        Elementwise::Gcd => Element::Gcd,
        Elementwise::BitAnd => Element::BitAnd,
        Elementwise::Max => Element::Max,
        Elementwise::Min => Element::Min,
        Elementwise::Eq => Element::Eq,
        Elementwise::Ne => Element::Ne,
        Elementwise::Lt => Element::Lt,
        Elementwise::Le => Element::Le,
        Elementwise::Gt => Element::Gt,
        Elementwise::Ge => Element::Ge,
        Elementwise::And => Element::And,
        Elementwise::Or => Element::Or,
        Elementwise::Not => Element::Not,
        Elementwise::Select => Element::Select,
        Elementwise::Cast { to } => Element::Cast(kind(*to)?),
        Elementwise::FloorDiv => return None,
    })
}

/// The code of one operation.
fn alone(op: &Elementwise, types: &[Option<&Type>]) -> Option<Code> {
    let dtypes: Vec<Option<DType>> = types.iter().map(|ty| ty.map(|ty| ty.dtype)).collect();
    let mut code = Code::default();
    let mut operands = [Place::Register(0); 3];
    for (place, dtype) in dtypes.iter().enumerate() {
        let kind = kind((*dtype)?)?;
        operands[place] = Place::Input(place as u16);
        code.inputs.push((kind, fresh(&mut code.registers, kind)?));
    }
    let function = what(&op.clone().into(), &dtypes)?;
    code.steps.push(Step { function, operands, to: Place::Output(0) });
    Some(code)
}

fn fresh(registers: &mut [u16; 5], kind: Kind) -> Option<u16> {
    let count = &mut registers[kind as usize];
    *count = count.checked_add(1)?;
    Some(*count - 1)
}

/// The code of the body of a map.
fn compiled(body: &Program) -> Option<Code> {
    let mut compiler = Compiler {
        body,
        code: Code::default(),
        places: ByValue::new(body),
        numbers: HashMap::new(),
        free: Default::default(),
    };
    for (value, info) in body.inputs() {
        let (place, kind) = (compiler.code.inputs.len() as u16, kind(info.ty.dtype)?);
        let register = fresh(&mut compiler.code.registers, kind)?;
        compiler.code.inputs.push((kind, register));
        compiler.places.insert(value, Place::Input(place));
    }
    let mut last: ByValue<usize> = ByValue::new(body);
    for (place, node) in body.nodes.iter().enumerate() {
        node.operands.iter().filter_map(Operand::value).for_each(|value| last.insert(value, place));
    }
    for (place, node) in body.nodes.iter().enumerate() {
        if !matches!(node.op, Op::Leaf(Leaf::Input { .. })) {
            compiler.node(place, node, &last)?;
        }
    }
    compiler.hand_through()?;
    Some(compiler.code)
}

struct Compiler<'a> {
    body: &'a Program,
    code: Code,
    places: ByValue<Place>,
    /// The registers of numbers.
    numbers: HashMap<Literal, Place>,
    /// Registers of each type whose values are not read any more.
    free: [Vec<u16>; 5],
}

impl Compiler<'_> {
    fn node(&mut self, place: usize, node: &Node, last: &ByValue<usize>) -> Option<()> {
        let types: Vec<Option<DType>> =
            node.operands.iter().map(|operand| self.body.operand_type(operand).map(|ty| ty.dtype)).collect();
        let mut operands = [Place::Register(0); 3];
        for (at, operand) in node.operands.iter().enumerate() {
            *operands.get_mut(at)? = self.operand(operand)?;
        }
        let (value, kind) = (Value { node: place as u32, result: 0 }, kind(node.results[0].ty.dtype)?);
        let to = match self.output(value) {
            Some(output) => Place::Output(output),
            None => Place::Register(match self.free[kind as usize].pop() {
                Some(register) => register,
                None => fresh(&mut self.code.registers, kind)?,
            }),
        };
        self.places.insert(value, to);
        self.code.steps.push(Step { function: what(&node.op, &types)?, operands, to });
        for (operand, dtype) in node.operands.iter().zip(types) {
            let Some(value) = operand.value().filter(|value| last.get(*value) == Some(&place)) else {
                continue;
            };
            let free = &mut self.free[self::kind(dtype?)? as usize];
            if let Some(Place::Register(register)) = self.places.get(value)
                && !free.contains(register)
            {
                free.push(*register);
            }
        }
        Some(())
    }

    /// The first result that is this value.
    fn output(&self, value: Value) -> Option<u16> {
        let place = self.body.outputs.iter().position(|output| output.operand == Operand::Value(value))?;
        u16::try_from(place).ok()
    }

    fn operand(&mut self, operand: &Operand) -> Option<Place> {
        match operand {
            Operand::Absent => None,
            Operand::Value(value) => self.places.get(*value).copied(),
            Operand::Literal(literal) => {
                if let Some(place) = self.numbers.get(literal) {
                    return Some(*place);
                }
                let kind = kind(literal.dtype)?;
                let register = fresh(&mut self.code.registers, kind)?;
                self.code.constants.push(Constant { kind, register, number: literal.number.0 });
                self.numbers.insert(*literal, Place::Register(register));
                Some(Place::Register(register))
            }
        }
    }

    /// Results that no step writes: operands, numbers, and values that another result has as well.
    fn hand_through(&mut self) -> Option<()> {
        for place in 0..self.body.outputs.len() {
            let to = Place::Output(u16::try_from(place).ok()?);
            if self.code.steps.iter().any(|step| step.to == to) {
                continue;
            }
            let operand = &self.body.outputs[place].operand;
            let dtype = self.body.operand_type(operand)?.dtype;
            let operands = [self.operand(operand)?, Place::Register(0), Place::Register(0)];
            let kind = kind(dtype)?;
            let function = Function::Element(Element::Cast(kind), kind);
            self.code.steps.push(Step { function, operands, to });
        }
        Some(())
    }
}
