//! Executables as their users meet them: alone in a folder, the model gone, and still the same answers.

use std::fs;
use std::path::{Path, PathBuf};

use masque_tests::command::{Done, run, run_with};
use masque_tests::corpus::{Case, area, case};
use masque_tests::stages::{KERAS, Stages};
use tempfile::TempDir;

const MASQUE: &str = env!("CARGO_BIN_EXE_masque-under-test");

/// What an executable may weigh beyond its weights.
const MOST_BYTES: u64 = 8 << 20;

/// An executable alone in a folder.
struct Shipped {
    folder: TempDir,
    program: PathBuf,
}

impl Shipped {
    /// Builds a copy of the case's model, deletes the copy, and moves what was built elsewhere.
    fn of(case: &Case) -> Shipped {
        let workshop = tempfile::tempdir().unwrap();
        fs::copy(case.model(), workshop.path().join("model.keras")).unwrap();
        let warn = ["--on-unsupported-mask", "warn"];
        let arguments = [&["build", "model.keras", "-o", "built"], &warn[..]].concat();
        masque(workshop.path(), &arguments).succeeded().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("tagger");
        fs::copy(workshop.path().join("built"), &program).unwrap();
        Shipped { folder, program }
    }

    fn run(&self, arguments: &[&str]) -> Done {
        run(&self.program, self.folder.path(), arguments)
    }

    fn file(&self, name: &str) -> Vec<u8> {
        fs::read(self.folder.path().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

fn masque(folder: &Path, arguments: &[&str]) -> Done {
    run(Path::new(MASQUE), folder, arguments)
}

/// A case's inputs as a file of JSON lines, made from what the case has.
fn lines_of(case: &Case) -> Vec<u8> {
    let stages = Stages::of(&case.model(), KERAS).unwrap();
    let inputs = case.inputs(&stages.planned.unwrap().plan);
    let mut lines = vec![];
    masque_runtime::json_lines::write_lines(&mut lines, &inputs).unwrap();
    lines
}

#[test]
fn they_give_the_bytes_of_masque_run() {
    for case in area("seed") {
        let shipped = Shipped::of(&case);
        let (model, input) = (case.model(), case.folder.join(case.expected.input.as_ref().unwrap()));
        let [model, input] = [model, input].map(|path| path.canonicalize().unwrap().display().to_string());
        let workshop = tempfile::tempdir().unwrap();
        for output in ["out.npz", "out.jsonl"] {
            let results = ["--output", output, "--masks", "masks.npz"];
            let common = ["--on-unsupported-mask", "warn", "--quiet"];
            let arguments = [&["run", &model, "--input", &input][..], &results, &common].concat();
            masque(workshop.path(), &arguments).succeeded().unwrap();
            let done = shipped.run(&[&[input.as_str()][..], &results].concat()).succeeded().unwrap();
            assert!(done.stdout.is_empty() && done.stderr.is_empty(), "{}: {done:?}", case.name);
            for file in [output, "masks.npz"] {
                let expected = fs::read(workshop.path().join(file)).unwrap();
                assert!(
                    shipped.file(file) == expected,
                    "{}: another {file} than `masque run` writes",
                    case.name
                );
            }
        }
        let lines = lines_of(&case);
        let read = run_with(&shipped.program, shipped.folder.path(), &[], &lines).succeeded().unwrap();
        let run = ["run", &model, "--on-unsupported-mask", "warn"];
        let by_run = run_with(Path::new(MASQUE), workshop.path(), &run, &lines).succeeded().unwrap();
        assert!(!lines.is_empty() && read.stdout == by_run.stdout, "{}: {}", case.name, read.text());
        // Of a text of unknown length an answer by itself is as long as the text, in an array as the longest one.
        if case.name != "seed/text-unknown-length" {
            assert!(read.stdout == shipped.file("out.jsonl"), "{}: {}", case.name, read.text());
        }
    }
}

#[test]
fn they_are_small_and_the_same_every_time() {
    for case in area("seed") {
        let [first, second] = [Shipped::of(&case), Shipped::of(&case)];
        assert!(first.file("tagger") == second.file("tagger"), "{}: other bytes the second time", case.name);
        let planned = Stages::of(&case.model(), KERAS).unwrap().planned.unwrap();
        let weights: u64 = planned.plan.weights.iter().map(|weight| weight.bytes).sum();
        let size = first.file("tagger").len() as u64;
        assert!(size <= MOST_BYTES + weights, "{}: {size} bytes, {weights} of them weights", case.name);
    }
}

#[test]
fn they_say_what_they_are() {
    let case = case("seed/embedding-gru-dense");
    let shipped = Shipped::of(&case);
    let said = |argument| shipped.run(&[argument]).succeeded().unwrap().text();
    let help = said("--help");
    for part in ["Usage: tagger", "ids: i32[B, 6]", "output_0: f32[B, 2]", "--threads"] {
        assert!(help.contains(part), "--help says nothing of `{part}`:\n{help}");
    }
    let table =
        masque(&case.folder, &["masks", "model.keras", "--format", "text"]).succeeded().unwrap().text();
    let info = said("--info");
    let missing: Vec<&str> = table.lines().filter(|line| !info.contains(line)).collect();
    assert!(
        info.contains("model.keras") && missing.is_empty() && table.lines().count() > 3,
        "{missing:?}\n{info}"
    );
    assert!(said("--version").contains(env!("CARGO_PKG_VERSION")));
}

/// The keys of a dict, the layers that give them, and numbers for outputs of one layer.
#[test]
fn their_outputs_have_the_names_of_the_model() {
    let cases = [
        ("layers/dicts", ["kind", "similar"].as_slice()),
        ("layers/gru-outputs", &["gru", "gru_1", "output_2", "output_3"]),
    ];
    for (name, expected) in cases {
        let case = case(name);
        let shipped = Shipped::of(&case);
        let keys = |options: &[&str]| {
            let done = run_with(&shipped.program, shipped.folder.path(), options, &lines_of(&case));
            let text = done.succeeded().unwrap().text();
            let first: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
            first.as_object().unwrap().keys().cloned().collect::<Vec<_>>()
        };
        assert_eq!(keys(&[]), expected, "{name}");
        let numbered: Vec<String> = (0..expected.len()).map(|place| format!("output_{place}")).collect();
        assert_eq!(keys(&["--numbered"]), numbered, "{name}");
        let info = shipped.run(&["--info", "--format", "json"]).succeeded().unwrap().text();
        let info: serde_json::Value = serde_json::from_str(&info).unwrap();
        let names: Vec<&str> = info["outputs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|output| output["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, expected, "{name}");
    }
}

#[test]
fn they_refuse_wrong_inputs_in_one_line() {
    let shipped = Shipped::of(&case("seed/embedding-gru-dense"));
    for (name, content) in [
        ("half.jsonl", "{\"ids\": [1, 2"),
        ("text.jsonl", "{\"ids\": [\"one\"]}"),
        ("fraction.jsonl", "{\"ids\": [1.5]}"),
        ("long.jsonl", "{\"ids\": [1, 2, 3, 4, 5, 6, 7]}"),
        ("name.jsonl", "{\"words\": [1]}"),
        ("index.jsonl", "{\"ids\": [12]}"),
        ("nothing.jsonl", ""),
        ("not.npz", "PK"),
    ] {
        fs::write(shipped.folder.path().join(name), content).unwrap();
        let done = shipped.run(&[name, "-o", "out.npz"]);
        let message = done.refusal().unwrap_or_else(|problem| panic!("{name}: {problem}"));
        assert!(!message.is_empty() && !shipped.folder.path().join("out.npz").exists(), "{name}: {message}");
    }
    for arguments in [&["gone.npz"][..], &["--what"], &["half.jsonl", "-o", "out.txt"], &["--threads", "0"]] {
        shipped.run(arguments).refusal().unwrap_or_else(|problem| panic!("{arguments:?}: {problem}"));
    }
}
