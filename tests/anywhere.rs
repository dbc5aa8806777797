//! Runners that were built for other machines, and what `masque build` makes to be opened by other programs.
//!
//! One test runs the runners that it finds where cargo puts them, `target/TRIPLE/runner/masque-runner`: one of musl,
//! without any library of the system, as it is; those of other processors by `qemu`, where that is installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use masque_runtime::bundle::{Part, Parts};
use masque_tests::command::{Done, run};
use masque_tests::corpus::{Case, area};
use masque_tests::root;
use tempfile::TempDir;

const MASQUE: &str = env!("CARGO_BIN_EXE_masque-under-test");

/// A folder with a model and its inputs.
struct Desk {
    folder: TempDir,
    input: String,
}

impl Desk {
    fn of(case: &Case) -> Desk {
        let folder = tempfile::tempdir().unwrap();
        fs::copy(case.model(), folder.path().join("m.keras")).unwrap();
        let input = case.folder.join(case.expected.input.as_ref().unwrap());
        let input = input.canonicalize().unwrap().display().to_string();
        Desk { folder, input }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn masque(&self, command: &str) -> Done {
        run(Path::new(MASQUE), self.folder.path(), &command.split(' ').collect::<Vec<_>>())
    }

    fn build(&self, options: &str) {
        let command = format!("build m.keras --on-unsupported-mask warn {options}");
        self.masque(&command).succeeded().unwrap();
    }

    /// What `masque run` answers, of a model or of what was built.
    fn answers(&self, model: &str, options: &str) -> Vec<u8> {
        let input = &self.input;
        let command = format!("run {model} --input {input} --output {model}.npz --force{options}");
        self.masque(&command).succeeded().unwrap();
        fs::read(self.path(&format!("{model}.npz"))).unwrap()
    }

    /// What an executable answers; `emulator` runs those of other processors.
    fn answers_of(&self, emulator: Option<&str>, program: &str) -> Vec<u8> {
        let program = self.path(program);
        let mut command = emulator.map_or_else(
            || Command::new(&program),
            |emulator| {
                let mut command = Command::new(emulator);
                command.arg(&program);
                command
            },
        );
        let output = self.path("elsewhere.npz");
        let out = command.arg(&self.input).arg("--output").arg(&output).output().unwrap();
        Done::from(out).succeeded().unwrap();
        fs::read(output).unwrap()
    }
}

/// The runners that there are, each with what runs it.
fn runners() -> Vec<(PathBuf, Option<&'static str>)> {
    let known = [
        ("x86_64-unknown-linux-musl", None),
        ("aarch64-unknown-linux-musl", Some("qemu-aarch64")),
        ("aarch64-unknown-linux-gnu", Some("qemu-aarch64")),
    ];
    let runs = |emulator: &str| {
        let version = Command::new(emulator).arg("--version").stdout(Stdio::null()).status();
        version.is_ok_and(|status| status.success())
    };
    let found = known.iter().filter_map(|(target, emulator)| {
        let runner = root().join("target").join(target).join("runner/masque-runner");
        (runner.exists() && emulator.is_none_or(runs)).then_some((runner, *emulator))
    });
    found.collect()
}

/// A runner from a file makes what the same one makes that masque carries, byte for byte.
#[test]
fn a_runner_is_taken_from_a_file() {
    let desk = Desk::of(&area("seed")[0]);
    desk.build("-o carried");
    let parts = Parts::open(&desk.path("carried")).unwrap();
    fs::write(desk.path("runner"), parts.bytes(Part::Runner)).unwrap();
    desk.build("-o given --runner runner");
    let [carried, given] = ["carried", "given"].map(|file| fs::read(desk.path(file)).unwrap());
    assert!(carried == given);
    desk.masque("verify given --runner runner").succeeded().unwrap();
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that tests nothing says so")]
fn every_machine_gives_the_same_bits() {
    let runners = runners();
    if runners.is_empty() {
        eprintln!("no runners for other machines are built: nothing is tested");
    }
    for (runner, emulator) in runners {
        for case in area("seed") {
            let desk = Desk::of(&case);
            desk.build("-o here");
            desk.build(&format!("-o there --runner {}", runner.display()));
            let verified = desk.masque(&format!("verify there --runner {}", runner.display()));
            verified.succeeded().unwrap();
            assert_eq!(
                desk.masque("verify there").status,
                Some(1),
                "it is not the runner that masque carries"
            );
            let (here, there) = (desk.answers_of(None, "here"), desk.answers_of(emulator, "there"));
            assert!(here == there, "{}: other answers by {}", case.name, runner.display());
        }
    }
}

#[test]
fn what_was_built_is_run_without_the_model() {
    for case in area("seed") {
        let desk = Desk::of(&case);
        let expected = desk.answers("m.keras", " --on-unsupported-mask warn");
        desk.build("-o program");
        desk.build("-o plan --plan-only");
        let sizes = ["program", "plan"].map(|file| fs::metadata(desk.path(file)).unwrap().len());
        assert!(sizes[1] < sizes[0] / 4, "{}: the plan file holds a program: {sizes:?}", case.name);
        fs::remove_file(desk.path("m.keras")).unwrap();
        for file in ["program", "plan"] {
            assert!(desk.answers(file, "") == expected, "{}: {file} gives other answers", case.name);
        }
    }
}

#[test]
fn what_is_no_runner_is_refused() {
    let desk = Desk::of(&area("seed")[0]);
    desk.build("-o program");
    fs::write(desk.path("text"), "#!/bin/sh\n").unwrap();
    let mut older = fs::read(desk.path("program")).unwrap();
    let words = b"masque runner of containers\n";
    let version = older.windows(words.len()).position(|bytes| bytes == words).unwrap() + words.len();
    older[version] += 1;
    older.truncate(older.len() - 8);
    fs::write(desk.path("older"), older).unwrap();
    let refused = |options: &str| {
        let done = desk.masque(&format!("build m.keras -o out --on-unsupported-mask warn {options}"));
        assert!(!desk.path("out").exists());
        done.refusal().unwrap().to_owned()
    };
    assert!(refused("--runner text").contains("text: no runner of masque's"));
    assert!(refused("--runner program").contains("program: an executable that holds a model"));
    assert!(refused("--runner older").contains("reads models of version"));
    assert!(refused("--runner missing").contains("missing: No such file"));
    let own = desk.masque("build m.keras -o text --runner text --force --on-unsupported-mask warn");
    assert!(own.refusal().unwrap().contains("text"));
    assert_eq!(fs::read_to_string(desk.path("text")).unwrap(), "#!/bin/sh\n");
}

#[test]
fn what_is_compiled_already_takes_no_options_for_compiling() {
    let desk = Desk::of(&area("seed")[0]);
    desk.build("-o plan --plan-only");
    let options = ["--semantics", "keras-2", "--output", "out.npz"];
    let arguments = [&["run", "plan", "--input", &desk.input][..], &options].concat();
    let done = run(Path::new(MASQUE), desk.folder.path(), &arguments);
    assert!(done.refusal().unwrap().contains("--semantics says how to compile a model"));
}
