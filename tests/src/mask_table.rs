//! Is this the mask table of Keras?
//!
//! Keras gives two answers: what happened when the model ran, and what its symbolic graph promised. Inference may agree
//! with either. The status is held against Keras' words where the two answers are one.

use masque::table::Row;

use crate::corpus::{Call, Case};

/// Holds a table against the calls of a case. Calls without any mask, and operations, may be missing.
///
/// # Errors
///
/// The first call that differs.
pub fn check(case: &Case, rows: &[Row]) -> Result<(), String> {
    for call in &case.expected.calls {
        let row = rows.iter().find(|row| row.layer == call.layer && row.call == call.call);
        let masked = call.mask_in.iter().chain(&call.mask_out).any(|&mask| mask);
        match row {
            Some(row) => {
                check_call(call, row).map_err(|problem| format!("{}:{} {problem}", call.layer, call.call))?
            }
            None if call.is_layer && masked => {
                return Err(format!("{}:{} is missing", call.layer, call.call));
            }
            None => {}
        }
    }
    Ok(())
}

fn check_call(call: &Call, row: &Row) -> Result<(), String> {
    // A class that is the same as one of Keras is read as that, and a package may have had another name.
    let name = |class: &'_ str| class.rsplit('>').next().unwrap_or_default().to_owned();
    if name(&call.class) != name(&row.class) && row.class != format!("ops.{}", call.class) {
        return Err(format!("class {}, expected {}", row.class, call.class));
    }
    if !agrees(&row.mask_out, &call.mask_out, &call.symbolic_mask_out) {
        return Err(format!("mask_out {:?}, expected {:?}", row.mask_out, call.mask_out));
    }
    if !call.is_layer {
        return Ok(());
    }
    if !agrees(&row.mask_in, &call.mask_in, &call.symbolic_mask_in) {
        return Err(format!("mask_in {:?}, expected {:?}", row.mask_in, call.mask_in));
    }
    let any = |masks: &[bool]| masks.iter().any(|&mask| mask);
    let settled =
        call.symbolic_mask_out == call.mask_out && any(&call.symbolic_mask_in) == any(&call.mask_in);
    let status = row.status.to_string();
    if settled && !call.status.contains(&status) {
        return Err(format!("status {status}, expected {}", call.status.join(" or ")));
    }
    Ok(())
}

/// Is it one of the two answers? Where Keras counts tensors in another way, it is enough that both have a mask.
fn agrees(found: &[bool], ran: &[bool], promised: &[bool]) -> bool {
    let any = |masks: &[bool]| masks.iter().any(|&mask| mask);
    [ran, promised]
        .iter()
        .any(|&expected| found == expected || found.len() != expected.len() && any(found) == any(expected))
}
