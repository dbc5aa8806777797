//! Which operations are packed, under which mask.

use masque_ir::by_value::ByValue;
use masque_ir::ops::{Leaf, Op};
use masque_ir::program::{Node, Operand, Program, Value};
use masque_ir::{DType, Type};

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
        let candidates: Vec<Vec<Value>> =
            (0..program.nodes.len()).map(|place| candidates(program, place)).collect();
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
            let fill = |mask: &&Value| needs.unseen_outside(result, name(mask)).is_some();
            if let Some(mask) = masks.iter().find(fill) {
                regions.fill[place] = needs.unseen_outside(result, name(mask)).unwrap_or_default();
                chosen[place] = Some(*mask);
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
    matches!(op, Op::Dense(_) | Op::Product(_) | Op::Normalize(_))
}

/// The masks under which a node may be packed, by its types: those of its axes, computed before it.
fn candidates(program: &Program, place: usize) -> Vec<Value> {
    let node = &program.nodes[place];
    let [result] = node.results.as_slice() else { return vec![] };
    let types: Vec<Option<Type>> =
        node.operands.iter().map(|operand| program.operand_type(operand)).collect();
    let by_row = node.op.rows(&types.iter().map(Option::as_ref).collect::<Vec<_>>()).is_some();
    let numbers = |ty: &Type| ty.dtype != DType::Str;
    if !by_row || result.ty.rank() < 2 || !numbers(&result.ty) || !types.iter().flatten().all(numbers) {
        return vec![];
    }
    let is_mask = |(at, node): (usize, &Node)| {
        let [mask] = node.results.as_slice() else { return None };
        let fits = mask.ty.dtype == DType::Bool
            && mask.ty.shape[..] == result.ty.shape[..2]
            && !matches!(node.op, Op::Leaf(Leaf::Constant { .. }));
        fits.then_some(Value { node: at as u32, result: 0 })
    };
    let before = program.nodes[..place].iter().enumerate().filter_map(is_mask);
    let masks = named(program);
    before.filter(|mask| masks.get(*mask).is_some()).collect()
}

/// The values that are the masks of others.
fn named(program: &Program) -> ByValue<()> {
    let mut masks = ByValue::new(program);
    for result in program.nodes.iter().flat_map(|node| &node.results) {
        if let Some(mask) = result.mask {
            masks.insert(mask, ());
        }
    }
    masks
}
