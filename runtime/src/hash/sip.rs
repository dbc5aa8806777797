//! SipHash-2-4, the hash with a key (Aumasson and Bernstein, 2012).
//!
//! Four words are stirred two rounds for every eight bytes, and four rounds at the end. The last word holds the bytes
//! that are left over, and the length in its top byte.

use super::word;

/// The hash of some bytes under a key.
pub fn sip_hash_64(key: [u64; 2], bytes: &[u8]) -> u64 {
    // "somepseudorandomlygeneratedbytes"
    let mut state = [
        key[0] ^ 0x736f_6d65_7073_6575,
        key[1] ^ 0x646f_7261_6e64_6f6d,
        key[0] ^ 0x6c79_6765_6e65_7261,
        key[1] ^ 0x7465_6462_7974_6573,
    ];
    let (words, rest) = bytes.as_chunks::<8>();
    for bytes in words {
        take(&mut state, u64::from_le_bytes(*bytes));
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    last[7] = (bytes.len() % 256) as u8;
    take(&mut state, word(&last, 0));
    state[2] ^= 0xff;
    (0..4).for_each(|_| stir(&mut state));
    state.into_iter().fold(0, |all, part| all ^ part)
}

fn take(state: &mut [u64; 4], word: u64) {
    state[3] ^= word;
    stir(state);
    stir(state);
    state[0] ^= word;
}

/// One round: add, rotate, exclusive-or, in two halves.
fn stir([a, b, c, d]: &mut [u64; 4]) {
    fn half(left: &mut u64, right: &mut u64, by: u32) {
        *left = left.wrapping_add(*right);
        *right = right.rotate_left(by) ^ *left;
    }
    half(a, b, 13);
    half(c, d, 16);
    *a = a.rotate_left(32);
    half(c, b, 17);
    half(a, d, 21);
    *c = c.rotate_left(32);
}
