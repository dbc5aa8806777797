//! The container: a plan and its weights in one file, behind whatever stands before them.
//!
//! ```text
//! prefix      the runner's executable, or nothing; filled up to a page
//! weights     every weight at a multiple of 64 bytes
//! plan        postcard
//! trailer     40 bytes: lengths, checksums, version, magic
//! ```
//!
//! A file is read from its end, so that the prefix can be any executable: it runs as it did before. The weights are
//! never copied; they are used where the memory map shows them. Sections and trailer are under CRC-32, the prefix is
//! not: the system that runs it has its own checks.

mod error;
pub mod runner;
mod trailer;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use masque_ir::plan::{ALIGNMENT, Plan, PlanWeight};
use memmap2::Mmap;

pub use error::{BundleError, Problem};
use trailer::{TRAILER, Trailer};

use crate::check;

/// Sections begin at a multiple of this many bytes of the file: a memory page.
const PAGE: u64 = 4096;

/// Gives every weight its offset, one behind the other, each at a multiple of [`ALIGNMENT`].
pub fn place(weights: &mut [PlanWeight]) {
    let mut end = 0u64;
    for weight in weights {
        weight.offset = end.next_multiple_of(ALIGNMENT);
        end = weight.offset + weight.bytes;
    }
}

/// Writes `prefix`, the weights' bytes (in the order and of the lengths that the plan tells) and the plan; gives the
/// number of bytes written. The same arguments give the same bytes.
///
/// # Errors
///
/// Those of `out`; [`io::ErrorKind::InvalidInput`] if the plan's offsets do not fit the weights.
pub fn write<B: AsRef<[u8]>>(
    out: &mut impl Write,
    prefix: &[u8],
    plan: &Plan,
    weights: impl IntoIterator<Item = B>,
) -> io::Result<u64> {
    let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidInput, message);
    let encoded = postcard::to_stdvec(plan).map_err(|error| invalid(error.to_string()))?;
    out.write_all(prefix)?;
    let start = (prefix.len() as u64).next_multiple_of(PAGE);
    fill(out, start - prefix.len() as u64)?;

    let mut section = Section { out: &mut *out, crc: crc32fast::Hasher::new(), length: 0 };
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
    let trailer = Trailer {
        weights: section.length,
        plan: encoded.len() as u64,
        weights_crc: section.crc.finalize(),
        plan_crc: crc32fast::hash(&encoded),
    };
    out.write_all(&encoded)?;
    out.write_all(&trailer.encode())?;
    Ok(start + trailer.weights + trailer.plan + TRAILER as u64)
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
    map: Mmap,
    weights: Range<usize>,
    plan: Arc<Plan>,
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
        let path = std::env::current_exe()
            .map_err(|error| BundleError::new(&PathBuf::from("this executable"), error.into()))?;
        Bundle::open(&path)
    }

    fn read(path: &Path) -> Result<Bundle, Problem> {
        let file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Err(Problem::NotAFile);
        }
        let map = map(&file)?;
        let (weights, plan) = sections(&map)?;
        let plan = Arc::new(decode(&map[plan], weights.len() as u64)?);
        Ok(Bundle { map, weights, plan })
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
        &self.map[self.weights.clone()]
    }
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

/// Where weights and plan lie, both verified.
fn sections(bytes: &[u8]) -> Result<(Range<usize>, Range<usize>), Problem> {
    let end = bytes.len().checked_sub(TRAILER).ok_or(Problem::NoPayload)?;
    let trailer = Trailer::decode(&bytes[end..])?;
    let before = |end: usize, length: u64| {
        let length = usize::try_from(length).map_err(|_| Problem::Cut)?;
        end.checked_sub(length).map(|start| start..end).ok_or(Problem::Cut)
    };
    let plan = before(end, trailer.plan)?;
    let weights = before(plan.start, trailer.weights)?;
    if !(weights.start as u64).is_multiple_of(PAGE) {
        return Err(Problem::Cut);
    }
    let intact = |range: &Range<usize>, crc: u32| crc32fast::hash(&bytes[range.clone()]) == crc;
    if !intact(&plan, trailer.plan_crc) {
        return Err(Problem::Changed("plan"));
    }
    if !intact(&weights, trailer.weights_crc) {
        return Err(Problem::Changed("weights"));
    }
    Ok((weights, plan))
}

#[cfg(test)]
mod tests;
