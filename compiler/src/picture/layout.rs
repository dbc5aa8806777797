//! A picture placed: every group from within, then as one box of the group around it. An edge across the border of a
//! group goes through a port in its first or last layer.

use std::collections::HashMap;

use super::place::{Item, Pin, Placed, Point, place};
use super::{Edge, Picture, Role};

/// Space around the inside of a group, and for its name.
const AROUND: f64 = 16.0;
const NAME: f64 = 20.0;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rect {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Where the boxes, groups and edges of a picture are.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) nodes: Vec<Rect>,
    pub(super) groups: Vec<Rect>,
    pub(super) ways: Vec<Vec<Point>>,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// What is placed in a level.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Part {
    Node(usize),
    Group(usize),
    /// Where edges from this node come in, and where they go out.
    In(usize),
    Out(usize),
}

/// The inside of a group, or of the whole picture.
#[derive(Default)]
struct Level {
    parts: Vec<Part>,
    places: HashMap<Part, usize>,
    edges: Vec<(usize, usize)>,
    known: HashMap<(usize, usize), usize>,
    placed: Placed,
}

impl Level {
    fn part(&mut self, part: Part) -> usize {
        *self.places.entry(part).or_insert_with(|| {
            self.parts.push(part);
            self.parts.len() - 1
        })
    }

    /// Space above and below; where there are ports, there is enough of it.
    fn around(&self) -> (f64, f64) {
        let has = |port: fn(&Part) -> bool| self.parts.iter().any(port);
        let above = if has(|part| matches!(part, Part::In(_))) { NAME } else { NAME + AROUND };
        (above, if has(|part| matches!(part, Part::Out(_))) { 0.0 } else { AROUND })
    }

    /// The place of the edge among those of the level.
    fn edge(&mut self, from: Part, to: Part) -> usize {
        let ends = (self.part(from), self.part(to));
        *self.known.entry(ends).or_insert_with(|| {
            self.edges.push(ends);
            self.edges.len() - 1
        })
    }
}

/// Places a picture whose boxes have these widths and heights.
pub(super) fn layout(picture: &Picture, sizes: &[(f64, f64)]) -> Layout {
    let root = picture.groups.len();
    let mut levels: Vec<Level> = std::iter::repeat_with(Level::default).take(root + 1).collect();
    let pieces = fill(picture, &mut levels);
    let mut boxes = vec![(0.0, 0.0); root];
    // Groups stand behind those that they are in.
    for level in (0..=root).rev().filter(|&level| level < root).chain([root]) {
        let item = |part: &Part| {
            let ((width, height), pin) = match *part {
                Part::Node(node) => (sizes[node], Pin::Any),
                Part::Group(group) => (boxes[group], Pin::Any),
                Part::In(_) => ((4.0, 0.0), Pin::First),
                Part::Out(_) => ((4.0, 0.0), Pin::Last),
            };
            Item { width, height, pin }
        };
        let items: Vec<Item> = levels[level].parts.iter().map(item).collect();
        levels[level].placed = place(&items, &levels[level].edges);
        if level < root {
            let (placed, name) =
                (&levels[level].placed, picture.groups[level].name.chars().count() as f64 * 7.3);
            let (above, below) = levels[level].around();
            boxes[level] = (placed.width.max(name) + 2.0 * AROUND, placed.height + above + below);
        }
    }
    compose(picture, sizes, (&levels, &boxes), &pieces)
}

/// The levels around the two ends of an edge, from within: those of the first end alone, the innermost that both have,
/// those of the other end alone.
fn across(picture: &Picture, from: usize, to: usize) -> (Vec<usize>, usize, Vec<usize>) {
    let around = |node: usize| {
        picture.around(picture.nodes[node].group).chain([picture.groups.len()]).collect::<Vec<_>>()
    };
    let (mut from, mut to) = (around(from), around(to));
    let mut common = picture.groups.len();
    while let (Some(&one), Some(&other)) = (from.last(), to.last())
        && one == other
    {
        common = one;
        from.pop();
        to.pop();
    }
    (from, common, to)
}

/// Puts every box into its level, and the pieces of every edge; those are given by level and place.
fn fill(picture: &Picture, levels: &mut [Level]) -> Vec<Vec<(usize, usize)>> {
    // Who is read stands before its readers: what comes in before what is there.
    for edge in &picture.edges {
        for group in across(picture, edge.from, edge.to).2 {
            levels[group].part(Part::In(edge.from));
        }
    }
    // A weight is there before all others, and is no reason for its group to be.
    let weights = |wanted: bool| {
        let nodes = picture.nodes.iter().enumerate();
        nodes.filter(move |(_, node)| (node.role == Role::Weight) == wanted)
    };
    let root = picture.groups.len();
    for (node, contents) in weights(true) {
        levels[contents.group.unwrap_or(root)].part(Part::Node(node));
    }
    for (node, contents) in weights(false).chain(weights(true)) {
        let mut part = Part::Node(node);
        for group in picture.around(contents.group) {
            levels[group].part(part);
            part = Part::Group(group);
        }
        levels[root].part(part);
    }
    let edge = |edge: &Edge| {
        let (out, common, into) = across(picture, edge.from, edge.to);
        let mut pieces = vec![];
        let mut part = Part::Node(edge.from);
        for &group in &out {
            pieces.push((group, levels[group].edge(part, Part::Out(edge.from))));
            part = Part::Group(group);
        }
        let end = |groups: &[usize]| groups.last().map_or(Part::Node(edge.to), |&group| Part::Group(group));
        pieces.push((common, levels[common].edge(part, end(&into))));
        for depth in (0..into.len()).rev() {
            let group = into[depth];
            pieces.push((group, levels[group].edge(Part::In(edge.from), end(&into[..depth]))));
        }
        pieces
    };
    picture.edges.iter().map(edge).collect()
}

fn compose(
    picture: &Picture,
    sizes: &[(f64, f64)],
    (levels, boxes): (&[Level], &[(f64, f64)]),
    pieces: &[Vec<(usize, usize)>],
) -> Layout {
    let root = picture.groups.len();
    let mut layout = Layout {
        nodes: vec![Rect::default(); picture.nodes.len()],
        groups: vec![Rect::default(); root],
        ways: vec![],
        width: levels[root].placed.width + 2.0 * AROUND,
        height: levels[root].placed.height + 2.0 * AROUND,
    };
    let mut origins = vec![Point { x: AROUND, y: AROUND }; root + 1];
    for level in std::iter::once(root).chain(0..root) {
        let origin = origins[level];
        for (part, middle) in levels[level].parts.iter().zip(&levels[level].placed.middles) {
            let rect = |(width, height): (f64, f64)| Rect {
                x: origin.x + middle.x - width / 2.0,
                y: origin.y + middle.y - height / 2.0,
                width,
                height,
            };
            match *part {
                Part::Node(node) => layout.nodes[node] = rect(sizes[node]),
                Part::Group(group) => {
                    let rect = rect(boxes[group]);
                    layout.groups[group] = rect;
                    let slack = rect.width - 2.0 * AROUND - levels[group].placed.width;
                    let above = levels[group].around().0;
                    origins[group] = Point { x: rect.x + AROUND + slack / 2.0, y: rect.y + above };
                }
                Part::In(_) | Part::Out(_) => {}
            }
        }
    }
    let way = |pieces: &Vec<(usize, usize)>| {
        let mut way: Vec<Point> = vec![];
        for &(level, edge) in pieces {
            let Level { parts, edges, placed, .. } = &levels[level];
            let shift =
                |point: &Point| Point { x: point.x + origins[level].x, y: point.y + origins[level].y };
            let mut piece: Vec<Point> = placed.ways[edge].iter().map(shift).collect();
            // At the border of a group an edge keeps to its port: the last two points before it, or the first two behind.
            if let (Some(&last), Some(&first)) = (way.last(), piece.first()) {
                let (before, into) = (way.len(), matches!(parts[edges[edge].0], Part::In(_)));
                let (beside, x) =
                    if into { (&mut way[before - 2..], first.x) } else { (&mut piece[..2], last.x) };
                beside.iter_mut().for_each(|point| point.x = x);
            }
            way.extend(piece);
        }
        way
    };
    let upwards = |&(level, edge): &(usize, usize)| {
        let (from, to) = levels[level].edges[edge];
        from > to
    };
    // What goes back, as between calls that share what both compute, goes straight.
    let straight = |edge: &Edge| {
        let (from, to) = (layout.nodes[edge.from], layout.nodes[edge.to]);
        vec![
            Point { x: from.x + from.width / 2.0, y: from.y + from.height },
            Point { x: to.x + to.width / 2.0, y: to.y },
        ]
    };
    let ways = picture.edges.iter().zip(pieces);
    layout.ways = ways
        .map(|(edge, pieces)| if pieces.iter().any(upwards) { straight(edge) } else { way(pieces) })
        .collect();
    layout
}
