//! Executables as their users meet them: in another folder, with nothing of what they were made from.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use masque_runtime::{Tensor, npz};

use super::*;
use crate::{Model, Options, Planned};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/layers/gru-outputs").join(name)
}

fn planned(model: &Path) -> Planned {
    let mut inferred = Model::open(model).unwrap().infer().unwrap();
    inferred.load_weights().unwrap();
    let options = Options { mask_outputs: true, ..Options::default() };
    inferred.lower(options).unwrap().optimize().plan().unwrap()
}

/// A folder with an executable, whose model is gone, and the inputs.
fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let (model, executable) = (folder.path().join("model.keras"), folder.path().join("tagger"));
    std::fs::copy(golden("model.keras"), &model).unwrap();
    let planned = planned(&model);
    let size = planned.write_executable(&executable).unwrap();
    assert_eq!(size, std::fs::metadata(&executable).unwrap().len());
    std::fs::remove_file(model).unwrap();
    std::fs::copy(golden("input.npz"), folder.path().join("input.npz")).unwrap();
    (folder, executable)
}

fn run(executable: &Path, arguments: &[&str]) -> Output {
    let elsewhere = executable.parent().unwrap();
    loop {
        let mut command = Command::new(executable);
        command.current_dir(elsewhere).env_clear().args(arguments).stdin(Stdio::null());
        match command.output() {
            // Another test's child, forked while the file was being written, still holds it for a moment.
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
            output => return output.unwrap(),
        }
    }
}

fn read(path: PathBuf) -> Vec<(String, Tensor)> {
    npz::read(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn it_gives_the_numbers_of_keras_with_nothing_around_it() {
    let (folder, executable) = folder();
    let done = run(&executable, &["input.npz", "-o", "out.npz", "--masks", "masks.npz"]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(done.stdout.is_empty() && done.stderr.is_empty());
    let (found, expected) = (read(folder.path().join("out.npz")), read(golden("expected.npz")));
    for (name, expected) in &expected {
        let Tensor::F32(expected) = expected else { continue };
        let (_, found) = found.iter().find(|(found, _)| found == name).unwrap();
        let found = found.as_f32().unwrap();
        assert_eq!(found.shape(), expected.shape());
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() <= 1e-5 + 1e-4 * b.abs(), "{name}: {a} and {b}");
        }
    }
    assert!(!read(folder.path().join("masks.npz")).is_empty());
    let printed = run(&executable, &["input.npz", "--threads", "2"]);
    assert!(printed.stdout.starts_with(b"{\"gru\": "), "{}", String::from_utf8_lossy(&printed.stdout));
}

#[test]
fn it_describes_itself() {
    let (_folder, executable) = folder();
    let said = |argument: &str| String::from_utf8(run(&executable, &[argument]).stdout).unwrap();
    assert!(said("--help").contains("gru: f32["), "{}", said("--help"));
    assert!(said("--info").contains("model.keras"), "{}", said("--info"));
    assert!(said("--version").contains("masque"), "{}", said("--version"));
}

#[test]
fn bad_input_is_one_line_and_status_2() {
    let (folder, executable) = folder();
    std::fs::write(folder.path().join("bad.jsonl"), "{").unwrap();
    for arguments in [&["missing.npz"][..], &["bad.jsonl"], &["--what"], &["input.npz", "-o", "out.txt"], &[]]
    {
        let done = run(&executable, arguments);
        let message = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(2), "{arguments:?}: {message}");
        assert!(message.starts_with("error: ") && message.lines().count() == 1, "{message}");
        assert!(done.stdout.is_empty());
    }
}

#[test]
fn without_its_end_it_says_so() {
    let (_folder, executable) = folder();
    let bytes = std::fs::read(&executable).unwrap();
    for (kept, expected) in
        [(Runner::carried().program().len(), "carries no model"), (bytes.len() - 1, "carries no model")]
    {
        std::fs::remove_file(&executable).unwrap();
        std::fs::copy(write_part(&executable, &bytes[..kept]), &executable).unwrap();
        let done = run(&executable, &["--info"]);
        let message = String::from_utf8(done.stderr).unwrap();
        assert!(done.status.code() == Some(2) && message.contains(expected), "{message}");
    }
}

/// A file beside the executable, which may be run.
fn write_part(executable: &Path, bytes: &[u8]) -> PathBuf {
    let path = executable.with_extension("part");
    std::fs::write(&path, bytes).unwrap();
    allow(&std::fs::File::open(&path).unwrap(), true).unwrap();
    path
}

#[test]
fn the_same_plan_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let planned = planned(&golden("model.keras"));
    let [a, b] = ["a", "b"].map(|name| folder.path().join(name));
    for path in [&a, &b] {
        planned.write_executable(path).unwrap();
    }
    assert_eq!(std::fs::read(a).unwrap(), std::fs::read(b).unwrap());
    assert!(planned.write_executable(folder.path()).is_err());
    let missing = folder.path().join("no/such/folder");
    let message = planned.write_plan_file(&missing).unwrap_err().to_string();
    assert!(message.contains("no/such/folder: ") && message.lines().count() == 1, "{message}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}
