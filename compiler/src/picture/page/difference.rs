//! Two models on one page: the picture of both, and of every call that is not the same what became of it.

use std::collections::HashMap;

use super::{Changed, calls, composed, stage};
use crate::compare::CallChange;
use crate::picture::values::Values;
use crate::picture::{Change, Picture};
use crate::{Error, Inferred};

/// Writes the page of a picture of two models. Facts about a call are those of the second model, about one that is
/// removed those of the first.
///
/// # Errors
///
/// Those of lowering.
pub fn write_difference(
    (before, after): (&Inferred, &Inferred),
    both: &Picture,
    changes: &[CallChange],
) -> Result<String, Error> {
    let mut known = calls(after, &[], None)?;
    let mut gone = calls(before, &[], None)?;
    let removed = both.nodes.iter().filter(|node| node.change == Some(Change::Removed));
    for node in removed {
        let name = node.name.trim_end_matches(" (removed)");
        known.extend(gone.remove(name).map(|call| (node.name.clone(), call)));
    }
    let lines: HashMap<String, String> =
        known.iter().map(|(name, call)| (name.clone(), call.line.clone())).collect();
    let mut stage = stage("difference", both, &lines);
    for change in changes {
        let (name, changed) = told(change);
        let renamed = format!("{name} (removed)");
        let place = if changed.kind == "removed" && stage.nodes.contains_key(&renamed) {
            renamed
        } else {
            name.to_owned()
        };
        if stage.nodes.contains_key(&place) {
            stage.changes.insert(place, changed);
        }
    }
    let names = [before, after].map(|model| model.graph().graph.name.as_str());
    let title = if names[0] == names[1] { names[0].to_owned() } else { names.join(" → ") };
    Ok(composed(title, &[stage], &known, Values::default()))
}

fn told(change: &CallChange) -> (&str, Changed) {
    let drops = |mask: &str| mask.starts_with("dropped");
    match change {
        CallChange::Added { call, class, mask } => {
            let lines = vec![format!("{class}, mask {mask}")];
            (call, Changed { kind: "added", died: drops(mask), lines })
        }
        CallChange::Removed { call, class } => {
            (call, Changed { kind: "removed", died: false, lines: vec![class.clone()] })
        }
        CallChange::Changed { call, differences } => {
            let lines = differences.iter();
            let lines = lines.map(|one| format!("{}: {} → {}", one.what, one.before, one.after)).collect();
            let mask = differences.iter().find(|one| one.what == "mask");
            let died = mask.is_some_and(|one| drops(&one.after) && !drops(&one.before));
            (call, Changed { kind: "changed", died, lines })
        }
    }
}
