//! The stage `plan`: what stands in the file, and a line for every step.

use serde_json::{Map, Value as Json};

use super::{Writer, application, block, json, literal, name, number, word};
use crate::plan::{Plan, PlanOutput, PlanWeight, Provenance, Source, Step};
use crate::text::{Stage, tagged};

/// The text of a plan.
pub(crate) fn plan(plan: &Plan) -> String {
    let mut writer = Writer::with_header(Stage::Plan, plan.semantics, &plan.name);
    if plan.provenance != Provenance::default() {
        writer.line(&format!("provenance {}", json(&tagged(&plan.provenance))));
    }
    writer.line(&format!("slots {}", plan.slots));
    writer.blank();
    for input in &plan.inputs {
        let pad = number(input.ty.dtype, input.pad);
        writer.line(&format!(
            "${} {} = input {{pad = {pad}}} : {}",
            input.slot,
            name('%', &input.name),
            input.ty
        ));
    }
    for state in &plan.states {
        writer.line(&format!("${} {} = state : {}", state.slot, name('%', &state.name), state.ty));
    }
    for weight in &plan.weights {
        writer.line(&self::weight(weight));
    }
    writer.blank();
    for step in &plan.steps {
        writer.statement(&self::step(plan, step), &step.op);
    }
    writer.blank();
    for state in &plan.states {
        let kept = source(plan, &state.kept).unwrap_or_else(|| "absent".into());
        writer.line(&format!("keep {} = {kept}", word(&state.name)));
    }
    for (keyword, outputs) in [("return", &plan.outputs), ("mask", &plan.masks)] {
        for output in outputs {
            writer.line(&self::output(plan, keyword, output));
        }
    }
    writer.text
}

/// `@gru/kernel = weight {bytes = 360, hash = "…", layout = rows, offset = 0} : f32[6, 15]`
fn weight(weight: &PlanWeight) -> String {
    let place = Map::from_iter([
        ("bytes".to_owned(), Json::from(weight.bytes)),
        ("hash".to_owned(), Json::from(weight.hash.as_str())),
        ("layout".to_owned(), tagged(&weight.layout)),
        ("offset".to_owned(), Json::from(weight.offset)),
    ]);
    let sizes: Vec<String> = weight.shape.iter().map(u64::to_string).collect();
    let ty = format!("{}[{}]", weight.dtype, sizes.join(", "));
    format!("{} = weight {} : {ty}", name('@', &weight.name), block(&place))
}

/// `$3 %gru = native gru($2, @gru/kernel, mask = $1) {…} : f32[B, 5] release $1, $2`
fn step(plan: &Plan, step: &Step) -> String {
    let places: Vec<String> =
        step.results.iter().map(|result| format!("${} {}", result.slot, name('%', &result.name))).collect();
    let types: Vec<String> = step.results.iter().map(|result| result.ty.to_string()).collect();
    let slots: Vec<String> = step.release.iter().map(|slot| format!("${slot}")).collect();
    let release = if slots.is_empty() { String::new() } else { format!(" release {}", slots.join(", ")) };
    let applied = application(&step.op, step.sources.iter().map(|source| self::source(plan, source)));
    let kernel = json(&tagged(&step.kernel));
    format!("{} = {kernel} {applied} : {}{release}", places.join(", "), types.join(", "))
}

fn source(plan: &Plan, source: &Source) -> Option<String> {
    match source {
        Source::Absent => None,
        Source::Slot(slot) => Some(format!("${slot}")),
        Source::Weight(place) => {
            let weight = plan.weights.get(*place as usize);
            Some(weight.map_or("@\"\"".into(), |weight| name('@', &weight.name)))
        }
        Source::Literal(number) => Some(literal(*number)),
    }
}

/// `return output_0 = $5 : f32[B, 1]`
fn output(plan: &Plan, keyword: &str, output: &PlanOutput) -> String {
    let source = source(plan, &output.source).unwrap_or_else(|| "absent".into());
    format!("{keyword} {} = {source} : {}", word(&output.name), output.ty)
}
