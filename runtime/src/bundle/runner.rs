//! How a program is known to be a runner: it holds a mark, which names the version of the containers that it reads.

use super::trailer::VERSION;

const WORDS: [u8; 29] = *b"\x89masque runner of containers\n";

/// Stands in every runner.
#[repr(C)]
struct Mark {
    words: [u8; WORDS.len()],
    version: [u8; 4],
}

static MARK: Mark = Mark { words: WORDS, version: VERSION.to_le_bytes() };

/// Keeps the mark in the program that calls this.
pub(crate) fn mark() {
    std::hint::black_box(&MARK);
}

/// The version of the containers that a runner reads, and the one that this masque writes; none of a program that is
/// no runner.
pub fn versions(program: &[u8]) -> Option<(u32, u32)> {
    let at = program.windows(WORDS.len()).position(|words| words == WORDS)?;
    let version = program[at + WORDS.len()..].first_chunk()?;
    Some((u32::from_le_bytes(*version), VERSION))
}
