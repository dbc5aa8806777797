//! Which operations are packed, under which mask.

use std::collections::{BTreeMap, BTreeSet};

use masque_ir::ops::{Attention, Elementwise, Leaf, Op, Shape, is_elementwise};
use masque_ir::program::{Node, Operand, Program, Value};
use masque_ir::{DType, Dim, Type};

use crate::liveness::{Needs, Padding, Together};

/// Positions of a mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Set {
    /// The mask; all positions where it is true are in the set.
    pub(super) mask: Value,
    /// Is the first position of each run where it is false in the set, too?
    pub(super) runs: bool,
}

/// Groups of operations that are packed, each at the places of one set.
#[derive(Debug)]
pub(super) struct Regions {
    /// The set of each region.
    pub(super) sets: Vec<Set>,
    /// The region of each node.
    pub(super) of_node: Vec<Option<usize>>,
    /// What the result of a node of a region holds outside of the mask; none where it is the same all along a run.
    pub(super) fill: Vec<Option<f64>>,
}

impl Regions {
    pub(super) fn of(program: &Program) -> Regions {
        let count = program.nodes.len();
        let mut regions = Regions { sets: vec![], of_node: vec![None; count], fill: vec![Some(0.0); count] };
        let masks = masks(program);
        let candidates: Vec<Vec<Value>> =
            (0..count).map(|place| candidates(program, place, &masks)).collect();
        let pays = |(place, masks): (usize, &Vec<Value>)| {
            let op = &program.nodes[place].op;
            !masks.is_empty() && (is_work(op) || matches!(op, Op::Recurrent(_)))
        };
        if !candidates.iter().enumerate().any(pays) {
            return regions;
        }
        let padding = Padding::of(program.clone(), &Together::default());
        let needs = Needs::of(&padding);
        let held: BTreeMap<Value, Vec<bool>> =
            masks.iter().map(|mask| (*mask, held(program, *mask))).collect();
        let mut chosen: Vec<Option<Set>> = vec![None; count];
        for (place, candidates) in candidates.iter().enumerate() {
            let node = &program.nodes[place];
            let outside = |mask: Value| outside(program, &needs, node, mask);
            let known = candidates.iter().find_map(|&mask| Some((mask, Some(outside(mask)?))));
            let found = known.or_else(|| Some((*candidates.iter().find(|mask| held[mask][place])?, None)));
            if let Some((mask, fill)) = found {
                chosen[place] = Some(Set { mask, runs: fill.is_none() });
                regions.fill[place] = fill;
            }
        }
        regions.connect(program, chosen);
        regions
    }

    /// Makes regions of the operations with one mask that read one another, where that saves work.
    fn connect(&mut self, program: &Program, mut chosen: Vec<Option<Set>>) {
        // Attention is among the rows of the mask alone.
        let roots = groups(program, &chosen);
        let attend =
            |place: usize| chosen[place].is_some() && matches!(program.nodes[place].op, Op::Attention(_));
        let attending: BTreeSet<usize> =
            (0..chosen.len()).filter(|&place| attend(place)).map(|place| roots[place]).collect();
        for (place, set) in chosen.iter_mut().enumerate() {
            *set = set.filter(|set| !set.runs || !attending.contains(&roots[place]));
        }
        let roots = groups(program, &chosen);
        let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for place in (0..chosen.len()).filter(|&place| chosen[place].is_some()) {
            members.entry(roots[place]).or_default().push(place);
        }
        for members in members.into_values().filter(|members| saves(program, members)) {
            let sets = || members.iter().filter_map(|&place| chosen[place]);
            let Some(Set { mask, .. }) = sets().next() else { continue };
            members.iter().for_each(|&place| self.of_node[place] = Some(self.sets.len()));
            self.sets.push(Set { mask, runs: sets().any(|set| set.runs) });
        }
    }
}

/// By node: one of the chosen nodes with its mask that it is connected with.
fn groups(program: &Program, chosen: &[Option<Set>]) -> Vec<usize> {
    let mask = |place: usize| chosen[place].map(|set| set.mask);
    let mut group: Vec<usize> = (0..chosen.len()).collect();
    for (place, node) in program.nodes.iter().enumerate().filter(|(place, _)| chosen[*place].is_some()) {
        for read in node.operands.iter().filter_map(Operand::value).map(|value| value.node as usize) {
            if mask(read) == mask(place) {
                let (from, to) = (root(&group, place), root(&group, read));
                group[from] = to;
            }
        }
    }
    (0..chosen.len()).map(|place| root(&group, place)).collect()
}

/// Does packing these operations save more than it costs? Recurrent layers compute no padding either way, but what they
/// give is smaller for those that read it.
fn saves(program: &Program, members: &[usize]) -> bool {
    let node = |place: &usize| &program.nodes[*place];
    let recurs = |place: usize| {
        members.binary_search(&place).is_ok() && matches!(program.nodes[place].op, Op::Recurrent(_))
    };
    let reads = |node: &Node| {
        node.operands.iter().filter_map(Operand::value).any(|value| recurs(value.node as usize))
    };
    members.iter().any(|place| is_work(&node(place).op) || reads(node(place)))
}

/// What stands where a mask is false in the first result of a node, or may stand there, as nobody sees it.
fn outside(program: &Program, needs: &Needs<'_>, node: &Node, mask: Value) -> Option<f64> {
    if !is_rows(node, 0) {
        return Some(0.0);
    }
    let unseen = needs.unseen_outside(&node.results.first()?.name, &program.result(mask).name);
    unseen.or_else(|| Some(filled(program, node, mask)?.1))
}

/// What a node gives where a mask is true, and the number that it gives everywhere else.
pub(super) fn filled<'a>(program: &'a Program, node: &'a Node, mask: Value) -> Option<(&'a Operand, f64)> {
    let (Op::Elementwise(Elementwise::Select), [valid, x, Operand::Literal(number)]) =
        (&node.op, node.operands.as_slice())
    else {
        return None;
    };
    let positions = &program.result(mask).ty.shape;
    let valid_shape = program.operand_type(valid)?.shape;
    let one_each =
        valid_shape.starts_with(positions) && valid_shape[positions.len()..].iter().all(Dim::is_one);
    let mut valid = valid.value()?;
    while let Op::Shape(Shape::Reshape { .. }) = &program.nodes[valid.node as usize].op {
        valid = program.nodes[valid.node as usize].operands.first()?.value()?;
    }
    let same = program.operand_type(x)?.shape == node.results[0].ty.shape;
    (valid == mask && one_each && same).then_some((x, number.number.0))
}

/// By node: is its first result the same at all positions of a run at which the mask is false?
fn held(program: &Program, mask: Value) -> Vec<bool> {
    let positions = &program.result(mask).ty.shape;
    let mut held = vec![false; program.nodes.len()];
    for (place, node) in program.nodes.iter().enumerate() {
        let Some(result) = node.results.first().map(|result| &result.ty.shape) else { continue };
        if !result.starts_with(positions) {
            continue;
        }
        let types = program.operand_types(node);
        let types: Vec<Option<&Type>> = types.iter().map(Option::as_ref).collect();
        let is_held = |at: usize| {
            let known = |value: Value| value == mask || value.result == 0 && held[value.node as usize];
            node.operands[at].value().is_none_or(known)
                || is_elementwise(&node.op) && serves_all_steps(types[at], result.len())
        };
        held[place] = match &node.op {
            Op::Recurrent(layer) => layer.among(&node.operands, mask),
            op => op.rows(&types).is_some_and(|rows| rows.into_iter().all(is_held)),
        };
    }
    held
}

/// Does an operand that broadcasts to so many axes serve all positions of an example?
fn serves_all_steps(operand: Option<&Type>, rank: usize) -> bool {
    let size = operand.and_then(|ty| ty.shape.get(1usize.checked_sub(rank.checked_sub(ty.rank())?)?));
    size.is_none_or(Dim::is_one)
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
    let recurs = matches!(node.op, Op::Recurrent(_));
    let Some(result) = node.results.first().filter(|_| node.results.len() == 1 || recurs) else {
        return vec![];
    };
    let types = program.operand_types(node);
    let types: Vec<Option<&Type>> = types.iter().map(Option::as_ref).collect();
    let among = |mask: &Value| match &node.op {
        Op::Recurrent(layer) => layer.among(&node.operands, *mask),
        _ => attends_among(node, *mask).is_some(),
    };
    let (rows, masks): (Vec<usize>, Vec<Value>) = match node.op.rows(&types) {
        Some(rows) => (rows, masks.to_vec()),
        None if sequences(&node.op).is_empty() => return vec![],
        None => (sequences(&node.op).to_vec(), masks.iter().copied().filter(among).collect()),
    };
    let shape = match (is_rows(node, 0), types.first()) {
        (false, Some(Some(x))) => &x.shape,
        _ => &result.ty.shape,
    };
    let are_numbers = types.iter().flatten().chain([&&result.ty]).all(|ty| ty.dtype != DType::Str);
    let broadcasts = is_elementwise(&node.op);
    let fit = rows.iter().filter_map(|&place| types[place]).all(|ty| have_rows_of(ty, shape, broadcasts));
    if shape.len() < 2 || !are_numbers || !fit {
        return vec![];
    }
    let before = masks.iter().filter(|mask| (mask.node as usize) < place);
    before.filter(|mask| program.result(**mask).ty.shape[..] == shape[..2]).copied().collect()
}

/// The operands that have a row for each position, of an operation that looks beyond the rows but may be packed.
pub(super) fn sequences(op: &Op) -> &'static [usize] {
    match op {
        Op::Attention(_) => &[0, 1, 2],
        Op::Recurrent(_) => &[0],
        _ => &[],
    }
}

/// Has a result of a node of a region a row for each position?
pub(super) fn is_rows(node: &Node, result: usize) -> bool {
    match &node.op {
        Op::Recurrent(layer) => result == 0 && layer.options().sequences,
        _ => true,
    }
}

/// What attention is among the rows of a mask alone, if it is.
pub(super) fn attends_among(node: &Node, mask: Value) -> Option<Attention> {
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
