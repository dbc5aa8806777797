//! `masque evaluate` reports what `Model.evaluate` reports.

use std::path::Path;

use masque_tests::command::{Done, run};
use masque_tests::compare;
use masque_tests::corpus::{Case, case};
use serde_json::{Map, Value as Json};

const MASQUE: &str = env!("CARGO_BIN_EXE_masque-under-test");

fn evaluate(case: &Case, more: &[&str]) -> Done {
    let files = ["evaluate", "model.keras", "--input", "input.npz", "--target", "target.npz"];
    let common = ["--on-unsupported-mask", "warn"];
    run(Path::new(MASQUE), &case.folder, &[&files[..], &common, more].concat())
}

fn report(done: Done) -> Map<String, Json> {
    serde_json::from_slice(&done.succeeded().unwrap().stdout).unwrap()
}

#[test]
fn the_report_is_that_of_keras() {
    let case = case("losses/compiled-metrics");
    let done = evaluate(&case, &["--sample-weights", "sample_weight.npz"]);
    assert!(done.stderr.is_empty(), "no metric of the masked output counts padding: {}", done.stderr);
    let (found, expected) = (report(done), &case.expected.evaluate.as_ref().unwrap().report);
    assert_eq!(found.keys().collect::<Vec<_>>().len(), expected.len(), "{found:?}");
    for (name, expected) in expected {
        let value = found.get(name).and_then(Json::as_f64).unwrap_or_else(|| panic!("no {name}: {found:?}"));
        compare::loss(value, *expected).unwrap_or_else(|problem| panic!("{name}: {problem}"));
    }
}

#[test]
fn metrics_can_be_asked_for() {
    let case = case("losses/sample-weights");
    let names = |found: &Map<String, Json>| found.keys().cloned().collect::<Vec<_>>();
    let alone = report(evaluate(&case, &["--metric", "mae", "--metric", "mae", "--weighted-metric", "mae"]));
    assert_eq!(names(&alone), ["mae", "mae_1", "weighted_mae"]);
    assert_eq!(alone["mae"], alone["weighted_mae"], "without weights there is nothing to weigh");
    let weighted = evaluate(
        &case,
        &[
            "--sample-weights",
            "sample_weight.npz",
            "--loss",
            "mae",
            "--metric",
            "mae",
            "--weighted-metric",
            "mae",
        ],
    );
    let weighted = report(weighted);
    assert_eq!(names(&weighted), ["loss", "mae", "weighted_mae"]);
    assert!(weighted["mae"] == alone["mae"] && weighted["weighted_mae"] != alone["mae"]);
    let blind = evaluate(&case, &["--metric", "root_mean_squared_error"]);
    let note = "note: output_0: padded positions count in root_mean_squared_error, as they do in Keras\n";
    assert_eq!(blind.stderr, note);
    let unknown = evaluate(&case, &["--metric", "acuracy"]);
    assert!(
        unknown.refusal().unwrap().starts_with("unknown metric `acuracy`: expected one of AUC, Accuracy")
    );
}

#[test]
fn weights_by_class_are_weights_of_samples() {
    let case = case("loss/mse-masked");
    let classes = evaluate(&case, &["--loss", "mse", "--class-weights", "{\"0\": 2}"]);
    let message = classes.refusal().unwrap().to_owned();
    assert!(message.contains("target: expected shape a class for each sample"), "{message}");
    let both = ["--class-weights", "{}", "--sample-weights", "x.npz", "--loss", "mse"];
    assert_eq!(evaluate(&case, &both).status, Some(2));
}

#[test]
fn a_loss_that_counts_padded_steps_is_noted() {
    let case = case("field/039-lstm-autoencoder");
    let done = evaluate(&case, &["--loss", "mse"]).succeeded().unwrap();
    assert!(done.stderr.contains("the mask ends at `squeeze` (LSTM)"), "{}", done.stderr);
    assert!(done.stderr.contains("masque explain loss-unmasked"), "{}", done.stderr);
}
