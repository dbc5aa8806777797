//! Files that are being written: what becomes of them if the program is ended in the middle.
//!
//! Whoever is interrupted (INT) or asked to end (TERM) takes them away and ends as if nothing had been done about the
//! signal. Whoever is killed leaves them, under a name that says what they are; the next run that writes a file of the same
//! name takes them away. A file that somebody still writes is locked, and stays.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How the names of unfinished files end.
const ENDING: &str = ".unfinished";

/// How many names are tried.
const ATTEMPTS: u32 = 16;

static UNFINISHED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn unfinished() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file under a name of its own beside the one that it will have.
#[derive(Debug)]
pub(super) struct Unfinished {
    pub(super) file: File,
    path: PathBuf,
}

impl Unfinished {
    /// Creates the file, and takes away what killed runs have left of files of this name.
    pub(super) fn beside(path: &Path) -> io::Result<Unfinished> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy().into_owned();
        interrupts::watch();
        clean(super::atomic::folder(path), &name);
        let mut all = unfinished();
        let mut failure = io::Error::from(io::ErrorKind::AlreadyExists);
        for attempt in 0..ATTEMPTS {
            let path = path.with_file_name(format!("{name}.{}-{attempt}{ENDING}", std::process::id()));
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => {
                    // Where files cannot be locked, what is left is not taken away either.
                    let _ = file.try_lock();
                    all.insert(path.clone());
                    return Ok(Unfinished { file, path });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => failure = error,
                Err(error) => return Err(error),
            }
        }
        Err(failure)
    }

    /// Gives the file its name: it is complete.
    pub(super) fn finish(self, path: &Path) -> io::Result<()> {
        let mut all = unfinished();
        fs::rename(&self.path, path)?;
        all.remove(&self.path);
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let mut all = unfinished();
        if all.remove(&self.path) {
            // What failed before is the one to tell.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Takes away what runs that are no more have left of a file.
fn clean(folder: &Path, name: &str) {
    let is_left = |file: &str| {
        let numbers = file.strip_prefix(name)?.strip_prefix('.')?.strip_suffix(ENDING)?;
        let (process, attempt) = numbers.split_once('-')?;
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        (is_number(process) && is_number(attempt)).then_some(())
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let left = entry.file_name().to_str().and_then(is_left).is_some();
        if left
            && entry.metadata().is_ok_and(|data| data.is_file() && is_old(&data))
            && is_free(&entry.path())
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// A file that was created just now may not be locked yet.
fn is_old(data: &Metadata) -> bool {
    let age = data.modified().ok().and_then(|time| time.elapsed().ok());
    age.is_some_and(|age| age > Duration::from_secs(1))
}

fn is_free(path: &Path) -> bool {
    OpenOptions::new().write(true).open(path).is_ok_and(|file| file.try_lock().is_ok())
}

#[cfg(unix)]
mod interrupts {
    use std::sync::Once;

    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    use signal_hook::low_level::emulate_default_handler;

    static WATCHED: Once = Once::new();

    /// From now on, signals that end the program take unfinished files with them.
    pub(super) fn watch() {
        WATCHED.call_once(|| {
            let heeded = [SIGINT, SIGTERM].into_iter().filter(|&signal| !is_ignored(signal));
            if let Ok(mut signals) = Signals::new(heeded) {
                std::thread::spawn(move || signals.forever().for_each(end));
            }
        });
    }

    fn end(signal: i32) {
        // No file is begun or finished any more.
        let all = super::unfinished();
        for path in all.iter() {
            let _ = std::fs::remove_file(path);
        }
        let _ = emulate_default_handler(signal);
    }

    /// Was the program started so that it ignores this signal, as those in the background of a script do with INT?
    fn is_ignored(signal: i32) -> bool {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let set = ignored.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0);
        set >> (signal - 1) & 1 == 1
    }
}

#[cfg(not(unix))]
mod interrupts {
    /// Elsewhere, what is left is taken away by the next run.
    pub(super) fn watch() {}
}
