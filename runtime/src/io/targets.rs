//! Nothing of the user's is lost by a slip: what a command is about to write is looked at before anything is computed.
//!
//! A file that is read is never written in the same run, whatever leads to it: another spelling, a hard link, a symbolic
//! link. A file that is there is replaced only by one of its own kind, and not if it is read-only; `--force` says
//! otherwise. What is no plain file is never replaced. A folder has to be there, and to take new files.

use std::fs::{self, File, Metadata};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::{FileError, FileProblem, Format, Place, atomic};
use crate::bundle;
use crate::json::Value;
use crate::quote::quoted;

/// What a file will hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A program with a model.
    Executable,
    /// Answers, or masks.
    Data(Format),
    /// The table of a model's masks.
    MaskTable,
    /// A model as text, at some stage.
    Text,
}

impl Kind {
    /// Masks are an archive of arrays: their batches and names are not those of examples.
    pub(super) fn of_masks(path: &Path) -> Result<Kind, FileProblem> {
        match Format::of_outputs(path) {
            Ok(Format::Npz) => Ok(Kind::Data(Format::Npz)),
            _ => Err(FileProblem::Masks),
        }
    }

    fn words(self) -> &'static str {
        match self {
            Kind::Executable => "an executable of masque's",
            Kind::Data(format) => format.facts().words,
            Kind::MaskTable => "a mask table",
            Kind::Text => "a model's text",
        }
    }

    /// Is this what the file holds already? By its first or last bytes; an empty file is of every kind.
    fn is_held_by(self, path: &Path, size: u64) -> io::Result<bool> {
        /// The longest name that a member of an archive can have, and what stands before it.
        const HEADER: u64 = 30 + 65535;
        if size == 0 {
            return Ok(true);
        }
        let mut file = BufReader::new(File::open(path)?);
        let mut start = |length: u64| {
            let mut bytes = vec![];
            (&mut file).take(length).read_to_end(&mut bytes).map(|_| bytes)
        };
        match self {
            Kind::Executable => bundle::is_bundle(path),
            Kind::Data(Format::Npz) => Ok(begins_with_an_array(&start(HEADER)?)),
            Kind::Data(format) if !format.facts().start.is_empty() => {
                Ok(start(format.facts().start.len() as u64)? == format.facts().start)
            }
            Kind::MaskTable => Ok(start(5)? == *b"call "),
            Kind::Text => Ok(start(7)? == *b"masque "),
            Kind::Data(_) => {
                let mut line = vec![];
                (&mut file).take(crate::examples::MOST_ELEMENTS as u64).read_until(b'\n', &mut line)?;
                let value = std::str::from_utf8(&line).ok().and_then(|line| Value::parse(line).ok());
                Ok(matches!(value, Some(Value::Object(_))))
            }
        }
    }
}

/// Is the first member of this archive an array, or are there none?
fn begins_with_an_array(bytes: &[u8]) -> bool {
    let length =
        bytes.get(26..28).map_or(0, |length| usize::from(u16::from_le_bytes([length[0], length[1]])));
    let name = bytes.get(30..30 + length);
    bytes.starts_with(b"PK\x05\x06")
        || bytes.starts_with(b"PK\x03\x04") && name.is_some_and(|name| name.ends_with(b".npy"))
}

/// The files that a command reads and writes.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    reads: Vec<PathBuf>,
    writes: Vec<(PathBuf, Kind)>,
    force: bool,
}

impl Targets {
    /// Nothing is read or written yet. With `force`, files of other kinds and read-only ones are replaced.
    pub fn new(force: bool) -> Targets {
        Targets { force, ..Targets::default() }
    }

    /// A file is read.
    pub fn read(&mut self, path: impl Into<PathBuf>) -> &mut Targets {
        self.reads.push(path.into());
        self
    }

    /// Inputs are read. Standard input may be a file, too.
    pub fn read_inputs(&mut self, place: &Place) -> &mut Targets {
        self.read(match place {
            Place::File(path) => path,
            Place::Standard => Path::new("/dev/stdin"),
        })
    }

    /// A file is to be written.
    pub fn write(&mut self, path: impl Into<PathBuf>, kind: Kind) -> &mut Targets {
        self.writes.push((path.into(), kind));
        self
    }

    /// Outputs are to be written in this format.
    pub fn write_outputs(&mut self, place: &Place, format: Format) -> &mut Targets {
        match place {
            Place::File(path) => self.write(path, Kind::Data(format)),
            Place::Standard => self,
        }
    }

    /// Masks are to be written.
    ///
    /// # Errors
    ///
    /// [`FileError`] if the name's ending is not that of an archive.
    pub fn write_masks(&mut self, path: &Path) -> Result<&mut Targets, FileError> {
        let kind = Kind::of_masks(path).map_err(|problem| FileError::at(path, problem))?;
        Ok(self.write(path, kind))
    }

    /// Can all of them be written, and is nothing lost by it?
    ///
    /// # Errors
    ///
    /// [`FileError`], naming the file that cannot or may not be written.
    pub fn check(&self) -> Result<(), FileError> {
        for (place, (path, kind)) in self.writes.iter().enumerate() {
            self.check_one(place, path, *kind).map_err(|problem| FileError::at(path, problem))?;
        }
        Ok(())
    }

    fn check_one(&self, place: usize, path: &Path, kind: Kind) -> Result<(), FileProblem> {
        if let Some(input) = self.reads.iter().find(|input| same_file(input, path)) {
            return Err(FileProblem::IsInput(quoted(&input.to_string_lossy())));
        }
        if self.writes[..place].iter().any(|(other, _)| same_file(other, path)) {
            return Err(FileProblem::TwoOutputs);
        }
        match fs::metadata(path) {
            Ok(metadata) => self.check_replaced(path, &metadata, kind)?,
            Err(_) if path.is_symlink() => return Err(FileProblem::DeadLink),
            Err(_) => {}
        }
        atomic::check_folder(path)?;
        Ok(())
    }

    /// May what is there be replaced?
    fn check_replaced(&self, path: &Path, metadata: &Metadata, kind: Kind) -> Result<(), FileProblem> {
        if metadata.is_dir() {
            return Err(FileProblem::NotAFile("a folder"));
        }
        if !metadata.is_file() {
            return Err(FileProblem::NotAFile("no plain file"));
        }
        if self.force {
            return Ok(());
        }
        if metadata.permissions().readonly() {
            return Err(FileProblem::ReadOnly);
        }
        if kind.is_held_by(path, metadata.len())? {
            return Ok(());
        }
        Err(FileProblem::OtherKind(kind.words()))
    }
}

/// Do both names lead to one file, through whatever links; or, where there is none yet, to one name in one folder?
fn same_file(x: &Path, y: &Path) -> bool {
    match (fs::metadata(x), fs::metadata(y)) {
        (Ok(x_data), Ok(y_data)) => same_node(&x_data, &y_data).unwrap_or_else(|| same_name(x, y)),
        (Err(_), Err(_)) => same_name(x, y),
        _ => false,
    }
}

#[cfg(unix)]
fn same_node(x: &Metadata, y: &Metadata) -> Option<bool> {
    use std::os::unix::fs::MetadataExt;
    Some((x.dev(), x.ino()) == (y.dev(), y.ino()))
}

/// Elsewhere the system's one name of a file has to do.
#[cfg(not(unix))]
fn same_node(_: &Metadata, _: &Metadata) -> Option<bool> {
    None
}

fn same_name(x: &Path, y: &Path) -> bool {
    let whole = |path: &Path| {
        let beside = || Some(fs::canonicalize(atomic::folder(path)).ok()?.join(path.file_name()?));
        fs::canonicalize(path).ok().or_else(beside)
    };
    whole(x).is_some_and(|x| whole(y) == Some(x))
}

#[cfg(all(test, unix))]
mod tests;
