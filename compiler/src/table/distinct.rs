//! Every distinct mask of a model once, with what is known of it before anything runs.

use masque_ir::facts::InferredGraph;
use masque_ir::mask::MaskId;
use masque_ir::text::print_mask;
use serde::Serialize;

use crate::masks::statics::{MaskFacts, Relation, Statics};

/// More masks are not compared with one another.
const MOST_COMPARED: usize = 128;

/// One distinct mask.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DistinctMask {
    /// Its name in this list: `m0`.
    pub name: String,
    /// What it is.
    pub expression: String,
    /// Its type: `bool[B, T]`.
    #[serde(rename = "type")]
    pub ty: String,
    /// The call that carried it first, or else the first one that got it.
    pub first: String,
    /// What is known of it.
    #[serde(flatten)]
    pub facts: MaskFacts,
    /// How it relates to others of the list, where that is proved: it implies them, or is their complement.
    pub relations: Vec<(Relation, String)>,
}

/// The masks that the calls of a model get and give, in the order in which they turn up.
pub fn distinct(model: &InferredGraph, statics: &Statics<'_>) -> Vec<DistinctMask> {
    let mut masks: Vec<(MaskId, String)> = vec![];
    let mut seen = std::collections::HashSet::new();
    for call in model.graph.calls() {
        let fact = model.facts.call(call);
        let given = fact.outputs.iter().filter_map(|output| output.mask);
        for mask in given.chain(fact.mask_in.iter().copied().flatten()) {
            if seen.insert(mask) {
                masks.push((mask, model.graph.call_name(call)));
            }
        }
    }
    let name = |place: usize| format!("m{place}");
    let relations = |mask: MaskId| {
        let others = masks.iter().take(MOST_COMPARED).enumerate().filter(|(_, (other, _))| *other != mask);
        others
            .filter_map(|(place, (other, _))| Some((statics.relation(mask, *other)?, name(place))))
            .filter(|(relation, _)| *relation != Relation::ImpliedBy)
            .collect()
    };
    let row = |(place, (mask, first)): (usize, &(MaskId, String))| DistinctMask {
        name: name(place),
        expression: print_mask(&model.graph, &model.facts, *mask),
        ty: statics.ty(*mask).to_string(),
        first: first.clone(),
        facts: statics.get(*mask).clone(),
        relations: if place < MOST_COMPARED { relations(*mask) } else { vec![] },
    };
    masks.iter().enumerate().map(row).collect()
}

impl DistinctMask {
    /// The heads of the columns of [`DistinctMask::cells`].
    pub const HEADER: [&'static str; 6] = ["mask", "is", "type", "first at", "varies along", "known"];

    /// The row as people read it.
    pub fn cells(&self) -> [String; 6] {
        let axes: Vec<String> = self.facts.axes.iter().map(u32::to_string).collect();
        let always = self.facts.always.map(|always| if always { "all valid" } else { "all masked" });
        let padded = (self.facts.right_padded && always.is_none()).then_some("padded at the end");
        let relations = self.relations.iter().map(|(relation, other)| match relation {
            Relation::Complementary => format!("not {other}"),
            _ => format!("implies {other}"),
        });
        let known: Vec<String> =
            always.into_iter().chain(padded).map(str::to_owned).chain(relations).collect();
        let cells = [&self.name, &self.expression, &self.ty, &self.first];
        let [name, expression, ty, first] = cells.map(String::clone);
        [name, expression, ty, first, axes.join(", "), known.join(", ")]
    }
}
