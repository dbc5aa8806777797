//! Records that come and go as columns.

use std::path::Path;

use super::*;
use crate::io::Source;
use crate::json::Value;

const FILES: [&str; 3] = ["ids.arrow", "ids.arrows", "ids.parquet"];

fn data(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
}

fn keeps(names: &[&str]) -> Job {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    Job { keep: Fields::Named(names), on_error: OnError::Mark, ..Job::default() }
}

/// What other programs write: dictionaries, empty lists, nulls, large numbers.
#[test]
fn columns_are_read_as_lines_are() {
    let options = Options { threads: 2, ..Options::default() };
    let lines = "{\"day\": \"mon\", \"ids\": [4, 5], \"id\": 1}\n{\"day\": \"tue\", \"ids\": [6], \"id\": 2}\n\
                 {\"day\": null, \"ids\": [], \"id\": 9007199254740993}\n{\"day\": \"mon\", \"ids\": [1, 2, 3], \"id\": 4}\n";
    let expected = run(&clean(), lines, keeps(&["day", "id"]));
    assert!(expected.answers.contains("\"id\": 9007199254740993, \"output_0\""), "{}", expected.answers);
    for name in FILES {
        for name in [name, "without-a-name"] {
            let file = if name == "without-a-name" { "ids.arrows" } else { name };
            let found = run_with(&clean(), name, data(file), keeps(&["day", "id"]), options);
            assert_eq!((found.answers, found.failure), (expected.answers.clone(), None), "{name}");
        }
        let refused = run_with(&clean(), name, data(name), Job { keep: Fields::None, ..keeps(&[]) }, options);
        assert!(
            refused.answers.starts_with("{\"error\": \"example 1: there is no input \\\"day\\\""),
            "{}",
            refused.answers
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, data(name)).unwrap();
        let whole = files::read_inputs(clean().plan(), &Place::File(path)).unwrap_err().to_string();
        assert!(whole.ends_with("example 1: there is no input \"day\", expected \"ids\""), "{whole}");
    }
}

/// The rows of a file.
fn rows(format: Format, bytes: &[u8]) -> Result<Vec<crate::io::rows::Fields>, FileProblem> {
    let source = Source::of(Box::new(io::Cursor::new(bytes.to_vec())))?;
    let rows = format.reader().unwrap()(source)?;
    rows.collect::<Result<Vec<_>, _>>().map(|rows| rows.concat())
}

#[test]
fn answers_in_columns_are_those_in_lines() {
    let input = "{\"ids\": [4, 5], \"id\": \"a\"}\n\n{\"ids\": [\"x\"], \"id\": 2}\n{\"ids\": [7]}\n";
    let lines = run(&clean(), input, keeps(&["id"])).answers;
    for format in [Format::Arrow, Format::ArrowStream, Format::Parquet] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("in.jsonl");
        std::fs::write(&path, input).unwrap();
        let job = Job { input: Place::File(path), output_format: Some(format), ..keeps(&["id"]) };
        let (mut written, mut note) = (vec![], |_: &str| {});
        let mut listener = Listener { note: &mut note, progress: false };
        let opened = Input::open(&job.input, job.reading).unwrap();
        let session = clean();
        let mut run = Run::new(&session, &job, opened, Options::default(), &mut listener).unwrap();
        run.write(&mut written).map_err(|stop| stop.told(&job)).unwrap();
        let start = format.facts().start;
        assert!(written.starts_with(start), "{format:?}");
        let rows = rows(format, &written).unwrap();
        let expected = lines.lines().filter(|line| !line.is_empty()).map(|line| match Value::parse(line) {
            Ok(Value::Object(fields)) => fields,
            other => panic!("{other:?}"),
        });
        for (row, expected) in rows.iter().zip(expected) {
            let of = |name: &str| row.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
            let said =
                |name: &str| expected.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
            let kept = said("id").map(|id| if id == Value::Int(2) { Value::Text("2".into()) } else { id });
            assert_eq!(of("id"), Some(kept.unwrap_or(Value::Null)));
            assert_eq!(of("error"), Some(said("error").unwrap_or(Value::Null)));
            let (of, said) = (of("output_0").unwrap(), said("output_0").unwrap_or(Value::Null));
            assert_eq!(singles(of), singles(said));
        }
        assert_eq!(rows.len(), 3);
    }
}

/// Numbers as the floats of 32 bits that they are.
fn singles(value: Value) -> Value {
    match value {
        Value::Float(number) => Value::Float(f64::from(number as f32)),
        Value::List(items) => Value::List(items.into_iter().map(singles).collect()),
        other => other,
    }
}

/// Wherever a file is cut or changed, it is read or refused in one line, and nothing ends.
#[test]
fn damaged_columns_are_refused() {
    for (name, format) in FILES.into_iter().zip([Format::Arrow, Format::ArrowStream, Format::Parquet]) {
        let whole = data(name);
        let mut refused = 0;
        for place in 0..whole.len() {
            let mut changed = whole.clone();
            match place % 3 {
                0 => changed.truncate(place),
                1 => changed[place] = 0xff,
                _ => changed[place] ^= 1 << (place % 8),
            }
            if let Err(problem) = rows(format, &changed) {
                let problem = problem.to_string();
                assert!(!problem.contains('\n'), "{problem}");
                refused += 1;
            }
        }
        assert!(refused > whole.len() / 2, "{name}: {refused}");
    }
}

#[test]
fn what_is_kept_of_all_has_no_columns() {
    let job = Job { output_format: Some(Format::Parquet), keep: Fields::All, ..Job::default() };
    assert!(
        job.header(clean().plan(), &[]).unwrap_err().to_string().starts_with("--keep-all is for JSON lines")
    );
}
