//! What the fuzz targets share: the budget that every input is held to, and mutators that keep checksums and structure.

pub mod archive;
pub mod json;
mod random;
mod whole;

pub use random::Random;
pub use whole::{run, through_the_compiler, with_descriptions};

use std::time::Duration;

use cap::Cap;
use cpu_time::ThreadTime;

#[global_allocator]
static MEMORY: Cap<std::alloc::System> = Cap::new(std::alloc::System, usize::MAX);

/// What reading an input may take at its peak, beside four times the input's size.
pub const BASE_MEMORY: usize = 64 << 20;

/// How long an input of at most a MiB may take, in time of this thread alone: a busy machine changes nothing.
pub const TIME: Duration = Duration::from_secs(2);

/// Reads an input within the budget.
///
/// An allocation beyond the memory fails, which ends the process; so does a time that is over, once it is known.
///
/// # Panics
///
/// If it takes too long.
pub fn within_budget(input: &[u8], read: impl FnOnce(&[u8])) {
    let budget = BASE_MEMORY + 4 * input.len();
    MEMORY.set_limit(MEMORY.allocated() + budget).expect("a limit above what is taken");
    let start = ThreadTime::now();
    read(input);
    let taken = start.elapsed();
    MEMORY.set_limit(usize::MAX).expect("no limit");
    assert!(taken < TIME, "{taken:?} for {} bytes", input.len());
}
