//! Files of labels, by what the command line says of them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use masque_ir::plan::Plan;

use super::FileError;
use super::reading::read_text;
use crate::classes::{Labels, output_of};

/// Reads what stands behind each `--labels`: `FILE`, or `OUTPUT=FILE` where several outputs have classes.
///
/// # Errors
///
/// [`FileError`], naming the file: it cannot be read, is no text, has more or fewer lines than the output has
/// classes, or it is not clear which output it is for.
pub fn read_labels(plan: &Plan, given: &[PathBuf]) -> Result<Labels, FileError> {
    let mut labels = Labels::none(plan);
    for given in given {
        let (output, path) = target(plan, given);
        let taken = read_text(path).and_then(|text| Ok(labels.take(plan, output, &text)?));
        taken.map_err(|problem| FileError::at(path, problem))?;
    }
    Ok(labels)
}

/// The file, and the output that stands before it, if what does is the name of one.
fn target<'p>(plan: &Plan, given: &'p Path) -> (Option<usize>, &'p Path) {
    let named = split(given).and_then(|(name, path)| Some((output_of(plan, name)?, path)));
    named.map_or((None, given), |(output, path)| (Some(output), path))
}

/// The files that a `--labels` may mean, before it is known which names outputs have.
pub fn label_files(given: &Path) -> impl Iterator<Item = &Path> {
    std::iter::once(given).chain(split(given).map(|(_, path)| path))
}

/// What stands before and behind the first `=`.
fn split(given: &Path) -> Option<(&str, &Path)> {
    let (name, path) = given.to_str()?.split_once('=')?;
    Some((name, Path::new(OsStr::new(path))))
}
