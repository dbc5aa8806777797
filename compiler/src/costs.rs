//! How much a model computes: the multiply-adds of its products, as formulas in the sizes that only a run knows.
//!
//! They are counted in the primitives that operations are made of, by what each says of its axes: a sum of products
//! takes one for each element of the result and each position of the axes that are summed over.

use std::borrow::Cow;
use std::collections::BTreeMap;

use masque_ir::dim::Dim;
use masque_ir::flow::{Flow, Fold, Role};
use masque_ir::layers::LayerGraph;
use masque_ir::ops::Op;
use masque_ir::program::{Node, Operand, Program};
use masque_ir::ty::Type;

use crate::decompose::{decompose, has_meaning};
use crate::origins::Origins;
use crate::{Error, Inferred, lower, pack, rewrite};

/// The multiply-adds of a call; none where an operation has no decomposition at sizes that only a run knows.
pub type Cost = Option<Dim>;

/// The multiply-adds of each call that takes any, by its name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Costs {
    /// As the model says.
    pub dense: BTreeMap<String, Cost>,
    /// After rewriting, without the rows of padding that nobody sees: `N` is the number of valid positions, and where
    /// padded ones are seen, one for each run of them. Recurrent steps that are not packed and attention under a mask skip
    /// padding as well, which these numbers do not show: they are an upper bound.
    pub packed: BTreeMap<String, Cost>,
}

impl Inferred {
    /// Counts the multiply-adds of every call.
    ///
    /// # Errors
    ///
    /// [`Error::Lower`]: a mistake of ours.
    pub fn costs(&self) -> Result<Costs, Error> {
        let graph = &self.graph.graph;
        let fail = |source| Error::Lower { file: self.file.path.clone(), source };
        let program = lower::lower(&self.graph, &self.layers, false, &[]).map_err(fail)?;
        let mut dense = by_call(&program, graph);
        let opaque = self.opaque();
        if !opaque.is_empty() {
            dense.extend(opaque.into_iter().map(|call| (graph.call_name(call), None)));
            // Which rows nobody sees is not known, either.
            return Ok(Costs { packed: dense.clone(), dense });
        }
        let (optimized, _) = rewrite::optimize(&program, rewrite::Limits::DEFAULT);
        Ok(Costs { dense, packed: by_call(&pack::pack(&optimized), graph) })
    }
}

impl Costs {
    /// Counts those of a model's program as it was lowered, and packed.
    pub(crate) fn of_programs(whole: &Program, packed: &Program, graph: &LayerGraph) -> Costs {
        Costs { dense: by_call(whole, graph), packed: by_call(packed, graph) }
    }
}

/// The sum of two costs, known if both are.
pub fn sum(one: Cost, other: &Cost) -> Cost {
    Some(&one? + other.as_ref()?)
}

fn by_call(program: &Program, graph: &LayerGraph) -> BTreeMap<String, Cost> {
    let none = Some(Dim::constant(0));
    let mut costs: BTreeMap<String, Cost> = BTreeMap::new();
    let (primitives, origins) = (primitives(program), Origins::of(graph));
    for node in &primitives.nodes {
        let cost = multiply_adds(&primitives, node);
        if cost == none {
            continue;
        }
        if let Some(call) = origins.call(&node.results[0].name) {
            let known = costs.entry(graph.call_name(call)).or_insert_with(|| none.clone());
            *known = sum(known.take(), &cost);
        }
    }
    costs
}

/// A program without the composites that can be taken apart, but for recurrent layers over rows: their meaning has all
/// positions.
fn primitives(program: &Program) -> Cow<'_, Program> {
    let apart = |program: &Program, node: &Node| rows(program, node).is_none() && has_meaning(program, node);
    decompose(program, apart).unwrap_or(Cow::Borrowed(program))
}

/// The rows of a recurrent layer that computes rows.
fn rows(program: &Program, node: &Node) -> Option<Dim> {
    let Op::Recurrent(layer) = &node.op else { return None };
    let places = program.operand_type(node.operands.get(layer.places()?)?)?;
    places.shape.first().cloned()
}

/// The multiply-adds of a primitive; a composite that is still there has none that are known.
fn multiply_adds(program: &Program, node: &Node) -> Cost {
    let none = Some(Dim::constant(0));
    if let Some(rows) = rows(program, node) {
        let matrices = node.operands.get(1..3)?.iter().filter(|operand| **operand != Operand::Absent);
        let matrices = matrices.map(|operand| program.operand_type(operand));
        let mut costs = matrices.map(|ty| Some(&rows * &ty?.elements()));
        return costs.try_fold(Dim::constant(0), |all, cost| Some(&all + &cost?));
    }
    if node.op.is_composite() {
        return None;
    }
    let types = program.operand_types(node);
    let types: Vec<Option<&Type>> = types.iter().map(Option::as_ref).collect();
    match node.op.flow(&types) {
        Flow::Joint(joint) if joint.fold == Fold::SUM && types.len() > 1 => {
            // The second operand of a sum of products has all axes that are summed over.
            let Some(Some(second)) = types.get(1) else { return none };
            let folded = |role: &Role| matches!(role, Role::At(letter) if *letter as usize >= joint.rank);
            let roles = joint.operands.get(1).map_or(&[][..], Vec::as_slice);
            let summed =
                second.shape.iter().zip(roles).filter(|(_, role)| folded(role)).map(|(size, _)| size);
            let sizes = node.results[0].ty.shape.iter().chain(summed);
            Some(sizes.fold(Dim::constant(1), |cost, size| &cost * size))
        }
        Flow::Loop { carried, body, .. } => {
            let steps = &types.get(carried).copied().flatten()?.shape.get(1)?;
            let body = primitives(body);
            let step = body.nodes.iter().fold(none, |known, node| sum(known, &multiply_adds(&body, node)))?;
            Some(&step * steps)
        }
        _ => none,
    }
}
