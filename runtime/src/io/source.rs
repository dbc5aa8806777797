//! The bytes of records as they come, from a file or standard input; decompressed if they begin as a gzip archive does.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Chain, Cursor, Read};
use std::rc::Rc;

use flate2::read::MultiGzDecoder;

use super::{FileProblem, Place};

/// The first bytes of a gzip archive.
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// An archive that is read whole holds at most so many bytes.
const MOST_WHOLE: u64 = 1 << 31;

/// Bytes that are read piece by piece.
pub(crate) struct Source {
    bytes: Bytes,
    /// How many bytes of the file were taken.
    taken: Rc<Cell<u64>>,
}

/// What was looked at, and what follows it.
type Raw = Chain<Cursor<Vec<u8>>, Counted>;

enum Bytes {
    Plain(Raw),
    Gzip(Box<MultiGzDecoder<Raw>>),
}

impl Source {
    /// Opens a place, and waits for its first bytes.
    pub(crate) fn open(place: &Place) -> io::Result<Source> {
        match place {
            Place::Standard => Source::of(Box::new(io::stdin())),
            Place::File(path) => Source::of(Box::new(File::open(path)?)),
        }
    }

    fn of(bytes: Box<dyn Read>) -> io::Result<Source> {
        let taken = Rc::new(Cell::new(0));
        let mut bytes = Counted { bytes, taken: taken.clone() };
        let mut start = vec![];
        // A program that is talked to may be sent one byte, and answer before the next: no more is waited for than
        // tells the two apart.
        while start.len() < MAGIC.len() && MAGIC.starts_with(&start) {
            let mut next = [0];
            match bytes.read(&mut next) {
                Ok(0) => break,
                Ok(_) => start.extend(next),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let is_gzip = start == MAGIC;
        let bytes = Cursor::new(start).chain(bytes);
        let bytes =
            if is_gzip { Bytes::Gzip(Box::new(MultiGzDecoder::new(bytes))) } else { Bytes::Plain(bytes) };
        Ok(Source { bytes, taken })
    }

    /// How many bytes of the file were taken, which are those of an archive where it is one.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.get()
    }

    /// Reads what comes next; 0 bytes at the end.
    pub(crate) fn read(&mut self, room: &mut [u8]) -> Result<usize, FileProblem> {
        loop {
            let read = match &mut self.bytes {
                Bytes::Plain(bytes) => bytes.read(room).map_err(FileProblem::from),
                Bytes::Gzip(bytes) => bytes.read(room).map_err(damage),
            };
            match read {
                Err(FileProblem::Io(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Reads all that there is.
    pub(crate) fn read_whole(mut self) -> Result<Vec<u8>, FileProblem> {
        let mut whole = vec![];
        match &mut self.bytes {
            Bytes::Plain(bytes) => drop(bytes.read_to_end(&mut whole)?),
            Bytes::Gzip(bytes) => {
                bytes.take(MOST_WHOLE + 1).read_to_end(&mut whole).map_err(damage)?;
                if whole.len() as u64 > MOST_WHOLE {
                    return Err(FileProblem::GzipTooLong(MOST_WHOLE));
                }
            }
        }
        Ok(whole)
    }
}

/// What is wrong with an archive, if it is not the reading of it that failed.
fn damage(error: io::Error) -> FileProblem {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => FileProblem::GzipCut,
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => FileProblem::Gzip(error.to_string()),
        _ => error.into(),
    }
}

struct Counted {
    bytes: Box<dyn Read>,
    taken: Rc<Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(room)?;
        self.taken.set(self.taken.get() + read as u64);
        Ok(read)
    }
}
