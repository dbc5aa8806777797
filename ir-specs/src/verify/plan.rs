//! Plans, also those that nobody vouches for.

use super::program::{applied, inferred, number};
use super::{Check, Findings, Violations, is_static, require};
use crate::dim::Dim;
use crate::kernel::Kernel;
use crate::ops::{Leaf, Op};
use crate::plan::{ALIGNMENT, Layout, Plan, PlanOutput, PlanValue, PlanWeight, Source, Step};
use crate::ty::{DType, Type};

/// The most columns that a panel is filled up with.
const MAX_FILL: u64 = 63;

/// Checks the properties `PLAN-1` to `PLAN-13`; the error holds all that are violated.
pub fn plan(plan: &Plan) -> Result<(), Violations> {
    let mut findings = Findings::default();
    weights(plan, &mut findings);
    names(plan, &mut findings);
    let numbered = numbered(plan);
    let complete = numbered.is_ok();
    findings.add(&plan.name, numbered);
    if complete {
        let memory = vec![Memory::default(); plan.values.len()];
        Walk { plan, written: 0, memory, weights: weight_types(plan) }.run(&mut findings);
    }
    findings.finish()
}

/// Inputs, states, and the results of all steps are the values, each once and in this order.
fn numbered(plan: &Plan) -> Check {
    let given =
        plan.inputs.iter().map(|input| input.value).chain(plan.states.iter().map(|state| state.value));
    let written = given.chain(plan.steps.iter().flat_map(|step| step.results.iter().copied()));
    let count = plan.values.len();
    require("PLAN-1", written.eq(0..count as u32), || {
        format!("the places written are not 0 to {count} in order")
    })
}

fn names(plan: &Plan, findings: &mut Findings) {
    findings.unique("PLAN-10", plan.values.iter().map(|value| value.name.as_str()));
    findings.unique("PLAN-10", plan.weights.iter().map(|weight| weight.name.as_str()));
    findings.unique("PLAN-10", plan.outputs.iter().chain(&plan.masks).map(|output| output.name.as_str()));
}

fn weights(plan: &Plan, findings: &mut Findings) {
    let mut end = Some(0u64);
    for weight in &plan.weights {
        let behind = end.is_some_and(|end| weight.offset >= end);
        end = weight.offset.checked_add(weight.bytes);
        let aligned = weight.offset % ALIGNMENT == 0;
        let placed = require("PLAN-7", behind && aligned && end.is_some(), || {
            format!("{} bytes at {} overlap, wrap or are not aligned", weight.bytes, weight.offset)
        });
        findings.add(weight.name.as_str(), placed.and_then(|()| size(weight)));
    }
}

/// Do the bytes fit the shape in its layout?
fn size(weight: &PlanWeight) -> Check {
    let elements = weight.shape.iter().try_fold(1u64, |product, &size| product.checked_mul(size));
    let width = weight.dtype.size().map_or(0, |size| size as u64);
    let dense = elements.and_then(|elements| elements.checked_mul(width));
    let known = weight.shape.iter().all(|&size| i64::try_from(size).is_ok());
    let fits = match (weight.layout, elements, dense) {
        (Layout::Rows, _, Some(dense)) => weight.dtype != DType::Str && weight.bytes == dense,
        (Layout::Panels, _, Some(dense)) => weight.dtype.is_float() && panels(weight, dense, width),
        (Layout::Texts, Some(texts), _) => {
            weight.dtype == DType::Str && texts.checked_mul(4).is_some_and(|least| weight.bytes >= least)
        }
        _ => false,
    };
    require("PLAN-8", fits && known, || {
        format!(
            "{} bytes do not hold {}{:?} as {:?}",
            weight.bytes, weight.dtype, weight.shape, weight.layout
        )
    })
}

/// Every row of a matrix with its columns filled up to whole panels.
fn panels(weight: &PlanWeight, dense: u64, width: u64) -> bool {
    let [first, rows @ .., _] = weight.shape.as_slice() else { return false };
    let rows = rows.iter().try_fold(*first, |rows, &size| rows.checked_mul(size));
    let Some(row) = rows.and_then(|rows| rows.checked_mul(width)).filter(|&row| row > 0) else {
        return weight.bytes == 0;
    };
    let fill = weight.bytes.checked_sub(dense);
    fill.is_some_and(|fill| fill % row == 0 && fill / row <= MAX_FILL)
}

/// The types of the weights; none where a size is out of range.
fn weight_types(plan: &Plan) -> Vec<Option<Type>> {
    let ty = |weight: &PlanWeight| {
        let sizes = weight.shape.iter().map(|&size| i64::try_from(size).ok().map(Dim::constant));
        Some(Type { dtype: weight.dtype, shape: sizes.collect::<Option<_>>()? })
    };
    plan.weights.iter().map(ty).collect()
}

/// What is there while the steps are followed.
struct Walk<'a> {
    plan: &'a Plan,
    /// How many values were written so far.
    written: u32,
    /// By value.
    memory: Vec<Memory>,
    weights: Vec<Option<Type>>,
}

/// The memory of a value.
#[derive(Clone, Copy, Default)]
struct Memory {
    /// The value that it belonged to first.
    root: u32,
    /// How often it was written anew before this value; of a root: until now.
    turn: u32,
    until_now: u32,
    /// Does it belong to the run? What callers pass, and what kernels give, does not.
    writable: bool,
}

impl Walk<'_> {
    fn run(&mut self, findings: &mut Findings) {
        let plan = self.plan;
        self.written = (plan.inputs.len() + plan.states.len()) as u32;
        for place in 0..self.written {
            self.memory[place as usize].root = place;
        }
        for value in &plan.values[..self.written as usize] {
            let own =
                require("PLAN-3", value.over.is_none(), || "an input or a state takes no memory".into());
            findings.add(value.name.as_str(), own);
        }
        for state in &plan.states {
            let PlanValue { name, ty, .. } = plan.value(state.value);
            let known = require("PLAN-12", is_static(ty), || format!("the sizes of {ty} are not all known"));
            findings.add(name.as_str(), known);
        }
        for step in &plan.steps {
            let first = step.results.first().map(|&place| plan.value(place).name.as_str());
            let sound = self.step(step);
            findings.add(first.unwrap_or(step.op.info().mnemonic), sound);
            self.written += step.results.len() as u32;
        }
        for state in &plan.states {
            let PlanValue { name, ty, .. } = plan.value(state.value);
            findings.add(name.as_str(), self.there("PLAN-12", &state.kept, ty));
        }
        for output in &plan.outputs {
            findings.add(output.name.as_str(), self.output(output));
        }
        for mask in &plan.masks {
            let sound = require("PLAN-9", mask.ty.dtype == DType::Bool, || format!("{} is no mask", mask.ty));
            findings.add(mask.name.as_str(), sound.and_then(|()| self.output(mask)));
        }
    }

    fn step(&mut self, step: &Step) -> Check {
        let outside =
            matches!(step.op, Op::Leaf(Leaf::Input { .. } | Leaf::Weight { .. } | Leaf::State { .. }));
        require("PLAN-5", !outside, || format!("`{}` is no step", step.op.info().mnemonic))?;
        applied(&step.op, self.plan.semantics, 0)
            .map_err(|(label, message)| ("PLAN-11", format!("{label}: {message}")))?;
        let operands: Vec<Option<Type>> =
            step.operands.iter().map(|source| self.read(source)).collect::<Result<_, _>>()?;
        let results: Vec<&Type> = step.results.iter().map(|&place| &self.plan.value(place).ty).collect();
        inferred("PLAN-5", &step.op, &operands, &results)?;
        self.kernel(step, &operands)?;
        self.over(step)
    }

    fn kernel(&self, step: &Step, operands: &[Option<Type>]) -> Check {
        let (kernel, name) = (step.kernel, step.kernel.info().name);
        let operands: Vec<Option<&Type>> = operands.iter().map(Option::as_ref).collect();
        require("PLAN-13", kernel.takes(&step.op, &operands), || {
            format!("the kernel `{name}` does not compute `{}` on these types", step.op.info().mnemonic)
        })?;
        for (place, source) in step.operands.iter().enumerate() {
            let Source::Weight(weight) = source else { continue };
            let weight = &self.plan.weights[*weight as usize];
            let layout = kernel.layout(&step.op, place, weight.dtype);
            require("PLAN-13", weight.layout == layout, || {
                format!("the kernel `{name}` reads weight `{}` as {layout:?}", weight.name)
            })?;
        }
        Ok(())
    }

    /// Where the results lie.
    fn over(&mut self, step: &Step) -> Check {
        let plan = self.plan;
        for (result, &place) in step.results.iter().enumerate() {
            let value = plan.value(place);
            let Some(over) = value.over else {
                let alias = step.kernel == Kernel::Alias;
                require("PLAN-3", !alias, || "another shape takes the memory of its operand".into())?;
                self.memory[place as usize] =
                    Memory { root: place, writable: !step.kernel.gives(), ..Memory::default() };
                continue;
            };
            let operand = step.kernel.over().and_then(|operand| step.operands.get(operand));
            let allowed = result == 0 && operand == Some(&Source::Value(over));
            require("PLAN-3", allowed, || {
                format!("the kernel `{}` does not write in place of value {over}", step.kernel.info().name)
            })?;
            let root = self.memory[over as usize].root;
            let memory = self.memory[root as usize];
            let mut turn = memory.until_now;
            if step.kernel != Kernel::Alias {
                require("PLAN-3", plan.value(over).ty == value.ty && memory.writable, || {
                    format!("`{}` cannot be written in place of", plan.value(over).name)
                })?;
                turn = turn.saturating_add(1);
                self.memory[root as usize].until_now = turn;
            }
            self.memory[place as usize] = Memory { root, turn, ..Memory::default() };
        }
        Ok(())
    }

    /// Was another value written in place of it?
    fn is_gone(&self, place: u32) -> bool {
        let Memory { root, turn, .. } = self.memory[place as usize];
        self.memory[root as usize].until_now != turn
    }

    fn read(&self, source: &Source) -> Result<Option<Type>, (&'static str, String)> {
        match *source {
            Source::Absent => Ok(None),
            Source::Value(place) => {
                require("PLAN-2", place < self.written, || {
                    format!("value {place} is read before it is written")
                })?;
                let value = self.plan.value(place);
                require("PLAN-4", !self.is_gone(place), || {
                    format!("`{}` is read after another value was written in place of it", value.name)
                })?;
                Ok(Some(value.ty.clone()))
            }
            Source::Weight(place) => {
                let ty = self.weights.get(place as usize).cloned().flatten();
                ty.map(Some).ok_or_else(|| ("PLAN-6", format!("weight {place} is read, but not there")))
            }
            Source::Literal(literal) => {
                number("PLAN-11", literal)?;
                Ok(Some(Type::scalar(literal.dtype)))
            }
        }
    }

    fn output(&self, output: &PlanOutput) -> Check {
        self.there("PLAN-9", &output.source, &output.ty)
    }

    /// What is given at the end, in the type that it is said to have.
    fn there(&self, label: &'static str, source: &Source, said: &Type) -> Check {
        let ty = self.read(source)?;
        require(label, ty.as_ref() == Some(said), || {
            let found = ty.map_or("nothing".into(), |ty| ty.to_string());
            format!("is said to be {said}, but is {found}")
        })
    }
}
