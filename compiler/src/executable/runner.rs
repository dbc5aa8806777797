//! The program that an executable begins with.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use masque_runtime::bundle::{self, runner};
use masque_runtime::quote::one_line;

/// The program that was built together with the compiler.
static CARRIED: &[u8] = include_bytes!(env!("MASQUE_RUNNER_PATH"));

/// The largest program that is taken for a runner, in bytes.
const LARGEST: u64 = 1 << 30;

/// The program that an executable begins with: it opens what stands behind it, and runs it.
#[derive(Clone, Debug)]
pub struct Runner(Cow<'static, [u8]>);

impl Runner {
    /// The one that was built together with the compiler, for its kind of machine.
    pub fn carried() -> Runner {
        Runner(Cow::Borrowed(CARRIED))
    }

    /// One that was built elsewhere, for whatever kind of machine.
    ///
    /// # Errors
    ///
    /// [`RunnerError`], naming the file.
    pub fn open(path: &Path) -> Result<Runner, RunnerError> {
        Runner::read(path).map_err(|problem| RunnerError { file: one_line(&path.to_string_lossy()), problem })
    }

    fn read(path: &Path) -> Result<Runner, Problem> {
        let mut program = vec![];
        File::open(path)?.take(LARGEST).read_to_end(&mut program)?;
        if bundle::is_bundle(path)? {
            return Err(Problem::HasModel);
        }
        match runner::versions(&program) {
            Some((found, expected)) if found == expected => Ok(Runner(Cow::Owned(program))),
            Some((found, expected)) => Err(Problem::Version { found, expected }),
            None => Err(Problem::NoRunner),
        }
    }

    /// Its bytes.
    pub(super) fn program(&self) -> &[u8] {
        &self.0
    }

    /// Is this the program that an executable begins with, filled up to where the weights may begin?
    pub(super) fn begins(&self, bytes: &[u8]) -> bool {
        bytes
            .strip_prefix(self.program())
            .is_some_and(|rest| rest.len() < bundle::PAGE && rest.iter().all(|&byte| byte == 0))
    }
}

/// A file is no runner for what this compiler writes; one line, which names the file.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct RunnerError {
    /// The file's path, fit for a message.
    pub file: String,
    #[source]
    problem: Problem,
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("{}", one_line(&.0.to_string()))]
    Read(#[from] io::Error),
    #[error("no runner of masque's: expected the program `masque-runner` of the package masque-runtime")]
    NoRunner,
    #[error("an executable that holds a model: expected the program `masque-runner` alone")]
    HasModel,
    #[error(
        "this runner reads models of version {found}, expected {expected}: build it from the same source"
    )]
    Version { found: u32, expected: u32 },
}
