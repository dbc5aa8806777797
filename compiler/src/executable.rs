//! From a plan to an executable: a runner, and a container behind it.

pub mod verify;

use std::io::{self, BufWriter, Write};
use std::path::Path;

use masque_ir::plan::Plan;
use masque_runtime::Attached;
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

/// Writes an executable that begins with `runner` and holds a plan, its weights (their bytes, laid out, in the plan's order)
/// and what is attached to them, and nothing else is needed to run it; or, without a runner, a plan file: the same without
/// the program. Gives its size in bytes. The same arguments give the same bytes.
///
/// The file appears under its name when it is complete; one that was there is replaced, also while it runs.
///
/// # Errors
///
/// [`ExecutableError`], naming the file.
pub fn write<B: AsRef<[u8]>>(
    path: &Path,
    runner: Option<&Runner>,
    plan: &Plan,
    weights: impl IntoIterator<Item = B>,
    attached: &Attached,
) -> Result<u64, ExecutableError> {
    let program = runner.map_or(&[][..], Runner::program);
    let written = masque_runtime::io::replace(path, |file| {
        let mut out = BufWriter::new(&mut *file);
        let size = bundle::write(&mut out, program, plan, weights, attached)?;
        out.flush()?;
        drop(out);
        allow(file, runner.is_some())?;
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
