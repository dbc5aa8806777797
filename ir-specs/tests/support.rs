//! Programs out of nothing: every stage, made from a string of random bytes that shrinks well.

mod graphs;
mod programs;

pub(crate) use graphs::{inferred_graph, layer_graph};
pub(crate) use programs::{plan, program};

/// Decisions, read from random bytes; the first choice once they are used up.
pub(crate) struct Choices {
    bytes: std::vec::IntoIter<u8>,
}

impl Choices {
    pub(crate) fn new(bytes: Vec<u8>) -> Choices {
        Choices { bytes: bytes.into_iter() }
    }

    /// A number below a bound.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.bytes.next().map_or(0, usize::from) % bound.max(1)
    }

    pub(crate) fn chance(&mut self) -> bool {
        self.below(2) == 1
    }

    pub(crate) fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    /// A name, often one that needs quotes.
    pub(crate) fn name(&mut self) -> String {
        const NAMES: [&str; 16] = [
            "gru",
            "dense",
            "my layer",
            "lstm.1",
            "dense:1",
            "a/b-c",
            "",
            "ünï",
            "two\nlines",
            "a\"b\\",
            "-",
            "%x",
            "true",
            "inf",
            "0",
            "return",
        ];
        self.pick(&NAMES).to_owned()
    }
}
