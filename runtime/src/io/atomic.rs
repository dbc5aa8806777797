//! Files that are there completely or not at all.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::unfinished::Unfinished;
use crate::quote::quoted;

/// Writes a file under another name in the same folder, and gives it its name when it is complete. If anything fails, or
/// the program is ended, what was there before stays as it was. A symbolic link stays one: the file that it leads to is
/// replaced.
///
/// # Errors
///
/// Those of the folder, of the file and of `write`.
pub fn replace<T, E: From<io::Error>>(
    path: &Path,
    write: impl FnOnce(&mut File) -> Result<T, E>,
) -> Result<T, E> {
    if path.is_dir() {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder").into());
    }
    let path = &if path.is_symlink() { fs::canonicalize(path)? } else { path.to_owned() };
    let mut unfinished = begin(path)?;
    let done = write(&mut unfinished.file)?;
    unfinished.finish(path)?;
    Ok(done)
}

/// The folder that a file is in, or would be.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Is the folder there in which [`replace`] would write this file, and does it take new files?
pub(super) fn check_folder(path: &Path) -> io::Result<()> {
    begin(path).map(drop)
}

fn begin(path: &Path) -> io::Result<Unfinished> {
    let folder = folder(path);
    if !folder.is_dir() {
        let message = format!("there is no folder {}", quoted(&folder.to_string_lossy()));
        return Err(io::Error::new(io::ErrorKind::NotFound, message));
    }
    Unfinished::beside(path)
}
