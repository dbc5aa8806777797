//! Writing archives: stored members, a fixed date, nothing that depends on the machine or the day.

use std::io::{self, Write};

use super::name;

/// Writes an archive of stored members; the same members in the same order give the same bytes.
///
/// ```
/// use masque_runtime::zip::{Archive, Limits, Writer};
/// let mut writer = Writer::new(Vec::new());
/// writer.add("a.txt", b"hello")?;
/// let bytes = writer.finish()?;
/// assert_eq!(&*Archive::open(&bytes, Limits::MODEL)?.read("a.txt")?, b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    offset: u64,
    directory: Vec<u8>,
    members: u64,
}

/// The version that a reader needs: 2.0.
const VERSION: u16 = 20;
/// The name is UTF-8.
const FLAGS: u16 = 1 << 11;
/// 1 January 1980, 0:00, the first moment that a zip file can name.
const TIME: u16 = 0;
const DATE: u16 = 0x0021;

impl<W: Write> Writer<W> {
    /// An archive without members yet, written to `out` member by member.
    pub fn new(out: W) -> Writer<W> {
        Writer { out, offset: 0, directory: Vec::new(), members: 0 }
    }

    /// Adds a member.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] if the name is one that [`Archive::open`](super::Archive::open) would refuse, or
    /// if the archive grows past 4 GiB or 65 534 members, where its simple form ends; and errors of `out`.
    pub fn add(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        if let Some(problem) = name::problem(name) {
            return Err(refused(format!(
                "{} cannot name a zip member: {problem}",
                crate::quote::quoted(name)
            )));
        }
        let too_large = || refused("a zip archive cannot grow past 4 GiB here".into());
        let size = u32::try_from(content.len()).map_err(|_| too_large())?;
        let offset = u32::try_from(self.offset).map_err(|_| too_large())?;
        let length =
            u16::try_from(name.len()).map_err(|_| refused("a zip member's name is too long".into()))?;

        let mut common = Vec::with_capacity(26);
        for field in [VERSION, FLAGS, 0, TIME, DATE] {
            common.extend(field.to_le_bytes());
        }
        for field in [crc32fast::hash(content), size, size] {
            common.extend(field.to_le_bytes());
        }
        common.extend(length.to_le_bytes());
        common.extend([0, 0]);

        self.write(b"PK\x03\x04")?;
        self.write(&common)?;
        self.write(name.as_bytes())?;
        self.write(content)?;

        self.directory.extend(b"PK\x01\x02");
        self.directory.extend(VERSION.to_le_bytes());
        self.directory.extend(&common);
        self.directory.extend([0; 10]);
        self.directory.extend(offset.to_le_bytes());
        self.directory.extend(name.as_bytes());
        self.members += 1;
        Ok(())
    }

    /// Writes the directory and gives back what was written to.
    ///
    /// # Errors
    ///
    /// Those of [`Writer::add`].
    pub fn finish(mut self) -> io::Result<W> {
        let too_large = |_| refused("a zip archive cannot have so many members here".into());
        let members = u16::try_from(self.members + 1).map_err(too_large)? - 1;
        let size = u32::try_from(self.directory.len()).map_err(too_large)?;
        let offset = u32::try_from(self.offset).map_err(too_large)?;
        let directory = std::mem::take(&mut self.directory);
        self.write(&directory)?;
        self.write(b"PK\x05\x06\0\0\0\0")?;
        for field in [members, members] {
            self.write(&field.to_le_bytes())?;
        }
        for field in [size, offset] {
            self.write(&field.to_le_bytes())?;
        }
        self.write(&[0, 0])?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.offset += bytes.len() as u64;
        Ok(())
    }
}

fn refused(message: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, message)
}
