//! Every golden model at every stage is a text that reads back to the same thing; the same model gives the same bytes.

use std::collections::BTreeSet;
use std::fs;
use std::sync::{LazyLock, Mutex};

use masque::Model;
use masque::json::{self, Source};
use masque::rewrite::{self, Limits};
use masque_ir::plan::Kernel;
use masque_ir::text::{parse, print_layers};
use masque_tests::corpus::{self, Case};
use masque_tests::schema::Schema;
use masque_tests::stages::{KERAS, Stages, verified};

/// Every case with its stages, which all tests look at.
static CASES: LazyLock<Vec<(Case, Result<Stages, String>)>> = LazyLock::new(|| {
    let stages = |case: &Case| Stages::of(&case.model(), KERAS).map_err(|error| error.to_string());
    corpus::cases()
        .into_iter()
        .map(|case| (stages(&case), case))
        .map(|(stages, case)| (case, stages))
        .collect()
});

/// What is wrong with any of the cases, all at once. A case that is not done yet may not compile.
fn for_every_case(check: impl Fn(&Case, &Stages) -> Result<(), String>) {
    let not_yet = corpus::listed("not-yet.txt");
    let mut failures = vec![];
    for (case, stages) in CASES.iter() {
        let checked = match stages {
            Ok(stages) => check(case, stages),
            Err(_) if not_yet.contains_key(&case.name) => Ok(()),
            Err(error) => Err(error.clone()),
        };
        failures.extend(checked.err().map(|failure| format!("{}: {failure}", case.name)));
    }
    assert!(failures.is_empty(), "{} cases fail:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_stage_is_well_formed_and_reads_back() {
    for_every_case(|case, stages| {
        let expected = if case.expected.mask_inference_only { 4 } else { 5 };
        let documents = stages.documents();
        if documents.len() != expected {
            return Err(format!("{} stages, expected {expected}", documents.len()));
        }
        for document in documents {
            let stage = document.stage();
            verified(&document).map_err(|violations| format!("{stage}: {violations}"))?;
            let text = document.to_string();
            let back = parse(&text).map_err(|error| format!("{stage}: {error}"))?;
            if back != document {
                return Err(format!("{stage}: it reads back to something else:\n{text}"));
            }
            if back.to_string() != text {
                return Err(format!(
                    "{stage}: it is printed in another way the second time:\n{text}\n{back}"
                ));
            }
        }
        Ok(())
    });
}

#[test]
fn every_stage_in_json_keeps_to_its_schema() {
    let schema = Schema::read();
    for_every_case(|_, stages| {
        let source = Source { graph: &stages.layers, pointers: &stages.pointers };
        for document in stages.documents() {
            let wrong = schema.wrong(&json::of_document(&document, Some(source)));
            if !wrong.is_empty() {
                return Err(format!("{}: {}", document.stage(), wrong.join("\n")));
            }
        }
        Ok(())
    });
}

/// Operations that have no kernel, each with the reason.
const BY_MEANING: &[(&str, &str)] = &[
    ("bucket", "hashes texts; its meaning is the function that a kernel would call"),
    ("contract", "of integers: no layer of Keras asks for it on more than a handful"),
    ("cross", "hashes texts; its meaning is the function that a kernel would call"),
    ("floor_div", "of integers, where a division by 0 ends the run: sizes and positions"),
    ("gather", "of texts, which have no fixed size"),
    ("reshape", "of a weight, which a run reads as it is stored"),
    ("tally", "counts; its meaning is the function that a kernel would call"),
];

#[test]
fn what_has_no_kernel_is_listed() {
    let found = Mutex::new(BTreeSet::new());
    for_every_case(|_, stages| {
        let steps = stages.planned.iter().flat_map(|planned| &planned.plan.steps);
        let meant = steps.filter(|step| step.kernel == Kernel::Reference);
        found.lock().unwrap().extend(meant.map(|step| step.op.info().mnemonic));
        Ok(())
    });
    let listed: BTreeSet<&str> = BY_MEANING.iter().map(|(name, _)| *name).collect();
    assert_eq!(found.into_inner().unwrap(), listed);
}

#[test]
fn an_optimized_model_is_its_own_optimized_model() {
    for_every_case(|_, stages| {
        let (again, _) = rewrite::optimize(&stages.optimized, Limits::DEFAULT);
        match again == stages.optimized {
            true => Ok(()),
            false => Err("it can be optimized further".into()),
        }
    });
}

#[test]
fn the_same_model_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for_every_case(|case, stages| {
        let again = Stages::of(&case.model(), KERAS).map_err(|error| error.to_string())?;
        for (first, second) in stages.documents().iter().zip(again.documents()) {
            if first.to_string() != second.to_string() {
                return Err(format!("stage {}: another text:\n{first}\n{second}", first.stage()));
            }
        }
        let (Some(first), Some(second)) = (&stages.planned, &again.planned) else { return Ok(()) };
        let [executable, plan] = ["executable", "plan"].map(|name| folder.path().join(name));
        let mut bytes = vec![];
        for planned in [first, second] {
            planned.write_executable(&executable).map_err(|error| error.to_string())?;
            planned.write_plan_file(&plan).map_err(|error| error.to_string())?;
            bytes.push([&executable, &plan].map(|file| fs::read(file).unwrap()));
        }
        if bytes[0] == bytes[1] { Ok(()) } else { Err("another executable or plan file".into()) }
    });
}

/// A text of stage `layers` says all that its file says but the weights: it is a model with the same types and masks.
#[test]
fn the_text_of_a_layer_graph_is_a_model() {
    for_every_case(|_, stages| {
        let model = Model::of_graph(&stages.layers).map_err(|error| error.to_string())?;
        if *model.graph() != stages.layers {
            return Err(format!(
                "another graph:\n{}\n{}",
                print_layers(&stages.layers),
                print_layers(model.graph())
            ));
        }
        let mut expected = stages.masks.clone();
        expected.facts.weights.iter_mut().for_each(|weight| weight.hash = None);
        let found = model.infer().map_err(|error| error.to_string())?;
        if *found.graph() == expected { Ok(()) } else { Err("other types, masks or weights".into()) }
    });
}
