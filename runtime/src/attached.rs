//! What travels with a plan beside what it computes: labels and notes that a person gave, and an example with its answers.

use std::collections::BTreeSet;

use masque_ir::plan::Plan;
use serde::{Deserialize, Serialize};

use crate::classes::Labels;

/// What travels with a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attached {
    /// Labels of the classes of its outputs.
    pub labels: Labels,
    /// Notes in the order in which they were given, each with a key of its own.
    pub notes: Vec<(String, String)>,
    /// An example with its answers, as [`crate::example`] writes it; empty if there is none.
    #[serde(skip)]
    pub example: Vec<u8>,
}

impl Attached {
    /// The bytes of the section: labels and notes, and behind them the example, so that it is not looked at before
    /// somebody wants it.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, postcard::Error> {
        if *self == Attached::default() {
            return Ok(vec![]);
        }
        let mut bytes = postcard::to_stdvec(self)?;
        bytes.extend_from_slice(&self.example);
        Ok(bytes)
    }

    /// What these bytes are, found fit for a plan; else what is wrong. None at all are nothing attached.
    pub(crate) fn decode(bytes: &[u8], plan: &Plan) -> Result<Attached, String> {
        if bytes.is_empty() {
            return Ok(Attached::default());
        }
        let (attached, example) =
            postcard::take_from_bytes::<Attached>(bytes).map_err(|error| error.to_string())?;
        if !attached.labels.fit(plan) {
            return Err("its labels are not those of its outputs".into());
        }
        let mut keys = BTreeSet::new();
        if !attached.notes.iter().all(|(key, _)| keys.insert(key)) {
            return Err("it has two notes of one name".into());
        }
        Ok(Attached { example: example.to_vec(), ..attached })
    }
}
