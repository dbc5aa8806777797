//! The bytes of a file or of standard input as they come, decompressed if they begin as an archive does.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::formats::{ARCHIVES, Archive, FORMATS};
use super::{FileProblem, Format, Place};

/// An archive that is read whole holds at most so many bytes.
const MOST_WHOLE: u64 = 1 << 31;

/// Bytes that are read piece by piece.
pub(crate) struct Source {
    bytes: Peeked<Box<dyn Read + Send>>,
    /// What kind of archive they come out of, if any.
    archive: Option<&'static str>,
    /// How many bytes of the file were taken.
    taken: Arc<AtomicU64>,
    /// A plain file.
    #[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "only Parquet is read in any order"))]
    file: Option<File>,
}

/// What the bytes of a place are before they are decompressed.
pub(super) type Raw = Peeked<Counted>;

impl Source {
    /// Opens a place, and waits for its first bytes.
    pub(crate) fn open(place: &Place) -> Result<Source, FileProblem> {
        match place {
            Place::Standard => Source::of(Box::new(io::stdin())),
            Place::File(path) => {
                let file = File::open(path)?;
                let plain = file.metadata().is_ok_and(|data| data.is_file());
                let again = if plain { file.try_clone().ok() } else { None };
                Ok(Source { file: again, ..Source::of(Box::new(file))? })
            }
        }
    }

    /// Waits for the first of these bytes.
    pub(crate) fn of(bytes: Box<dyn Read + Send>) -> Result<Source, FileProblem> {
        let taken = Arc::new(AtomicU64::new(0));
        let mut bytes = Peeked::new(Counted { bytes, taken: taken.clone() });
        let found = bytes.begins_with(ARCHIVES.iter().map(|archive| archive.start))?;
        let archive = found.map(|place| &ARCHIVES[place]);
        let bytes: Box<dyn Read + Send> = match archive {
            None => Box::new(bytes),
            Some(Archive { open: Some(open), .. }) => open(bytes),
            Some(Archive { name, .. }) => return Err(FileProblem::NoFeature { what: name, feature: name }),
        };
        let archive = archive.map(|archive| archive.name);
        Ok(Source { bytes: Peeked::new(bytes), archive, taken, file: None })
    }

    /// The format that the first bytes tell, if they tell one.
    pub(crate) fn format(&mut self) -> Result<Option<Format>, FileProblem> {
        let archive = self.archive;
        let told = FORMATS.iter().filter(|facts| !facts.start.is_empty());
        let found = self.bytes.begins_with(told.clone().map(|facts| facts.start));
        let found = found.map_err(|error| damage(archive, error))?;
        Ok(found.and_then(|place| told.clone().nth(place)).map(|facts| facts.format))
    }

    /// Counts the bytes of the file that were taken, which are those of an archive where it is one.
    pub(crate) fn taken(&self) -> Arc<AtomicU64> {
        self.taken.clone()
    }

    /// The file, if it is a plain one that is not compressed, and can be read in any order.
    #[cfg(feature = "parquet")]
    pub(crate) fn file(&self) -> Option<File> {
        self.file.as_ref().filter(|_| self.archive.is_none()).and_then(|file| file.try_clone().ok())
    }

    /// What an error of reading says of the file.
    #[cfg(feature = "arrow")]
    pub(crate) fn damage(&self, error: io::Error) -> FileProblem {
        damage(self.archive, error)
    }

    /// Reads what comes next; 0 bytes at the end.
    pub(crate) fn read(&mut self, room: &mut [u8]) -> Result<usize, FileProblem> {
        loop {
            match self.bytes.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(damage(self.archive, error)),
                Ok(read) => return Ok(read),
            }
        }
    }

    /// Reads all that there is.
    pub(crate) fn read_whole(mut self) -> Result<Vec<u8>, FileProblem> {
        let mut whole = vec![];
        let Some(archive) = self.archive else {
            self.bytes.read_to_end(&mut whole)?;
            return Ok(whole);
        };
        let read = self.bytes.take(MOST_WHOLE + 1).read_to_end(&mut whole);
        read.map_err(|error| damage(self.archive, error))?;
        if whole.len() as u64 > MOST_WHOLE {
            return Err(FileProblem::ArchiveTooLong(archive, MOST_WHOLE));
        }
        Ok(whole)
    }
}

#[cfg(feature = "arrow")]
impl Read for Source {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(room)
    }
}

/// What is wrong with an archive, if it is not the reading of it that failed.
fn damage(archive: Option<&'static str>, error: io::Error) -> FileProblem {
    let Some(archive) = archive else { return error.into() };
    match error.kind() {
        io::ErrorKind::UnexpectedEof => FileProblem::ArchiveCut(archive),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => {
            FileProblem::Archive { archive, problem: error.to_string() }
        }
        _ => error.into(),
    }
}

/// Bytes whose beginning can be looked at before they are read.
pub(super) struct Peeked<R> {
    start: Vec<u8>,
    /// How many bytes of the start were read.
    read: usize,
    rest: R,
}

impl<R: Read> Peeked<R> {
    fn new(rest: R) -> Peeked<R> {
        Peeked { start: vec![], read: 0, rest }
    }

    /// With which of these do the bytes begin? A program that is talked to may be sent one byte, and answer before the
    /// next: no more is waited for than tells them apart.
    fn begins_with<'s>(
        &mut self,
        starts: impl Iterator<Item = &'s [u8]> + Clone,
    ) -> io::Result<Option<usize>> {
        while starts.clone().any(|start| start.len() > self.start.len() && start.starts_with(&self.start)) {
            let mut next = [0];
            match self.rest.read(&mut next) {
                Ok(0) => break,
                Ok(_) => self.start.extend(next),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(starts.clone().position(|start| self.start.starts_with(start)))
    }
}

impl<R: Read> Read for Peeked<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let waits = &self.start[self.read..];
        if waits.is_empty() {
            return self.rest.read(room);
        }
        let length = waits.len().min(room.len());
        room[..length].copy_from_slice(&waits[..length]);
        self.read += length;
        Ok(length)
    }
}

pub(super) struct Counted {
    bytes: Box<dyn Read + Send>,
    taken: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(room)?;
        self.taken.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}
