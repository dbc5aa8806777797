//! The last bytes of a container, which say where everything else is.

use super::Problem;

/// The last eight bytes of every container.
pub(super) const MAGIC: [u8; 8] = *b"\x89MASQUE\n";

/// Grows with every change of the container's layout or of the plan.
pub(super) const VERSION: u32 = 3;

/// The version before it, which is still read: it has no attachments, and no checksum of what stands before it.
const OLDER: u32 = 2;

/// What every version has at its end: from the weights' length on.
const COMMON: usize = 40;

/// What a version has before that.
const fn more(version: u32) -> usize {
    if version == OLDER { 0 } else { 20 }
}

/// The length and the checksum of a section.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extent {
    pub(super) length: u64,
    pub(super) crc: u32,
}

/// Lengths and checksums of the sections.
///
/// ```text
/// 0 attachments' length u64 | 8 their CRC u32 | 12 CRC u32 of what is before the weights | 16 numerics u32
/// 20 weights' length u64 | 28 plan's length u64 | 36 weights' CRC u32 | 40 plan's CRC u32
/// 44 version u32 | 48 CRC u32 of bytes 0 to 47 | 52 magic
/// ```
///
/// Version 2 begins with the second line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trailer {
    pub(super) version: u32,
    pub(super) weights: Extent,
    pub(super) plan: Extent,
    pub(super) attached: Extent,
    /// The checksum of what is before the weights, and the epoch of the numbers; version 2 has neither.
    pub(super) prefix: Option<u32>,
    pub(super) numerics: Option<u32>,
}

impl Trailer {
    /// A trailer of this version.
    pub(super) fn new(prefix: u32, weights: Extent, plan: Extent, attached: Extent) -> Trailer {
        let numerics = Some(crate::NUMERICS);
        Trailer { version: VERSION, weights, plan, attached, prefix: Some(prefix), numerics }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![];
        bytes.extend(self.attached.length.to_le_bytes());
        bytes.extend(self.attached.crc.to_le_bytes());
        bytes.extend(self.prefix.unwrap_or_default().to_le_bytes());
        bytes.extend(self.numerics.unwrap_or_default().to_le_bytes());
        bytes.extend(self.weights.length.to_le_bytes());
        bytes.extend(self.plan.length.to_le_bytes());
        bytes.extend(self.weights.crc.to_le_bytes());
        bytes.extend(self.plan.crc.to_le_bytes());
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes.extend(MAGIC);
        bytes
    }

    /// How many bytes it takes.
    pub(super) fn length(&self) -> usize {
        COMMON + more(self.version)
    }

    /// Reads the trailer at the end of a file.
    pub(super) fn decode(file: &[u8]) -> Result<Trailer, Problem> {
        let common = file.last_chunk::<COMMON>().filter(|bytes| bytes.ends_with(&MAGIC));
        let version = u32_at(common.ok_or(Problem::NoPayload)?, 24);
        if ![VERSION, OLDER].contains(&version) {
            return Err(Problem::Version { found: version, expected: VERSION });
        }
        let start = file.len().checked_sub(COMMON + more(version)).ok_or(Problem::Cut)?;
        let (more, common) = file[start..].split_at(more(version));
        if crc32fast::hash(&file[start..file.len() - 12]) != u32_at(common, 28) {
            return Err(Problem::Changed("trailer"));
        }
        let known = |at| (version != OLDER).then(|| u32_at(more, at));
        Ok(Trailer {
            version,
            weights: Extent { length: u64_at(common, 0), crc: u32_at(common, 16) },
            plan: Extent { length: u64_at(common, 8), crc: u32_at(common, 20) },
            attached: Extent { length: u64_at(more, 0), crc: u32_at(more, 8) },
            prefix: known(12),
            numerics: known(16),
        })
    }
}

/// The number at a place; 0 beyond the end.
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |chunk| u32::from_le_bytes(*chunk))
}

/// The number at a place; 0 beyond the end.
fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |chunk| u64::from_le_bytes(*chunk))
}
