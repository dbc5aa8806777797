//! Two models in one picture: what was added, what was removed, what is another.

use std::collections::HashMap;

use super::{Change, Edge, Node, Picture};
use crate::compare::CallChange;

/// The second model's picture with what became of its calls, and those of the first that are there no more.
pub fn of_difference(before: &Picture, after: &Picture, changes: &[CallChange]) -> Picture {
    let mut removed: Vec<&str> = vec![];
    let mut became: HashMap<&str, Change> = HashMap::new();
    for change in changes {
        match change {
            CallChange::Added { call, .. } => {
                became.insert(call, Change::Added);
            }
            CallChange::Removed { call, .. } => removed.push(call),
            CallChange::Changed { call, differences } => {
                let what: Vec<&str> = differences.iter().map(|difference| difference.what.as_str()).collect();
                became.insert(call, Change::Changed(what.join(", ")));
            }
        }
    }
    let mut picture = after.clone();
    for node in &mut picture.nodes {
        node.change = became.get(node.name.as_str()).cloned();
    }
    // The last first: who is read then stands before its readers.
    for (place, node) in before.nodes.iter().enumerate().rev() {
        if removed.contains(&node.name.as_str()) {
            picture.put_back(before, place);
        }
    }
    picture
}

impl Picture {
    /// Puts a box of another picture before the first of its readers that is here.
    fn put_back(&mut self, other: &Picture, place: usize) {
        let node = &other.nodes[place];
        let find = |picture: &Picture, place: usize| {
            picture.nodes.iter().position(|known| known.name == other.nodes[place].name)
        };
        let readers = other.edges.iter().filter(|edge| edge.from == place);
        let first = readers.filter_map(|edge| find(self, edge.to)).min().unwrap_or(self.nodes.len());
        for edge in &mut self.edges {
            edge.from += usize::from(edge.from >= first);
            edge.to += usize::from(edge.to >= first);
        }
        let group = self.kept(other, node.group, None);
        let mask = node.mask.map(|mask| self.mask_of(&other.masks[mask]));
        // An added call may have taken the name.
        let taken = self.nodes.iter().any(|known| known.name == node.name);
        let name = if taken { format!("{} (removed)", node.name) } else { node.name.clone() };
        let call = node.call.as_ref().map(|_| name.clone());
        let change = Some(Change::Removed);
        self.nodes.insert(first, Node { name, group, mask, call, change, ..node.clone() });
        for edge in other.edges.iter().filter(|edge| edge.from == place || edge.to == place) {
            let here = |end: usize| if end == place { Some(first) } else { find(self, end) };
            if let (Some(from), Some(to)) = (here(edge.from), here(edge.to)) {
                let mask = edge.mask.map(|mask| self.mask_of(&other.masks[mask]));
                self.edges.push(Edge { from, to, mask, ..edge.clone() });
            }
        }
    }

    /// The place of a mask, by what it says.
    fn mask_of(&mut self, text: &str) -> usize {
        self.masks.iter().position(|known| known == text).unwrap_or_else(|| {
            self.masks.push(text.to_owned());
            self.masks.len() - 1
        })
    }
}
