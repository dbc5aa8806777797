//! The stage `plan`: what stands in the file, and a line for every step.

use serde_json::{Map, Value as Json};

use super::{Writer, application, block, json, literal, name, number, word};
use crate::plan::{Plan, PlanOutput, PlanWeight, Provenance, Source, Step};
use crate::text::{Stage, tagged};
use crate::ty::Type;

/// The text of a plan.
pub(crate) fn plan(plan: &Plan) -> String {
    let mut writer = Writer::with_header(Stage::Plan, plan.semantics, &plan.name);
    if plan.provenance != Provenance::default() {
        writer.line(&format!("provenance {}", json(&tagged(&plan.provenance))));
    }
    writer.blank();
    for input in &plan.inputs {
        let (name, ty) = named(plan, input.value);
        let pad = ty.map_or_else(|| input.pad.to_string(), |ty| number(ty.dtype, input.pad));
        writer.line(&format!("{name} = input {{pad = {pad}}} : {}", text(ty)));
    }
    for state in &plan.states {
        let (name, ty) = named(plan, state.value);
        writer.line(&format!("{name} = state : {}", text(ty)));
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
        let name = plan.values.get(state.value as usize).map_or("", |value| &value.name);
        let kept = source(plan, &state.kept).unwrap_or_else(|| "absent".into());
        writer.line(&format!("keep {} = {kept}", word(name)));
    }
    for (keyword, outputs) in [("return", &plan.outputs), ("mask", &plan.masks)] {
        for output in outputs {
            writer.line(&self::output(plan, keyword, output));
        }
    }
    writer.text
}

/// A value's name and type; a place without a value has an empty name, and the verifier refuses it.
fn named(plan: &Plan, place: u32) -> (String, Option<&Type>) {
    let value = plan.values.get(place as usize);
    (name('%', value.map_or("", |value| &value.name)), value.map(|value| &value.ty))
}

fn text(ty: Option<&Type>) -> String {
    ty.map_or_else(String::new, Type::to_string)
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

/// `%gru = gru(%embedding, @gru/kernel, mask = %mask) {…} : f32[B, 5] by gru`
fn step(plan: &Plan, step: &Step) -> String {
    let results: Vec<_> = step.results.iter().map(|&place| named(plan, place)).collect();
    let names: Vec<&str> = results.iter().map(|(name, _)| name.as_str()).collect();
    let types: Vec<String> = results.iter().map(|(_, ty)| text(*ty)).collect();
    let first = step.results.first().and_then(|&place| plan.values.get(place as usize));
    let over = first
        .and_then(|value| value.over)
        .map_or(String::new(), |over| format!(" over {}", named(plan, over).0));
    let applied = application(&step.op, step.operands.iter().map(|source| self::source(plan, source)));
    format!("{} = {applied} : {} by {}{over}", names.join(", "), types.join(", "), step.kernel.info().name)
}

fn source(plan: &Plan, source: &Source) -> Option<String> {
    match source {
        Source::Absent => None,
        Source::Value(place) => Some(named(plan, *place).0),
        Source::Weight(place) => {
            let weight = plan.weights.get(*place as usize);
            Some(weight.map_or("@\"\"".into(), |weight| name('@', &weight.name)))
        }
        Source::Literal(number) => Some(literal(*number)),
    }
}

/// `return output_0 = %score : f32[B, 1]`
fn output(plan: &Plan, keyword: &str, output: &PlanOutput) -> String {
    let source = source(plan, &output.source).unwrap_or_else(|| "absent".into());
    format!("{keyword} {} = {source} : {}", word(&output.name), output.ty)
}
