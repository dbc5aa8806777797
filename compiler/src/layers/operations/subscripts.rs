//! The notation of `einsum`: letters for axes, and an ellipsis for any number of axes that broadcast.

use masque_ir::program::Operand;

use super::built::{Outcome, refuse, shape_of};
use crate::layer::Scope;
use crate::layers::einsum::{Term, einsum, letters_beside};

/// The axes of one tensor: those before and those behind an ellipsis.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Axes {
    front: String,
    /// What stands behind the ellipsis, if there is one.
    back: Option<String>,
}

impl Axes {
    fn parse(text: &str) -> Option<Axes> {
        let (front, back) = match text.split_once("...") {
            Some((front, back)) => (front.to_owned(), Some(back.to_owned())),
            None => (text.to_owned(), None),
        };
        let axes = Axes { front, back };
        let letters = axes.letters();
        let fits =
            letters.char_indices().all(|(at, c)| c.is_ascii_alphabetic() && !letters[..at].contains(c));
        fits.then_some(axes)
    }

    fn letters(&self) -> String {
        format!("{}{}", self.front, self.back.as_deref().unwrap_or_default())
    }

    /// All letters, with these for the ellipsis.
    fn filled(&self, ellipsis: &str) -> String {
        match &self.back {
            Some(back) => format!("{}{ellipsis}{back}", self.front),
            None => self.front.clone(),
        }
    }
}

/// Which axes are multiplied and summed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subscripts {
    operands: Vec<Axes>,
    result: Axes,
}

impl Subscripts {
    /// `btd,bsd->bts`; without an arrow the result has the letters that stand once, in the order in which they stand.
    pub(super) fn parse(text: &str) -> Option<Subscripts> {
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let (operands, result) = text.split_once("->").map_or((text.as_str(), None), |(o, r)| (o, Some(r)));
        let operands: Vec<Axes> = operands.split(',').map(Axes::parse).collect::<Option<_>>()?;
        let result = match result {
            Some(result) => Axes::parse(result)?,
            None => Subscripts::implied(&operands),
        };
        let known = |letter: char| operands.iter().any(|operand| operand.letters().contains(letter));
        let ellipsis = operands.iter().any(|operand| operand.back.is_some());
        let fits = result.letters().chars().all(known) && result.back.is_some() == ellipsis;
        fits.then_some(Subscripts { operands, result })
    }

    fn implied(operands: &[Axes]) -> Axes {
        let all: String = operands.iter().map(Axes::letters).collect();
        let once: String = all.chars().filter(|&c| all.matches(c).count() == 1).collect();
        match operands.iter().any(|operand| operand.back.is_some()) {
            true => Axes { front: String::new(), back: Some(once) },
            false => Axes { front: once, back: None },
        }
    }

    /// A matrix product for every position of the leading axes.
    pub(super) fn matmul() -> Subscripts {
        let axes = |back: &str| Axes { front: String::new(), back: Some(back.to_owned()) };
        Subscripts { operands: vec![axes("mk"), axes("kn")], result: axes("mn") }
    }

    /// How many tensors there are.
    pub(super) fn operands(&self) -> usize {
        self.operands.len()
    }

    /// The sum of products of tensors of one element type, one for each operand.
    pub(super) fn apply(&self, scope: &mut Scope<'_>, xs: &[Operand]) -> Outcome {
        let hidden = |(axes, x): (&Axes, &Operand)| {
            let (rank, letters) = (shape_of(scope, x).len(), axes.letters().len());
            match (rank.checked_sub(letters), &axes.back) {
                (Some(hidden), Some(_)) => Ok(hidden),
                (Some(0), None) => Ok(0),
                _ => refuse(format!("a tensor with {letters} axes"), scope.builder.type_of(x)),
            }
        };
        let hidden: Vec<usize> = self.operands.iter().zip(xs).map(hidden).collect::<Outcome<_>>()?;
        let most = hidden.iter().copied().max().unwrap_or(0);
        let used: String = self.operands.iter().map(Axes::letters).collect();
        let ellipsis: String = letters_beside(&used).take(most).collect();
        if ellipsis.len() < most {
            return refuse("fewer axes", most);
        }
        let terms: Vec<Term> = (self.operands.iter().zip(xs).zip(hidden))
            .map(|((axes, x), hidden)| Term::new(x, axes.filled(&ellipsis[most - hidden..])))
            .collect();
        einsum(scope, &terms, &self.result.filled(&ellipsis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notations_of_einsum() {
        let filled = |text: &str| {
            let all = Subscripts::parse(text)?;
            let operands: Vec<String> = all.operands.iter().map(|axes| axes.filled("XY")).collect();
            Some(format!("{}->{}", operands.join(","), all.result.filled("XY")))
        };
        let read = [
            ("ab,bc->ac", Some("ab,bc->ac")),
            (" a b , b->a ", Some("ab,b->a")),
            ("cb,ba", Some("cb,ba->ca")),
            ("...b,b...c", Some("XYb,bXYc->XYc")),
            ("a...->...a", Some("aXY->XYa")),
            ("aa->a", None),
            ("ab->abc", None),
            ("a..->a", None),
            ("...a->a", None),
            ("......a->...", None),
        ];
        for (text, want) in read {
            assert_eq!(filled(text).as_deref(), want, "{text}");
        }
    }
}
