//! Packing: what is computed row by row, and seen nowhere outside of a mask, is computed for the rows of the mask alone.
//!
//! A region is a group of such operations, connected by what they read of one another, for one mask. Its tensors
//! `[B, T, …]` become `[1, N, …]`: the axes keep their numbers, so operations stay as they are. Rows are packed where a
//! region reads what is not part of it, and unpacked where something else reads the region. Regions that only move or
//! copy elements stay as they are: packing would cost what it saves.
//!
//! What is seen outside of a mask may be packed as well if it is the same all along a run of positions at which the mask
//! is false, as the outputs of recurrent layers are: then the rows of the region are those of the mask and one for each
//! run (`runs`), which is repeated where the region is unpacked.

mod regions;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use masque_ir::by_value::ByValue;
use masque_ir::float::Float;
use masque_ir::ops::{Op, Rows, Shape, is_elementwise};
use masque_ir::program::{Builder, Node, Operand, Program, ProgramOutput, ResultInfo, Value};
use masque_ir::{Dim, Type};

use crate::rebuild::needed_or;
use regions::{Regions, Set};

/// The program with its regions packed; the same one if it has none. Values that are still there keep their names.
pub fn pack(program: &Program) -> Cow<'_, Program> {
    let regions = Regions::of(program);
    if regions.sets.is_empty() {
        return Cow::Borrowed(program);
    }
    let mut packer = Packer {
        program,
        regions: &regions,
        builder: Builder::new(&program.name, program.semantics),
        whole: ByValue::new(program),
        packed: ByValue::new(program),
        places: BTreeMap::new(),
        symbols: symbols(program),
    };
    for place in 0..program.nodes.len() {
        packer.node(place);
    }
    let outputs: Vec<ProgramOutput> = program
        .outputs
        .iter()
        .map(|output| ProgramOutput { name: output.name.clone(), operand: packer.whole(&output.operand) })
        .collect();
    let packed = Program { outputs, ..packer.builder.finish() };
    // What said where something is zero may have no reader left.
    Cow::Owned(needed_or(&packed, |node| matches!(node.op, Op::Leaf(_))))
}

/// The symbols that sizes are made of.
fn symbols(program: &Program) -> BTreeSet<String> {
    let results = program.nodes.iter().flat_map(|node| &node.results);
    let sizes = results.flat_map(|result| result.ty.shape.iter().flat_map(Dim::symbols).collect::<Vec<_>>());
    sizes.map(|symbol| symbol.to_string()).collect()
}

struct Packer<'a> {
    program: &'a Program,
    regions: &'a Regions,
    builder: Builder,
    /// What values have become; missing for those of regions until somebody else reads them.
    whole: ByValue<Operand>,
    /// By value: its rows at the places of a set.
    packed: ByValue<BTreeMap<Set, Operand>>,
    /// The places of each set, and their number.
    places: BTreeMap<Set, (Operand, Dim)>,
    symbols: BTreeSet<String>,
}

impl Packer<'_> {
    fn node(&mut self, place: usize) {
        let node = &self.program.nodes[place];
        let value = |result: usize| Value { node: place as u32, result: result as u32 };
        if let Some(region) = self.regions.of_node[place] {
            let set = self.regions.sets[region];
            for (result, made) in self.rows_of(node, set).into_iter().enumerate() {
                if regions::is_rows(node, result) {
                    self.packed.insert(value(result), BTreeMap::from([(set, made)]));
                } else {
                    self.whole.insert(value(result), made);
                }
            }
            return;
        }
        let operands = node.operands.iter().map(|operand| self.whole(operand)).collect();
        // A mask may be among rows itself; it is unpacked before what it is attached to.
        let mask = |result: &ResultInfo| self.whole(&Operand::Value(result.mask?)).value();
        let masks: Vec<Option<Value>> = node.results.iter().map(mask).collect();
        for ((result, operand), mask) in self.builder.copy(node, operands).into_iter().enumerate().zip(masks)
        {
            self.builder.set_mask(&operand, mask);
            self.whole.insert(value(result), operand);
        }
    }

    /// An operation of a region, for the rows of its set.
    fn rows_of(&mut self, node: &Node, set: Set) -> Vec<Operand> {
        if let Some((x, _)) = regions::filled(self.program, node, set.mask).filter(|_| !set.runs) {
            let shape = &node.results[0].ty.shape;
            return vec![self.rows(x, shape, true, set)];
        }
        let types = self.program.operand_types(node);
        let types: Vec<Option<&Type>> = types.iter().map(Option::as_ref).collect();
        let attends = regions::attends_among(node, set.mask);
        let rows = node.op.rows(&types).unwrap_or(regions::sequences(&node.op).to_vec());
        let shape = &node.results[0].ty.shape;
        let mut operands = vec![];
        for (place, operand) in node.operands.iter().enumerate() {
            operands.push(match rows.contains(&place) {
                true => self.rows(operand, shape, is_elementwise(&node.op), set),
                false => self.whole(operand),
            });
        }
        let (places, count) = self.places(set);
        let one = Dim::constant(1);
        let op = match (attends, &node.op) {
            (Some(attends), _) => {
                // The next operand is the mask, which says whose rows they are.
                operands.truncate(rows.len() + 1);
                attends.into()
            }
            (None, Op::Shape(Shape::Reshape { shape })) => {
                let mut shape = shape.clone();
                (shape[0], shape[1]) = (one.clone(), count.clone());
                Shape::Reshape { shape }.into()
            }
            (None, op) => op.clone(),
        };
        if let Op::Recurrent(layer) = &op
            && let Some(place) = layer.places()
        {
            operands[place] = places;
        }
        let mut results = node.results.clone();
        for (result, info) in results.iter_mut().enumerate() {
            if regions::is_rows(node, result) {
                (info.ty.shape[0], info.ty.shape[1]) = (one.clone(), count.clone());
            }
        }
        self.builder.copy(&Node { op, operands: vec![], results }, operands)
    }

    /// The rows of an operand at the places of a set; an operand that is the same for all rows stays whole. `shape` is
    /// that of the result, to which an operand of an element-wise operation `broadcasts`.
    fn rows(&mut self, operand: &Operand, shape: &[Dim], broadcasts: bool, set: Set) -> Operand {
        let Operand::Value(value) = operand else { return operand.clone() };
        if let Some(rows) = self.packed.get(*value).and_then(|rows| rows.get(&set)) {
            return rows.clone();
        }
        let own = self.program.result(*value).ty.shape.clone();
        let missing = shape.len().saturating_sub(own.len());
        let axis = |axis: usize| own.get(axis.wrapping_sub(missing)).filter(|size| !size.is_one());
        let whole = self.whole(operand);
        let wide = &self.program.result(set.mask).ty.shape;
        let (places, _) = self.places(set);
        if broadcasts && (missing > 0 || own.get(..2) != Some(&wide[..])) {
            if axis(0).is_none() && axis(1).is_none() {
                return whole;
            }
            let shape = [wide, &own[2 - missing..]].concat();
            let whole = self.emit(value, Shape::Broadcast { shape: shape.into() }, &[whole]);
            return self.emit(value, Rows::Pack, &[whole, places]);
        }
        let rows = self.emit(value, Rows::Pack, &[whole, places]);
        let mut known = self.packed.get(*value).cloned().unwrap_or_default();
        known.insert(set, rows.clone());
        self.packed.insert(*value, known);
        rows
    }

    /// What an operand has become, with all its positions.
    fn whole(&mut self, operand: &Operand) -> Operand {
        let Operand::Value(value) = operand else { return operand.clone() };
        if let Some(whole) = self.whole.get(*value) {
            return whole.clone();
        }
        let Some(region) = self.regions.of_node[value.node as usize] else { return operand.clone() };
        let set = self.regions.sets[region];
        let Some(rows) = self.packed.get(*value).and_then(|rows| rows.get(&set)).cloned() else {
            return operand.clone();
        };
        let (places, _) = self.places(set);
        let like = self.whole(&Operand::Value(set.mask));
        let unpack = match self.regions.fill[value.node as usize] {
            Some(fill) => Rows::Unpack { fill: Float(fill) },
            None => Rows::UnpackRuns,
        };
        let whole = self.emit(value, unpack, &[rows, places, like]);
        self.whole.insert(*value, whole.clone());
        whole
    }

    /// The places of a set, found once, and their number.
    fn places(&mut self, set: Set) -> (Operand, Dim) {
        if let Some(known) = self.places.get(&set) {
            return known.clone();
        }
        let whole = self.whole(&Operand::Value(set.mask));
        let names = std::iter::once("N".to_owned()).chain((2..).map(|number| format!("N{number}")));
        let name = names.into_iter().find(|name| !self.symbols.contains(name)).unwrap_or_default();
        let count = Dim::symbol(&name);
        self.symbols.insert(name);
        let size = count.clone();
        let find = if set.runs { Rows::Runs { count: size } } else { Rows::Places { count: size } };
        let places = self.emit(&set.mask, find, &[whole]);
        self.places.insert(set, (places.clone(), count.clone()));
        (places, count)
    }

    /// Adds an operation under the name of a value.
    fn emit(&mut self, value: &Value, op: impl Into<Op>, operands: &[Operand]) -> Operand {
        self.builder.set_scope(&self.program.result(*value).name);
        let made = self.builder.emit(op, operands);
        self.builder.set_scope("");
        made.unwrap_or_else(|error| unreachable!("regions have the shapes that packing needs: {error}"))
    }
}
