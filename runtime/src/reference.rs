//! The reference interpreter: what the operations mean, slow, plain and obvious.
//!
//! Every kernel is tested against it, so nothing here is clever. A family of operations is a file; all results are
//! made in one place, which refuses those that are too large. Composites have no code of their own: they are
//! taken apart into primitives for the sizes at hand, and those are run.
//!
//! Symbolic sizes get their numbers from the shapes of the inputs, and from results whose size only the run knows
//! (the longest text of a batch). Each tensor is held against its declared type as soon as it is there.

mod composite;
mod elementwise;
mod index;
mod leaf;
mod lookup;
mod product;
mod reduce;
mod rows;
mod scan;
mod shape;
mod text;
mod window;

use masque_ir::Type;
use masque_ir::dim::Bindings;
use masque_ir::ops::{Leaf, Op};
use masque_ir::program::{Node, Operand, Program, ProgramOutput};

use crate::elements::type_of;
use crate::error::{OpFailure, RunError};
use crate::tensor::{Tensor, TensorView};

pub(crate) use leaf::zeros;
pub(crate) use rows::{places, runs};

/// Applies one operation; optional operands may be `None`. Composites are decomposed.
///
/// # Errors
/// Any [`OpFailure`]: operands that the operation refuses at these sizes, an index outside its table, a size that
/// `bindings` leave open, a result above [`MAX_RESULT_BYTES`](crate::MAX_RESULT_BYTES).
pub fn evaluate(
    op: &Op,
    operands: &[Option<TensorView<'_>>],
    bindings: &Bindings,
) -> Result<Vec<Tensor>, OpFailure> {
    // A loop's body has symbols in its types, and is held against the operands when it runs.
    if !matches!(op, Op::Scan(_)) {
        let types: Vec<Option<Type>> = operands.iter().map(|operand| operand.as_ref().map(type_of)).collect();
        op.infer(&types.iter().map(Option::as_ref).collect::<Vec<_>>())?;
    }
    let present: Vec<TensorView<'_>> = operands.iter().flatten().map(TensorView::view).collect();
    let result = match op {
        Op::Leaf(op) => leaf::evaluate(op),
        Op::Elementwise(op) => elementwise::evaluate(op, &present),
        Op::Reduce(op) => reduce::evaluate(op, &present[0]),
        Op::Shape(op) => shape::evaluate(op, &present, bindings),
        Op::Index(op) => index::evaluate(op, &present),
        Op::Product(op) => product::evaluate(op, &present[0], &present[1]),
        Op::Rows(op) => rows::evaluate(op, &present),
        Op::Window(op) => window::evaluate(op, &present),
        Op::Text(op) => text::evaluate(op, &present, bindings),
        Op::Lookup(op) => lookup::evaluate(op, &present),
        Op::Scan(op) => return scan::evaluate(op, &present, bindings),
        Op::Map(_)
        | Op::Activate(_)
        | Op::Dense(_)
        | Op::Convolve(_)
        | Op::Attention(_)
        | Op::Normalize(_)
        | Op::Pool(_)
        | Op::Recurrent(_) => {
            return composite::evaluate(op, operands);
        }
    };
    Ok(vec![result?])
}

/// Runs a whole program: what it gives, by name and in order. Only what the outputs need is computed.
///
/// # Errors
/// [`RunError`]: an input or weight that is missing or has another type, or a step that failed.
pub fn run<'a>(
    program: &Program,
    inputs: &dyn Fn(&str) -> Option<TensorView<'a>>,
    weights: &dyn Fn(&str) -> Option<TensorView<'a>>,
) -> Result<Vec<(String, Tensor)>, RunError> {
    let passed = program
        .inputs()
        .map(|(_, info)| inputs(&info.name).ok_or_else(|| RunError::MissingInput { name: info.name.clone() }))
        .collect::<Result<Vec<_>, _>>()?;
    let results = execute(program, passed, weights, Bindings::new())?;
    let names = program.outputs.iter().filter(|output| output.operand != Operand::Absent);
    Ok(names.map(|output| output.name.clone()).zip(results).collect())
}

/// Runs a program under sizes that are known already; the inputs come in order.
fn execute<'a>(
    program: &Program,
    inputs: Vec<TensorView<'a>>,
    weights: &dyn Fn(&str) -> Option<TensorView<'a>>,
    mut bindings: Bindings,
) -> Result<Vec<Tensor>, RunError> {
    bind_inputs(program, &inputs, &mut bindings)?;
    let mut inputs = inputs.into_iter();
    let live = program.live(false);
    let mut values = Values { nodes: Vec::with_capacity(program.nodes.len()) };
    for (node, live) in program.nodes.iter().zip(live) {
        let held = match &node.op {
            Op::Leaf(Leaf::Input { .. }) => inputs.next().map(Held::Borrowed).into_iter().collect(),
            _ if !live => vec![],
            Op::Leaf(Leaf::Weight { ty, .. }) => vec![Held::Borrowed(weight(node, ty, weights)?)],
            _ => compute(node, &values, &mut bindings)?,
        };
        values.nodes.push(held);
    }
    program
        .outputs
        .iter()
        .filter(|output| output.operand != Operand::Absent)
        .filter_map(|output| values.output(output).transpose())
        .collect()
}

fn bind_inputs(
    program: &Program,
    inputs: &[TensorView<'_>],
    bindings: &mut Bindings,
) -> Result<(), RunError> {
    for ((_, info), view) in program.inputs().zip(inputs) {
        let found = type_of(view);
        if !agrees(&info.ty, &found, bindings) {
            let expected = in_this_run(&info.ty, bindings);
            return Err(RunError::InputType { name: info.name.clone(), expected, found: found.to_string() });
        }
    }
    // A size made of several symbols can only be checked once they are all bound.
    for ((_, info), view) in program.inputs().zip(inputs) {
        if info.ty.eval(bindings).is_none_or(|shape| shape != view.shape()) {
            let (expected, found) = (in_this_run(&info.ty, bindings), type_of(view).to_string());
            return Err(RunError::InputType { name: info.name.clone(), expected, found });
        }
    }
    Ok(())
}

fn weight<'a>(
    node: &Node,
    ty: &Type,
    weights: &dyn Fn(&str) -> Option<TensorView<'a>>,
) -> Result<TensorView<'a>, RunError> {
    let name = &node.results[0].name;
    let view = weights(name).ok_or_else(|| RunError::MissingWeight { name: name.clone() })?;
    let found = type_of(&view);
    if found != *ty {
        let (expected, found) = (ty.to_string(), found.to_string());
        return Err(RunError::WeightType { name: name.clone(), expected, found });
    }
    Ok(view)
}

/// Does one node, and holds its results against their declared types.
fn compute<'a>(node: &Node, values: &Values<'a>, bindings: &mut Bindings) -> Result<Vec<Held<'a>>, RunError> {
    let mut attempt = || {
        let operands = node
            .operands
            .iter()
            .map(|operand| values.operand(operand))
            .collect::<Result<Vec<_>, OpFailure>>()?;
        let views: Vec<_> = operands.iter().map(|held| held.as_ref().map(Held::view)).collect();
        let results = evaluate(&node.op, &views, bindings)?;
        for (info, tensor) in node.results.iter().zip(&results) {
            let found = type_of(&tensor.view());
            let agrees = agrees(&info.ty, &found, bindings);
            if !agrees || info.ty.eval(bindings).is_none_or(|shape| shape != tensor.shape()) {
                return Err(OpFailure::mismatch(in_this_run(&info.ty, bindings), found));
            }
        }
        Ok(results.into_iter().map(Held::Owned).collect())
    };
    attempt().map_err(|failure| {
        let step = node.results.first().map(|info| info.name.clone()).unwrap_or_default();
        RunError::Step { step, op: node.op.info().mnemonic, failure }
    })
}

/// Does a declared type allow a found one? Symbols that stand alone and are not bound yet are bound to what was
/// found; other sizes that cannot be computed yet agree with everything.
fn agrees(declared: &Type, found: &Type, bindings: &mut Bindings) -> bool {
    if declared.dtype != found.dtype || declared.rank() != found.rank() {
        return false;
    }
    declared.shape.iter().zip(&found.shape).all(|(declared, found)| {
        let Some(size) = found.known() else { return false };
        if let Some(symbol) = declared.as_symbol() {
            return *bindings.entry(symbol.clone()).or_insert(size) == size;
        }
        declared.eval(bindings).is_none_or(|expected| expected == size)
    })
}

/// A type, and what it comes to: `f32[B, 4] (here [2, 4])`.
fn in_this_run(ty: &Type, bindings: &Bindings) -> String {
    match ty.eval(bindings) {
        Some(shape) if ty.elements().known().is_none() => format!("{ty} (here {shape:?})"),
        _ => ty.to_string(),
    }
}

/// A tensor that was computed, or one that somebody else has.
enum Held<'a> {
    Owned(Tensor),
    Borrowed(TensorView<'a>),
}

impl Held<'_> {
    fn view(&self) -> TensorView<'_> {
        match self {
            Held::Owned(tensor) => tensor.view(),
            Held::Borrowed(view) => view.view(),
        }
    }

    fn into_owned(self) -> Tensor {
        match self {
            Held::Owned(tensor) => tensor,
            Held::Borrowed(view) => view.to_owned(),
        }
    }
}

/// The results of the nodes done so far; none for nodes that nobody needs.
struct Values<'a> {
    nodes: Vec<Vec<Held<'a>>>,
}

impl Values<'_> {
    fn output(&self, output: &ProgramOutput) -> Result<Option<Tensor>, RunError> {
        let held = self.operand(&output.operand).map_err(|failure| RunError::Step {
            step: output.name.clone(),
            op: "output",
            failure,
        })?;
        Ok(held.map(Held::into_owned))
    }

    fn operand(&self, operand: &Operand) -> Result<Option<Held<'_>>, OpFailure> {
        Ok(match operand {
            Operand::Absent => None,
            Operand::Literal(literal) => Some(Held::Owned(leaf::literal(literal)?)),
            Operand::Value(value) => self
                .nodes
                .get(value.node as usize)
                .and_then(|results| results.get(value.result as usize))
                .map(|held| Held::Borrowed(held.view())),
        })
    }
}
