//! Why a text could not be read: one line, with its place.

use crate::layers::LayerGraphError;
use crate::ops::UnknownOp;
use crate::semantics::UnknownSemantics;

/// A text that could not be read, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {}", one_line(problem))]
pub struct TextError {
    /// The line, from 1.
    pub line: usize,
    /// The column, in characters, from 1.
    pub column: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What can be wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Something else should stand here.
    #[error("expected {expected}, found {found}")]
    Expected {
        /// What could stand here.
        expected: String,
        /// What does.
        found: String,
    },
    /// A name that nothing before it has.
    #[error("expected a value defined before, found `{0}`")]
    Undefined(String),
    /// A name that is given twice.
    #[error("expected a new name, found `{0}` again")]
    Redefined(String),
    /// Brackets or blocks in one another, too deep.
    #[error("expected at most {0} brackets or blocks within one another, found more")]
    TooDeep(u32),
    /// A text that is too long.
    #[error("expected at most {limit} bytes, found {found}")]
    TooLong {
        /// How many bytes are read at most.
        limit: usize,
        /// How many there are.
        found: usize,
    },
    /// A text that leaves out blocks.
    #[error(
        "expected a whole text, found a folded one, in which blocks are left out: dump it without --collapse"
    )]
    Folded,
    /// A text of some calls or operations.
    #[error("expected a whole text, found a part of one: dump it without --focus")]
    Part,
    /// The rules named in the header are not known.
    #[error(transparent)]
    Semantics(#[from] UnknownSemantics),
    /// The operation or its attributes are not known.
    #[error(transparent)]
    Operation(#[from] UnknownOp),
    /// The calls do not make a graph.
    #[error(transparent)]
    Graph(#[from] LayerGraphError),
}

/// What the text says may be part of a message; it must not break its line or flood it.
fn one_line(problem: &Problem) -> String {
    let text = problem.to_string();
    let short: String = text.chars().take(300).flat_map(escaped).collect();
    if short.len() < text.len() && text.chars().count() > 300 { format!("{short}…") } else { short }
}

fn escaped(letter: char) -> Box<dyn Iterator<Item = char>> {
    if letter.is_control() { Box::new(letter.escape_default()) } else { Box::new(std::iter::once(letter)) }
}
