//! What the arguments of an executable ask for, and what it says of itself.

use super::*;
use crate::Attached;
use crate::classes::Labels;
use crate::io::{Format, Place, Reading};
use crate::serve::{Fields, OnError};
use crate::testing::model;

fn parsed(arguments: &[&str]) -> Result<Task, String> {
    let all = std::iter::once("model").chain(arguments.iter().copied()).map(OsString::from);
    parse(all).map_err(|error| error.to_string())
}

fn run(job: Job) -> Result<Task, String> {
    Ok(Task::Run(Box::new(job), None))
}

#[test]
fn arguments_say_what_to_do() {
    assert_eq!(parsed(&[]), run(Job::default()));
    assert_eq!(parsed(&["-", "-o", "-"]), run(Job::default()));
    assert_eq!(parsed(&["x.npz", "--help"]), Ok(Task::Help));
    assert_eq!(parsed(&["--info", "--format=json"]), Ok(Task::Info { json: true }));
    assert_eq!(parsed(&["--self-test", "--threads", "3"]), Ok(Task::SelfTest { threads: 3 }));
    let job = Job {
        input: Place::File("in.npz".into()),
        output: Place::File("out.npz".into()),
        threads: Some(2),
        force: true,
        output_format: Some(Format::Npz),
        reading: Reading { format: Some(Format::Csv), header: Some(false), delimiter: Some(b';') },
        window: Some(3),
        batch_size: Some(4),
        max_tokens: Some(5),
        exact: true,
        on_error: OnError::Mark,
        keep: Fields::Named(vec!["id".into(), "day".into()]),
        numbered: true,
        top: Some(6),
        labels: vec!["a.txt".into(), "kind=b.txt".into()],
        ..Job::default()
    };
    let long = "--input in.npz --output=out.npz --masks m.npz --threads 2 --force --header no --delimiter ; --input-format csv --output-format npz --window 3 \
                --batch-size 4 --max-tokens 5 --exact --on-error mark --keep id,day --numbered --top 6 --labels a.txt \
                --labels kind=b.txt";
    let long: Vec<&str> = long.split_whitespace().collect();
    assert_eq!(parsed(&long), Ok(Task::Run(Box::new(job), Some("m.npz".into()))));
    assert_eq!(parsed(&["--keep-all"]), run(Job { keep: Fields::All, ..Job::default() }));
    for twice in [["-o", "a", "--output", "b"], ["--masks", "a", "--masks", "b"], ["a", "-", "-i", "b"]] {
        assert!(parsed(&twice).unwrap_err().ends_with(" is given twice"), "{twice:?}");
    }
    for wrong in [
        &["a", "b"][..],
        &["--frobnicate"],
        &["--threads", "0"],
        &["-o"],
        &["--header", "perhaps"],
        &["--delimiter", "ab"],
        &["--delimiter", "\""],
        &["--input-format", "xlsx"],
        &["--output-format", "csv"],
        &["--on-error", "go-on"],
        &["--window", "many"],
        &["--format", "json"],
        &["--info", "--self-test"],
        &["--top", "0"],
        &["--labels"],
        &["a", "--input", "b"],
    ] {
        assert!(parsed(wrong).is_err(), "{wrong:?}");
    }
}

/// Every option of a run is understood, under its name and its letter, and does something.
#[test]
fn every_option_of_the_table_is_known() {
    let values = [
        ("header", "no"),
        ("on-error", "skip"),
        ("keep", "id"),
        ("input", "x.jsonl"),
        ("output", "y.jsonl"),
        ("input-format", "npz"),
        ("output-format", "npz"),
    ];
    for flag in FLAGS {
        let value = values.iter().find(|(name, _)| *name == flag.name).map_or("7", |(_, value)| value);
        let long = format!("--{}", flag.name);
        let short = flag.short.map(|letter| format!("-{letter}"));
        for name in std::iter::once(long).chain(short) {
            let arguments: Vec<&str> = std::iter::once(&*name).chain(flag.value.map(|_| value)).collect();
            let parsed = parsed(&arguments).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_ne!(parsed, Task::Run(Box::default(), None), "{name}");
        }
    }
}

#[test]
fn the_model_describes_itself() {
    let (plan, _) = model();
    let labels = Labels::of_outputs(vec![Some(["a", "b", "c\n"].map(str::to_owned).into())]);
    let notes = vec![("owner".to_owned(), "team \u{1b}[1mb".to_owned())];
    let attached = Attached { labels, notes, example: vec![] };
    let help = about::help(&plan);
    assert!(help.contains("ids: i32[B, T]") && help.contains("output_0: f32[B, 3]"), "{help}");
    assert!(help.contains(r#"echo '{"ids": [1, 1]}' | "#), "{help}");
    for flag in FLAGS {
        assert!(help.contains(&format!("--{}", flag.name)), "{help}");
    }
    assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    let info: serde_json::Value = serde_json::from_str(&about::info_json(&plan, &attached)).unwrap();
    assert_eq!(info["inputs"], serde_json::json!([{"name": "ids", "dtype": "i32", "shape": ["B", "T"]}]));
    assert_eq!((&info["model"], &info["padding"]), (&"reviews".into(), &"unknown".into()));
    let labelled = serde_json::json!([{"name": "output_0", "dtype": "f32", "shape": ["B", 3], "labels": ["a", "b", "c\n"]}]);
    assert_eq!((&info["outputs"], &info["self_test"]), (&labelled, &false.into()));
    assert_eq!(info["notes"]["owner"], attached.notes[0].1.as_str());
    let info = about::info(&plan, &attached);
    assert!(info.contains("semantics  keras-3.15") && info.contains("  embedding  born"), "{info}");
    assert!(
        info.contains("\nLabels:\n  output_0: a, b, c") && info.contains("\nNotes:\n  owner: team "),
        "{info}"
    );
    assert!(!info.contains('\u{1b}') && !info.contains("self-test"), "{info}");
    assert!(about::version(&plan).starts_with("reviews (masque 0.1.0, runtime "));
}
