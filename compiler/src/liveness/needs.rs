//! Which rows of a value have to be computed.

use std::collections::{BTreeMap, HashMap};

use masque_ir::flow::Known;
use masque_ir::program::Value;

use super::observe::Liveness;
use super::view::Holds;
use super::{Facts, Padding};

/// What stands at the positions of the values of a program that somebody sees. Values go by their names, which they keep
/// from one form of a program to the next.
pub struct Needs<'a> {
    padding: &'a Padding,
    live: BTreeMap<(Value, usize), Liveness>,
    values: HashMap<&'a str, Value>,
}

impl<'a> Needs<'a> {
    /// Looks at a program.
    pub fn of(padding: &'a Padding) -> Needs<'a> {
        let mut values = HashMap::new();
        for (place, node) in padding.program.nodes.iter().enumerate() {
            for (result, info) in node.results.iter().enumerate() {
                values.insert(info.name.as_str(), Value { node: place as u32, result: result as u32 });
            }
        }
        Needs { live: padding.facts.live(&padding.program), padding, values }
    }

    /// What a value may hold where a mask is false, if nobody sees what it holds there. `None` if somebody does, or if
    /// the mask is false nowhere.
    ///
    /// Value and mask have the batch and the same positions as their first two axes.
    pub fn unseen_outside(&self, value: &str, mask: &str) -> Option<f64> {
        let facts: &Facts = &self.padding.facts;
        let (value, mask) = (*self.values.get(value)?, *self.values.get(mask)?);
        let (view, mask, bases) = (facts.view(value), facts.view(mask), facts.bases());
        if mask.layout.0.len() != 2 || view.layout.0.get(..2) != Some(&mask.layout.0[..]) {
            return None;
        }
        let factors = mask.layout.factors().count();
        let (mut number, mut is_anywhere) = (None, false);
        for (case, fact) in view.facts.iter().enumerate() {
            let at = view.layout.split(case, bases);
            let holds = mask.facts[mask.layout.join(&at[..factors], bases)].known.number();
            let is_computed = holds.is_some_and(|holds| holds != 0.0);
            match (self.live.contains_key(&(value, case)), fact.known) {
                // Rows that are all the same may stand for one another, and those that are left out with them.
                (true, _) if !is_computed || fact.holds == Holds::Same => return None,
                (true, _) => {}
                (false, _) if is_computed => {}
                (false, Known::Anything) => is_anywhere = true,
                // What others conclude from a number has to hold.
                (false, Known::Number(known)) if number.is_none_or(|number| number == known) => {
                    (number, is_anywhere) = (Some(known), true);
                }
                (false, _) => return None,
            }
        }
        is_anywhere.then(|| number.unwrap_or(0.0))
    }
}
