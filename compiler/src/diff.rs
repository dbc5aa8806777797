//! What changed between two texts, line by line, for people who look at snapshots.
//!
//! Lines that occur once in both texts and stand in the same order are the fixed points (patience diff); between two
//! of them lines are matched from both ends. Time grows as the texts do, whatever is in them.

use std::collections::HashMap;
use std::fmt::Write;

/// One line of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change<'a> {
    /// It stands in both texts.
    Kept(&'a str),
    /// It stands in the first text alone.
    Removed(&'a str),
    /// It stands in the second text alone.
    Added(&'a str),
}

/// Compares two texts.
pub fn lines<'a>(before: &'a str, after: &'a str) -> Vec<Change<'a>> {
    let (before, after): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let mut changes = vec![];
    let (mut from, mut to) = (0, 0);
    for (left, right) in fixed_points(&before, &after) {
        between(&before[from..left], &after[to..right], &mut changes);
        changes.push(Change::Kept(before[left]));
        (from, to) = (left + 1, right + 1);
    }
    between(&before[from..], &after[to..], &mut changes);
    changes
}

/// The longest chain of pairs of lines that occur once in each text and come in the same order.
fn fixed_points(before: &[&str], after: &[&str]) -> Vec<(usize, usize)> {
    let (left, right) = (once(before), once(after));
    let mut pairs: Vec<(usize, usize)> =
        left.iter().filter_map(|(line, place)| right.get(line).map(|other| (*place, *other))).collect();
    pairs.sort_unstable();
    // For each length the chain that ends earliest, as places in `pairs`; each pair knows the one before it.
    let (mut ends, mut previous): (Vec<usize>, Vec<Option<usize>>) = (vec![], vec![]);
    for (place, pair) in pairs.iter().enumerate() {
        let length = ends.partition_point(|&end| pairs[end].1 < pair.1);
        previous.push(length.checked_sub(1).map(|shorter| ends[shorter]));
        if length == ends.len() { ends.push(place) } else { ends[length] = place }
    }
    let mut chain: Vec<(usize, usize)> =
        std::iter::successors(ends.last().copied(), |&at| previous[at]).map(|at| pairs[at]).collect();
    chain.reverse();
    chain
}

/// The lines that occur once, with their places.
fn once<'a>(lines: &[&'a str]) -> HashMap<&'a str, usize> {
    let mut places: HashMap<&str, Option<usize>> = HashMap::new();
    for (place, line) in lines.iter().enumerate() {
        places.entry(line).and_modify(|known| *known = None).or_insert(Some(place));
    }
    places.into_iter().filter_map(|(line, place)| place.map(|place| (line, place))).collect()
}

/// Between two fixed points: equal lines at both ends are kept, the rest is another.
fn between<'a>(before: &[&'a str], after: &[&'a str], changes: &mut Vec<Change<'a>>) {
    let head = before.iter().zip(after).take_while(|(left, right)| left == right).count();
    let (rest, other) = (&before[head..], &after[head..]);
    let tail = rest.iter().rev().zip(other.iter().rev()).take_while(|(left, right)| left == right).count();
    changes.extend(before[..head].iter().map(|line| Change::Kept(line)));
    changes.extend(rest[..rest.len() - tail].iter().map(|line| Change::Removed(line)));
    changes.extend(other[..other.len() - tail].iter().map(|line| Change::Added(line)));
    changes.extend(rest[rest.len() - tail..].iter().map(|line| Change::Kept(line)));
}

/// How many lines around a change are shown.
const CONTEXT: usize = 2;

/// A comparison as text: `-` and `+` before what changed, red and green if it is styled, and the lines around it. Empty
/// if nothing changed.
pub fn render(changes: &[Change<'_>], styled: bool) -> String {
    let changed: Vec<usize> =
        (0..changes.len()).filter(|&at| !matches!(changes[at], Change::Kept(_))).collect();
    let near = |at: usize| {
        let next = changed.partition_point(|&other| other + CONTEXT < at);
        changed.get(next).is_some_and(|&other| other <= at + CONTEXT)
    };
    let (mut text, mut shown) = (String::new(), 0);
    for (at, change) in changes.iter().enumerate().filter(|(at, _)| near(*at)) {
        let (mark, color, line) = match change {
            Change::Kept(line) => (' ', "", line),
            Change::Removed(line) => ('-', "\u{1b}[31m", line),
            Change::Added(line) => ('+', "\u{1b}[32m", line),
        };
        if at > shown {
            text.push_str("  …\n");
        }
        shown = at + 1;
        let plain = !styled || color.is_empty();
        let line: String = line.chars().filter(|letter| !letter.is_control()).collect();
        let written = match plain {
            true => writeln!(text, "{mark} {line}"),
            false => writeln!(text, "{color}{mark} {line}\u{1b}[0m"),
        };
        written.expect("a string takes everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_insertion_is_one_line() {
        let changes = lines("a\nb\nb\nc\n", "a\nb\nx\nb\nc\n");
        assert_eq!(changes.iter().filter(|change| **change == Change::Added("x")).count(), 1);
        assert_eq!(changes.len(), 5);
        assert_eq!(render(&changes, false), "  a\n  b\n+ x\n  b\n  c\n");
    }

    #[test]
    fn what_is_far_from_a_change_is_left_out() {
        let long: String = (0..20).map(|line| format!("{line}\n")).collect();
        let other = long.replace("\n9\n", "\nnine\n");
        let changes = lines(&long, &other);
        assert_eq!(render(&changes, false), "  …\n  7\n  8\n- 9\n+ nine\n  10\n  11\n");
        assert!(render(&changes, true).contains("\u{1b}[31m- 9\u{1b}[0m"));
        assert_eq!(render(&lines(&long, &long), true), "");
    }

    proptest! {
        #[test]
        fn both_texts_can_be_read_out_of_it(before in "([a-d]\n){0,12}", after in "([a-d]\n){0,12}") {
            let changes = lines(&before, &after);
            let side = |mine: fn(&Change<'_>) -> bool| -> String {
                let text = |change: &Change<'_>| match change {
                    Change::Kept(line) | Change::Removed(line) | Change::Added(line) => format!("{line}\n"),
                };
                changes.iter().filter(|change| mine(change)).map(text).collect()
            };
            prop_assert_eq!(side(|change| !matches!(change, Change::Added(_))), before.as_str());
            prop_assert_eq!(side(|change| !matches!(change, Change::Removed(_))), after.as_str());
        }
    }
}
