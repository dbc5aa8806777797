//! Files that are there completely or not at all.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::quote::quoted;

/// How many names are tried for the temporary file.
const ATTEMPTS: u32 = 16;

/// Writes a file under a temporary name in the same folder, and gives it its name when it is complete. If anything
/// fails, what was there before stays as it was. A symbolic link stays one: the file that it leads to is replaced.
///
/// # Errors
///
/// Those of the folder, of the file and of `write`.
pub fn replace<T>(path: &Path, write: impl FnOnce(&mut File) -> io::Result<T>) -> io::Result<T> {
    if path.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder"));
    }
    let path = &if path.is_symlink() { fs::canonicalize(path)? } else { path.to_owned() };
    let (mut file, temporary) = create_beside(path)?;
    let done = write(&mut file).and_then(|done| fs::rename(&temporary, path).map(|()| done));
    if done.is_err() {
        // The first failure is the one to tell.
        let _ = fs::remove_file(&temporary);
    }
    done
}

/// The folder that a file is in, or would be.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Is the folder there in which [`replace`] would write this file, and does it take new files?
pub(super) fn check_folder(path: &Path) -> io::Result<()> {
    let (_, temporary) = create_beside(path)?;
    fs::remove_file(temporary)
}

fn create_beside(path: &Path) -> io::Result<(File, PathBuf)> {
    let folder = folder(path);
    if !folder.is_dir() {
        let message = format!("there is no folder {}", quoted(&folder.to_string_lossy()));
        return Err(io::Error::new(io::ErrorKind::NotFound, message));
    }
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
