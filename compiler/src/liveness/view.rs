//! What is known of a value, case by case: one small lattice.

use std::collections::BTreeSet;
use std::ops::BitOr;

use masque_ir::flow::Known;

use super::layout::{Bases, Layout};

/// What of the padding decides something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reads {
    /// What stands at padded positions.
    pub content: bool,
    /// How many of them there are.
    pub length: bool,
}

impl Reads {
    /// Nothing.
    pub const NOTHING: Reads = Reads { content: false, length: false };
    /// What stands there.
    pub const CONTENT: Reads = Reads { content: true, length: false };
    /// How many there are.
    pub const LENGTH: Reads = Reads { content: false, length: true };

    /// Is it anything at all?
    pub fn any(self) -> bool {
        self.content || self.length
    }

    /// The words for it, in order.
    pub fn words(self) -> Vec<&'static str> {
        [(self.content, "content"), (self.length, "length")]
            .into_iter()
            .filter_map(|(holds, word)| holds.then_some(word))
            .collect()
    }
}

impl BitOr for Reads {
    type Output = Reads;
    fn bitor(self, other: Reads) -> Reads {
        Reads { content: self.content || other.content, length: self.length || other.length }
    }
}

/// What the positions of one case hold, one beside the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Holds {
    /// One and the same row.
    Same,
    /// The row of the last position before them that is no padding.
    Carried,
    /// Each its own.
    #[default]
    Each,
}

impl Holds {
    /// Computed, position by position, from both.
    pub fn with(self, other: Holds) -> Holds {
        match (self, other) {
            (Holds::Each, _) | (_, Holds::Each) => Holds::Each,
            (Holds::Carried, Holds::Carried) => Holds::Carried,
            _ => Holds::Same,
        }
    }
}

/// A case of an operand: its place among the operands, and the case.
pub type Part = (usize, usize);

/// What is known of a value in one case.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fact {
    /// Of each element.
    pub known: Known,
    /// Of the positions beside each other.
    pub holds: Holds,
    /// What of the padding decides it, all in all.
    pub reads: Reads,
    /// What of the padding comes in here, by the operation itself.
    pub own: Reads,
    /// Which cases of the operands decide it.
    pub from: BTreeSet<Part>,
    /// The input of the program that it is, unchanged.
    pub copy: Option<usize>,
}

impl Fact {
    /// A number.
    pub fn number(number: f64) -> Fact {
        Fact { known: Known::Number(number), holds: Holds::Same, ..Fact::default() }
    }

    /// Each its own, and nothing of the padding in it.
    pub fn anything() -> Fact {
        Fact::default()
    }

    /// A number is decided by nothing, whatever was read to find it.
    pub fn settled(mut self) -> Fact {
        if let Known::Number(number) = self.known {
            self = Fact { copy: self.copy, ..Fact::number(number) };
        }
        self
    }

    /// What is known of something that is one or the other.
    pub fn or(&self, other: &Fact) -> Fact {
        let same = self.known == other.known && self.holds == other.holds;
        let number = self.known.number().is_some() && self.known == other.known;
        Fact {
            known: self.known.or(other.known),
            holds: if same && (number || self.holds != Holds::Same) { self.holds } else { Holds::Each },
            reads: self.reads | other.reads,
            own: self.own | other.own,
            from: self.from.union(&other.from).copied().collect(),
            copy: self.copy.filter(|_| self.copy == other.copy),
        }
    }

    /// Adds what comes in here.
    pub fn and_own(mut self, own: Reads) -> Fact {
        self.own = self.own | own;
        self.reads = self.reads | own;
        self
    }
}

/// What is known of a value: one fact for each case of its layout.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// The axes.
    pub layout: Layout,
    /// The facts, case by case.
    pub facts: Vec<Fact>,
}

impl View {
    /// The same fact everywhere.
    pub fn everywhere(layout: Layout, fact: Fact, bases: &Bases) -> View {
        let facts = vec![fact; layout.cases(bases)];
        View { layout, facts }
    }

    /// A number without axes.
    pub fn number(number: f64) -> View {
        View { layout: Layout::default(), facts: vec![Fact::number(number)] }
    }

    /// What is known of any element.
    pub fn all(&self) -> Fact {
        let mut facts = self.facts.iter();
        let first = facts.next().cloned().unwrap_or_default();
        facts.fold(first, |all, fact| all.or(fact))
    }

    /// The same facts, each read from itself: what an operation's operand looks like from inside.
    pub fn as_operand(&self, place: usize) -> View {
        let facts = self.facts.iter().enumerate().map(|(case, fact)| Fact {
            own: Reads::NOTHING,
            from: if fact.known.number().is_some() {
                BTreeSet::new()
            } else {
                BTreeSet::from([(place, case)])
            },
            ..fact.clone()
        });
        View { layout: self.layout.clone(), facts: facts.collect() }
    }
}
