//! An answer is the one that its record gets alone: for every golden model of these areas, on sentences of all lengths.

use std::fs;
use std::path::Path;

use masque_ir::plan::{PaddingRead, Plan};
use masque_runtime::io::{Named, Place};
use masque_runtime::serve::{Job, Listener, OnError, serve};
use masque_runtime::{Section, Session, json_lines};
use masque_tests::corpus::area;
use masque_tests::stages::{KERAS, Stages};
use serde_json::{Map, Value as Json};

const AREAS: [&str; 6] = ["seed", "layers", "recurrent", "attention", "edges", "leaks"];

/// The examples of a case, as they are and cut after every position, line by line.
fn lines(plan: &Plan, inputs: &Named) -> String {
    let mut whole = vec![];
    if json_lines::write_lines(&mut whole, inputs).is_err() {
        return String::new();
    }
    let ragged = |name: &str| {
        let is_open = |(_, input): &(_, &masque_ir::plan::PlanValue)| {
            input.name == name && input.ty.shape.get(1).is_some_and(|size| size.known().is_none())
        };
        plan.input_values().any(|input| is_open(&input))
    };
    let mut lines = String::new();
    for line in String::from_utf8(whole).unwrap().lines() {
        let example: Map<String, Json> = serde_json::from_str(line).unwrap();
        let length =
            |(name, value): (&String, &Json)| value.as_array().filter(|_| ragged(name)).map(Vec::len);
        let longest = example.iter().filter_map(length).max();
        for steps in longest.map_or(1..2, |longest| 0..longest + 1) {
            let mut cut = example.clone();
            for (name, value) in &mut cut {
                value
                    .as_array_mut()
                    .filter(|_| ragged(name))
                    .into_iter()
                    .for_each(|list| list.truncate(steps));
            }
            lines.push_str(&format!("{}\n", Json::Object(cut)));
        }
    }
    lines
}

fn answers(session: &Session, folder: &Path, exact: bool) -> Result<String, String> {
    let (input, output) = (folder.join("in.jsonl"), folder.join("out.jsonl"));
    let job = Job {
        input: Place::File(input),
        output: Place::File(output.clone()),
        exact,
        on_error: OnError::Mark,
        threads: Some(2),
        ..Job::default()
    };
    let mut listener = Listener { note: &mut |_| (), progress: false };
    serve(session, &job, None, &mut listener).map_err(|error| error.to_string())?;
    fs::read_to_string(&output).map_err(|error| error.to_string())
}

#[test]
fn no_company_shows_in_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let (mut apart, mut hidden, mut wrong) = (0, 0, vec![]);
    for case in AREAS.into_iter().flat_map(area) {
        let planned = Stages::of(&case.model(), KERAS).ok().and_then(|stages| stages.planned);
        let Some(planned) = planned.filter(|planned| planned.plan.states.is_empty()) else { continue };
        let lines = lines(&planned.plan, &case.inputs(&planned.plan));
        if lines.is_empty() {
            continue;
        }
        fs::write(folder.path().join("in.jsonl"), lines).unwrap();
        let session = Session::new(planned.plan.clone(), Section::copy(&planned.section())).unwrap();
        let (Ok(alone), Ok(together)) =
            (answers(&session, folder.path(), true), answers(&session, folder.path(), false))
        else {
            // A model that takes one size of batch only is no matter of records.
            continue;
        };
        let facts = &planned.plan.provenance;
        apart += u32::from(facts.apart);
        hidden += u32::from(facts.apart && facts.padding == PaddingRead::Nothing);
        let differ =
            alone.lines().zip(together.lines()).enumerate().find(|(_, (alone, together))| alone != together);
        wrong.extend(differ.map(|(at, (alone, together))| {
            format!("{}: line {}: {alone} alone, {together} in a batch", case.name, at + 1)
        }));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(
        apart > 100 && hidden > 20,
        "{apart} models are proved to keep examples apart, {hidden} to hide padding"
    );
}
