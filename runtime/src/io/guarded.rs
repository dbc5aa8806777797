//! Readers that others wrote, and files that they did not expect: where such a reader panics, that is an error of the
//! file, and nothing else ends.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use super::FileProblem;

thread_local! {
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Reads with a reader of others; a panic is [`FileProblem::Columns`].
pub(crate) fn read<T>(
    format: &'static str,
    read: impl FnOnce() -> Result<T, String>,
) -> Result<T, FileProblem> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !GUARDED.get() {
                before(panic);
            }
        }));
    });
    let was = GUARDED.replace(true);
    let read = panic::catch_unwind(AssertUnwindSafe(read));
    GUARDED.set(was);
    let problem = match read {
        Ok(Ok(read)) => return Ok(read),
        Ok(Err(problem)) => problem,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it is damaged").to_owned()
        }
    };
    Err(FileProblem::Columns { format, problem })
}
