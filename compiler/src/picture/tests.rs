//! What is drawn is all there and does not lie on top of each other, whatever the graph.

use masque_ir::facts::MaskStatus;
use proptest::prelude::*;

use super::layout::{Rect, layout};
use super::{Edge, EdgeRole, Group, Node, Picture, Role, svg};
use crate::repeats::Repeat;

fn node(place: usize, group: Option<usize>) -> Node {
    Node {
        name: format!("n{place}"),
        does: "Dense".to_owned(),
        types: vec!["f32[B, 4]".to_owned()],
        role: Role::Call,
        group,
        mask: None,
        status: MaskStatus::None,
        finding: None,
        call: None,
        change: None,
    }
}

fn edge(from: usize, to: usize) -> Edge {
    Edge { from, to, role: EdgeRole::Data, mask: None, leaks: false }
}

/// Graphs whose edges go forward, with groups in groups; a group need not be in one piece.
fn pictures() -> impl Strategy<Value = Picture> {
    (1..40_usize, 0..5_usize).prop_flat_map(|(nodes, groups)| {
        let edges = prop::collection::vec((0..nodes, 0..nodes), 0..2 * nodes);
        let parents = prop::collection::vec(prop::option::of(0..8_usize), groups);
        let inside = prop::collection::vec(prop::option::of(0..8_usize), nodes);
        (edges, parents, inside).prop_map(|(edges, parents, inside)| Picture {
            title: "any".to_owned(),
            groups: parents
                .iter()
                .enumerate()
                .map(|(place, parent)| Group {
                    name: format!("g{place}"),
                    parent: parent.filter(|&parent| parent < place),
                })
                .collect(),
            nodes: inside
                .iter()
                .enumerate()
                .map(|(place, group)| node(place, group.filter(|&group| group < parents.len())))
                .collect(),
            edges: edges.iter().filter(|(a, b)| a != b).map(|&(a, b)| edge(a.min(b), a.max(b))).collect(),
            masks: vec![],
        })
    })
}

fn apart(a: &Rect, b: &Rect) -> bool {
    let beside = |x: f64, width: f64, other: f64| x + width <= other + 0.01;
    beside(a.x, a.width, b.x)
        || beside(b.x, b.width, a.x)
        || beside(a.y, a.height, b.y)
        || beside(b.y, b.height, a.y)
}

fn within(inner: &Rect, outer: &Rect) -> bool {
    inner.x >= outer.x - 0.01
        && inner.y >= outer.y - 0.01
        && inner.x + inner.width <= outer.x + outer.width + 0.01
        && inner.y + inner.height <= outer.y + outer.height + 0.01
}

proptest! {
    #[test]
    fn boxes_lie_apart_and_within_their_groups(picture in pictures()) {
        let sizes = vec![(80.0, 40.0); picture.nodes.len()];
        let placed = layout(&picture, &sizes);
        for (place, rect) in placed.nodes.iter().enumerate() {
            for other in &placed.nodes[place + 1..] {
                prop_assert!(apart(rect, other), "{rect:?} and {other:?}");
            }
            if let Some(group) = picture.nodes[place].group {
                prop_assert!(within(rect, &placed.groups[group]), "{rect:?} in {:?}", placed.groups[group]);
            }
        }
        for (place, group) in picture.groups.iter().enumerate() {
            let used = picture.nodes.iter().any(|node| picture.around(node.group).any(|around| around == place));
            if let (Some(parent), true) = (group.parent, used) {
                prop_assert!(within(&placed.groups[place], &placed.groups[parent]));
            }
        }
        let whole = Rect { x: 0.0, y: 0.0, width: placed.width, height: placed.height };
        prop_assert!(placed.nodes.iter().all(|rect| within(rect, &whole)));
    }

    #[test]
    fn an_edge_goes_from_the_bottom_of_a_box_to_the_top_of_another(picture in pictures()) {
        let sizes = vec![(80.0, 40.0); picture.nodes.len()];
        let placed = layout(&picture, &sizes);
        for (edge, way) in picture.edges.iter().zip(&placed.ways) {
            let (from, to) = (placed.nodes[edge.from], placed.nodes[edge.to]);
            let (begin, end) = (way[0], way[way.len() - 1]);
            prop_assert!((begin.y - from.y - from.height).abs() < 0.01);
            prop_assert!((end.y - to.y).abs() < 0.01);
            prop_assert!(begin.x >= from.x && begin.x <= from.x + from.width);
            prop_assert!(end.x >= to.x && end.x <= to.x + to.width);
        }
    }

    #[test]
    fn what_is_folded_and_what_is_inside_are_the_whole(picture in pictures()) {
        let folded = picture.folded(|_| true);
        prop_assert!(folded.groups.is_empty());
        let mut shown: Vec<String> = folded.nodes.iter().filter(|node| node.role == Role::Call).map(|node| node.name.clone()).collect();
        for (group, contents) in picture.contents().iter().enumerate() {
            let inside = picture.inside(group, contents);
            let used = |place| inside.nodes.iter().any(|node| inside.around(node.group).any(|around| around == place));
            prop_assert!((0..inside.groups.len()).all(used), "no frame is empty");
            shown.extend(inside.nodes.iter().filter(|node| node.role == Role::Call).map(|node| node.name.clone()));
        }
        shown.sort();
        let mut names: Vec<String> = picture.nodes.iter().map(|node| node.name.clone()).collect();
        names.sort();
        prop_assert_eq!(shown, names);
    }
}

#[test]
fn a_chain_stands_in_one_column() {
    let nodes = (0..6).map(|place| node(place, None)).collect();
    let edges = (0..5).map(|place| edge(place, place + 1)).collect();
    let picture = Picture { nodes, edges, ..Picture::default() };
    let placed = layout(&picture, &[(80.0, 40.0); 6]);
    assert!(
        placed.nodes.windows(2).all(|pair| (pair[0].x - pair[1].x).abs() < 0.01 && pair[0].y < pair[1].y)
    );
}

#[test]
fn names_that_would_be_markup_are_text() {
    let name = "</title><script>\u{1}\"&";
    let picture =
        Picture { nodes: vec![Node { name: name.to_owned(), ..node(0, None) }], ..Picture::default() };
    let drawn = svg::draw(&picture);
    assert!(drawn.contains("&lt;/title&gt;&lt;script&gt;") && !drawn.contains("<script"), "{drawn}");
}

/// However deep a model is: nothing calls itself along its edges.
#[test]
fn a_deep_picture_is_placed_on_a_small_stack() {
    let many = 3_000;
    let nodes = (0..many).map(|place| node(place, None)).collect();
    let edges =
        (1..many).flat_map(|place| [edge(place - 1, place), edge(place.saturating_sub(7), place)]).collect();
    let picture = Picture { nodes, edges, ..Picture::default() };
    let placed = move || layout(&picture, &vec![(80.0, 40.0); many]).nodes.len();
    let thread = std::thread::Builder::new().stack_size(64 * 1024).spawn(placed);
    assert_eq!(thread.unwrap().join().unwrap(), many);
}

fn repeat(start: usize, calls: usize, times: usize) -> Repeat {
    Repeat { start, calls, times, name: String::new() }
}

/// Blocks of boxes, alone or in groups of their own, are in one group, which is in the one around them all.
#[test]
fn repeats_are_groups() {
    let group = |name: &str, parent| Group { name: name.to_owned(), parent };
    let inside = [None, Some(1), Some(1), Some(2), Some(2), Some(0), Some(0), None, None, None, None];
    let picture = Picture {
        groups: vec![group("all", None), group("all/a", Some(0)), group("all/b", Some(0))],
        nodes: inside.iter().enumerate().map(|(place, group)| node(place, *group)).collect(),
        edges: (1..inside.len()).map(|to| edge(to - 1, to)).collect(),
        ..Picture::default()
    };
    let repeats = [repeat(1, 2, 2), repeat(5, 1, 2), repeat(7, 1, 3)];
    let grouped = picture.clone().with_repeats(&repeats);
    let around = |place: usize| -> Vec<&str> {
        let groups = grouped.around(grouped.nodes[place].group);
        groups.map(|group| grouped.groups[group].name.as_str()).collect()
    };
    assert_eq!(around(1), ["all/a", "2 × 2 calls", "all"]);
    assert_eq!(around(4), ["all/b", "2 × 2 calls", "all"]);
    assert_eq!(around(6), ["2 × 1 call", "all"]);
    assert_eq!(around(9), ["3 × 1 call"]);
    assert!(around(10).is_empty());
    let parents = grouped.groups.iter().enumerate();
    assert!(parents.into_iter().all(|(place, group)| group.parent.is_none_or(|parent| parent < place)));
    let names: Vec<String> = grouped.folded(|_| true).nodes.iter().map(|node| node.name.clone()).collect();
    assert_eq!(names, ["n0", "all", "3 × 1 call", "n10"]);
    // The second of two like-named is told apart, and one that cuts through a group is left out.
    let twice = picture.clone().with_repeats(&[repeat(7, 1, 2), repeat(9, 1, 2)]);
    let names: Vec<&str> = twice.groups[1..].iter().map(|group| group.name.as_str()).collect();
    assert!(names.contains(&"2 × 1 call") && names.contains(&"2 × 1 call from n9"), "{names:?}");
    assert_eq!(picture.clone().with_repeats(&[repeat(2, 1, 2)]), picture);
}
