//! The last bytes of a container, which say where everything else is.

use super::Problem;

/// The length of the trailer.
pub(super) const TRAILER: usize = 40;

/// The last eight bytes of every container.
pub(super) const MAGIC: [u8; 8] = *b"\x89MASQUE\n";

/// Grows with every change of the container's layout or of the plan.
pub(super) const VERSION: u32 = 2;

/// Lengths and checksums of the sections.
///
/// ```text
/// 0 weights' length u64 | 8 plan's length u64 | 16 weights' CRC u32 | 20 plan's CRC u32
/// 24 version u32 | 28 CRC u32 of bytes 0 to 27 | 32 magic
/// ```
pub(super) struct Trailer {
    pub(super) weights: u64,
    pub(super) plan: u64,
    pub(super) weights_crc: u32,
    pub(super) plan_crc: u32,
}

impl Trailer {
    pub(super) fn encode(&self) -> [u8; TRAILER] {
        let mut bytes = [0; TRAILER];
        bytes[..8].copy_from_slice(&self.weights.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.plan.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.weights_crc.to_le_bytes());
        bytes[20..24].copy_from_slice(&self.plan_crc.to_le_bytes());
        bytes[24..28].copy_from_slice(&VERSION.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..28]);
        bytes[28..32].copy_from_slice(&crc.to_le_bytes());
        bytes[32..].copy_from_slice(&MAGIC);
        bytes
    }

    /// Reads the last [`TRAILER`] bytes of a file.
    pub(super) fn decode(bytes: &[u8]) -> Result<Trailer, Problem> {
        let u32_at = |at: usize| bytes[at..].first_chunk().map_or(0, |chunk| u32::from_le_bytes(*chunk));
        let u64_at = |at: usize| bytes[at..].first_chunk().map_or(0, |chunk| u64::from_le_bytes(*chunk));
        if bytes[32..] != MAGIC {
            return Err(Problem::NoPayload);
        }
        if crc32fast::hash(&bytes[..28]) != u32_at(28) {
            return Err(Problem::Changed("trailer"));
        }
        match u32_at(24) {
            VERSION => Ok(Trailer {
                weights: u64_at(0),
                plan: u64_at(8),
                weights_crc: u32_at(16),
                plan_crc: u32_at(20),
            }),
            found => Err(Problem::Version { found, expected: VERSION }),
        }
    }
}
