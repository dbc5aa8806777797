//! Which operations are packed, under which mask.

use std::collections::BTreeSet;

use masque_ir::ops::{Attention, Leaf, Op, is_elementwise};
use masque_ir::program::{Node, Operand, Program, Value};
use masque_ir::{DType, Dim, Type};

use crate::liveness::{Needs, Padding, Together};

/// Groups of operations that are packed under one mask.
#[derive(Debug)]
pub(super) struct Regions {
    /// The mask of each region.
    pub(super) masks: Vec<Value>,
    /// The region of each node.
    pub(super) of_node: Vec<Option<usize>>,
    /// What the result of a node of a region holds outside of the mask.
    pub(super) fill: Vec<f64>,
}

impl Regions {
    pub(super) fn of(program: &Program) -> Regions {
        let none = Regions {
            masks: vec![],
            of_node: vec![None; program.nodes.len()],
            fill: vec![0.0; program.nodes.len()],
        };
        let masks = masks(program);
        let candidates: Vec<Vec<Value>> =
            (0..program.nodes.len()).map(|place| candidates(program, place, &masks)).collect();
        let pays =
            |(place, masks): (usize, &Vec<Value>)| !masks.is_empty() && is_work(&program.nodes[place].op);
        if !candidates.iter().enumerate().any(pays) {
            return none;
        }
        let padding = Padding::of(program.clone(), &Together::default());
        let needs = Needs::of(&padding);
        let mut regions = none;
        let mut chosen: Vec<Option<Value>> = vec![None; program.nodes.len()];
        for (place, masks) in candidates.iter().enumerate() {
            let name = |mask: &Value| program.result(*mask).name.as_str();
            let result = program.nodes[place].results.first().map_or("", |result| result.name.as_str());
            let fill = |mask: &Value| Some((*mask, needs.unseen_outside(result, name(mask))?));
            if let Some((mask, fill)) = masks.iter().find_map(fill) {
                (chosen[place], regions.fill[place]) = (Some(mask), fill);
            }
        }
        regions.connect(program, &chosen);
        regions
    }

    /// Makes regions of the operations with one mask that read one another, where that saves work.
    fn connect(&mut self, program: &Program, chosen: &[Option<Value>]) {
        let mut group: Vec<usize> = (0..chosen.len()).collect();
        for (place, node) in program.nodes.iter().enumerate().filter(|(place, _)| chosen[*place].is_some()) {
            for read in node.operands.iter().filter_map(Operand::value).map(|value| value.node as usize) {
                if chosen[read] == chosen[place] {
                    let (from, to) = (root(&group, place), root(&group, read));
                    group[from] = to;
                }
            }
        }
        let roots: Vec<usize> = (0..chosen.len()).map(|place| root(&group, place)).collect();
        let mut region: Vec<Option<usize>> = vec![None; chosen.len()];
        for (place, node) in program.nodes.iter().enumerate() {
            if let (Some(mask), true, None) = (chosen[place], is_work(&node.op), region[roots[place]]) {
                region[roots[place]] = Some(self.masks.len());
                self.masks.push(mask);
            }
        }
        for place in 0..chosen.len() {
            self.of_node[place] = chosen[place].and(region[roots[place]]);
        }
    }
}

fn root(group: &[usize], mut place: usize) -> usize {
    while group[place] != place {
        place = group[place];
    }
    place
}

/// Does an operation compute so much for each element that packing what it reads costs little?
fn is_work(op: &Op) -> bool {
    matches!(op, Op::Dense(_) | Op::Product(_) | Op::Normalize(_) | Op::Attention(_))
}

/// The masks under which a node may be packed, by its types: those of its axes, computed before it.
fn candidates(program: &Program, place: usize, masks: &[Value]) -> Vec<Value> {
    let node = &program.nodes[place];
    let [result] = node.results.as_slice() else { return vec![] };
    let types: Vec<Option<Type>> =
        node.operands.iter().map(|operand| program.operand_type(operand)).collect();
    let types: Vec<Option<&Type>> = types.iter().map(Option::as_ref).collect();
    let among = |mask: &Value| among(node, *mask).is_some();
    let (rows, masks): (Vec<usize>, Vec<Value>) = match node.op.rows(&types) {
        Some(rows) => (rows, masks.to_vec()),
        None if matches!(node.op, Op::Attention(_)) => {
            (SEQUENCES.to_vec(), masks.iter().copied().filter(among).collect())
        }
        None => return vec![],
    };
    let shape = &result.ty.shape;
    let are_numbers = types.iter().flatten().chain([&&result.ty]).all(|ty| ty.dtype != DType::Str);
    let broadcasts = is_elementwise(&node.op);
    let fit = rows.iter().filter_map(|&place| types[place]).all(|ty| have_rows_of(ty, shape, broadcasts));
    if shape.len() < 2 || !are_numbers || !fit {
        return vec![];
    }
    let before = masks.iter().filter(|mask| (mask.node as usize) < place);
    before.filter(|mask| program.result(**mask).ty.shape[..] == shape[..2]).copied().collect()
}

/// The operands of attention that have a row for each position.
pub(super) const SEQUENCES: [usize; 3] = [0, 1, 2];

/// What attention is among the rows of a mask alone, if it is.
pub(super) fn among(node: &Node, mask: Value) -> Option<Attention> {
    match &node.op {
        Op::Attention(op) => op.among(&node.operands, mask),
        _ => None,
    }
}

/// Has an operand the rows of a result, or, if it broadcasts, one row for several of them? A size of another name may be
/// another size, and whether it is can only be found out where the operation joins whole tensors.
fn have_rows_of(operand: &Type, result: &[Dim], broadcasts: bool) -> bool {
    let missing = if broadcasts { result.len().saturating_sub(operand.rank()) } else { 0 };
    (0..2usize).all(|axis| match axis.checked_sub(missing).and_then(|axis| operand.shape.get(axis)) {
        Some(size) => result.get(axis) == Some(size) || broadcasts && size.is_one(),
        None => broadcasts,
    })
}

/// The truth values that are the masks of others, in order.
fn masks(program: &Program) -> Vec<Value> {
    let results = program.nodes.iter().flat_map(|node| &node.results);
    let masks: BTreeSet<Value> = results.filter_map(|result| result.mask).collect();
    let is_computed = |mask: &Value| {
        let constant = matches!(program.nodes[mask.node as usize].op, Op::Leaf(Leaf::Constant { .. }));
        program.result(*mask).ty.dtype == DType::Bool && !constant
    };
    masks.into_iter().filter(is_computed).collect()
}
