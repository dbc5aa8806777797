//! The tensor graph: a program in SSA form. Every value is made once, by a node that reads only values before
//! it; a mask is an ordinary bool tensor; weights and inputs are nodes without operands.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::dim::{Dim, Names};
use crate::float::Float;
use crate::ops::{Elementwise, Leaf, Op, OpError, Reduce, Shape};
use crate::semantics::Semantics;
use crate::ty::{DType, Type};

/// One result of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Value {
    /// The node's place in the program.
    pub node: u32,
    /// Which of its results.
    pub result: u32,
}

/// A number written where it is used; it has no axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Literal {
    /// The element type; not text.
    pub dtype: DType,
    /// The number; truth values are 0 and 1, integers are exact up to 2^53.
    pub number: Float,
}

impl Literal {
    /// Is it a number of its element type?
    pub fn is_exact(self) -> bool {
        let number = self.number.0;
        let whole = |limit: f64| number.fract() == 0.0 && (-limit..=limit).contains(&number);
        match self.dtype {
            DType::F32 | DType::F64 => true,
            DType::I32 => whole(2f64.powi(31)) && number < 2f64.powi(31),
            DType::I64 => whole(2f64.powi(53)),
            DType::Bool => number == 0.0 || number == 1.0,
            DType::Str => false,
        }
    }
}

/// What a node reads in one place.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Operand {
    /// Nothing: an optional operand that is not there.
    Absent,
    /// A value made before.
    Value(Value),
    /// A number.
    Literal(Literal),
}

impl Operand {
    /// The value, if it is one.
    pub fn value(&self) -> Option<Value> {
        match self {
            Operand::Value(value) => Some(*value),
            _ => None,
        }
    }
}

/// What is known about one result of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ResultInfo {
    /// The name, unique in the program.
    pub name: String,
    /// Element type and shape.
    pub ty: Type,
    /// The bool tensor that is its padding mask.
    pub mask: Option<Value>,
}

/// An operation applied.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Node {
    /// What is done.
    pub op: Op,
    /// With what, in the order of the operation's row.
    pub operands: Vec<Operand>,
    /// What it gives.
    pub results: Vec<ResultInfo>,
}

/// A value that the program gives to its caller.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProgramOutput {
    /// `output_0`, …; masks asked for are named after their calls.
    pub name: String,
    /// What is given.
    pub operand: Operand,
}

/// A tensor graph; see the module's documentation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Program {
    /// The model's name.
    pub name: String,
    /// The rules it was lowered under.
    pub semantics: Semantics,
    /// The nodes, operands before users.
    pub nodes: Vec<Node>,
    /// The outputs, in order.
    pub outputs: Vec<ProgramOutput>,
}

impl Program {
    /// A program without nodes.
    pub fn new(name: impl Into<String>, semantics: Semantics) -> Program {
        Program { name: name.into(), semantics, nodes: vec![], outputs: vec![] }
    }

    /// What is known about a value.
    pub fn result(&self, value: Value) -> &ResultInfo {
        &self.nodes[value.node as usize].results[value.result as usize]
    }

    /// The type of an operand; an absent one has none.
    pub fn operand_type(&self, operand: &Operand) -> Option<Type> {
        match operand {
            Operand::Absent => None,
            Operand::Value(value) => Some(self.result(*value).ty.clone()),
            Operand::Literal(literal) => Some(Type::scalar(literal.dtype)),
        }
    }

    /// The types of a node's operands; absent ones have none.
    pub fn operand_types(&self, node: &Node) -> Vec<Option<Type>> {
        node.operands.iter().map(|operand| self.operand_type(operand)).collect()
    }

    /// The inputs in order: value, name and type.
    pub fn inputs(&self) -> impl Iterator<Item = (Value, &ResultInfo)> {
        self.leaves(|op| matches!(op, Leaf::Input { .. }))
    }

    /// The weights in order: value, name and type.
    pub fn weights(&self) -> impl Iterator<Item = (Value, &ResultInfo)> {
        self.leaves(|op| matches!(op, Leaf::Weight { .. }))
    }

    /// The states in order: value, name and type. What is kept of each is the output of the same name.
    pub fn states(&self) -> impl Iterator<Item = (Value, &ResultInfo)> {
        self.leaves(|op| matches!(op, Leaf::State { .. }))
    }

    fn leaves(&self, wanted: impl Fn(&Leaf) -> bool) -> impl Iterator<Item = (Value, &ResultInfo)> {
        self.nodes.iter().enumerate().filter_map(move |(place, node)| match &node.op {
            Op::Leaf(leaf) if wanted(leaf) => {
                Some((Value { node: place as u32, result: 0 }, &node.results[0]))
            }
            _ => None,
        })
    }

    /// The types of the inputs, in order.
    pub fn input_types(&self) -> Vec<&Type> {
        self.inputs().map(|(_, info)| &info.ty).collect()
    }

    /// The types of the outputs, in order.
    pub fn output_types(&self) -> Vec<Type> {
        self.outputs.iter().filter_map(|output| self.operand_type(&output.operand)).collect()
    }

    /// The program with other names for its symbols.
    pub fn renamed(&self, names: &Names) -> Program {
        let result = |info: &ResultInfo| ResultInfo { ty: info.ty.renamed(names), ..info.clone() };
        let node = |node: &Node| Node {
            op: node.op.renamed(names),
            operands: node.operands.clone(),
            results: node.results.iter().map(result).collect(),
        };
        Program {
            name: self.name.clone(),
            semantics: self.semantics,
            nodes: self.nodes.iter().map(node).collect(),
            outputs: self.outputs.clone(),
        }
    }

    /// For every node: does an output need it? With `masks`, the masks written beside values count as needed.
    pub fn live(&self, masks: bool) -> Vec<bool> {
        let mut live = vec![false; self.nodes.len()];
        for value in self.outputs.iter().filter_map(|output| output.operand.value()) {
            live[value.node as usize] = true;
        }
        for place in (0..self.nodes.len()).rev() {
            if !live[place] {
                continue;
            }
            let node = &self.nodes[place];
            let beside = node.results.iter().filter_map(|result| result.mask.filter(|_| masks));
            for value in node.operands.iter().filter_map(Operand::value).chain(beside) {
                live[value.node as usize] = true;
            }
        }
        live
    }
}

/// Builds a program node by node; every node is checked and typed as it is added.
#[derive(Clone, Debug)]
pub struct Builder {
    program: Program,
    scope: String,
    names: HashSet<String>,
    repeats: HashMap<String, u32>,
    states: Vec<State>,
}

/// A state while a program is built.
#[derive(Clone, Debug)]
struct State {
    /// What it is asked for by.
    key: String,
    /// Its own name.
    name: String,
    /// What it is by now.
    operand: Operand,
}

impl Builder {
    /// Starts a program.
    pub fn new(name: impl Into<String>, semantics: Semantics) -> Builder {
        Builder::extend(Program::new(name, semantics))
    }

    /// Goes on behind the last node of a program.
    pub fn extend(program: Program) -> Builder {
        let names =
            program.nodes.iter().flat_map(|node| &node.results).map(|result| result.name.clone()).collect();
        Builder { program, scope: String::new(), names, repeats: HashMap::new(), states: vec![] }
    }

    /// What was built so far.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The program; what is kept of its states stands behind its outputs.
    pub fn finish(mut self) -> Program {
        for State { name, operand, .. } in std::mem::take(&mut self.states) {
            self.output(name, operand);
        }
        self.program
    }

    /// The names of values to come begin with this.
    pub fn set_scope(&mut self, scope: impl Into<String>) {
        self.scope = scope.into();
    }

    /// The type of an operand that is there.
    pub fn type_of(&self, operand: &Operand) -> Type {
        self.program.operand_type(operand).unwrap_or_else(|| Type::scalar(DType::Bool))
    }

    /// A name like the wanted one that no value has.
    fn fresh(&mut self, wanted: &str) -> String {
        let mut name = wanted.to_owned();
        while self.names.contains(&name) {
            let repeat = self.repeats.entry(wanted.to_owned()).or_insert(1);
            *repeat += 1;
            name = format!("{wanted}.{repeat}");
        }
        self.names.insert(name.clone());
        name
    }

    /// Applies an operation; gives all its results.
    pub fn emit_all(&mut self, op: impl Into<Op>, operands: &[Operand]) -> Result<Vec<Operand>, OpError> {
        let op = op.into();
        let types: Vec<Option<Type>> =
            operands.iter().map(|operand| self.program.operand_type(operand)).collect();
        let results = op.infer(&types.iter().map(Option::as_ref).collect::<Vec<_>>())?;
        let mnemonic = op.info().mnemonic;
        let literals = operands.iter().filter_map(|operand| match operand {
            Operand::Literal(literal) => Some(*literal),
            _ => None,
        });
        let elements = match &op {
            Op::Leaf(Leaf::Constant { ty, values }) => Some((ty.dtype, values)),
            _ => None,
        };
        let elements = elements
            .into_iter()
            .flat_map(|(dtype, values)| values.iter().map(move |&number| Literal { dtype, number }));
        if let Some(Literal { dtype, number }) = literals.chain(elements).find(|literal| !literal.is_exact())
        {
            let expected = format!("numbers of {dtype}");
            return Err(OpError { op: mnemonic, expected, found: number.to_string() });
        }
        let wanted =
            if self.scope.is_empty() { mnemonic.to_owned() } else { format!("{}/{mnemonic}", self.scope) };
        let results: Vec<ResultInfo> =
            results.into_iter().map(|ty| ResultInfo { name: self.fresh(&wanted), ty, mask: None }).collect();
        let node = self.program.nodes.len() as u32;
        let values = (0..results.len() as u32).map(|result| Operand::Value(Value { node, result })).collect();
        self.program.nodes.push(Node { op, operands: operands.to_vec(), results });
        Ok(values)
    }

    /// Applies an operation; gives its first result.
    pub fn emit(&mut self, op: impl Into<Op>, operands: &[Operand]) -> Result<Operand, OpError> {
        Ok(self.emit_all(op, operands)?.swap_remove(0))
    }

    /// Adds a node of another program, for these operands; its results keep their names where these are free.
    pub fn copy(&mut self, node: &Node, operands: Vec<Operand>) -> Vec<Operand> {
        let place = self.program.nodes.len() as u32;
        let named =
            |result: &ResultInfo| ResultInfo { name: self.fresh(&result.name), mask: None, ..result.clone() };
        let results: Vec<ResultInfo> = node.results.iter().map(named).collect();
        let values =
            (0..results.len() as u32).map(|result| Operand::Value(Value { node: place, result })).collect();
        self.program.nodes.push(Node { op: node.op.clone(), operands, results });
        values
    }

    /// Adds an input.
    pub fn input(&mut self, name: &str, ty: Type) -> Operand {
        self.leaf(name, ty.clone(), Leaf::Input { ty })
    }

    /// Adds a weight.
    pub fn weight(&mut self, name: &str, ty: Type, hash: Option<String>) -> Operand {
        self.leaf(name, ty.clone(), Leaf::Weight { ty, hash })
    }

    /// A state as it is by now: at first what the last run kept.
    pub fn state(&mut self, key: &str, ty: Type) -> Operand {
        if let Some(known) = self.states.iter().find(|state| state.key == key) {
            return known.operand.clone();
        }
        let operand = self.leaf(key, ty.clone(), Leaf::State { ty });
        let name = operand.value().map_or_else(String::new, |value| self.program.result(value).name.clone());
        self.states.push(State { key: key.to_owned(), name, operand: operand.clone() });
        operand
    }

    /// From here on a state is this; at the end it is kept.
    pub fn keep(&mut self, key: &str, operand: Operand) {
        self.state(key, self.type_of(&operand));
        if let Some(state) = self.states.iter_mut().find(|state| state.key == key) {
            state.operand = operand;
        }
    }

    fn leaf(&mut self, name: &str, ty: Type, op: Leaf) -> Operand {
        let name = self.fresh(name);
        let node = self.program.nodes.len() as u32;
        self.program.nodes.push(Node {
            op: op.into(),
            operands: vec![],
            results: vec![ResultInfo { name, ty, mask: None }],
        });
        Operand::Value(Value { node, result: 0 })
    }

    /// Adds an output, the next in order.
    pub fn output(&mut self, name: impl Into<String>, operand: Operand) {
        self.program.outputs.push(ProgramOutput { name: name.into(), operand });
    }

    /// Gives a value another name.
    pub fn rename(&mut self, operand: &Operand, name: &str) {
        if let Operand::Value(value) = operand {
            let name = self.fresh(name);
            let info = &mut self.program.nodes[value.node as usize].results[value.result as usize];
            self.names.remove(&std::mem::replace(&mut info.name, name));
        }
    }

    /// Writes down which bool tensor is a value's mask.
    pub fn set_mask(&mut self, operand: &Operand, mask: Option<Value>) {
        if let Operand::Value(value) = operand {
            self.program.nodes[value.node as usize].results[value.result as usize].mask = mask;
        }
    }

    /// A number of the same element type as an operand.
    pub fn number(&self, like: &Operand, number: f64) -> Operand {
        Operand::Literal(Literal { dtype: self.type_of(like).dtype, number: Float(number) })
    }

    /// Where a tensor of numbers differs from a number, which need not be one of its element type: no whole number is
    /// 0.5, or NaN.
    pub fn differs(&mut self, x: &Operand, number: f64) -> Result<Operand, OpError> {
        let whole = matches!(self.type_of(x).dtype, DType::I32 | DType::I64 | DType::Bool);
        let fits = number.fract() == 0.0 && number.abs() <= f64::from(i32::MAX);
        let x = match whole && !fits {
            true => self.emit(Elementwise::Cast { to: DType::F64 }, std::slice::from_ref(x))?,
            false => x.clone(),
        };
        let number = self.number(&x, number);
        self.emit(Elementwise::Ne, &[x, number])
    }

    /// The mean over some axes, whose sizes may be unknown.
    pub fn mean(&mut self, x: &Operand, axes: &[u32], keep: bool) -> Result<Operand, OpError> {
        let dtype = self.type_of(x).dtype;
        let sum = self.emit(Reduce::Sum { axes: axes.to_vec(), keep }, std::slice::from_ref(x))?;
        let count = self.emit(Shape::Size { axes: axes.to_vec() }, std::slice::from_ref(x))?;
        let count = self.emit(Elementwise::Cast { to: dtype }, &[count])?;
        self.emit(Elementwise::Div, &[sum, count])
    }

    /// The same elements with one more axis of size 1 in front of an axis, or behind all.
    pub fn insert_axis(&mut self, x: &Operand, axis: usize) -> Result<Operand, OpError> {
        let mut shape = self.type_of(x).shape;
        let place = axis.min(shape.len());
        shape.insert(place, Dim::constant(1));
        self.emit(Shape::Reshape { shape }, std::slice::from_ref(x))
    }

    /// The same elements with axes of size 1 added behind, up to a rank.
    pub fn trail_axes(&mut self, x: &Operand, rank: usize) -> Result<Operand, OpError> {
        let mut shape = self.type_of(x).shape;
        if shape.len() >= rank {
            return Ok(x.clone());
        }
        shape.resize(rank, Dim::constant(1));
        self.emit(Shape::Reshape { shape }, std::slice::from_ref(x))
    }
}
