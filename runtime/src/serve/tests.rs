//! Records in, answers out: the same bits in any company, as many records as a window holds, and one bad one is one.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;

use masque_ir::plan::{PaddingRead, Plan};

use super::assemble::Assembler;
use super::window::{Ahead, Content, Piece};
use super::*;
use crate::io::{Format, Reading};
use crate::session::Session;
use crate::testing::model;
use crate::{Attached, Section, bundle};

/// The model, with what is proved of it.
fn plan(apart: bool, padding: PaddingRead) -> (Plan, Vec<u8>) {
    let (mut plan, weights) = model();
    (plan.provenance.apart, plan.provenance.padding) = (apart, padding);
    let mut bytes = Vec::new();
    bundle::write(&mut bytes, b"", &plan, &weights, &Attached::default()).unwrap();
    let end = plan.weights.last().map_or(0, |weight| weight.offset + weight.bytes);
    bytes.truncate(end as usize);
    (plan, bytes)
}

fn session(apart: bool, padding: PaddingRead) -> Session {
    let (plan, weights) = plan(apart, padding);
    Session::new(plan, Section::copy(&weights)).unwrap()
}

fn clean() -> Session {
    session(true, PaddingRead::Nothing)
}

/// What a run gives: the answers, the failure, and what was said.
struct Given {
    answers: String,
    failure: Option<String>,
    notes: Vec<String>,
}

fn run_with(session: &Session, name: &str, input: impl AsRef<[u8]>, job: Job, options: Options) -> Given {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join(name);
    std::fs::write(&path, input).unwrap();
    let job = Job { input: Place::File(path.clone()), ..job };
    let (mut notes, mut answers) = (vec![], vec![]);
    let mut note = |text: &str| notes.push(text.to_owned());
    let mut listener = Listener { note: &mut note, progress: false };
    let failure = match Input::open(&job.input, job.reading) {
        Ok(input) => {
            let mut run = Run::new(session, &job, input, options, &mut listener).unwrap();
            run.write(&mut answers).err().map(|stop| stop.told(&job).to_string())
        }
        Err(error) => Some(error.to_string()),
    };
    let bare = |text: String| text.replace(&format!("{}: ", path.display()), "");
    Given {
        answers: String::from_utf8(answers).unwrap(),
        failure: failure.map(bare),
        notes: notes.into_iter().map(bare).collect(),
    }
}

fn run(session: &Session, input: &str, job: Job) -> Given {
    run_with(session, "in.jsonl", input, job, Options { threads: 2, ..Options::default() })
}

/// Sentences of all lengths, some with gaps, some empty, some all padding.
fn sentences(count: usize) -> String {
    let mut text = String::new();
    for row in 0..count {
        let ids: Vec<String> = (0..row * 7 % 23).map(|step| ((row * step) % 20).to_string()).collect();
        writeln!(text, "[{}]", ids.join(", ")).unwrap();
    }
    text
}

#[test]
fn an_answer_does_not_depend_on_its_company() {
    let input = sentences(150);
    let exact = run(&clean(), &input, Job { exact: true, ..Job::default() });
    assert_eq!((exact.answers.lines().count(), &exact.failure), (150, &None));
    let jobs = [
        Job::default(),
        Job { window: Some(1), ..Job::default() },
        Job { window: Some(7), batch_size: Some(3), ..Job::default() },
        Job { max_tokens: Some(50), ..Job::default() },
    ];
    let proofs = [(true, PaddingRead::Nothing), (true, PaddingRead::Some), (false, PaddingRead::Nothing)];
    for job in jobs {
        for (apart, padding) in proofs {
            let found = run(&session(apart, padding), &input, job.clone());
            assert!(found.answers == exact.answers, "{job:?} {apart} {padding:?}");
        }
    }
    let shuffled: String = input.lines().rev().map(|line| format!("{line}\n")).collect();
    let found = run(&clean(), &shuffled, Job::default()).answers;
    assert!(found.lines().rev().eq(exact.answers.lines()));
}

#[test]
fn what_keeps_records_apart_is_said_once() {
    let input = sentences(3);
    let notes =
        |apart, padding, exact| run(&session(apart, padding), &input, Job { exact, ..Job::default() }).notes;
    assert_eq!(notes(true, PaddingRead::Nothing, false), [""; 0]);
    assert_eq!(notes(true, PaddingRead::Some, true), [""; 0]);
    for padding in [PaddingRead::Some, PaddingRead::Unknown] {
        let [note] = &notes(true, padding, false)[..] else { panic!("one note") };
        assert!(note.contains("only records of the same lengths are computed together"), "{note}");
    }
    let [note] = &notes(false, PaddingRead::Nothing, false)[..] else { panic!("one note") };
    assert!(note.contains("every record is computed by itself"), "{note}");
}

#[test]
fn a_bad_record_stops_is_left_out_or_is_marked() {
    let input = "[1]\n[20]\n\n[2]\n{\"ids\": [\"x\"]}\n[3\n[4]\n";
    let good: Vec<String> =
        run(&clean(), "[1]\n[2]\n[4]\n", Job::default()).answers.lines().map(str::to_owned).collect();
    let [one, two, four] = &good[..] else { panic!("{good:?}") };
    let reasons = [
        "line 2: input \"ids\": 20 is outside of the table of \"x\", which has 20 rows",
        "line 5: input \"ids\": expected a 32-bit integer, found \"x\"",
        "line 6: not valid JSON lines: the value goes on in the next line, expected one example a line",
    ];
    let with = |on_error| run(&clean(), input, Job { on_error, ..Job::default() });
    let stopped = with(OnError::Stop);
    assert_eq!((stopped.answers, stopped.failure), (format!("{one}\n"), Some(reasons[0].to_owned())));
    let skipped = with(OnError::Skip);
    assert_eq!((skipped.answers, skipped.failure), (format!("{one}\n\n{two}\n{four}\n"), None));
    assert_eq!(skipped.notes, ["3 of 6 records could not be answered and were skipped"]);
    let marked = with(OnError::Mark);
    let [first, second, third] = reasons.map(|reason| serde_json::json!({ "error": reason }).to_string());
    let spaced = |line: String| line.replace("{\"error\":", "{\"error\": ");
    let [first, second, third] = [first, second, third].map(spaced);
    assert_eq!(marked.answers, format!("{one}\n{first}\n\n{two}\n{second}\n{third}\n{four}\n"));
    assert_eq!(marked.notes, ["3 of 6 records could not be answered and were marked"]);
    assert!(run(&clean(), "\n \n", Job::default()).failure.unwrap().contains("there are no examples"));
}

#[test]
fn too_much_memory_is_the_fault_of_one_record() {
    let long = format!("[{}]", vec!["1"; 30_000].join(","));
    let many = sentences(400);
    let input = format!("[1]\n{long}\n[2]\n{many}");
    let options = Options { memory: 256 << 10, threads: 2, ..Options::default() };
    let job = Job { on_error: OnError::Skip, max_tokens: Some(1 << 20), ..Job::default() };
    let found = run_with(&clean(), "in.jsonl", &input, job.clone(), options);
    let expected = run(&clean(), &format!("[1]\n[2]\n{many}"), Job::default()).answers;
    assert!(found.answers == expected, "{}", found.answers);
    let stopped = run_with(&clean(), "in.jsonl", &input, Job { on_error: OnError::Stop, ..job }, options);
    let failure = stopped.failure.unwrap();
    assert!(failure.starts_with("line 2: the values of the model need "), "{failure}");
}

#[test]
fn fields_go_over_to_answers() {
    let input = "{\"id\": 18446744073709551615, \"ids\": [1], \"day\": {\"a\": 1e2}}\n{\"ids\": [1]}\n[1]\n{\"id\": \"b\", \"ids\": [\"x\"]}\n";
    let with = |keep| run(&clean(), input, Job { keep, on_error: OnError::Mark, ..Job::default() }).answers;
    let plain = run(&clean(), "[1]", Job::default()).answers;
    let inside = plain.trim().trim_start_matches('{');
    let named = with(Fields::Named(vec!["id".into(), "day".into()]));
    let lines: Vec<&str> = named.lines().collect();
    assert_eq!(lines[0], format!("{{\"id\": 18446744073709551615, \"day\": {{\"a\": 1e2}}, {inside}"));
    assert_eq!(lines[1..3], [plain.trim(); 2]);
    assert!(lines[3].starts_with("{\"id\": \"b\", \"error\": \"line 4: "), "{}", lines[3]);
    assert_eq!(with(Fields::All), named);
    let only_id = with(Fields::Named(vec!["id".into()]));
    assert!(only_id.contains(", \"error\": \"line 1: there is no input \\\"day\\\""), "{only_id}");
    let taken = "{\"ids\": [1], \"output_0\": 2}";
    let failure = run(&clean(), taken, Job { keep: Fields::All, ..Job::default() }).failure.unwrap();
    assert!(failure.contains("field \"output_0\" cannot be kept"), "{failure}");
}

#[test]
fn tables_go_the_same_way() {
    let options = Options::default();
    let table = |text: &str, job| run_with(&clean(), "in.csv", text, job, options);
    let plain = run(&clean(), "[1, 2]\n[3, 4]", Job::default()).answers;
    assert_eq!(table("1,2\n3,4\n", Job::default()).answers, plain);
    let header = table("a,b\r\n1,2\r\n3,4\r\n", Job::default());
    assert_eq!(header.answers, plain);
    assert_eq!(header.notes, ["line 1, \"a,b\", is taken for a header; --header no reads it as an example"]);
    let keep = Job { keep: Fields::Named(vec!["who".into()]), ..Job::default() };
    let kept = table("a,who,b\n1,\"x\ny\",2\n3,,4\n", keep).answers;
    let [first, second] = kept.lines().collect::<Vec<_>>()[..] else { panic!("{kept}") };
    assert!(first.starts_with("{\"who\": \"x\\ny\", \"output_0\"") && second.starts_with("{\"who\": \"\", "));
    let skip = Job { on_error: OnError::Skip, ..Job::default() };
    assert_eq!(table("1,2\n\n1,x\n3,4\n", skip).answers, plain.replacen('\n', "\n\n", 1));
    assert!(table("1;2\n", Job::default()).failure.unwrap().contains("separated by `;`"));
    let reading = |format, delimiter| Reading { format, delimiter, header: None };
    let semicolons = Job { reading: reading(Some(Format::Csv), Some(b';')), ..Job::default() };
    assert_eq!(run_with(&clean(), "in.txt", "1;\"2\"\n3;4\n", semicolons, options).answers, plain);
    assert_eq!(run_with(&clean(), "in.tsv", "1\t2\n3\t4\n", Job::default(), options).answers, plain);
    let lines = Job { reading: reading(None, Some(b';')), ..Job::default() };
    let refusal = run_with(&clean(), "in.jsonl", "[1]", lines, options).failure;
    assert_eq!(refusal.as_deref(), Some("--delimiter is for tables, .csv and .tsv"));
}

#[test]
fn a_window_holds_what_waits_and_no_more_than_its_limit() {
    let (to_ahead, pieces) = sync_channel(8);
    let inputs = files::input_specs(clean().plan());
    let form = Form { inputs, keep: Keep::default(), company: Company::Any, table: None };
    let (assembler, rows) = (Assembler::new(None, 100), vec![].into_iter());
    let mut ahead = Ahead { pieces, assembler, rows, number: 0, form, most: 3, read: 0, ended: false };
    let send = |text: &str| {
        let piece = Piece { content: Content::Bytes(text.as_bytes().to_vec()), taken: 0 };
        assert!(to_ahead.send(Ok(piece)).is_ok());
    };
    let mut count = || ahead.gather().items.len();
    send("[1]\n[2]\n[3]\n[4]\n[5");
    assert_eq!([count(), count()], [3, 1]);
    send("]\n");
    assert_eq!(count(), 1);
    send("[6]\n");
    send("[7]");
    assert_eq!(count(), 1);
    drop(to_ahead);
    assert_eq!([count(), count()], [1, 0]);
}

fn gzip(text: &str) -> Vec<u8> {
    let mut archive = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    std::io::Write::write_all(&mut archive, text.as_bytes()).unwrap();
    archive.finish().unwrap()
}

/// By its first bytes, whatever its name says; of several members, and longer than a piece.
#[test]
fn a_gzip_archive_is_what_it_holds() {
    let options = Options { threads: 2, ..Options::default() };
    let with = |name: &str, input: &[u8]| run_with(&clean(), name, input, Job::default(), options);
    let input = sentences(9000);
    let expected = run(&clean(), &input, Job::default()).answers;
    let (first, second) = input.split_at(input.len() / 2 + 1);
    let archive = [gzip(first), gzip(second)].concat();
    assert!(archive.len() < input.len() && input.len() > 1 << 17);
    for name in ["in.jsonl.gz", "in.jsonl", "in.ndjson.GZ"] {
        let found = with(name, &archive);
        assert!(found.answers == expected && found.failure.is_none(), "{name}: {:?}", found.failure);
    }
    assert!(with("in.jsonl.gz", input.as_bytes()).answers == expected, "no archive, though its name says so");
    let table = with("in.csv.gz", &gzip("1,2\n3,4\n"));
    assert_eq!(table.answers, run(&clean(), "[1, 2]\n[3, 4]", Job::default()).answers);
    assert!(
        with("in.jsonl.gz", &gzip(""))
            .failure
            .unwrap()
            .ends_with("there are no examples, expected at least one")
    );
}

#[test]
fn a_damaged_archive_is_an_error_of_its_own() {
    let options = Options::default();
    let with = |input: &[u8]| run_with(&clean(), "in.jsonl.gz", input, Job::default(), options);
    let input = sentences(3000);
    let expected = run(&clean(), &input, Job::default()).answers;
    let archive = gzip(&input);
    for length in [archive.len() - 1, archive.len() - 8, archive.len() / 2, 11, 3] {
        let found = with(&archive[..length]);
        assert_eq!(
            found.failure.as_deref(),
            Some("the gzip archive is cut short: it ends before its data does"),
            "{length}"
        );
        assert!(expected.starts_with(&found.answers), "{length}");
    }
    let half = with(&archive[..archive.len() / 2]).answers.lines().count();
    assert!((100..3000).contains(&half), "{half} records before the end are answered");
    let mut changed = archive.clone();
    let sum = changed.len() - 6;
    changed[sum] ^= 1;
    let failure = with(&changed).failure.unwrap();
    assert!(failure.starts_with("the gzip archive is damaged: "), "{failure}");
    let more = [&archive[..], b"more"].concat();
    assert!(with(&more).failure.unwrap().starts_with("the gzip archive is "));
}

#[cfg(feature = "parquet")]
mod columns;
#[cfg(feature = "zstd")]
mod zstd;

/// A format that was left out of the build is named, with the way to have it.
#[cfg(not(feature = "arrow"))]
#[test]
fn a_format_that_is_not_there_says_how_to_get_it() {
    let options = Options::default();
    for (name, what, feature) in [
        ("in.arrow", "an Arrow file", "arrow"),
        ("in.arrows", "an Arrow stream", "arrow"),
        ("in.parquet", "a Parquet file", "parquet"),
    ] {
        let failure = run_with(&clean(), name, "", Job::default(), options).failure.unwrap();
        assert_eq!(
            failure,
            format!(
                "this program does not have {what}: it was built without the feature {feature}; a masque built with \
                 --features {feature} has it, and so have the programs that it builds"
            )
        );
        let target = files::output_format(&Place::File(name.into()), None).unwrap_err().to_string();
        assert!(target.contains("without the feature"), "{target}");
    }
}
