//! Nothing in a file can hurt: every file in `hostile/` is refused by every command, as `hostile/README.md` promises.
//!
//! A file is a test, under its own name; `hostile/expect.json` says which commands must refuse it, and with what words.
//! The command runs as its users run it, as a process: in an empty folder, with a limit on time and memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use masque_tests::command::{bare, run_bounded};
use serde::Deserialize;

const MASQUE: &str = env!("CARGO_BIN_EXE_masque-under-test");

/// What `expect.json` says of a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    title: String,
    commands: Vec<Vec<String>>,
    exit: i32,
    message_any: Vec<String>,
    max_seconds: u64,
    max_mb: u64,
}

fn main() {
    let folder = masque_tests::root().join("tests/hostile");
    let text = fs::read(folder.join("expect.json")).expect("expect.json");
    let expected: BTreeMap<String, Expected> = serde_json::from_slice(&text).expect("expect.json");
    let (files, named) = (hostile_files(&folder), expected.keys().cloned().collect());
    let mut trials = vec![Trial::test("expect.json", move || every_file_has_an_entry(&files, &named))];
    for [vulnerability, file, answer] in vulnerabilities(&folder) {
        let (folder, command) =
            (folder.clone(), expected.get(&file).and_then(|entry| entry.commands.last().cloned()));
        let answers = move || {
            let command = command.ok_or(format!("{file} is no hostile file"))?;
            let said = refusal(&folder, &command)?;
            let message = format!("the table has `{answer}`, the command says `{said}`");
            if said.contains(&answer) { Ok(()) } else { Err(Failed::from(message)) }
        };
        trials.push(Trial::test(vulnerability, answers));
    }
    for (file, expected) in expected {
        let folder = folder.clone();
        trials.push(Trial::test(file, move || refused(&folder, &expected).map_err(Failed::from)));
    }
    let arguments = Arguments::from_args();
    let before = hostile_files(&folder);
    let conclusion = libtest_mimic::run(&arguments, trials);
    assert_eq!(hostile_files(&folder), before, "a command wrote beside the hostile files");
    conclusion.exit();
}

/// All files of the folder but those about it.
fn hostile_files(folder: &Path) -> BTreeSet<String> {
    const OTHERS: [&str; 4] = ["README.md", "expect.json", "input.npz", "make.py"];
    let entries = fs::read_dir(folder).expect("the folder of hostile files");
    let names = entries.map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned());
    names.filter(|name| !OTHERS.contains(&name.as_str())).collect()
}

fn every_file_has_an_entry(files: &BTreeSet<String>, named: &BTreeSet<String>) -> Result<(), Failed> {
    let differing: Vec<_> = files.symmetric_difference(named).collect();
    if differing.is_empty() && !files.is_empty() {
        Ok(())
    } else {
        Err(format!("a file without an entry, or an entry without a file: {differing:?}").into())
    }
}

/// The rows of the table of published vulnerabilities: the name, the file, what is answered.
fn vulnerabilities(folder: &Path) -> Vec<[String; 3]> {
    let page = fs::read_to_string(folder.join("README.md")).expect("README.md");
    let rows = page.lines().filter(|line| line.starts_with("| CVE-"));
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, name, _, file, answer, _] = cells[..] else { panic!("{line}") };
        [name.to_owned(), file.trim_matches('`').to_owned(), answer.to_owned()]
    };
    let rows: Vec<_> = rows.map(row).collect();
    assert!(!rows.is_empty(), "README.md has no table of vulnerabilities");
    rows
}

/// What a command says of a hostile file.
fn refusal(folder: &Path, command: &[String]) -> Result<String, String> {
    let empty = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut process = bare(Path::new(MASQUE), empty.path());
    process.args(command.iter().map(|argument| placed(argument, folder, empty.path())));
    run_bounded(process, Duration::from_secs(60), 1000)?.refusal().map(str::to_owned)
}

/// An argument of a command: `{dir}` stands for the folder, `{tmp}` for an empty one.
fn placed(argument: &str, folder: &Path, empty: &Path) -> String {
    argument.replace("{dir}", &folder.to_string_lossy()).replace("{tmp}", &empty.to_string_lossy())
}

fn refused(folder: &Path, expected: &Expected) -> Result<(), String> {
    if expected.exit != 2 || expected.commands.is_empty() || expected.message_any.is_empty() {
        return Err("expect.json asks nothing of it that can fail".into());
    }
    for command in &expected.commands {
        refuses(folder, expected, command)
            .map_err(|problem| format!("{}\n{command:?}: {problem}", expected.title))?;
    }
    Ok(())
}

fn refuses(folder: &Path, expected: &Expected, command: &[String]) -> Result<(), String> {
    let empty = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut process = bare(Path::new(MASQUE), empty.path());
    process.args(command.iter().map(|argument| placed(argument, folder, empty.path())));
    // The bound is of a release build on a machine of its own; a debug build among other tests is slower.
    let time = Duration::from_secs(4 * expected.max_seconds);
    let done = run_bounded(process, time, expected.max_mb)?;
    let message = done.refusal()?.to_lowercase();
    if !expected.message_any.iter().any(|word| message.contains(&word.to_lowercase())) {
        return Err(format!("`{message}` has none of {:?}", expected.message_any));
    }
    let left: Vec<PathBuf> = fs::read_dir(empty.path())
        .map_err(|error| error.to_string())?
        .map(|entry| entry.map(|entry| entry.path()).unwrap_or_default())
        .collect();
    if left.is_empty() { Ok(()) } else { Err(format!("it left {left:?} behind")) }
}
