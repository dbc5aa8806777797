//! Where padding comes from: the masks of a program, and what they say of the values that they are made from; what
//! operations fill rows up with; and, where nothing says what is padding, the inputs that a caller may pad all the same.

mod behind;
mod callers;
mod late;
mod together;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use masque_ir::flow::{Element, Flow, Fold, Known};
use masque_ir::ops::{Elementwise, Op, Shape};
use masque_ir::program::{Node, Operand, Program, Value};
use masque_ir::{DType, Dim, Type};

use super::layout::Bases;
pub(super) use late::candidates;
pub use together::Together;

/// What says which positions are padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A mask of the program.
    Mask,
    /// An operation, which fills shorter rows up.
    Filled,
    /// Nothing: callers may pad these inputs.
    Assumed(Vec<Value>),
    /// Nothing: callers fill steps of these inputs up with empty ones, in which a mask of the program knows everything to
    /// be padding.
    Steps(Vec<Value>),
    /// A mask of the program that looks for padding of these inputs where it is no longer what callers pad with.
    Late(Vec<Value>),
}

/// A mask over an axis of padded sequences.
#[derive(Clone, Debug, PartialEq)]
pub struct Mask {
    /// What says so.
    pub origin: Origin,
    /// The bool values that it is; several where a program computes it several times, none where it computes none.
    pub values: Vec<Value>,
    /// The inputs that it is computed from.
    pub inputs: BTreeSet<String>,
    /// The axis that it lies over, and which of the masks over it this one is; masks of inputs that are padded together
    /// are one.
    pub place: (usize, u32),
    /// The value that it is made from, and the number that this one is wherever the mask does not hold.
    pub source: Option<(Value, f64)>,
    /// Is that number nowhere else?
    pub exact: bool,
}

/// The masks of a program.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roots {
    /// Each of them.
    pub masks: Vec<Mask>,
    /// Values of which padding is somewhere, nobody can tell where: masks over several axes, or too many of them.
    pub anywhere: Vec<Value>,
    /// Values that masks are made from and that are cut at a place counted from their end: it depends on how far callers
    /// pad them which positions such a mask holds in.
    pub cut: BTreeSet<Value>,
    /// The axes that masks lie over.
    pub bases: Bases,
}

/// What the masks say of a value.
#[derive(Clone, Debug, Default)]
pub(super) struct Said {
    /// Padding is somewhere in it.
    pub(super) anywhere: bool,
    /// The masks that it is.
    pub(super) is: Vec<usize>,
    /// The masks that are made from it.
    pub(super) decides: Vec<usize>,
    /// The axis along which a caller may pad it, though nothing says so.
    pub(super) assumed: Option<usize>,
}

impl Mask {
    /// The inputs that callers may pad, though nothing says so; none of a mask that the program knows.
    pub fn assumed(&self) -> &[Value] {
        match &self.origin {
            Origin::Assumed(inputs) | Origin::Steps(inputs) | Origin::Late(inputs) => inputs,
            Origin::Mask | Origin::Filled => &[],
        }
    }
}

impl Roots {
    /// Does the program itself say of anything that it is padding?
    pub fn are_known(&self) -> bool {
        !self.anywhere.is_empty() || self.masks.iter().any(|mask| mask.assumed().is_empty())
    }

    /// Does it depend on how far callers pad a sequence where this mask holds?
    pub(super) fn is_cut(&self, mask: &Mask) -> bool {
        mask.source.is_some_and(|(source, _)| self.cut.contains(&source))
    }

    /// The same by value, so that nobody asks every mask about every value.
    pub(super) fn said(&self) -> HashMap<Value, Said> {
        let mut said: HashMap<Value, Said> = HashMap::new();
        for &value in &self.anywhere {
            said.entry(value).or_default().anywhere = true;
        }
        for (place, mask) in self.masks.iter().enumerate() {
            for &value in &mask.values {
                said.entry(value).or_default().is.push(place);
            }
            if let Some((source, _)) = mask.source {
                said.entry(source).or_default().decides.push(place);
            }
            for &input in mask.assumed() {
                said.entry(input).or_default().assumed = Some(mask.place.0);
            }
        }
        said
    }
}

/// Finds the masks that the values of a program carry or that its composites read; some inputs are padded together.
pub fn find(program: &Program, together: &Together) -> Roots {
    let born = births(program);
    let mut search = Search {
        program,
        together,
        roots: Roots::default(),
        named: BTreeMap::new(),
        readers: readers(program),
        padded: HashSet::new(),
    };
    let (exact, other): (Vec<Value>, Vec<Value>) =
        born.into_iter().partition(|&mask| search.compared(mask).is_some_and(|(_, _, exact)| exact));
    for mask in exact.into_iter().chain(other) {
        search.add(mask);
    }
    search.filled();
    search.compared_by_hand();
    search.assumed();
    search.roots
}

/// The bool values that the masks of a program are computed from and that are computed from no other.
fn births(program: &Program) -> BTreeSet<Value> {
    let varying = varying(program);
    let of = |value: Value| &program.result(value).ty;
    let below = |mask: Value| {
        let operands = program.nodes[mask.node as usize].operands.iter().filter_map(Operand::value);
        operands.filter(move |&value| {
            // A truth value for every feature is no mask yet.
            let rows = of(value).rank() <= of(mask).rank() || of(value).shape.last().is_some_and(Dim::is_one);
            rows && of(value).dtype == DType::Bool
        })
    };
    let mut masks = BTreeSet::new();
    for node in &program.nodes {
        let carried = node.results.iter().filter_map(|result| result.mask);
        let rows = node.op.info().operands.iter().zip(&node.operands);
        let read = rows.filter(|(row, _)| row.name.ends_with("mask") && node.op.is_composite());
        masks.extend(carried.chain(read.filter_map(|(_, operand)| operand.value())));
        masks.extend(lowers(node));
    }
    masks.retain(|&mask| of(mask).dtype == DType::Bool);
    let mut open: Vec<Value> = masks.iter().copied().collect();
    while let Some(mask) = open.pop() {
        open.extend(below(mask).filter(|&value| masks.insert(value)));
    }
    // Operands stand before what reads them, so that every mask finds its own decided.
    let (mut born, mut made) = (BTreeSet::new(), HashSet::new());
    for mask in masks {
        let computed = below(mask).any(|value| made.contains(&value));
        if computed || varying[mask.node as usize] {
            made.insert(mask);
        }
        if !computed && varying[mask.node as usize] {
            born.insert(mask);
        }
    }
    born
}

/// The condition under which something stays as it is, and is made too low to count otherwise: what attention asks of
/// the positions that it may look at.
fn lowers(node: &Node) -> Option<Value> {
    match (&node.op, node.operands.as_slice()) {
        (Op::Elementwise(Elementwise::Select), [Operand::Value(condition), _, Operand::Literal(low)]) => {
            Known::Number(low.number.0).is_low().then_some(*condition)
        }
        _ => None,
    }
}

struct Search<'a> {
    program: &'a Program,
    together: &'a Together,
    roots: Roots,
    named: BTreeMap<(Value, u64), usize>,
    /// The nodes that read each value.
    readers: HashMap<Value, Vec<u32>>,
    /// What the masks found so far say is padding in places, and all that is computed from it.
    padded: HashSet<Value>,
}

impl Search<'_> {
    /// Adds a mask, unless what is known already decides it, or it is computed from padding.
    fn add(&mut self, mask: Value) {
        let ty = &self.program.result(mask).ty;
        let compared = self.compared(mask);
        let source = compared.map(|(source, number, _)| (source, number));
        let (source, reversed) = source.map_or((None, false), |(source, number)| {
            let (source, reversed) = self.forwards(source);
            (Some((source, number)), reversed)
        });
        if let Some((source, number)) = source
            && let Some(&known) = self.named.get(&(source, number.to_bits()))
            && compared.is_some_and(|(_, _, exact)| exact == self.roots.masks[known].exact)
        {
            self.roots.masks[known].values.extend((!reversed).then_some(mask));
            return;
        }
        if self.decided(mask) || self.comes_from_padding(mask) {
            return;
        }
        let exact = compared.is_some_and(|(_, _, exact)| exact);
        let behind = source.map(|(source, _)| self.behind(source)).unwrap_or_default();
        if let Some((source, number)) = source.filter(|_| ty.rank() == 2) {
            self.roots.cut.extend(behind.cut.then_some(source));
            for &sequence in behind.sequences.iter().filter(|&&sequence| sequence != source) {
                self.push(Origin::Mask, vec![], (sequence, number), exact);
            }
            // Where padding is follows from where it is in what lies behind one another.
            if !behind.ends && !behind.sequences.is_empty() {
                return;
            }
        }
        let inputs = self.inputs(mask);
        let place = match ty.shape.as_slice() {
            [_, time] if !time.is_one() => self.place(time, &inputs),
            [_] | [_, _] | [] => return,
            _ => None,
        };
        let Some(place) = place else {
            self.roots.anywhere.push(source.map_or(mask, |(source, _)| source));
            return;
        };
        if let Some((source, number)) = source {
            self.named.insert((source, number.to_bits()), self.roots.masks.len());
            self.spread(source);
        }
        // A mask of the reversed sequence lies the other way round.
        let values = if reversed { vec![] } else { vec![mask] };
        self.roots.masks.push(Mask { origin: Origin::Mask, values, inputs, place, source, exact });
    }

    /// What a value is when it is read from its end, and whether it is that.
    fn forwards(&self, mut value: Value) -> (Value, bool) {
        let mut reversed = false;
        loop {
            let node = &self.program.nodes[value.node as usize];
            match (&node.op, node.operands.as_slice()) {
                (Op::Shape(Shape::Reverse { axis: 1 }), [Operand::Value(x)]) => value = *x,
                _ => return (value, reversed),
            }
            reversed = !reversed;
        }
    }

    /// The value whose elements decide a mask, and the number that they are wherever it does not hold; and whether
    /// they are that number nowhere else.
    fn compared(&self, mask: Value) -> Option<(Value, f64, bool)> {
        let node = &self.program.nodes[mask.node as usize];
        let types = self.program.operand_types(node);
        let types: Vec<Option<&Type>> = types.iter().map(Option::as_ref).collect();
        let Flow::Joint(joint) = node.op.flow(&types) else { return None };
        let values: Vec<Value> = node.operands.iter().filter_map(Operand::value).collect();
        let [x] = values.as_slice() else { return None };
        if joint.fold == Fold::ANY && self.program.result(*x).ty.dtype == DType::Bool {
            let (source, number, _) = self.compared(*x)?;
            return Some((source, number, false));
        }
        let number = node.operands.iter().find_map(|operand| match operand {
            Operand::Literal(literal) => Some(literal.number.0),
            _ => None,
        });
        let number = number.unwrap_or(0.0);
        let with = |known: Known| {
            let operands: Vec<Known> = node
                .operands
                .iter()
                .map(|operand| if operand.value().is_some() { known } else { Known::Number(number) })
                .collect();
            node.op.element(&operands)
        };
        let is = |number: f64| Element::Is(Known::Number(number));
        let numbers = self.program.result(*x).ty.dtype != DType::Bool;
        (numbers && with(Known::Number(number)) == is(0.0) && with(Known::Not(number)) == is(1.0))
            .then_some((*x, number, true))
    }

    /// Is it known wherever the masks found so far are known?
    fn decided(&self, mask: Value) -> bool {
        let node = &self.program.nodes[mask.node as usize];
        let values: Vec<Value> = node.operands.iter().filter_map(Operand::value).collect();
        let [x] = values.as_slice() else { return false };
        let decides = |root: &Mask| root.exact && root.source.is_some_and(|(source, _)| source == *x);
        let Some(root) = self.roots.masks.iter().find(|root| decides(root)) else { return false };
        let number = root.source.map_or(0.0, |(_, number)| number);
        let with = |known: Known| {
            let of = |operand: &Operand| match operand {
                Operand::Literal(literal) => Known::Number(literal.number.0),
                _ => known,
            };
            let operands: Vec<Known> = node.operands.iter().map(of).collect();
            matches!(node.op.element(&operands), Element::Is(Known::Number(_)))
        };
        with(Known::Number(number)) && with(Known::Not(number))
    }

    /// Is it computed from something that another mask says is padding in places? Then it says nothing of its own.
    fn comes_from_padding(&self, mask: Value) -> bool {
        let operands =
            |value: Value| self.program.nodes[value.node as usize].operands.iter().filter_map(Operand::value);
        // What the mask itself is made from may be padding by another mask as well.
        let direct: Vec<Value> = operands(mask).collect();
        let direct = match self.compared(mask) {
            Some((source, _, _)) => vec![source],
            None => direct,
        };
        direct.iter().flat_map(|&value| operands(value)).any(|value| self.padded.contains(&value))
    }

    /// Marks a value that is padding in places, and all that is computed from it.
    fn spread(&mut self, padded: Value) {
        let mut open = vec![padded];
        while let Some(value) = open.pop() {
            if self.padded.insert(value) {
                let readers = self.readers.get(&value).into_iter().flatten();
                open.extend(readers.flat_map(|&node| {
                    let results = self.program.nodes[node as usize].results.len() as u32;
                    (0..results).map(move |result| Value { node, result })
                }));
            }
        }
    }
}

/// The nodes that read each value.
fn readers(program: &Program) -> HashMap<Value, Vec<u32>> {
    let mut readers: HashMap<Value, Vec<u32>> = HashMap::new();
    for (place, node) in program.nodes.iter().enumerate() {
        for value in node.operands.iter().filter_map(Operand::value) {
            readers.entry(value).or_default().push(place as u32);
        }
    }
    readers
}

/// For every node: does anything that the caller passes decide it, and not only how much of it there is?
fn varying(program: &Program) -> Vec<bool> {
    let mut varying: Vec<bool> = Vec::with_capacity(program.nodes.len());
    for node in &program.nodes {
        let types = program.operand_types(node);
        let types: Vec<Option<&Type>> = types.iter().map(Option::as_ref).collect();
        varying.push(match node.op.flow(&types) {
            Flow::Given { caller, .. } => caller,
            Flow::Positions(_) | Flow::Sizes(_) => false,
            _ => node.operands.iter().filter_map(Operand::value).any(|value| varying[value.node as usize]),
        });
    }
    varying
}
