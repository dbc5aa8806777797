//! Is a plan sound? Whatever a plan says about itself is proved here before anything runs, so that the session may
//! index its slots and weights, and no step meets operands of a kind that its operation does not take.
//!
//! Sizes that are only known in a run are not proved here; the session checks them when they are known.

use std::fmt;

use masque_ir::ops::{Leaf, Op, Scan};
use masque_ir::plan::{ALIGNMENT, Layout, Plan, PlanOutput, PlanWeight, Source, Step};
use masque_ir::program::{Literal, Operand, Program};
use masque_ir::{DType, Dim, Type};

use crate::quote::quoted;
use crate::weights::stored_bytes;

/// What is wrong with a plan; one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct CheckError {
    /// Where.
    pub place: String,
    /// What.
    pub problem: String,
}

fn problem(place: impl fmt::Display, problem: impl fmt::Display) -> CheckError {
    CheckError { place: place.to_string(), problem: problem.to_string() }
}

/// The type of a weight.
pub fn weight_type(weight: &PlanWeight) -> Type {
    let size = |&size: &u64| Dim::constant(i64::try_from(size).unwrap_or(i64::MAX));
    Type::new(weight.dtype, weight.shape.iter().map(size).collect::<Vec<_>>())
}

/// Proves a plan sound, given the length of the weights section.
///
/// # Errors
///
/// The first [`CheckError`]: a slot read before it was written or outside the plan, a weight outside the section or
/// not of the length that its type demands, an operation on operands that it does not take, results of other types
/// than the operation gives, a name used twice.
pub fn check(plan: &Plan, section: u64) -> Result<(), CheckError> {
    for weight in &plan.weights {
        check_weight(weight, section).map_err(|found| problem(quoted(&weight.name), found))?;
    }
    let mut slots = Slots::new(plan)?;
    for (place, input) in plan.inputs.iter().enumerate() {
        if plan.inputs[..place].iter().any(|before| before.name == input.name) {
            return Err(problem(quoted(&input.name), "two inputs have this name"));
        }
        slots.set(input.slot, &input.ty).map_err(|found| problem(quoted(&input.name), found))?;
    }
    for (place, step) in plan.steps.iter().enumerate() {
        slots
            .step(step)
            .map_err(|found| problem(format_args!("step {place} ({})", step.op.info().mnemonic), found))?;
    }
    for output in plan.outputs.iter().chain(&plan.masks) {
        slots.output(output).map_err(|found| problem(quoted(&output.name), found))?;
    }
    Ok(())
}

fn check_weight(weight: &PlanWeight, section: u64) -> Result<(), String> {
    let end = weight.offset.checked_add(weight.bytes).filter(|&end| end <= section);
    if end.is_none() || !weight.offset.is_multiple_of(ALIGNMENT) {
        return Err("it does not lie in the weights section".into());
    }
    let shape: Option<Vec<usize>> = weight.shape.iter().map(|&size| usize::try_from(size).ok()).collect();
    let fits = match weight.layout {
        Layout::Texts => weight.dtype == DType::Str,
        layout => {
            let expected = shape.and_then(|shape| stored_bytes(weight.dtype, &shape, layout));
            expected.is_some_and(|bytes| bytes as u64 == weight.bytes)
        }
    };
    if fits { Ok(()) } else { Err(format!("it has {} bytes, not those of its type", weight.bytes)) }
}

/// What every slot holds at some moment of a run.
struct Slots<'a> {
    plan: &'a Plan,
    types: Vec<Option<&'a Type>>,
}

impl<'a> Slots<'a> {
    fn new(plan: &'a Plan) -> Result<Slots<'a>, CheckError> {
        let written = plan.inputs.len() + plan.steps.iter().map(|step| step.results.len()).sum::<usize>();
        if plan.slots as usize > written {
            return Err(problem("slots", format_args!("{} of them for {written} values", plan.slots)));
        }
        Ok(Slots { plan, types: vec![None; plan.slots as usize] })
    }

    fn set(&mut self, slot: u32, ty: &'a Type) -> Result<(), String> {
        let holder = self.types.get_mut(slot as usize).ok_or_else(|| format!("there is no slot {slot}"))?;
        match holder.replace(ty) {
            Some(_) => Err(format!("slot {slot} still holds another value")),
            None => Ok(()),
        }
    }

    fn source(&self, source: &Source) -> Result<Option<Type>, String> {
        match *source {
            Source::Absent => Ok(None),
            Source::Slot(slot) => match self.types.get(slot as usize) {
                Some(Some(ty)) => Ok(Some((*ty).clone())),
                _ => Err(format!("slot {slot} holds no value")),
            },
            Source::Weight(weight) => match self.plan.weights.get(weight as usize) {
                Some(weight) => Ok(Some(weight_type(weight))),
                None => Err(format!("there is no weight {weight}")),
            },
            Source::Literal(literal) => literal_type(literal).map(Some),
        }
    }

    fn step(&mut self, step: &'a Step) -> Result<(), String> {
        let types: Vec<Option<Type>> =
            step.sources.iter().map(|source| self.source(source)).collect::<Result<_, _>>()?;
        check_results(&step.op, &types, step.results.iter().map(|result| &result.ty))?;
        for &slot in &step.release {
            *self.types.get_mut(slot as usize).ok_or_else(|| format!("there is no slot {slot}"))? = None;
        }
        step.results.iter().try_for_each(|result| self.set(result.slot, &result.ty))
    }

    fn output(&self, output: &PlanOutput) -> Result<(), String> {
        match self.source(&output.source)? {
            Some(ty) if alike(&ty, &output.ty) => Ok(()),
            Some(ty) => Err(format!("declared as {}, but it is {ty}", output.ty)),
            None => Err("it is given by nothing".into()),
        }
    }
}

fn literal_type(literal: Literal) -> Result<Type, String> {
    match literal.dtype {
        DType::Str => Err("a text is no number".into()),
        dtype => Ok(Type::scalar(dtype)),
    }
}

/// Are these types the same, as far as sizes are known?
fn alike(a: &Type, b: &Type) -> bool {
    let sizes = |(a, b): (&Dim, &Dim)| a.known().zip(b.known()).is_none_or(|(a, b)| a == b);
    a.dtype == b.dtype && a.rank() == b.rank() && a.shape.iter().zip(&b.shape).all(sizes)
}

fn check_results<'a>(
    op: &Op,
    operands: &[Option<Type>],
    results: impl ExactSizeIterator<Item = &'a Type>,
) -> Result<(), String> {
    match op {
        Op::Leaf(Leaf::Input { .. } | Leaf::Weight { .. }) => return Err("it is no step".into()),
        Op::Scan(Scan::Scan { body, .. }) => check_body(body)?,
        _ => {}
    }
    let given = op
        .infer(&operands.iter().map(Option::as_ref).collect::<Vec<_>>())
        .map_err(|error| error.to_string())?;
    if given.len() != results.len() {
        return Err(format!("it has {} results and gives {}", results.len(), given.len()));
    }
    match given.iter().zip(results).find(|(given, declared)| !alike(given, declared)) {
        Some((given, declared)) => Err(format!("its result is declared as {declared}, but it is {given}")),
        None => Ok(()),
    }
}

/// The same for the program inside a loop.
fn check_body(body: &Program) -> Result<(), String> {
    let before = |place: usize, operand: &Operand| match operand {
        Operand::Absent => Ok(None),
        Operand::Literal(literal) => literal_type(*literal).map(Some),
        Operand::Value(value) => {
            let node = body.nodes[..place].get(value.node as usize);
            let result = node.and_then(|node| node.results.get(value.result as usize));
            result
                .map(|result| Some(result.ty.clone()))
                .ok_or_else(|| "a value is used before it is made".into())
        }
    };
    for (place, node) in body.nodes.iter().enumerate() {
        match &node.op {
            Op::Leaf(Leaf::Input { ty }) if node.results.len() == 1 && node.results[0].ty == *ty => continue,
            _ => {}
        }
        let types: Vec<Option<Type>> =
            node.operands.iter().map(|operand| before(place, operand)).collect::<Result<_, String>>()?;
        check_results(&node.op, &types, node.results.iter().map(|result| &result.ty))?;
    }
    body.outputs.iter().try_for_each(|output| match before(body.nodes.len(), &output.operand)? {
        Some(_) => Ok(()),
        None => Err(format!("output {} of the loop is given by nothing", quoted(&output.name))),
    })
}
