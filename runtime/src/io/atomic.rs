//! Files that are there completely or not at all.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// How many names are tried for the temporary file.
const ATTEMPTS: u32 = 16;

/// Writes a file under a temporary name in the same folder, and gives it its name when it is complete. If anything
/// fails, what was there before stays as it was.
///
/// # Errors
///
/// Those of the folder, of the file and of `write`.
pub fn replace(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
    }
    let (mut file, temporary) = create_beside(path)?;
    let done = write(&mut file).and_then(|()| fs::rename(&temporary, path));
    if done.is_err() {
        // The first failure is the one to tell.
        let _ = fs::remove_file(&temporary);
    }
    done
}

fn create_beside(path: &Path) -> io::Result<(File, PathBuf)> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_string_lossy();
    let mut failure = io::Error::from(io::ErrorKind::AlreadyExists);
    for attempt in 0..ATTEMPTS {
        let temporary = path.with_file_name(format!(".{name}.{}-{attempt}.part", std::process::id()));
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Ok(file) => return Ok((file, temporary)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => failure = error,
            Err(error) => return Err(error),
        }
    }
    Err(failure)
}
