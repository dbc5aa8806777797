//! Padding leaks: does masque say of a model what Keras, padded further and with other rows under the padding, shows?
//!
//! A folder below `golden/leaks/` is a test, and so is each of `golden/field/` that has a `leak.json`. `leak.json` holds what was found by running Keras 3.15.1: whether outputs
//! at real steps change when the embedding of the padding id does (`content`), and when three more padded steps are
//! appended (`length`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use masque::{Error, Model};
use masque_runtime::io::{Place, read_inputs};
use masque_runtime::npz;
use masque_tests::compare;
use masque_tests::corpus::{self, Tolerance, folder};
use masque_tests::engines;
use masque_tests::stages::{KERAS, Stages};
use serde::Deserialize;

/// `leak.json`.
#[derive(Debug, Deserialize)]
struct Truth {
    /// What the outputs depend on.
    reads: BTreeSet<String>,
    /// The steps are of a fixed number, so that it is not known if outputs depend on the length.
    #[serde(default)]
    length_untested: bool,
}

fn main() {
    let mut not_yet = corpus::listed("leaks-not-yet.txt");
    let mut trials = vec![];
    for case in ["leaks", "field"].into_iter().flat_map(cases) {
        let name = case.strip_prefix(folder()).unwrap_or(&case).to_string_lossy().into_owned();
        let reason = not_yet.remove(&name);
        trials.push(Trial::ignorable_test(name, move || match reason {
            None => check(&case).map_err(Failed::from),
            Some(reason) => check_fails(&case, &reason),
        }));
    }
    assert!(trials.len() >= 200, "only {} models", trials.len());
    trials.push(Trial::test("leaks-not-yet.txt", move || match not_yet.is_empty() {
        true => Ok(()),
        false => Err(format!("it names no cases: {:?}", not_yet.keys()).into()),
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// The folders of an area for which the truth is known.
fn cases(area: &str) -> Vec<PathBuf> {
    let folders = fs::read_dir(folder().join(area)).unwrap_or_else(|error| panic!("golden/{area}: {error}"));
    let folders = folders.map(|entry| entry.expect("a folder's entry").path());
    let mut cases: Vec<PathBuf> = folders.filter(|folder| folder.join("leak.json").exists()).collect();
    cases.sort();
    cases
}

/// A case on the list must fail.
fn check_fails(case: &Path, reason: &str) -> Result<Completion, Failed> {
    match catch_unwind(AssertUnwindSafe(|| check(case))) {
        Ok(Ok(_)) => Err("it passes: take it from leaks-not-yet.txt".into()),
        Ok(Err(_)) | Err(_) => Ok(Completion::ignored_with(reason)),
    }
}

fn check(case: &Path) -> Result<Completion, String> {
    let model = match Model::open(case.join("model.keras")) {
        Err(Error::Load(error)) if error.to_string().contains("unknown class") => {
            return Ok(Completion::ignored_with(error.to_string()));
        }
        model => model.map_err(|error| error.to_string())?,
    };
    let text = fs::read(case.join("leak.json")).map_err(|error| error.to_string())?;
    let truth: Truth = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    let mut inferred = model.infer().map_err(|error| error.to_string())?;
    inferred.load_weights().map_err(|error| error.to_string())?;
    let padding = inferred.padding().map_err(|error| error.to_string())?;
    let said: BTreeSet<String> =
        padding.outputs.iter().flat_map(|output| output.reads.words()).map(str::to_owned).collect();
    let length = |reads: &str| truth.length_untested && reads == "length";
    let known =
        |reads: &BTreeSet<String>| reads.iter().filter(|word| !length(word)).cloned().collect::<Vec<_>>();
    if known(&truth.reads) != known(&said) {
        return Err(format!("said to read {said:?}, but reads {:?}", truth.reads));
    }
    let findings = inferred.leaks(&padding);
    if findings.is_empty() != truth.reads.is_empty()
        || findings.iter().any(|finding| finding.labels.is_empty())
    {
        return Err(format!("findings: {findings:?}"));
    }
    let witnesses = inferred.witnesses(&padding);
    for (output, witnesses) in padding.outputs.iter().zip(witnesses) {
        let shown: Vec<&str> = witnesses.iter().map(|witness| witness.reads).collect();
        if output.reads.words().iter().any(|word| !shown.contains(word) && !length(word)) {
            return Err(format!("{} reads {:?}, but runs show {shown:?}", output.name, output.reads.words()));
        }
    }
    // Golden models have their numbers compared elsewhere.
    if !case.join("case.json").exists() {
        numbers(case)?;
    }
    Ok(Completion::Completed)
}

/// The numbers are Keras'.
fn numbers(case: &Path) -> Result<(), String> {
    let stages = Stages::of(&case.join("model.keras"), KERAS).map_err(|error| error.to_string())?;
    let planned = stages.planned.as_ref().ok_or("no weights")?;
    let inputs = read_inputs(&planned.plan, &Place::File(case.join("input.npz")))
        .map_err(|error| error.to_string())?;
    let expected = fs::read(case.join("expected.npz")).map_err(|error| error.to_string())?;
    let expected: BTreeMap<_, _> =
        npz::read(&expected).map_err(|error| error.to_string())?.into_iter().collect();
    let found = engines::plan(&stages, &inputs, 1)?;
    compare::numbers(&expected, &found.outputs, Tolerance { rtol: 1e-4, atol: 1e-5 })
}
