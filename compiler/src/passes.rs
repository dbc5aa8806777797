//! Passes: the program of a model as each of them leaves it, between the stages and where a stage ends.

use std::collections::BTreeMap;

use masque_ir::ops::{Leaf, Op};
use masque_ir::program::Program;
use masque_ir::text::ProgramStage;
use masque_runtime::Tensor;

use crate::pack::pack;
use crate::plan::{Growth, PlanError, show};
use crate::rewrite::{Limits, rounds};
use crate::{Error, Lowered};

/// A program as a pass leaves it.
#[derive(Clone, Debug, PartialEq)]
pub struct Passed {
    /// Name of the pass: `rewrite-1` and so on for each round of rewriting, `pack`, and while planning `decompose`,
    /// `tables`, `fold`, `products` and `fuse`.
    pub pass: String,
    /// Stage that the program's text has in its header, from which it goes on as any other text of that stage.
    pub stage: ProgramStage,
    /// The program.
    pub program: Program,
}

impl Lowered {
    /// Returns the program after every pass up to the plan's steps; without the passes that read weights, if the model
    /// came without.
    ///
    /// # Errors
    ///
    /// [`Error::Plan`]: a mistake of ours.
    pub fn passes(&self) -> Result<Vec<Passed>, Error> {
        follow(ProgramStage::Tensor, &self.program, &self.weights, self.growth)
            .map_err(|source| Error::Plan { file: self.file.path.clone(), source })
    }
}

/// Returns the program after every pass that follows a stage; without the passes that read weights, if one is missing.
///
/// # Errors
///
/// [`PlanError::Decompose`]: a mistake of ours.
pub fn follow(
    stage: ProgramStage,
    program: &Program,
    weights: &BTreeMap<String, Tensor>,
    growth: Growth,
) -> Result<Vec<Passed>, PlanError> {
    let mut passed = vec![];
    let mut current = program.clone();
    if stage == ProgramStage::Tensor {
        let mut round = |program: &Program| {
            let pass = format!("rewrite-{}", passed.len() + 1);
            passed.push(Passed { pass, stage: ProgramStage::Tensor, program: program.clone() });
        };
        (current, _) = rounds(&current, Limits::DEFAULT, &mut round);
    }
    let mut seen = |pass: &str, program: &Program| {
        let program = program.clone();
        passed.push(Passed { pass: pass.to_owned(), stage: ProgramStage::Packed, program });
    };
    if stage != ProgramStage::Packed {
        current = pack(&current).into_owned();
        seen("pack", &current);
    }
    let given = has_all(&current, weights).then_some((weights, growth));
    show(&current, given, &mut seen)?;
    Ok(passed)
}

fn has_all(program: &Program, weights: &BTreeMap<String, Tensor>) -> bool {
    program.nodes.iter().all(|node| match node.op {
        Op::Leaf(Leaf::Weight { .. }) => weights.contains_key(&node.results[0].name),
        _ => true,
    })
}
