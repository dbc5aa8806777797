//! Hashes of texts, for spreading tokens over bins: the two of TensorFlow, which Keras uses, and its way to join hashes.
//!
//! None of them is for secrets; what matters is that the same text falls into the same bin as in Keras.

mod farm;
mod sip;

pub use farm::farm_hash_64;
pub use sip::sip_hash_64;

/// Joins the hash of a pair's first half with that of its second half; the order matters.
pub fn join(first: u64, second: u64) -> u64 {
    const FACTOR: u64 = 0xc6a4_a793_5bd1_e995;
    let mixed = mix(second.wrapping_mul(FACTOR)).wrapping_mul(FACTOR);
    let joined = ((first ^ FACTOR) ^ mixed).wrapping_mul(FACTOR);
    mix(mix(joined).wrapping_mul(FACTOR))
}

/// The upper bits added to the lower ones.
fn mix(bits: u64) -> u64 {
    bits ^ (bits >> 47)
}

/// The eight bytes from a place on, the first one lowest.
fn word(bytes: &[u8], place: usize) -> u64 {
    bytes.get(place..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests;
