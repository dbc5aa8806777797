//! Keras' numbers, Keras' masks: every golden model through every engine.
//!
//! A folder below `golden/` is a test, under its own name: `cargo test -p masque-tests --test golden -- lstm`. Each
//! case is held against Keras in what can be said without running it (diagnostics, policy, mask table) and then in
//! what every engine gives (outputs, masks, losses).
//!
//! A case that fails for want of something that is not there yet stands in `golden/not-yet.txt`, with the reason. The
//! list cannot rot: a case on it that passes is a failure, and so is a name on it without a case.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use masque::diagnostics::{Severity, UnsupportedMask};
use masque::evaluate::{LossError, Objective, Scored, numbers};
use masque::{Error, Model, Options, lower, table};
use masque_runtime::io::Named;
use masque_runtime::{Outputs, Tensor};
use masque_tests::compare::{self, bits};
use masque_tests::corpus::{self, Case, Policy};
use masque_tests::engines::ENGINES;
use masque_tests::mask_table;
use masque_tests::stages::{KERAS, Stages};
use masque_tests::{losses, metrics};

fn main() {
    let mut not_yet = corpus::listed("not-yet.txt");
    let mut trials = vec![];
    for case in corpus::cases() {
        let reason = not_yet.remove(&case.name);
        trials.push(Trial::ignorable_test(case.name.clone(), move || match reason {
            None => check(&case).map_err(Failed::from),
            Some(reason) => check_fails(&case, &reason),
        }));
    }
    for case in metrics::cases() {
        trials
            .push(Trial::test(format!("metrics/{}", case.name), move || case.check().map_err(Failed::from)));
    }
    for case in losses::cases() {
        trials.push(Trial::test(format!("losses/{}", case.name), move || case.check().map_err(Failed::from)));
    }
    trials.push(Trial::test("not-yet.txt", move || names_cases(&not_yet)));
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// What is left of the list when every case has taken its line.
fn names_cases(left: &BTreeMap<String, String>) -> Result<(), Failed> {
    if left.is_empty() {
        Ok(())
    } else {
        Err(format!("not-yet.txt names no cases: {:?}", left.keys()).into())
    }
}

/// A case that is not done yet must fail, in whatever way but a panic of ours.
fn check_fails(case: &Case, reason: &str) -> Result<Completion, Failed> {
    match catch_unwind(AssertUnwindSafe(|| check(case))) {
        Ok(Ok(_)) => Err("it passes: take it from not-yet.txt".into()),
        Ok(Err(_)) => Ok(Completion::ignored_with(reason)),
        Err(_) => Err("it panics; a model that is not supported is an error".into()),
    }
}

fn check(case: &Case) -> Result<Completion, String> {
    check_without_running(case)?;
    let options = Options { logits: case.expected.evaluate.is_some(), ..KERAS };
    let stages = Stages::of(&case.model(), options).map_err(|error| error.to_string())?;
    mask_table::check(case, &table::rows(&stages.masks))
        .map_err(|problem| format!("mask table: {problem}"))?;
    match (&stages.planned, case.expected.mask_inference_only) {
        (Some(planned), false) => check_engines(case, &stages, &case.inputs(&planned.plan))?,
        (None, true) => {
            return Ok(Completion::ignored_with("masks only, no engine: the model came without weights"));
        }
        (planned, _) => return Err(format!("planned: {}, in contradiction to case.json", planned.is_some())),
    }
    Ok(Completion::Completed)
}

/// Diagnostics name the layers that Keras warns of, no others; the policy follows from them. What else is found is no
/// error.
fn check_without_running(case: &Case) -> Result<(), String> {
    let inferred = || Ok::<_, Box<Error>>(Model::open(case.model())?.infer()?);
    let found = inferred().map_err(|error| error.to_string())?;
    for policy in [UnsupportedMask::Error, UnsupportedMask::Warn] {
        let diagnostics = found.diagnostics(policy);
        // Keras warns of a layer inside a model by its name alone; ours is its path.
        let name = |path: &'_ str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let layers: BTreeSet<String> = diagnostics.iter().map(|finding| name(&finding.layer)).collect();
        let expected: BTreeSet<String> = case.expected.expected_check.iter().cloned().collect();
        if layers != expected {
            return Err(format!("under {policy:?} diagnostics name {layers:?}, expected {expected:?}"));
        }
    }
    let more = found.findings(UnsupportedMask::Drop);
    if let Some(error) = more.iter().find(|finding| finding.severity == Severity::Error) {
        return Err(format!("an error that Keras does not know: {}", error.message));
    }
    if !found.diagnostics(UnsupportedMask::Drop).is_empty() {
        return Err("diagnostics under the policy to drop masks".into());
    }
    let lowered = |on_unsupported_mask| {
        let lowered = inferred()?.lower(Options { on_unsupported_mask, ..KERAS })?;
        Ok::<_, Box<Error>>(lowered.program().clone())
    };
    let lenient = lowered(UnsupportedMask::Warn).map_err(|error| error.to_string())?;
    match (lowered(UnsupportedMask::Error), case.expected.policy) {
        (Ok(strict), Policy::Warn) if strict == lenient => Ok(()),
        (Ok(_), Policy::Warn) => Err("the policy changes the program, though no mask is destroyed".into()),
        (Err(error), Policy::Error) if matches!(*error, Error::UnsupportedMasks { .. }) => Ok(()),
        (Ok(_), Policy::Error) => Err("compiled, though a mask is destroyed and that is an error".into()),
        (Err(error), _) => Err(error.to_string()),
    }
}

fn check_engines(case: &Case, stages: &Stages, inputs: &Named) -> Result<(), String> {
    let mut before: Option<Outputs> = None;
    for engine in &ENGINES {
        let fail = |problem: String| format!("{}: {problem}", engine.name);
        let found = (engine.run)(stages, inputs).map_err(fail)?;
        let outputs = found.outputs.iter().filter(|(name, _)| !name.starts_with("logits_"));
        compare::outputs(case, &outputs.cloned().collect::<Vec<_>>()).map_err(fail)?;
        compare::masks(case, &found.masks).map_err(fail)?;
        check_loss(case, stages, &found).map_err(fail)?;
        if let Some(before) = before.filter(|_| engine.same_bits) {
            same_bits(&before, &found).map_err(fail)?;
        }
        before = Some(found);
    }
    Ok(())
}

/// The loss over all outputs, each under its own mask.
fn check_loss(case: &Case, stages: &Stages, found: &Outputs) -> Result<(), String> {
    let Some(wanted) = &case.expected.evaluate else { return Ok(()) };
    let said = |error: LossError| error.to_string();
    let (graph, targets) = (&stages.layers, case.arrays("target.npz"));
    let weights = if case.folder.join("sample_weight.npz").exists() {
        case.arrays("sample_weight.npz")
    } else {
        BTreeMap::new()
    };
    let layers: Vec<&str> = graph
        .outputs()
        .iter()
        .map(|output| graph.layer(graph.call(output.tensor.call).layer).name.as_str())
        .collect();
    let own = |key: &str| stages.compiled.get(key).cloned().unwrap_or_default();
    let objective = match wanted.loss.is_null() {
        true => Objective::new(&own("loss"), &own("loss_weights"), &layers),
        false => Objective::new(&wanted.loss, &wanted.loss_weights, &layers),
    };
    let objective = objective.map_err(said)?;
    let named = |tensors: &[(String, Tensor)], key: &str| {
        tensors.iter().find(|(name, _)| name == key).map(|(_, tensor)| tensor.clone())
    };
    let mut total = 0.0;
    for (place, output) in graph.outputs().iter().enumerate().filter(|(place, _)| objective.scores(*place)) {
        let given = |what, tensor: Option<&Tensor>| {
            tensor.map(|tensor| numbers(what, tensor)).transpose().map_err(said)
        };
        let key = stages.output_masks[place].as_deref();
        let mask = key.and_then(|key| named(&found.masks, key));
        let scored = Scored {
            predictions: numbers("predictions", &found.outputs[place].1).map_err(said)?,
            logits: given("logits", named(&found.outputs, &lower::logits::name(place)).as_ref())?,
            targets: given("target", targets.get(&output.name))?
                .ok_or_else(|| format!("no target for {}", output.name))?,
            mask: mask.and_then(|mask| mask.as_bool().cloned()),
            weights: given("sample weights", weights.get(&output.name))?,
        };
        total += objective.value(place, &scored).map_err(said)?.map_or(0.0, |(_, weighted)| weighted);
    }
    compare::loss(total, wanted.expected)
}

fn same_bits(a: &Outputs, b: &Outputs) -> Result<(), String> {
    let tensors = |outputs: &Outputs| [outputs.outputs.clone(), outputs.masks.clone()].concat();
    let (a, b) = (tensors(a), tensors(b));
    let same = a.len() == b.len()
        && a.iter()
            .zip(&b)
            .all(|((name, a), (other, b))| name == other && a.shape() == b.shape() && bits(a) == bits(b));
    if same { Ok(()) } else { Err("other bits than the engine before".into()) }
}
