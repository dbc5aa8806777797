//! The parts of a container as they lie in the file, whether or not they are sound.

use std::fs::File;
use std::ops::Range;
use std::path::Path;

use masque_ir::plan::Plan;
use memmap2::Mmap;

use super::trailer::Trailer;
use super::{BundleError, PAGE, Problem, decode, map};
use crate::attached::Attached;

/// A part of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What is before the weights: the program, filled up to a page.
    Runner,
    /// The weights section.
    Weights,
    /// The plan.
    Plan,
    /// What is attached: labels, notes, an example.
    Attached,
}

impl Part {
    /// All parts, in the order of the file.
    pub const ALL: [Part; 4] = [Part::Runner, Part::Weights, Part::Plan, Part::Attached];

    /// The name that it has in messages.
    pub fn name(self) -> &'static str {
        match self {
            Part::Runner => "runner",
            Part::Weights => "weights",
            Part::Plan => "plan",
            Part::Attached => "attachments",
        }
    }
}

/// A container of which nothing was checked but its trailer, and that the parts fit into the file.
#[derive(Debug)]
pub struct Parts<B = Mmap> {
    file: B,
    trailer: Trailer,
    weights: Range<usize>,
    plan: Range<usize>,
    attached: Range<usize>,
}

impl Parts {
    /// Opens a container.
    ///
    /// # Errors
    ///
    /// [`BundleError`], naming the file: it cannot be read, is no container, is of an unknown version, or was cut.
    pub fn open(path: &Path) -> Result<Parts, BundleError> {
        Parts::read(path).map_err(|problem| BundleError::new(path, problem))
    }

    pub(super) fn read(path: &Path) -> Result<Parts, Problem> {
        let file = File::open(path)?;
        if !file.metadata()?.is_file() {
            return Err(Problem::NotAFile);
        }
        Parts::of(map(&file)?)
    }
}

impl<B: AsRef<[u8]>> Parts<B> {
    /// Where the parts lie in a file.
    pub(super) fn of(file: B) -> Result<Parts<B>, Problem> {
        let trailer = Trailer::decode(file.as_ref())?;
        let before = |end: usize, length: u64| {
            let length = usize::try_from(length).map_err(|_| Problem::Cut)?;
            end.checked_sub(length).map(|start| start..end).ok_or(Problem::Cut)
        };
        let attached = before(file.as_ref().len() - trailer.length(), trailer.attached.length)?;
        let plan = before(attached.start, trailer.plan.length)?;
        let weights = before(plan.start, trailer.weights.length)?;
        match weights.start.is_multiple_of(PAGE) {
            true => Ok(Parts { file, trailer, weights, plan, attached }),
            false => Err(Problem::Cut),
        }
    }

    /// The version of the format.
    pub fn version(&self) -> u32 {
        self.trailer.version
    }

    /// The epoch of the numbers, [`crate::NUMERICS`] of whatever built it.
    pub fn numerics(&self) -> u32 {
        self.trailer.numerics
    }

    /// The bytes of a part.
    pub fn bytes(&self, part: Part) -> &[u8] {
        let range = match part {
            Part::Runner => 0..self.weights.start,
            Part::Weights => self.weights.clone(),
            Part::Plan => self.plan.clone(),
            Part::Attached => self.attached.clone(),
        };
        &self.file.as_ref()[range]
    }

    /// Is a part as its checksum says?
    pub fn is_intact(&self, part: Part) -> bool {
        let crc = match part {
            Part::Runner => self.trailer.prefix,
            Part::Weights => self.trailer.weights.crc,
            Part::Plan => self.trailer.plan.crc,
            Part::Attached => self.trailer.attached.crc,
        };
        crc32fast::hash(self.bytes(part)) == crc
    }

    /// What the container holds, found sound.
    ///
    /// # Errors
    ///
    /// [`Problem`]: a part was changed (the program is not looked at), or the plan is not sound.
    pub fn contents(&self) -> Result<(Plan, Attached), Problem> {
        let changed = |part: &&Part| !self.is_intact(**part);
        if let Some(part) = [Part::Plan, Part::Weights, Part::Attached].iter().find(changed) {
            return Err(Problem::Changed(part.name()));
        }
        let plan = decode(self.bytes(Part::Plan), self.weights.len() as u64)?;
        let attached = Attached::decode(self.bytes(Part::Attached), &plan).map_err(Problem::Attached)?;
        Ok((plan, attached))
    }
}
