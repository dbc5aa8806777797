//! From a plan to an executable: a runner, and a container behind it.

use std::io::{self, BufWriter, Write};
use std::path::Path;

use masque_ir::plan::Plan;
use masque_runtime::bundle;
use masque_runtime::quote::one_line;

mod runner;

pub use runner::{Runner, RunnerError};

/// An executable or a plan file cannot be written; one line, which names the file.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {}", one_line(&.source.to_string()))]
pub struct ExecutableError {
    /// The file's path, fit for a message.
    pub file: String,
    /// What the system says, or [`io::ErrorKind::InvalidInput`] for weights that are not those of the plan.
    #[source]
    pub source: io::Error,
}

/// Writes an executable that begins with `runner` and holds a plan and its weights (their bytes, laid out, in the plan's
/// order), and nothing else is needed to run it. Gives its size. The same arguments give the same bytes.
///
/// The file appears under its name when it is complete; one that was there is replaced, also while it runs.
///
/// # Errors
///
/// [`ExecutableError`], naming the file.
pub fn write_executable<B: AsRef<[u8]>>(
    path: &Path,
    runner: &Runner,
    plan: &Plan,
    weights: impl IntoIterator<Item = B>,
) -> Result<u64, ExecutableError> {
    write(path, runner.program(), true, plan, weights)
}

/// Writes a plan file: what an executable holds, without the program.
///
/// # Errors
///
/// [`ExecutableError`], naming the file.
pub fn write_plan_file<B: AsRef<[u8]>>(
    path: &Path,
    plan: &Plan,
    weights: impl IntoIterator<Item = B>,
) -> Result<u64, ExecutableError> {
    write(path, b"", false, plan, weights)
}

fn write<B: AsRef<[u8]>>(
    path: &Path,
    prefix: &[u8],
    runs: bool,
    plan: &Plan,
    weights: impl IntoIterator<Item = B>,
) -> Result<u64, ExecutableError> {
    let written = masque_runtime::io::replace(path, |file| {
        let mut out = BufWriter::new(&mut *file);
        let size = bundle::write(&mut out, prefix, plan, weights)?;
        out.flush()?;
        drop(out);
        allow(file, runs)?;
        Ok(size)
    });
    written.map_err(|source| ExecutableError { file: one_line(&path.to_string_lossy()), source })
}

/// The finished file is everybody's to read, and to run.
#[cfg(unix)]
fn allow(file: &std::fs::File, runs: bool) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = if runs { 0o755 } else { 0o644 };
    file.set_permissions(std::fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn allow(_: &std::fs::File, _: bool) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests;
