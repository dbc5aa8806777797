//! Which axes a contraction multiplies and sums, written as Einstein's sums are: `bte,bse->bts`.
//!
//! Each letter is an axis. A letter of the result that stands in both operands runs through them side by side; one
//! that stands in a single operand makes an axis of its own; one that the result lacks is summed over. So every letter
//! stands in at least two of the three lists: what would be summed within one operand is a sum, and no contraction.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The axes of a contraction by letter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Contraction {
    a: String,
    b: String,
    result: String,
}

/// The text is no contraction.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected the axes of a contraction such as `ab,bc->ac`: letters, none twice in a list, each in two of the three lists"
)]
pub struct NoContraction;

impl Contraction {
    /// The contraction with these letters for the axes of both operands and of the result.
    ///
    /// # Errors
    ///
    /// [`NoContraction`] if something else than an ASCII letter stands in a list, a letter stands in a list twice, or
    /// in one list only.
    pub fn new(a: &str, b: &str, result: &str) -> Result<Contraction, NoContraction> {
        let lists = [a, b, result];
        let fits = lists.iter().enumerate().all(|(place, list)| {
            list.char_indices().all(|(at, letter)| {
                let elsewhere =
                    lists.iter().enumerate().any(|(other, list)| other != place && list.contains(letter));
                letter.is_ascii_alphabetic() && !list[..at].contains(letter) && elsewhere
            })
        });
        let [a, b, result] = lists.map(str::to_owned);
        if fits { Ok(Contraction { a, b, result }) } else { Err(NoContraction) }
    }

    /// The letters of the first operand's axes.
    pub fn a(&self) -> &str {
        &self.a
    }

    /// The letters of the second operand's axes.
    pub fn b(&self) -> &str {
        &self.b
    }

    /// The letters of the result's axes.
    pub fn result(&self) -> &str {
        &self.result
    }

    /// The letters that are summed over, in the order of the first operand: the last one runs fastest.
    pub fn summed(&self) -> String {
        self.a.chars().filter(|&letter| !self.result.contains(letter)).collect()
    }
}

impl fmt::Display for Contraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}->{}", self.a, self.b, self.result)
    }
}

impl FromStr for Contraction {
    type Err = NoContraction;

    fn from_str(text: &str) -> Result<Contraction, NoContraction> {
        let (operands, result) = text.split_once("->").ok_or(NoContraction)?;
        let (a, b) = operands.split_once(',').ok_or(NoContraction)?;
        Contraction::new(a, b, result)
    }
}

impl From<Contraction> for String {
    fn from(contraction: Contraction) -> String {
        contraction.to_string()
    }
}

impl TryFrom<String> for Contraction {
    type Error = NoContraction;

    fn try_from(text: String) -> Result<Contraction, NoContraction> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_contraction_reads_back() {
        for text in ["ab,bc->ac", ",->", "a,a->a", "a,b->ba", "btke,bske->bkts", "xY,Yz->zx"] {
            assert_eq!(text.parse::<Contraction>().map(|axes| axes.to_string()), Ok(text.to_owned()));
        }
        assert_eq!("abc,cbd->ad".parse::<Contraction>().map(|axes| axes.summed()), Ok("bc".to_owned()));
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "ab,bc",
            "ab->ba",
            "aa,a->a",
            "ab,b->bb",
            "ab,b->b",
            "a1,1->a",
            "ab,bc->abcd",
            "a,a,a->a",
            "é,é->",
        ] {
            assert_eq!(text.parse::<Contraction>(), Err(NoContraction), "{text}");
        }
    }
}
