//! Windows over padded sequences: what a position sees beside itself.
//!
//! Padding lies behind the sequence. A window that only reaches back never sees padding from a position that is none;
//! one that reaches ahead does, as soon as there is any.

use masque_ir::flow::Role;

use super::joint::Choice;
use super::layout::{Axis, Bases, Factor};

/// The axis of a window's results where they lie as the sequence does: with every stride 1, and as many before and
/// behind as the window reaches.
pub(super) fn window(role: Role, own: &Axis, bases: &Bases) -> Option<Axis> {
    let Role::Window { before, after, stride, beyond, .. } = role else { return None };
    let [factor] = own.as_slice() else { return None };
    if stride != 1 || factor.is_plain() {
        return None;
    }
    let (low, base, high) = surrounded(factor)?;
    let fits = if beyond { low == 0 && high == 0 } else { before == 0 && low + high == after };
    fits.then(|| vec![Factor::over(base, bases)])
}

/// How many positions stand before and behind the one axis of padded sequences.
fn surrounded(factor: &Factor) -> Option<(i64, usize, i64)> {
    let mut found = (0, None, 0);
    for segment in &factor.segments {
        match segment.base {
            Some(base) if found.1.is_none() && !segment.reversed => found.1 = Some(base),
            None if found.1.is_none() => found.0 += segment.size.known()?,
            None => found.2 += segment.size.known()?,
            Some(_) => return None,
        }
    }
    Some((found.0, found.1?, found.2))
}

/// What a window sees from a position: itself, what stands before it and what stands behind it. Padding lies behind
/// the sequence, so that before a position there are only those with more valid.
pub(super) fn neighbours(role: Role, own: &Factor, part: usize, bases: &Bases) -> Vec<Choice> {
    let Role::Window { before, after, .. } = role else { return vec![] };
    let Some((low, _, high)) = surrounded(own) else { return vec![] };
    let (before, after) = (before + low, if low + high > 0 { high } else { after });
    let mut seen = vec![];
    let mut behind = false;
    for case in 0..own.cases(bases) {
        let Some((segment, bits)) = own.case(case, bases) else { continue };
        behind |= segment.base.is_some();
        let (earlier, later) = match segment.base {
            Some(_) => (bits & !part == 0, part & !bits == 0),
            None => (!behind, behind),
        };
        let itself = segment.base.is_some() && bits == part;
        if itself || before > 0 && earlier || after > 0 && later {
            // What lies behind the last position is there as soon as there is padding, or as long as there is none.
            let grown = !itself && later && bases.grows(&own.size) && (bits != 0 || segment.base.is_none());
            let alone = before == 0 && after == 0;
            seen.push(Choice { case, varies: true, beside: !alone, grown, near: !alone });
        }
    }
    seen
}
