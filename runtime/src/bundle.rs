//! The container: a plan and its weights in one file, behind whatever stands before them.
//!
//! ```text
//! prefix      the runner's executable, or nothing; filled up to a page
//! weights     every weight at a multiple of 64 bytes
//! plan        postcard
//! attached    postcard, and an example; see [`Attached`]
//! trailer     60 bytes: lengths, checksums, versions, magic
//! ```
//!
//! A file is read from its end, so that the prefix can be any executable: it runs as it did before. The weights are
//! never copied; they are used where the memory map shows them. Everything is under CRC-32; that of the prefix is only
//! looked at when somebody wants to know ([`Parts::is_intact`]), the system that runs it has its own checks.

mod error;
mod parts;
pub mod runner;
mod trailer;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use masque_ir::plan::{ALIGNMENT, Plan, PlanWeight};
use memmap2::Mmap;

pub use error::{BundleError, Problem};
pub use parts::{Part, Parts};
use trailer::{Extent, Trailer};

use crate::attached::Attached;
use crate::check;

/// Sections begin at a multiple of this many bytes of the file: a memory page.
pub const PAGE: usize = 4096;

/// Gives every weight its offset, one behind the other, each at a multiple of [`ALIGNMENT`].
pub fn place(weights: &mut [PlanWeight]) {
    let mut end = 0u64;
    for weight in weights {
        weight.offset = end.next_multiple_of(ALIGNMENT);
        end = weight.offset + weight.bytes;
    }
}

/// Writes `prefix`, the weights' bytes (in the order and of the lengths that the plan tells), the plan and what is
/// attached to it; gives the number of bytes written. The same arguments give the same bytes.
///
/// # Errors
///
/// Those of `out`; [`io::ErrorKind::InvalidInput`] if the plan's offsets do not fit the weights.
pub fn write<B: AsRef<[u8]>>(
    out: &mut impl Write,
    prefix: &[u8],
    plan: &Plan,
    weights: impl IntoIterator<Item = B>,
    attached: &Attached,
) -> io::Result<u64> {
    let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidInput, message);
    let encoded = postcard::to_stdvec(plan).map_err(|error| invalid(error.to_string()))?;
    let more = attached.encode().map_err(|error| invalid(error.to_string()))?;
    let mut section = Section::new(out);
    section.write_all(prefix)?;
    fill(&mut section, (prefix.len().next_multiple_of(PAGE) - prefix.len()) as u64)?;
    let before = section.end();

    let mut section = Section::new(out);
    let mut contents = weights.into_iter();
    for weight in &plan.weights {
        let bytes = contents.next().ok_or_else(|| invalid(format!("weight {} has no bytes", weight.name)))?;
        let bytes = bytes.as_ref();
        let gap = weight.offset.checked_sub(section.length);
        match gap {
            Some(gap) if weight.offset.is_multiple_of(ALIGNMENT) && bytes.len() as u64 == weight.bytes => {
                fill(&mut section, gap)?;
            }
            _ => return Err(invalid(format!("weight {} is not where the plan places it", weight.name))),
        }
        section.write_all(bytes)?;
    }
    if contents.next().is_some() {
        return Err(invalid("there are more weights than the plan tells".into()));
    }
    let weights = section.end();
    let [plan, attached] =
        [&encoded, &more].map(|bytes| Extent { length: bytes.len() as u64, crc: crc32fast::hash(bytes) });
    let trailer = Trailer::new(before.crc, weights, plan, attached);
    for bytes in [encoded, more, trailer.encode()] {
        out.write_all(&bytes)?;
    }
    Ok([before, weights, plan, attached].iter().map(|part| part.length).sum::<u64>()
        + trailer.length() as u64)
}

/// Does the file end as a container does, of whatever version?
///
/// # Errors
///
/// Those of the file.
pub fn is_bundle(path: &Path) -> io::Result<bool> {
    let mut file = File::open(path)?;
    let mut end = [0; trailer::MAGIC.len()];
    let Some(start) = file.metadata()?.len().checked_sub(end.len() as u64) else { return Ok(false) };
    file.seek(SeekFrom::Start(start))?;
    file.read_exact(&mut end)?;
    Ok(end == trailer::MAGIC)
}

fn fill(out: &mut impl Write, count: u64) -> io::Result<()> {
    io::copy(&mut io::repeat(0).take(count), out).map(|_| ())
}

/// Counts and sums what passes.
struct Section<'a, W> {
    out: &'a mut W,
    crc: crc32fast::Hasher,
    length: u64,
}

impl<W> Section<'_, W> {
    fn new(out: &mut W) -> Section<'_, W> {
        Section { out, crc: crc32fast::Hasher::new(), length: 0 }
    }

    /// What has passed.
    fn end(self) -> Extent {
        Extent { length: self.length, crc: self.crc.finalize() }
    }
}

impl<W: Write> Write for Section<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.crc.update(&bytes[..written]);
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A container that was opened and found sound.
#[derive(Debug)]
pub struct Bundle {
    parts: Parts,
    plan: Arc<Plan>,
    attached: Attached,
}

impl Bundle {
    /// Opens a container: an executable or a plan file.
    ///
    /// # Errors
    ///
    /// [`BundleError`], naming the file: it cannot be read, carries nothing, was cut or changed, or its plan is not
    /// sound (see [`check`]).
    pub fn open(path: &Path) -> Result<Bundle, BundleError> {
        Bundle::read(path).map_err(|problem| BundleError::new(path, problem))
    }

    /// Opens what the running executable carries.
    ///
    /// # Errors
    ///
    /// As [`Bundle::open`].
    pub fn of_current_exe() -> Result<Bundle, BundleError> {
        let path =
            program().map_err(|error| BundleError::new(&PathBuf::from("this executable"), error.into()))?;
        Bundle::open(&path)
    }

    fn read(path: &Path) -> Result<Bundle, Problem> {
        let parts = Parts::read(path)?;
        let (plan, attached) = parts.contents()?;
        Ok(Bundle { parts, plan: Arc::new(plan), attached })
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The plan, to be shared.
    pub(crate) fn shared_plan(&self) -> Arc<Plan> {
        self.plan.clone()
    }

    /// The weights section; the plan's offsets count from its start.
    pub fn weights(&self) -> &[u8] {
        self.parts.bytes(Part::Weights)
    }

    /// What travels with the plan.
    pub fn attached(&self) -> &Attached {
        &self.attached
    }
}

/// The path of the running program: what the system says, or, where nothing says it (a root without `/proc`), what it was
/// called by, if that is a path.
///
/// # Errors
///
/// What the system says.
pub(crate) fn program() -> io::Result<PathBuf> {
    std::env::current_exe().or_else(|error| {
        let called = std::env::args_os().next().map(PathBuf::from);
        called.filter(|path| path.components().count() > 1).ok_or(error)
    })
}

/// The plan that these bytes are, found sound for a weights section of `weights` bytes.
///
/// # Errors
///
/// [`Problem::Encoding`], or what [`check`] found.
pub fn decode(bytes: &[u8], weights: u64) -> Result<Plan, Problem> {
    let plan: Plan = match postcard::take_from_bytes(bytes) {
        Ok((plan, [])) => plan,
        Ok(_) => return Err(Problem::Encoding("bytes are left over".into())),
        Err(error) => return Err(Problem::Encoding(error.to_string())),
    };
    check::check(&plan, weights)?;
    Ok(plan)
}

fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the map is only read, and as plain bytes; whoever changes the file under a running program changes
    // numbers, or ends it, but every index and length was taken from a decoded copy.
    #[allow(unsafe_code, reason = "the memory map")]
    unsafe {
        Mmap::map(file)
    }
}

#[cfg(test)]
mod tests;
