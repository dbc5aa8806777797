//! Which member names are accepted.
//!
//! Names are keys, never paths: nothing is extracted. They are checked nevertheless, because a name that could be
//! misread by any other program is a sign that the file was made to be misread.

use super::ZipError;
use crate::quote::quoted;

/// The name, if it is one; a directory's name ends in `/`.
pub(super) fn check(bytes: &[u8]) -> Result<&str, ZipError> {
    let refuse = |name: &str, problem| Err(ZipError::Name { name: quoted(name), problem });
    let Ok(name) = std::str::from_utf8(bytes) else {
        return refuse(&String::from_utf8_lossy(bytes), "it is not UTF-8");
    };
    match problem(name) {
        Some(problem) => refuse(name, problem),
        None => Ok(name),
    }
}

/// What is wrong with a name. `x:0.npy` is fine, masks have such names; `C:/x` is a drive.
pub(super) fn problem(name: &str) -> Option<&'static str> {
    let path = name.strip_suffix('/').unwrap_or(name);
    let mut start = name.chars();
    let drive = start.next().is_some_and(|c| c.is_ascii_alphabetic())
        && start.next() == Some(':')
        && matches!(start.next(), None | Some('/' | '\\'));
    if path.is_empty() {
        Some("it is empty")
    } else if drive {
        Some("it begins with a drive letter")
    } else if name.contains('\\') {
        Some("it contains a backslash")
    } else if name.chars().any(char::is_control) {
        Some("it contains a control character")
    } else if name.starts_with('/') {
        Some("it is an absolute path")
    } else if path.split('/').any(|part| part == "..") {
        Some("it contains \"..\"")
    } else if path.split('/').any(|part| part.is_empty() || part == ".") {
        Some("it contains an empty part")
    } else {
        None
    }
}

/// The form in which two names are the same on a file system that ignores case.
pub(super) fn fold(name: &str) -> String {
    name.to_lowercase()
}
