//! A loop over time, the only operation that holds a program.

use std::cell::Cell;
use std::sync::Arc;

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::{Family, OpError, OpInfo, OperandTypes, family};
use crate::dim::Names;
use crate::flow::Flow;
use crate::program::Program;
use crate::ty::Type;

family! {
    /// A loop over time.
    Scan {
        /// Runs `body` for every position along axis 1 of the sequences. Operands: the values carried from step to
        /// step, the sequences, then what is the same in every step. The body takes the carried values, one
        /// position of each sequence (without axis 1) and the rest; it gives the carried values and what is
        /// collected. Results: the carried values at the end, then what was collected, stacked along axis 1 in
        /// the order of the steps.
        Scan = "scan" ("operands*") {
            /// How many operands are carried.
            carried: u32,
            /// How many operands behind them are sequences.
            sequences: u32,
            /// One step.
            #[serde(deserialize_with = "bounded")]
            body: Arc<Program>,
        };
    }
}

impl Family for Scan {
    fn info(&self) -> &'static OpInfo {
        self.row()
    }

    fn flow(&self, _: OperandTypes<'_>) -> Flow<'_> {
        let Scan::Scan { carried, sequences, body } = self;
        Flow::Loop { carried: *carried as usize, sequences: *sequences as usize, body }
    }

    fn renamed(&self, names: &Names) -> Scan {
        let Scan::Scan { carried, sequences, body } = self;
        Scan::Scan { carried: *carried, sequences: *sequences, body: body.renamed(names).into() }
    }

    fn infer(&self, operands: OperandTypes<'_>) -> Result<Vec<Type>, OpError> {
        let Scan::Scan { carried, sequences, body } = self;
        let (carried, sequences) = (*carried as usize, *sequences as usize);
        let types: Vec<&Type> = operands.iter().flatten().copied().collect();
        if sequences == 0 || types.len() < carried + sequences {
            return Err(
                self.expects(format!("{carried} carried values and {sequences} sequences"), types.len())
            );
        }
        let mut expected: Vec<Type> = types.iter().map(|&ty| ty.clone()).collect();
        for sequence in &mut expected[carried..carried + sequences] {
            if sequence.rank() < 2 {
                return Err(self.expects("sequences with an axis 1", sequence));
            }
            sequence.shape.remove(1);
        }
        let inputs = body.input_types();
        let results = body.output_types();
        if inputs.len() != expected.len() || inputs.iter().zip(&expected).any(|(a, b)| *a != b) {
            return Err(self.expects(format!("a body that takes {}", list(&expected)), list(inputs)));
        }
        if results.len() < carried || results[..carried].iter().zip(&expected).any(|(a, b)| a != b) {
            return Err(
                self.expects(format!("a body that gives {}", list(&expected[..carried])), list(&results))
            );
        }
        let steps = &types[carried].shape[1];
        let mut types = results;
        for collected in &mut types[carried..] {
            if collected.rank() == 0 {
                return Err(self.expects("collected values with a batch axis", &*collected));
            }
            collected.shape.insert(1, steps.clone());
        }
        Ok(types)
    }
}

/// How deep loops may lie within one another.
pub const MAX_LOOPS: u32 = 16;

/// Reads a body. Readers of data follow bodies within bodies by recursion, and would follow a million of them before
/// a verifier could say no.
pub(super) fn bounded<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Program>, D::Error> {
    thread_local!(static AROUND: Cell<u32> = const { Cell::new(0) });
    let around = AROUND.get();
    if around >= MAX_LOOPS {
        return Err(D::Error::custom(format!("more than {MAX_LOOPS} loops within one another")));
    }
    AROUND.set(around + 1);
    let body = Arc::deserialize(deserializer);
    AROUND.set(around);
    body
}

fn list(types: impl IntoIterator<Item = impl std::borrow::Borrow<Type>>) -> String {
    let names: Vec<String> = types.into_iter().map(|ty| ty.borrow().to_string()).collect();
    if names.is_empty() { "nothing".into() } else { names.join(", ") }
}
