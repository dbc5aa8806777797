//! Is a plan sound? Whatever a plan says about itself is proved before anything runs, so that the session may follow
//! its slots and weights, and no step meets operands of a kind that its operation does not take.
//!
//! What holds for a plan alone is [`masque_ir::verify::plan`]; here it meets its weights section. Sizes that are only
//! known in a run are not proved; the session checks them when they are known.

use masque_ir::plan::{Layout, Plan, PlanWeight};
use masque_ir::verify;

use crate::quote::{one_line, quoted};
use crate::weights::stored_bytes;

/// What is wrong with a plan; one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// A property of plans does not hold.
    #[error("{0}")]
    Plan(String),
    /// A weight is not where the plan says.
    #[error("weight {name} does not lie in the weights section")]
    Outside {
        /// The weight.
        name: String,
    },
    /// A weight has another number of bytes than its layout demands.
    #[error("weight {name} has {bytes} bytes, not those of its type")]
    Bytes {
        /// The weight.
        name: String,
        /// The number of bytes.
        bytes: u64,
    },
}

/// Proves a plan sound, given the length of its weights section.
///
/// # Errors
///
/// The first [`CheckError`].
pub fn check(plan: &Plan, section: u64) -> Result<(), CheckError> {
    verify::plan(plan).map_err(|violations| {
        let first = violations.0.first().map(ToString::to_string);
        CheckError::Plan(one_line(&first.unwrap_or_default()))
    })?;
    plan.weights.iter().try_for_each(|weight| check_weight(weight, section))
}

fn check_weight(weight: &PlanWeight, section: u64) -> Result<(), CheckError> {
    if weight.offset.checked_add(weight.bytes).is_none_or(|end| end > section) {
        return Err(CheckError::Outside { name: quoted(&weight.name) });
    }
    let shape: Option<Vec<usize>> = weight.shape.iter().map(|&size| usize::try_from(size).ok()).collect();
    let expected = shape.and_then(|shape| stored_bytes(weight.dtype, &shape, weight.layout));
    if weight.layout != Layout::Texts && expected.is_none_or(|bytes| bytes as u64 != weight.bytes) {
        return Err(CheckError::Bytes { name: quoted(&weight.name), bytes: weight.bytes });
    }
    Ok(())
}
