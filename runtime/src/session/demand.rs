//! How much memory the values of a run take, as formulas in its sizes.

use masque_ir::dim::Dim;
use masque_ir::plan::Plan;

use super::schedule::{Schedule, Stage};

/// The bytes of all values that are there at the same time, at every step where they can be the most: for any sizes the
/// largest of these numbers is the least memory in which the steps can be taken in the plan's order. Masks are not among
/// the results. Inputs, weights, texts, and what an operation needs beside its results, are not counted.
///
/// ```
/// use masque_ir::text::{Document, parse};
/// use masque_runtime::session::demand;
///
/// let text = r#"masque 2 plan
/// semantics keras-3.15
/// model "two"
///
/// %x = input {pad = 0} : f32[B, 4]
///
/// %a = sum(%x) {axes = [1], keep = false} : f32[B] by fold
/// %b = neg(%a) : f32[B] by map
/// %c = concat(%x, %x) {axis = 1} : f32[B, 8] by move
///
/// return output_0 = %b : f32[B]
/// return output_1 = %c : f32[B, 8]
/// "#;
/// let Ok(Document::Plan(plan)) = parse(text) else { panic!("a plan") };
/// let demand: Vec<String> = demand(&plan).iter().map(ToString::to_string).collect();
/// assert_eq!(demand, ["36*B"]);
/// ```
pub fn demand(plan: &Plan) -> Vec<Dim> {
    let schedule = Schedule::of(plan, false);
    let lives = || schedule.stages.iter().flat_map(|stage: &Stage| &stage.values);
    let bytes = |value: u32| {
        let ty = &plan.value(value).ty;
        let size = ty.dtype.size().unwrap_or_default() as i64;
        &Dim::constant(size) * &ty.elements()
    };
    let mut begin = vec![vec![]; schedule.steps.len()];
    let mut end = vec![vec![]; schedule.steps.len()];
    for life in lives() {
        begin[life.first].push(life.value);
        if let Some(end) = end.get_mut(life.last) {
            end.push(life.value);
        }
    }
    let (mut there, mut most) = (Dim::constant(0), vec![]);
    for (begin, end) in begin.iter().zip(&end) {
        there = begin.iter().fold(there, |sum, &value| &sum + &bytes(value));
        if !begin.is_empty() {
            add(&mut most, &there);
        }
        there = end.iter().fold(there, |sum, &value| &sum - &bytes(value));
    }
    most
}

/// Adds a sum to those none of which is at most another.
fn add(most: &mut Vec<Dim>, sum: &Dim) {
    if !most.iter().any(|known| sum.is_at_most(known)) {
        most.retain(|known| !known.is_at_most(sum));
        most.push(sum.clone());
    }
}
