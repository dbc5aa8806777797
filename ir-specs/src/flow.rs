//! What an operation does with the positions of its operands: all that analyses of padding ask it.
//!
//! An answer speaks of axes, never of the operation: which axis of an operand becomes which of the result, which
//! are folded away and whether some number adds nothing there, which are looked at through a window. Beside it an
//! operation says what one element of its result is known to be ([`Element`]), given what is known of the elements
//! that it is made of ([`Known`]).

use crate::dim::Dim;
use crate::program::Program;

/// How positions of the operands become positions of the results.
#[derive(Clone, Debug, PartialEq)]
pub enum Flow<'a> {
    /// There are no operands: what it gives is given.
    Given {
        /// By the caller, for every run anew?
        caller: bool,
        /// The number that every element is.
        number: Option<f64>,
    },
    /// Axes with the same letter run together.
    Joint(Joint),
    /// The elements of the operands in another arrangement.
    Arranged(Arrangement<'a>),
    /// The numbers of the positions of an axis; no element is looked at.
    Positions(u32),
    /// How many positions some axes have; no element is looked at.
    Sizes(&'a [u32]),
    /// A body, once for every position along axis 1 of the sequences.
    Loop {
        /// How many operands are carried from step to step.
        carried: usize,
        /// How many operands behind them are sequences.
        sequences: usize,
        /// One step.
        body: &'a Program,
    },
    /// What its decomposition does.
    Meaning,
    /// Any element may decide any other.
    Anything,
}

/// Axes named by letters. The letters below `rank` are the axes of the result, those from there on are folded away.
#[derive(Clone, Debug, PartialEq)]
pub struct Joint {
    /// What each axis of each operand does; for an operand that is absent, nothing.
    pub operands: Vec<Vec<Role>>,
    /// The number of axes of the result.
    pub rank: usize,
    /// How what is folded becomes one element.
    pub fold: Fold,
}

/// What one axis of an operand does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It runs along this letter; where it has size 1, its position serves all.
    At(u32),
    /// Position `i * stride + k` for `-before <= k <= after` decides position `i` of this axis of the result.
    Window {
        /// The axis of the result.
        to: u32,
        /// How far before.
        before: i64,
        /// How far behind.
        after: i64,
        /// The distance between windows.
        stride: u32,
        /// Are there windows that reach beyond the ends?
        beyond: bool,
    },
    /// Any of its positions may decide any position of this axis of the result.
    Scattered(u32),
    /// Its positions are picked by the elements of the last operand.
    Picked,
}

/// How elements along folded axes become one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fold {
    /// An element that adds nothing.
    pub neutral: Option<f64>,
    /// Is the result one of the elements, so that it does not matter how often each occurs?
    pub picks: bool,
}

impl Fold {
    /// Sums.
    pub const SUM: Fold = Fold { neutral: Some(0.0), picks: false };
    /// Products.
    pub const PRODUCT: Fold = Fold { neutral: Some(1.0), picks: false };
    /// The largest element; is any true?
    pub const LARGEST: Fold = Fold { neutral: Some(f64::NEG_INFINITY), picks: true };
    /// The smallest element; are all true?
    pub const SMALLEST: Fold = Fold { neutral: Some(f64::INFINITY), picks: true };
    /// Is any true?
    pub const ANY: Fold = Fold { neutral: Some(0.0), picks: true };
    /// Are all true?
    pub const ALL: Fold = Fold { neutral: Some(1.0), picks: true };
    /// Every element counts, whatever it is.
    pub const EVERY: Fold = Fold { neutral: None, picks: false };
}

/// Elements moved, never computed.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrangement<'a> {
    /// The same order under another shape.
    Reshaped(&'a [Dim]),
    /// All operands, one behind the other along an axis.
    Joined(u32),
    /// Some positions of an axis.
    Sliced {
        /// The axis.
        axis: u32,
        /// The first position.
        start: &'a Dim,
        /// One behind the last possible position.
        stop: &'a Dim,
        /// The distance between positions.
        step: u32,
    },
    /// The first operand surrounded by the second one.
    Padded {
        /// How many values come before, for each axis.
        low: &'a [i64],
        /// How many values come behind, for each axis.
        high: &'a [i64],
        /// How many values come behind each element, for each axis.
        spread: &'a [u32],
    },
    /// The other way round along an axis.
    Reversed(u32),
}

/// What is known of an element before anything runs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Known {
    /// It is this number; truth values are 0 and 1.
    Number(f64),
    /// It is not this number.
    Not(f64),
    /// It is so far below every ordinary number that e to the power of their difference is 0: what attention adds
    /// where nothing may be looked at.
    Low,
    /// It is the number of a position along an axis that runs over padded sequences.
    Position {
        /// Which axis, as whoever asks counts them.
        axis: u32,
        /// Is the position one of padding? Then it lies behind all that are not.
        padded: bool,
    },
    /// How many positions along an axis over padded sequences are no padding, of which there is at least one, less a
    /// whole number: less 1 is the number of the last of them.
    Count {
        /// Which axis, as whoever asks counts them.
        axis: u32,
        /// How much less.
        less: i64,
    },
    /// Nothing.
    #[default]
    Anything,
}

impl Known {
    /// Numbers up to this one are [`Known::Low`], whatever is added to them.
    pub const LOW: f64 = -1e8;

    /// The number, if it is one.
    pub fn number(self) -> Option<f64> {
        match self {
            Known::Number(number) => Some(number),
            _ => None,
        }
    }

    /// Is it as low as that?
    pub fn is_low(self) -> bool {
        matches!(self, Known::Low) || self.number().is_some_and(|number| number <= Known::LOW)
    }

    /// What is known of an element that is one or the other.
    pub fn or(self, other: Known) -> Known {
        match (self, other) {
            _ if self == other => self,
            _ if self.is_low() && other.is_low() => Known::Low,
            (Known::Number(a), Known::Not(not)) | (Known::Not(not), Known::Number(a)) if a != not => {
                Known::Not(not)
            }
            _ => Known::Anything,
        }
    }
}

/// What one element of a result is known to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Element {
    /// This is known of it.
    Is(Known),
    /// It is the element of this operand, by place; the others do not matter.
    Of(usize),
}

impl From<Known> for Element {
    fn from(known: Known) -> Element {
        Element::Is(known)
    }
}
