//! Smaller pictures of a large one: groups folded into one box each, or the inside of one group.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap, HashSet};

use masque_ir::facts::MaskStatus;

use super::{Edge, Group, Node, Picture, Role};
use crate::diagnostics::Severity;
use crate::near;
use crate::repeats::Repeat;

/// What a box is in the smaller picture.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Seen {
    /// Itself.
    Node(usize),
    /// One of a folded group.
    In(usize),
    /// Itself, outside of what is shown.
    Outside(usize),
}

/// What is in a group, and the lines that begin or end there, by their places in a picture.
#[derive(Clone, Debug, Default)]
pub(super) struct Contents {
    nodes: Vec<usize>,
    edges: Vec<usize>,
}

impl Picture {
    /// The picture with each group for which `folds` holds as one box.
    pub fn folded(&self, folds: impl Fn(usize) -> bool) -> Picture {
        let seen =
            |node: usize| match self.around(self.nodes[node].group).filter(|&group| folds(group)).last() {
                Some(group) => Some(Seen::In(group)),
                None => Some(Seen::Node(node)),
            };
        self.made_of_all(seen)
    }

    /// The picture with a group around the blocks of each repetition, whose boxes are those of a layer graph in its order.
    /// A repetition that cuts through groups stays as it is.
    pub fn with_repeats(mut self, repeats: &[Repeat]) -> Picture {
        for repeat in repeats {
            self.group_repeat(repeat);
        }
        self.order_groups();
        self
    }

    /// Puts each group behind the one that it is in.
    fn order_groups(&mut self) {
        let mut order: Vec<usize> = (0..self.groups.len()).collect();
        order.sort_by_key(|&group| self.around(Some(group)).count());
        let mut places = vec![0; order.len()];
        order.iter().enumerate().for_each(|(place, &group)| places[group] = place);
        let moved = |group: Option<usize>| group.map(|group| places[group]);
        let groups = order.iter().map(|&group| self.groups[group].clone());
        let groups = groups.map(|group| Group { parent: moved(group.parent), ..group }).collect();
        self.groups = groups;
        self.nodes.iter_mut().for_each(|node| node.group = moved(node.group));
    }

    fn group_repeat(&mut self, repeat: &Repeat) {
        let around = |node: &Node| self.around(node.group).collect::<Vec<usize>>();
        let Some(boxes) = self.nodes.get(repeat.places()) else { return };
        let chains: Vec<Vec<usize>> = boxes.iter().map(around).collect();
        let first = chains.first().map_or(&[][..], Vec::as_slice);
        // The groups around a box come innermost first.
        let parent = first.iter().copied().find(|group| chains.iter().all(|chain| chain.contains(group)));
        let below =
            |chain: &Vec<usize>| chain.iter().copied().take_while(|group| Some(*group) != parent).last();
        let moved: HashSet<usize> = chains.iter().filter_map(below).collect();
        let cut = self.nodes.iter().enumerate().any(|(place, node)| {
            !repeat.places().contains(&place) && self.around(node.group).any(|group| moved.contains(&group))
        });
        if cut {
            return;
        }
        let alone: Vec<usize> = repeat
            .places()
            .zip(&chains)
            .filter(|(_, chain)| below(chain).is_none())
            .map(|(place, _)| place)
            .collect();
        let group = self.groups.len();
        let title = repeat.title();
        let taken = self.groups.iter().any(|group| group.name == title);
        let name = if taken { format!("{title} from {}", self.nodes[repeat.start].name) } else { title };
        self.groups.push(Group { name, parent });
        alone.into_iter().for_each(|place| self.nodes[place].group = Some(group));
        moved.into_iter().for_each(|child| self.groups[child].parent = Some(group));
    }

    /// What is at most so many lines away from a box; `None` if there is none of that name.
    pub fn near(&self, name: &str, hops: usize) -> Option<Picture> {
        let middle = self.nodes.iter().position(|node| node.name == name)?;
        let edges = self.edges.iter().map(|edge| (edge.from, edge.to));
        let near = near::reached(edges, middle, hops);
        let seen = |node: usize| near.contains(&node).then_some(Seen::Node(node));
        Some(self.made_of_all(seen))
    }

    /// What is in each group, and the lines to it, by their places.
    pub(super) fn contents(&self) -> Vec<Contents> {
        let mut contents = vec![Contents::default(); self.groups.len()];
        for (place, node) in self.nodes.iter().enumerate() {
            self.around(node.group).for_each(|group| contents[group].nodes.push(place));
        }
        for (place, edge) in self.edges.iter().enumerate() {
            let ends = [edge.from, edge.to].map(|node| self.around(self.nodes[node].group));
            let touched: BTreeSet<usize> = ends.into_iter().flatten().collect();
            touched.into_iter().for_each(|group| contents[group].edges.push(place));
        }
        contents
    }

    /// The inside of a group: what is in it, the groups in it folded, and whom it reads and is read by outside.
    pub(super) fn inside(&self, group: usize, contents: &Contents) -> Picture {
        let within = |node: usize| self.around(self.nodes[node].group).any(|around| around == group);
        let ends = contents.edges.iter().flat_map(|&edge| [self.edges[edge].from, self.edges[edge].to]);
        let nodes: BTreeSet<usize> = contents.nodes.iter().copied().chain(ends).collect();
        let seen = |node: usize| match within(node) {
            false => Some(Seen::Outside(node)),
            true => {
                let around = self.around(self.nodes[node].group).take_while(|&around| around != group);
                Some(around.last().map_or(Seen::Node(node), Seen::In))
            }
        };
        let edges = contents.edges.iter().copied();
        self.made_of(self.groups[group].name.clone(), Some(group), (nodes, edges), seen)
    }

    /// The picture of what is seen of all nodes, with all lines.
    fn made_of_all(&self, seen: impl Fn(usize) -> Option<Seen>) -> Picture {
        self.made_of(self.title.clone(), None, (0..self.nodes.len(), 0..self.edges.len()), seen)
    }

    /// The picture of what is seen of some nodes and the lines between them, below `root`.
    fn made_of(
        &self,
        title: String,
        root: Option<usize>,
        (nodes, edges): (impl IntoIterator<Item = usize>, impl IntoIterator<Item = usize>),
        seen: impl Fn(usize) -> Option<Seen>,
    ) -> Picture {
        let mut picture = Picture { title, masks: self.masks.clone(), ..Picture::default() };
        let (mut places, counts): (HashMap<Seen, usize>, OnceCell<Vec<usize>>) = Default::default();
        for node in nodes {
            let (Some(seen), node) = (seen(node), &self.nodes[node]) else { continue };
            if let Some(&known) = places.get(&seen) {
                gather(&mut picture.nodes[known], node);
                continue;
            }
            places.insert(seen, picture.nodes.len());
            let made = match seen {
                Seen::Outside(_) => Node { role: Role::Outside, group: None, finding: None, ..node.clone() },
                Seen::Node(_) => Node { group: picture.kept(self, node.group, root), ..node.clone() },
                Seen::In(group) => Node {
                    group: picture.kept(self, self.groups[group].parent, root),
                    ..self.group_as_node(group, counts.get_or_init(|| self.counts())[group], node)
                },
            };
            picture.nodes.push(made);
        }
        let mut drawn = HashSet::new();
        for edge in edges.into_iter().map(|edge| &self.edges[edge]) {
            let place = |node: usize| seen(node).and_then(|seen| places.get(&seen).copied());
            let (Some(from), Some(to)) = (place(edge.from), place(edge.to)) else { continue };
            if from != to && drawn.insert((from, to, edge.role, edge.mask)) {
                picture.edges.push(Edge { from, to, ..edge.clone() });
            }
        }
        picture
    }

    /// The group as one of this picture, with those around it as far as `root`.
    pub(super) fn kept(
        &mut self,
        whole: &Picture,
        group: Option<usize>,
        root: Option<usize>,
    ) -> Option<usize> {
        let around = whole.around(group).take_while(|&group| Some(group) != root);
        let mut names: Vec<String> = around.map(|group| whole.groups[group].name.clone()).collect();
        names.reverse();
        self.group_of(&names)
    }

    /// How many boxes that are no weights are in each group.
    fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.groups.len()];
        for node in self.nodes.iter().filter(|node| node.role != Role::Weight) {
            self.around(node.group).for_each(|group| counts[group] += 1);
        }
        counts
    }

    fn group_as_node(&self, group: usize, count: usize, first: &Node) -> Node {
        let operations = self.nodes.iter().any(|node| node.role == Role::Weight);
        let what = if operations { "operation" } else { "call" };
        let plural = if count == 1 { "" } else { "s" };
        Node {
            name: self.groups[group].name.clone(),
            does: format!("{count} {what}{plural}"),
            types: vec![],
            role: Role::Group,
            group: None,
            mask: None,
            status: MaskStatus::None,
            finding: first.finding,
            call: None,
            change: None,
        }
    }
}

/// What a folded group shows of one of its boxes: what was found there, and the type of the last.
fn gather(group: &mut Node, node: &Node) {
    if group.role != Role::Group {
        return;
    }
    group.finding = match (group.finding, node.finding) {
        (Some(Severity::Error), _) | (_, Some(Severity::Error)) => Some(Severity::Error),
        (one, other) => one.or(other),
    };
    if node.role == Role::Call {
        group.types.clone_from(&node.types);
    }
}
