//! Pictures of a model: of its layers with the masks that run along them, or of its operations.
//!
//! A [`Picture`] says what is to be seen and nothing about where; [`Picture::folded`] and `Picture::inside` make
//! smaller pictures of a large one. [`dot`] writes one for Graphviz, [`svg`] places and draws it, [`page`] makes of all
//! stages one page to look around in.

mod difference;
pub mod dot;
mod fold;
mod layers;
mod layout;
mod operations;
pub mod page;
mod paths;
mod place;
mod style;
pub mod svg;
#[cfg(test)]
mod tests;
pub mod values;

use masque_ir::facts::MaskStatus;
use serde::Serialize;

use crate::diagnostics::Severity;

pub use difference::of_difference;
pub use layers::of_model;
pub use operations::of_program;

/// What is to be seen of one stage of a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picture {
    /// What it is a picture of.
    pub title: String,
    /// In the order in which they are computed.
    pub nodes: Vec<Node>,
    /// What is read by whom.
    pub edges: Vec<Edge>,
    /// Nested models, or the operations of one call; a group stands behind the one that it is in.
    pub groups: Vec<Group>,
    /// The masks, as people write them; nodes and edges name them by their place.
    pub masks: Vec<String>,
}

/// One box.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its name, unique in the picture.
    pub name: String,
    /// What it does: a layer's class, an operation.
    pub does: String,
    /// The types of what it gives.
    pub types: Vec<String>,
    /// What it stands for.
    pub role: Role,
    /// The group it stands in.
    pub group: Option<usize>,
    /// The mask that it gives, or else the one that came in.
    pub mask: Option<usize>,
    /// What it does with masks.
    pub status: MaskStatus,
    /// How bad what was found here is.
    pub finding: Option<Severity>,
    /// The call of a layer that it is, or was lowered from.
    pub call: Option<String>,
    /// What became of it between two models.
    pub change: Option<Change>,
}

/// What became of a call between two models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is in the second alone.
    Added,
    /// It is in the first alone.
    Removed,
    /// It is in both, with other settings, another mask and so on: what is another.
    Changed(String),
}

/// What a box stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// An input of the model.
    Input,
    /// A call of a layer, an operation.
    Call,
    /// What only builds masks.
    Mask,
    /// A weight.
    Weight,
    /// An output of the model.
    Output,
    /// A group that is folded.
    Group,
    /// What stands outside of the part that is shown.
    Outside,
}

/// One line between boxes.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// Who makes it.
    pub from: usize,
    /// Who reads it.
    pub to: usize,
    /// As what.
    pub role: EdgeRole,
    /// The mask of the tensor.
    pub mask: Option<usize>,
    /// Does padding go this way to an output?
    pub leaks: bool,
}

/// As what something is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EdgeRole {
    /// A tensor as data.
    Data,
    /// A mask that is passed as an argument.
    Mask,
    /// A recurrent state.
    State,
    /// A weight.
    Weight,
}

/// Boxes that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The whole name: `encoder/block_1`.
    pub name: String,
    /// The group around it.
    pub parent: Option<usize>,
}

impl Picture {
    /// The innermost of the groups with these names, each in the one before it.
    fn group_of(&mut self, names: &[String]) -> Option<usize> {
        let mut parent = None;
        for name in names {
            parent = Some(match self.groups.iter().rposition(|group| group.name == *name) {
                Some(known) => known,
                None => {
                    self.groups.push(Group { name: name.clone(), parent });
                    self.groups.len() - 1
                }
            });
        }
        parent
    }

    /// Adds an output of the model, which is what `edge` comes from.
    fn output(&mut self, name: &str, ty: String, edge: Edge) {
        self.edges.push(Edge { to: self.nodes.len(), ..edge.clone() });
        self.nodes.push(Node {
            name: name.to_owned(),
            does: "output".to_owned(),
            types: vec![ty],
            role: Role::Output,
            group: None,
            mask: edge.mask,
            status: MaskStatus::None,
            finding: None,
            call: None,
            change: None,
        });
    }

    /// The groups around something in `group`, that one first.
    fn around(&self, group: Option<usize>) -> impl Iterator<Item = usize> {
        std::iter::successors(group, |&group| self.groups[group].parent)
    }

    /// The last part of a name, where the rest is the group that it stands in.
    fn short_name<'a>(&self, name: &'a str, group: Option<usize>) -> &'a str {
        let path = |group: usize| self.groups[group].name.split(':').next().unwrap_or_default();
        let inside = group.and_then(|group| name.strip_prefix(path(group)));
        inside.and_then(|rest| rest.strip_prefix('/')).filter(|rest| !rest.is_empty()).unwrap_or(name)
    }
}
