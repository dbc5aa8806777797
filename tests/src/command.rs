//! Running programs, and what may be expected of one that refuses.

use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A program that has ended.
#[derive(Debug)]
pub struct Done {
    /// The exit status; none if a signal ended it.
    pub status: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl From<Output> for Done {
    fn from(output: Output) -> Done {
        Done {
            status: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl Done {
    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Did it do what was asked of it?
    ///
    /// # Errors
    ///
    /// What it said instead.
    pub fn succeeded(self) -> Result<Done, String> {
        if self.status == Some(0) {
            Ok(self)
        } else {
            Err(format!("status {:?}: {}", self.status, self.stderr))
        }
    }

    /// Did it refuse as it should: status 2, nothing on standard output, one line for people? Gives what the line says.
    ///
    /// # Errors
    ///
    /// What is not as it should be.
    pub fn refusal(&self) -> Result<&str, String> {
        if self.status != Some(2) {
            return Err(format!("status {:?}, expected 2: {}", self.status, self.stderr));
        }
        if !self.stdout.is_empty() {
            return Err(format!("wrote to standard output: {}", self.text()));
        }
        let line = self.stderr.strip_suffix('\n').filter(|line| !line.contains('\n'));
        let message = line.and_then(|line| line.strip_prefix("error: "));
        match message {
            None => Err(format!("expected one line `error: …` on standard error, found: {}", self.stderr)),
            Some(message) if message.chars().count() > 600 => {
                Err("the message is longer than 600 characters".into())
            }
            Some(message) if message.contains("panicked") => Err(message.to_owned()),
            Some(message) => Ok(message),
        }
    }
}

/// A program with nothing around it: in this folder, without environment.
pub fn bare(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env_clear();
    command
}

/// Runs a program on arguments, with nothing to read.
///
/// # Panics
///
/// If it can't be started.
pub fn run(program: &Path, folder: &Path, arguments: &[&str]) -> Done {
    started(program, || bare(program, folder).args(arguments).stdin(Stdio::null()).output()).into()
}

/// Starts a program that may just have been written: a child of another test, forked meanwhile, can still hold the
/// file open for a moment.
fn started<T>(program: &Path, mut start: impl FnMut() -> std::io::Result<T>) -> T {
    loop {
        match start() {
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => thread::yield_now(),
            Err(error) => panic!("{}: {error}", program.display()),
            Ok(value) => return value,
        }
    }
}

/// Runs a program that reads this.
///
/// # Panics
///
/// If it can't be started.
pub fn run_with(program: &Path, folder: &Path, arguments: &[&str], input: &[u8]) -> Done {
    let mut command = bare(program, folder);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = started(program, || command.spawn());
    let mut pipe = child.stdin.take().expect("a pipe");
    let input = input.to_owned();
    // A program that refuses before it reads closes the pipe; that is its right.
    let writer = thread::spawn(move || drop(pipe.write_all(&input)));
    let output = child.wait_with_output().expect("an output");
    writer.join().expect("a writer");
    output.into()
}

/// Runs a command that must end within this time and, where the system tells, this much memory (in megabytes).
///
/// # Errors
///
/// Which bound it broke. It is ended then.
pub fn run_bounded(mut command: Command, time: Duration, memory: u64) -> Result<Done, String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let broken = watch(&mut child, time, memory);
    if broken.is_some() {
        // It may have ended by itself in between.
        let _ = child.kill();
    }
    let output = child.wait_with_output().map_err(|error| error.to_string())?;
    broken.map_or(Ok(output.into()), Err)
}

/// Looks at a child until it has ended, or has broken a bound. A refusal is one line, so it can't block on its pipes.
fn watch(child: &mut Child, time: Duration, memory: u64) -> Option<String> {
    let start = Instant::now();
    loop {
        if let Some(peak) = peak_memory(child.id()).filter(|&peak| peak > memory) {
            return Some(format!("took {peak} MB of memory, at most {memory} are allowed"));
        }
        match child.try_wait() {
            Ok(None) if start.elapsed() > time => return Some(format!("did not end within {time:?}")),
            Ok(None) => thread::sleep(Duration::from_millis(1)),
            Ok(Some(_)) => return None,
            Err(error) => return Some(error.to_string()),
        }
    }
}

/// The most memory that a process has held so far, in megabytes; none where the system does not tell.
fn peak_memory(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kilobytes| kilobytes / 1024)
}
