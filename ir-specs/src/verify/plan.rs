//! Plans, also those that nobody vouches for.

use super::program::{applied, inferred, number};
use super::{Check, Findings, Violations, is_static, require};
use crate::dim::Dim;
use crate::ops::{Leaf, Op};
use crate::plan::{ALIGNMENT, Layout, Plan, PlanOutput, PlanWeight, Source, Step};
use crate::ty::{DType, Type};

/// The most columns that a panel is filled up with.
const MAX_FILL: u64 = 63;

/// Checks the properties `PLAN-1` to `PLAN-12`; the error holds all that are violated.
pub fn plan(plan: &Plan) -> Result<(), Violations> {
    let mut findings = Findings::default();
    let values = plan.inputs.len()
        + plan.states.len()
        + plan.steps.iter().map(|step| step.results.len()).sum::<usize>();
    let slots = plan.slots as usize;
    findings
        .add(&plan.name, require("PLAN-1", slots <= values, || format!("{slots} slots, {values} values")));
    weights(plan, &mut findings);
    names(plan, &mut findings);
    if slots <= values {
        let mut state = Slots { plan, types: vec![None; slots], weights: weight_types(plan) };
        state.run(&mut findings);
    }
    findings.finish()
}

fn names(plan: &Plan, findings: &mut Findings) {
    findings.unique("PLAN-10", plan.inputs.iter().map(|input| input.name.as_str()));
    findings.unique("PLAN-10", plan.states.iter().map(|state| state.name.as_str()));
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
    let [rows, _] = weight.shape.as_slice() else { return false };
    let Some(row) = rows.checked_mul(width).filter(|&row| row > 0) else { return weight.bytes == 0 };
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

/// What every slot holds while the steps are followed.
struct Slots<'a> {
    plan: &'a Plan,
    types: Vec<Option<Type>>,
    weights: Vec<Option<Type>>,
}

impl Slots<'_> {
    fn run(&mut self, findings: &mut Findings) {
        let plan = self.plan;
        for input in &plan.inputs {
            let held = self.write(input.slot, &input.ty);
            findings.add(input.name.as_str(), held);
        }
        for state in &plan.states {
            let known = require("PLAN-12", is_static(&state.ty), || {
                format!("the sizes of {} are not all known", state.ty)
            });
            let held = known.and_then(|()| self.write(state.slot, &state.ty));
            findings.add(state.name.as_str(), held);
        }
        for step in &plan.steps {
            let name = step.results.first().map_or(step.op.info().mnemonic, |result| result.name.as_str());
            let sound = self.step(step);
            findings.add(name, sound);
        }
        for state in &plan.states {
            findings.add(state.name.as_str(), self.there("PLAN-12", &state.kept, &state.ty));
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
        let sources: Result<Vec<_>, _> = step.sources.iter().map(|source| self.read(source)).collect();
        let results: Vec<&Type> = step.results.iter().map(|result| &result.ty).collect();
        inferred("PLAN-5", &step.op, &sources?, &results)?;
        for result in &step.results {
            self.write(result.slot, &result.ty)?;
        }
        for &slot in &step.release {
            let held = self.slot(slot)?.take();
            require("PLAN-4", held.is_some(), || format!("${slot} is released, but holds no value"))?;
        }
        Ok(())
    }

    fn slot(&mut self, slot: u32) -> Result<&mut Option<Type>, (&'static str, String)> {
        let count = self.types.len();
        let out_of_range = || ("PLAN-1", format!("${slot} is not one of {count} slots"));
        self.types.get_mut(slot as usize).ok_or_else(out_of_range)
    }

    fn write(&mut self, slot: u32, ty: &Type) -> Check {
        let held = self.slot(slot)?;
        require("PLAN-3", held.is_none(), || format!("${slot} is written, but holds a value"))?;
        *held = Some(ty.clone());
        Ok(())
    }

    fn read(&mut self, source: &Source) -> Result<Option<Type>, (&'static str, String)> {
        match *source {
            Source::Absent => Ok(None),
            Source::Slot(slot) => {
                let held = self.slot(slot)?.clone();
                held.map(Some).ok_or_else(|| ("PLAN-2", format!("${slot} is read, but holds no value")))
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

    fn output(&mut self, output: &PlanOutput) -> Check {
        self.there("PLAN-9", &output.source, &output.ty)
    }

    /// What is given at the end, in the type that it is said to have.
    fn there(&mut self, label: &'static str, source: &Source, said: &Type) -> Check {
        let ty = self.read(source)?;
        require(label, ty.as_ref() == Some(said), || {
            let found = ty.map_or("nothing".into(), |ty| ty.to_string());
            format!("is said to be {said}, but is {found}")
        })
    }
}
