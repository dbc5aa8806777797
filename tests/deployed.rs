//! Executables that are deployed: answers as classes with their labels, what travels with them, and what shows that they are
//! as they were built.

use std::fs;
use std::path::{Path, PathBuf};

use masque_runtime::bundle::{self, Part, Parts};
use masque_runtime::{Attached, Tensor, npz};
use masque_tests::command::{Done, run, run_with};
use masque_tests::corpus::case;
use serde_json::{Value, json};
use tempfile::TempDir;

const MASQUE: &str = env!("CARGO_BIN_EXE_masque-under-test");

/// A record of the model.
const WORDS: &str = "{\"utterance\": [3, 4]}\n";

const INTENTS: &str = "weather\nmusic\nalarm\n";
const SLOTS: &str = "none\nplace\ntime\ntitle\n";

/// A folder with a model of two outputs that have classes, labels for both, and its executable.
struct Desk(TempDir);

impl Desk {
    fn new(build: &[&str]) -> Desk {
        let desk = Desk(tempfile::tempdir().unwrap());
        fs::copy(case("field/058-slots-and-intent").model(), desk.path("intents.keras")).unwrap();
        desk.write("intent.txt", INTENTS);
        desk.write("slots.txt", SLOTS);
        let arguments = ["build", "intents.keras", "-o", "intents", "--on-unsupported-mask", "warn", "-q"];
        desk.masque(&[&arguments, build].concat()).succeeded().unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    fn masque(&self, arguments: &[&str]) -> Done {
        run(Path::new(MASQUE), self.0.path(), arguments)
    }

    fn answer(&self, arguments: &[&str]) -> Done {
        run_with(&self.path("intents"), self.0.path(), arguments, WORDS.as_bytes())
    }

    /// The same of `masque run`.
    fn answer_of_run(&self, arguments: &[&str]) -> Done {
        let run = ["run", "intents.keras", "--on-unsupported-mask", "warn", "-q"];
        run_with(Path::new(MASQUE), self.0.path(), &[&run, arguments].concat(), WORDS.as_bytes())
    }
}

fn json(done: Done) -> Value {
    serde_json::from_str(&done.succeeded().unwrap().text()).unwrap()
}

/// The best of these scores, by the labels of a file.
fn best(scores: &Value, labels: &str, most: usize) -> Value {
    let number = |score: &Value| score.as_f64().unwrap();
    let mut pairs: Vec<(&str, &Value)> = labels.lines().zip(scores.as_array().unwrap()).collect();
    pairs.sort_by(|(_, a), (_, b)| number(b).total_cmp(&number(a)));
    pairs.into_iter().take(most).map(|(label, score)| json!({"label": label, "score": score})).collect()
}

#[test]
fn the_best_classes_have_the_labels_of_a_file() {
    let desk = Desk::new(&[]);
    let scores = json(desk.answer(&[]));
    let arguments = ["--top", "2", "--labels", "intent=intent.txt", "--labels", "slots=slots.txt"];
    let slots: Vec<Value> =
        scores["slots"].as_array().unwrap().iter().map(|step| best(step, SLOTS, 2)).collect();
    let expected = json!({"slots": slots, "intent": best(&scores["intent"], INTENTS, 2)});
    assert_eq!(json(desk.answer(&arguments)), expected);
    assert_eq!(json(desk.answer_of_run(&arguments)), expected);
    let half = json(desk.answer(&["--top", "9", "--labels", "intent=intent.txt", "--exact"]));
    assert_eq!(half["intent"], best(&scores["intent"], INTENTS, 3));
    let first = half["slots"][0][0]["index"].as_u64().unwrap() as usize;
    assert_eq!(half["slots"][0][0]["score"], scores["slots"][0][first]);
    // What comes as arrays is answered in the same words.
    fs::copy(case("field/058-slots-and-intent").folder.join("input.npz"), desk.path("in.npz")).unwrap();
    let whole = desk.answer(&["in.npz", "--top", "1", "--labels", "intent=intent.txt"]).succeeded().unwrap();
    assert!(whole.text().lines().count() > 1);
    for line in whole.text().lines() {
        let answer: Value = serde_json::from_str(line).unwrap();
        let label = answer["intent"][0]["label"].as_str().unwrap();
        assert!(answer["intent"].as_array().unwrap().len() == 1 && INTENTS.contains(label), "{line}");
    }
}

#[test]
fn labels_that_do_not_fit_are_refused_before_anything_is_read() {
    let desk = Desk::new(&[]);
    for (arguments, expected) in [
        (
            &["--top", "1", "--labels", "intent=slots.txt"][..],
            "slots.txt: expected 3 labels, one a line, for the classes of intent: f32[B, 3], found 4",
        ),
        (&["--top", "1", "--labels", "intent.txt"], "write OUTPUT=FILE, with one of \"slots\", \"intent\""),
        (&["--top", "1", "--labels", "intent=gone.txt"], "gone.txt: "),
        (&["--labels", "intent=intent.txt"], "--labels is for --top"),
        (&["--top", "1", "-o", "out.npz"], "out.npz: --top writes JSON lines"),
        (&["--top", "1", "-o", "out.npy"], "out.npy: --top writes JSON lines"),
        (
            &["--top", "1", "--labels", "intent=out.jsonl", "-o", "out.jsonl"],
            "the input \"out.jsonl\" is the same file and would be lost",
        ),
    ] {
        for done in [desk.answer(arguments), desk.answer_of_run(arguments)] {
            let message = done.refusal().unwrap_or_else(|problem| panic!("{arguments:?}: {problem}"));
            assert!(message.contains(expected), "{arguments:?}: {message}");
        }
    }
    let sentiment = masque_tests::root().join("examples/sentiment/sentiment.keras");
    let done = desk.masque(&["run", sentiment.to_str().unwrap(), "--top", "3"]);
    assert!(done.refusal().unwrap().ends_with("from 2 on, found output_0: f32[B, 1]"), "{done:?}");
}

#[test]
fn labels_and_notes_travel_in_the_executable() {
    let desk = Desk::new(&[
        "--labels",
        "intent=intent.txt",
        "--labels",
        "slots=slots.txt",
        "--note",
        "owner=team b",
        "--note",
        "url=http://x/?a=b",
    ]);
    let scores = json(desk.answer(&[]));
    fs::remove_file(desk.path("intent.txt")).unwrap();
    let answer = json(desk.answer(&["--top", "2"]));
    assert_eq!(answer["intent"], best(&scores["intent"], INTENTS, 2));
    assert_eq!(answer["slots"][1], best(&scores["slots"][1], SLOTS, 2));
    let run = ["run", "intents", "--top", "2", "-q"];
    let run = run_with(Path::new(MASQUE), desk.0.path(), &run, WORDS.as_bytes());
    assert_eq!(json(run), answer, "by `masque run`");
    // The labels of a file go before them.
    desk.write("other.txt", "x\ny\nz\n");
    let answer = json(desk.answer(&["--top", "1", "--labels", "intent=other.txt"]));
    assert_eq!(answer["intent"], best(&scores["intent"], "x\ny\nz", 1));
    assert_eq!(answer["slots"][1], best(&scores["slots"][1], SLOTS, 1));
    let info = json(desk.answer(&["--info", "--format", "json"]));
    assert_eq!(info["notes"], json!({"owner": "team b", "url": "http://x/?a=b"}));
    assert_eq!(info["outputs"][1]["labels"], json!(["weather", "music", "alarm"]));
    let info = desk.answer(&["--info"]).text();
    assert!(
        info.contains("\n  intent: weather, music, alarm\n") && info.contains("\n  owner: team b\n"),
        "{info}"
    );
}

#[test]
fn labels_and_notes_that_do_not_fit_are_not_built() {
    let desk = Desk::new(&[]);
    let build = |arguments: &[&str]| {
        let done = desk.masque(&[&["build", "intents.keras", "-o", "other"], arguments].concat());
        assert!(done.status == Some(2) && !desk.path("other").exists(), "{arguments:?}: {done:?}");
        done.stderr
    };
    assert!(build(&["--labels", "intent=slots.txt"]).contains("slots.txt: expected 3 labels"));
    assert!(build(&["--labels", "intent.txt"]).contains("write OUTPUT=FILE"));
    assert!(build(&["--note", "owner"]).contains("KEY=VALUE"));
    assert!(build(&["--note", "owner=a", "--note", "owner=b"]).contains("\"owner\" is given twice"));
    desk.write("labels", INTENTS);
    let done = desk.masque(&["build", "intents.keras", "--labels", "intent=labels", "-o", "labels"]);
    assert!(done.refusal().unwrap().contains("would be lost") && desk.path("labels").exists());
}

#[test]
fn an_executable_tests_itself() {
    let desk = Desk::new(&[]);
    for threads in ["1", "2"] {
        let done = desk.answer(&["--self-test", "--threads", threads]).succeeded().unwrap();
        assert_eq!(done.text(), "the answers to the example are those of the build, bit for bit: 38 of 38\n");
    }
    assert_eq!(json(desk.answer(&["--info", "--format", "json"]))["self_test"], json!(true));
}

#[test]
fn what_was_changed_is_found() {
    let desk = Desk::new(&["--note", "owner=team b"]);
    let verify = |name: &str| desk.masque(&["verify", name, "--format", "json"]);
    let fine = json(verify("intents"));
    assert_eq!((&fine["ok"], &fine["problems"], &fine["format"]), (&json!(true), &json!([]), &json!(5)));
    assert_eq!((&fine["numerics"], &fine["file"]), (&json!(1), &json!("intents.keras")));
    let again = desk.masque(&["verify", "intents"]).succeeded().unwrap();
    assert!(
        again.text().contains("the one that this masque carries") && again.stderr.is_empty(),
        "{again:?}"
    );
    let bytes = fs::read(desk.path("intents")).unwrap();
    let mut place = bytes.len() - 60;
    for part in ["attachments", "plan", "weights", "runner"] {
        let mut changed = bytes.clone();
        // A byte in the middle of the part.
        let length = fine[part]["bytes"].as_u64().unwrap() as usize;
        place -= length;
        changed[place + length / 2] ^= 1;
        desk.write("changed", &changed);
        let done = verify("changed");
        let found: Value = serde_json::from_str(&done.text()).unwrap();
        assert_eq!((done.status, &found["ok"]), (Some(1), &json!(false)), "{part}");
        assert_eq!(done.stderr, format!("error: changed: its {part} changed: the checksum is wrong\n"));
        for other in ["attachments", "plan", "weights", "runner"] {
            assert_eq!(found[other]["intact"], json!(other != part), "{part}");
            assert_eq!(found[other]["hash"] == fine[other]["hash"], other != part, "{part}");
        }
        assert_eq!(found["runner"]["carried"], json!(part != "runner"));
    }
    assert_eq!(place, 0);
}

#[test]
fn another_program_or_none_is_told_from_the_right_one() {
    let desk = Desk::new(&[]);
    let planned = masque_tests::stages::Stages::of(
        &case("field/058-slots-and-intent").model(),
        masque_tests::stages::KERAS,
    );
    let planned = planned.unwrap().planned.unwrap();
    let mut foreign = vec![];
    let attached = Attached::default();
    bundle::write(&mut foreign, b"#!/bin/sh\n", &planned.plan, &planned.weights, &attached).unwrap();
    desk.write("foreign", &foreign);
    let done = desk.masque(&["verify", "foreign"]);
    assert!(done.status == Some(1) && done.stderr.contains("another runner than the one"), "{done:?}");
    planned.write_plan_file(&desk.path("plan")).unwrap();
    let plan = json(desk.masque(&["verify", "plan", "--format", "json"]));
    assert_eq!((&plan["ok"], &plan["runner"]["carried"]), (&json!(true), &Value::Null));
    for (name, expected) in [("intent.txt", "carries no model"), ("gone", ""), (".", "not a file")] {
        let done = desk.masque(&["verify", name]);
        let message = done.refusal().unwrap_or_else(|problem| panic!("{name}: {problem}"));
        assert!(message.starts_with(&format!("{name}: ")) && message.contains(expected), "{message}");
    }
}

/// The executable again, with another example.
fn rebuilt(desk: &Desk, example: Vec<u8>) -> Done {
    let parts = Parts::open(&desk.path("intents")).unwrap();
    let (plan, attached) = parts.contents().unwrap();
    let weights = plan.weights.iter().map(|weight| {
        let start = weight.offset as usize;
        &parts.bytes(Part::Weights)[start..start + weight.bytes as usize]
    });
    let mut bytes = vec![];
    let attached = Attached { example, ..attached };
    bundle::write(&mut bytes, parts.bytes(Part::Runner), &plan, weights, &attached).unwrap();
    fs::copy(desk.path("intents"), desk.path("rebuilt")).unwrap();
    desk.write("rebuilt", &bytes);
    run(&desk.path("rebuilt"), desk.0.path(), &["--self-test"])
}

#[test]
fn an_executable_tells_that_its_answers_are_other() {
    let desk = Desk::new(&[]);
    let (_, attached) = Parts::open(&desk.path("intents")).unwrap().contents().unwrap();
    let mut example = npz::read(&attached.example).unwrap();
    assert!(rebuilt(&desk, attached.example).succeeded().is_ok());
    let (_, Tensor::F32(intent)) = example.last_mut().unwrap() else { panic!("floats") };
    let found = intent[[1, 2]];
    intent[[1, 2]] = f32::from_bits(found.to_bits() + 1);
    let expected = intent[[1, 2]];
    let done = rebuilt(&desk, npz::write(vec![], &example).unwrap());
    assert_eq!((done.status, done.text()), (Some(1), String::new()));
    let message = format!(
        "error: output \"intent\": 1 of 6 are other, first at [1, 2]: expected {expected}, found {found}\n"
    );
    assert_eq!(done.stderr, message);
    assert!(rebuilt(&desk, vec![]).refusal().unwrap().contains("carries no example"));
    assert!(!rebuilt(&desk, b"PK".to_vec()).refusal().unwrap().is_empty());
}
