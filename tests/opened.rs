//! Loading a model and running an executable open nothing but the files that are named, as the system itself tells it:
//! every call that opens a file, starts a program or makes a socket is written down by `strace`.
#![cfg(target_os = "linux")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use masque_tests::command::bare;
use masque_tests::root;
use tempfile::TempDir;

const MASQUE: &str = env!("CARGO_BIN_EXE_masque-under-test");

/// What is not named and is opened all the same, and by whom.
const SYSTEM: [&str; 7] = [
    // The loader: where libraries are.
    "/etc/ld.so.cache",
    // The allocator of `masque`: may memory be promised that is not there, and are there large pages?
    "/proc/sys/vm/overcommit_memory",
    "/sys/kernel/mm/transparent_hugepage/enabled",
    // The C library: where the stack of the first thread ends.
    "/proc/self/maps",
    // Which signals is the program to ignore?
    "/proc/self/status",
    // Rust's standard library: how many cores may be used.
    "/proc/self/cgroup",
    "/proc/self/mountinfo",
];

/// The calls that are written down. A pair of sockets (`socketpair`) leads nowhere, and is how signals are heard of.
const CALLS: &str = "trace=open,openat,openat2,creat,execve,execveat,socket,connect,bind,listen";

/// A call: its name, the path in it, and whether it opens that for reading.
#[derive(Debug)]
struct Call {
    name: String,
    path: String,
    reads: bool,
}

/// A folder in which commands run under `strace`.
struct Watched(TempDir);

impl Watched {
    /// None, with a note, where programs cannot be watched.
    #[expect(clippy::print_stderr, reason = "a test that tests nothing says so")]
    fn new() -> Option<Watched> {
        let strace = Command::new("strace").args(["-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
        if strace.is_ok_and(|status| status.success()) {
            return Some(Watched(tempfile::tempdir().unwrap()));
        }
        eprintln!("strace is not installed, or may not watch programs: nothing is tested");
        None
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// What a command calls, whether or not it succeeds.
    fn calls(&self, program: &Path, arguments: &[&str], stdin: Stdio) -> Vec<Call> {
        let log = tempfile::NamedTempFile::new().unwrap();
        let mut command = bare(Path::new("strace"), self.0.path());
        command.args(["-f", "-qq", "-s", "4096", "-e", CALLS, "-e", "signal=none", "-o"]).arg(log.path());
        command.arg(program).args(arguments).stdin(stdin).stdout(Stdio::null()).stderr(Stdio::null());
        assert!(command.status().unwrap().code().is_some());
        let calls: Vec<Call> = fs::read_to_string(log.path()).unwrap().lines().filter_map(call).collect();
        assert!(calls.iter().any(|call| call.name == "execve"), "nothing was written down");
        calls
    }

    /// Runs a command, and holds what it opens against what it is told: what it reads and what it writes.
    fn opens_only(&self, program: &Path, arguments: &[&str], reads: &[&str], writes: Option<&str>) {
        let named = |path: &str| reads.iter().any(|read| Path::new(path) == self.path(read) || path == *read);
        let own = program.to_string_lossy();
        for call in self.calls(program, arguments, Stdio::null()) {
            let path = call.path.as_str();
            let allowed = match call.name.as_str() {
                "execve" => path == own,
                "open" | "openat" if call.reads => {
                    path == own || SYSTEM.contains(&path) || is_library(path) || is_quota(path) || named(path)
                        // Whoever writes looks through the folder for what killed runs have left.
                        || (writes.is_some() && path == ".")
                }
                "open" | "openat" => writes.is_some_and(|name| {
                    path.strip_prefix(name).is_some_and(|rest| rest.ends_with(".unfinished"))
                }),
                _ => false,
            };
            assert!(allowed, "{arguments:?}: {call:?}");
        }
    }
}

/// A line of what `strace` writes: the process, the call, and what it gave.
fn call(line: &str) -> Option<Call> {
    let (_, call) = line.split_once(' ')?;
    let (name, rest) = call.trim_start().split_once('(')?;
    let path = rest.split('"').nth(1).unwrap_or_default().to_owned();
    let writes = ["O_WRONLY", "O_RDWR", "O_CREAT"].iter().any(|flag| rest.contains(flag)) || name == "creat";
    name.chars().all(|letter| letter.is_ascii_alphanumeric()).then(|| Call {
        name: name.to_owned(),
        path,
        reads: !writes,
    })
}

/// A library that the loader brings along: of the system, or of a toolchain.
fn is_library(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    ["/lib", "/usr/lib"].iter().any(|folder| path.starts_with(folder))
        && name.starts_with("lib")
        && name.contains(".so")
}

/// How much of the processor a group of processes may use: of ours, and of those around it.
fn is_quota(path: &str) -> bool {
    path.starts_with("/sys/fs/cgroup/")
        && ["cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us"].iter().any(|file| path.ends_with(file))
}

#[test]
fn a_command_opens_what_it_is_told() {
    let Some(watched) = Watched::new() else { return };
    let masque = Path::new(MASQUE);
    fs::copy(root().join("examples/sentiment/sentiment.keras"), watched.path("model.keras")).unwrap();
    watched.opens_only(masque, &["check", "model.keras"], &["model.keras"], None);
    watched.opens_only(masque, &["masks", "model.keras"], &["model.keras"], None);
    let build = ["build", "model.keras", "-o", "program"];
    watched.opens_only(masque, &build, &["model.keras"], Some("program"));
    let program = watched.path("program");
    assert!(program.is_file());
    fs::write(watched.path("in.jsonl"), "{\"text\": \"good\"}\n{\"text\": \"/etc/passwd\"}\n").unwrap();
    watched.opens_only(&program, &["in.jsonl"], &["in.jsonl"], None);
    watched.opens_only(&program, &["in.jsonl", "-o", "out.jsonl"], &["in.jsonl"], Some("out.jsonl"));
    assert_eq!(fs::read_to_string(watched.path("out.jsonl")).unwrap().lines().count(), 2);
    watched.opens_only(&program, &["--info"], &[], None);
    watched.opens_only(&program, &["--self-test"], &[], None);
}

/// Whatever a file says: one whose own elements, vocabulary or layers are in other files opens none of them.
#[test]
fn what_a_model_names_is_not_opened() {
    let Some(watched) = Watched::new() else { return };
    for name in [
        "h5-elsewhere.keras",
        "h5-soft-link.keras",
        "h5-virtual.keras",
        "path-traversal.keras",
        "weight-external.keras",
        "vocabulary-path.keras",
        "vocabulary-url.keras",
        "zip-link.keras",
        "lambda.json",
        "module-foreign.json",
        "function-foreign.json",
        "name-traversal.json",
        "tfsm.json",
    ] {
        let model = root().join("tests/hostile").join(name).to_string_lossy().into_owned();
        let input = root().join("tests/hostile/input.npz").to_string_lossy().into_owned();
        let run = ["run", &model, "--input", &input, "--output", "out.npz"];
        watched.opens_only(Path::new(MASQUE), &run, &[&model, &input], Some("out.npz"));
        watched.opens_only(Path::new(MASQUE), &["check", &model], &[&model], None);
    }
}
