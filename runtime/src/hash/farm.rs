//! FarmHash64, the fingerprint by which TensorFlow hashes texts (Pike and Alakuijala, 2014).
//!
//! Texts of up to 64 bytes are read from both ends at once, in one of four ways by their length; longer ones in blocks
//! of 64 bytes over a state of 56. All arithmetic wraps.

use std::num::Wrapping;

use super::{mix, word};

type Word = Wrapping<u64>;

const K0: Word = Wrapping(0xc3a5_c85c_97cb_3127);
const K1: Word = Wrapping(0xb492_b66f_be98_f273);
const K2: Word = Wrapping(0x9ae1_6a3b_2f90_404f);

/// The size of a block of a long text.
const BLOCK: usize = 64;

/// The hash of some bytes.
pub fn farm_hash_64(bytes: &[u8]) -> u64 {
    let hash = match bytes.len() {
        0 => K2,
        1..=3 => up_to_3(bytes),
        4..=7 => up_to_7(bytes),
        8..=16 => up_to_16(bytes),
        17..=32 => up_to_32(bytes),
        33..=64 => up_to_64(bytes),
        _ => long(bytes),
    };
    hash.0
}

fn mixed(word: Word) -> Word {
    Wrapping(mix(word.0))
}

fn turned(word: Word, by: u32) -> Word {
    Wrapping(word.0.rotate_right(by))
}

fn length(bytes: &[u8]) -> Word {
    Wrapping(bytes.len() as u64)
}

/// The factor of a short text: it depends on the length.
fn factor(bytes: &[u8]) -> Word {
    K2 + length(bytes) * Wrapping(2)
}

/// Two words to one.
fn fold(first: Word, second: Word, factor: Word) -> Word {
    let first = mixed((first ^ second) * factor);
    mixed((second ^ first) * factor) * factor
}

fn up_to_3(bytes: &[u8]) -> Word {
    let byte = |place: usize| Wrapping(u64::from(bytes[place]));
    let front = byte(0) + (byte(bytes.len() / 2) << 8);
    let back = length(bytes) + (byte(bytes.len() - 1) << 2);
    mixed((front * K2) ^ (back * K0)) * K2
}

fn up_to_7(bytes: &[u8]) -> Word {
    let half = |place: usize| {
        let half = bytes[place..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        Wrapping(u64::from(half))
    };
    fold(length(bytes) + (half(0) << 3), half(bytes.len() - 4), factor(bytes))
}

fn up_to_16(bytes: &[u8]) -> Word {
    let factor = factor(bytes);
    let front = Wrapping(word(bytes, 0)) + K2;
    let back = Wrapping(word(bytes, bytes.len() - 8));
    fold(turned(back, 37) * factor + front, (turned(front, 25) + back) * factor, factor)
}

/// What the first and last 16 bytes come to: two words before they are folded, and the two first words.
fn ends(bytes: &[u8], first: Word) -> [Word; 4] {
    let factor = factor(bytes);
    let at = |place: usize| Wrapping(word(bytes, place));
    let (a, b) = (at(0) * first, at(8));
    let (c, d) = (at(bytes.len() - 8) * factor, at(bytes.len() - 16) * K2);
    [turned(a + b, 43) + turned(c, 30) + d, a + turned(b + K2, 18) + c, a, b]
}

fn up_to_32(bytes: &[u8]) -> Word {
    let [front, back, ..] = ends(bytes, K1);
    fold(front, back, factor(bytes))
}

fn up_to_64(bytes: &[u8]) -> Word {
    let factor = factor(bytes);
    let at = |place: usize| Wrapping(word(bytes, place));
    let [outer, back, a, _] = ends(bytes, K2);
    let folded = fold(outer, back, factor);
    let (e, f) = (at(16) * factor, at(24));
    let g = (outer + at(bytes.len() - 32)) * factor;
    let h = (folded + at(bytes.len() - 24)) * factor;
    fold(turned(e + f, 43) + turned(g, 30) + h, e + turned(f + a, 18) + g, factor)
}

/// The state between the blocks of a long text.
struct State {
    x: Word,
    y: Word,
    z: Word,
    v: [Word; 2],
    w: [Word; 2],
}

impl State {
    /// Takes in one block; the last one weighs some words more.
    fn take(&mut self, block: &[u8], factor: Word, weight: Word) {
        let at = |place: usize| Wrapping(word(block, place));
        self.x = (turned(self.x + self.y + self.v[0] + at(8), 37) * factor) ^ (self.w[1] * weight);
        self.y = turned(self.y + self.v[1] + at(48), 42) * factor + self.v[0] * weight + at(40);
        self.z = turned(self.z + self.w[0], 33) * factor;
        self.v = half_block(block, self.v[1] * factor, self.x + self.w[0]);
        self.w = half_block(&block[32..], self.z + self.w[1], self.y + at(16));
        std::mem::swap(&mut self.x, &mut self.z);
    }
}

/// 32 bytes and two words to two words.
fn half_block(bytes: &[u8], a: Word, b: Word) -> [Word; 2] {
    let at = |place: usize| Wrapping(word(bytes, place));
    let first = a + at(0);
    let second = turned(b + first + at(24), 21);
    let sum = first + at(8) + at(16);
    [sum + at(24), second + turned(sum, 44) + first]
}

fn long(bytes: &[u8]) -> Word {
    const SEED: Word = Wrapping(81);
    let y = SEED * K1 + Wrapping(113);
    let mut state = State {
        x: SEED * K2 + Wrapping(word(bytes, 0)),
        y,
        z: mixed(y * K2 + Wrapping(113)) * K2,
        v: [Wrapping(0); 2],
        w: [Wrapping(0); 2],
    };
    // The last block may overlap the one before it.
    let before_last = (bytes.len() - 1) / BLOCK;
    for block in bytes.chunks(BLOCK).take(before_last) {
        state.take(block, K1, Wrapping(1));
    }
    let factor = K1 + ((state.z & Wrapping(0xff)) << 1);
    state.w[0] += Wrapping(((bytes.len() - 1) % BLOCK) as u64);
    state.v[0] += state.w[0];
    state.w[0] += state.v[0];
    state.take(&bytes[bytes.len() - BLOCK..], factor, Wrapping(9));
    let State { x, y, z, v, w } = state;
    fold(fold(v[0], w[0], factor) + mixed(y) * K0 + z, fold(v[1], w[1], factor) + x, factor)
}
