//! The last bytes of a container, which say where everything else is.

use super::Problem;

/// The last eight bytes of every container.
pub(super) const MAGIC: [u8; 8] = *b"\x89MASQUE\n";

/// Grows with every change of the container's layout or of the plan. Other versions are refused: each has plans of its
/// own.
pub(super) const VERSION: u32 = 5;

/// The bytes of a trailer.
const LENGTH: usize = 60;

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
#[derive(Clone, Copy, Debug)]
pub(super) struct Trailer {
    pub(super) version: u32,
    pub(super) weights: Extent,
    pub(super) plan: Extent,
    pub(super) attached: Extent,
    /// The checksum of what is before the weights.
    pub(super) prefix: u32,
    /// The epoch of the numbers.
    pub(super) numerics: u32,
}

impl Trailer {
    /// A trailer of this version.
    pub(super) fn new(prefix: u32, weights: Extent, plan: Extent, attached: Extent) -> Trailer {
        Trailer { version: VERSION, weights, plan, attached, prefix, numerics: crate::NUMERICS }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![];
        bytes.extend(self.attached.length.to_le_bytes());
        bytes.extend(self.attached.crc.to_le_bytes());
        bytes.extend(self.prefix.to_le_bytes());
        bytes.extend(self.numerics.to_le_bytes());
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
        LENGTH
    }

    /// Reads the trailer at the end of a file.
    pub(super) fn decode(file: &[u8]) -> Result<Trailer, Problem> {
        // The version is known before anything of what it has: it stands at the same distance from the end.
        let end =
            file.last_chunk::<16>().filter(|bytes| bytes.ends_with(&MAGIC)).ok_or(Problem::NoPayload)?;
        let version = u32_at(end, 0);
        if version != VERSION {
            return Err(Problem::Version { found: version, expected: VERSION });
        }
        let bytes: &[u8; LENGTH] = file.last_chunk().ok_or(Problem::Cut)?;
        if crc32fast::hash(&bytes[..48]) != u32_at(bytes, 48) {
            return Err(Problem::Changed("trailer"));
        }
        Ok(Trailer {
            version,
            attached: Extent { length: u64_at(bytes, 0), crc: u32_at(bytes, 8) },
            prefix: u32_at(bytes, 12),
            numerics: u32_at(bytes, 16),
            weights: Extent { length: u64_at(bytes, 20), crc: u32_at(bytes, 36) },
            plan: Extent { length: u64_at(bytes, 28), crc: u32_at(bytes, 40) },
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
