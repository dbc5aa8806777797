//! A comparison of models for people: what was added and removed, what changed to what.

use super::{CallChange, Difference};

/// How many calls that changed in the same way are named, before the rest is counted.
const NAMED: usize = 3;

/// The comparison as text, in colours if it is styled. Calls behind one another that changed in the same way stand
/// together.
pub fn report(changes: &[CallChange], styled: bool) -> String {
    let paint = |color: &str, text: &str| {
        if styled { format!("\u{1b}[{color}m{text}\u{1b}[0m") } else { text.to_owned() }
    };
    let mut text = String::new();
    let mut rest = changes;
    while let Some(change) = rest.first() {
        let alike = match change {
            CallChange::Changed { differences, .. } => {
                rest.iter().take_while(|other| same_changes(other, differences)).count()
            }
            _ => 1,
        };
        let (group, behind) = rest.split_at(alike);
        rest = behind;
        match change {
            CallChange::Added { call, class, mask } => {
                text.push_str(&paint("32", &format!("+ {call}: {class}, mask {mask}")));
            }
            CallChange::Removed { call, class } => text.push_str(&paint("31", &format!("- {call}: {class}"))),
            CallChange::Changed { differences, .. } => {
                text.push_str(&paint("1", &format!("~ {}", names(group))));
                for Difference { what, before, after } in differences {
                    let (before, after) = (paint("31", before), paint("32", after));
                    text.push_str(&format!("\n    {what}: {before} → {after}"));
                }
            }
        }
        text.push('\n');
    }
    text
}

fn same_changes(change: &CallChange, wanted: &[Difference]) -> bool {
    matches!(change, CallChange::Changed { differences, .. } if differences == wanted)
}

fn names(group: &[CallChange]) -> String {
    let names: Vec<&str> = group
        .iter()
        .filter_map(|change| match change {
            CallChange::Changed { call, .. } => Some(call.as_str()),
            _ => None,
        })
        .collect();
    match names.as_slice() {
        [first, .., last] if names.len() > NAMED => format!("{first} … {last} ({} calls)", names.len()),
        names => names.join(", "),
    }
}
