//! Compile and run in one process: the short way for whoever does not want to look inside.
//!
//! [`compile`] is the way from a model with its masks to a plan, with somebody watching; the `masque` command and
//! [`CompiledModel`] both take it, and it is the only one. What runs the plan is the runtime's [`Session`].
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use masque::session::{CompiledModel, RunOptions, Tensor};
//!
//! let model = CompiledModel::open("../examples/sentiment/sentiment.keras")?;
//! let texts = ndarray::arr2(&[["Not bad at all!".to_owned()]]).into_dyn();
//! let answer = model.run(&[("text", Tensor::from(texts))], RunOptions::default())?;
//! assert_eq!(answer.outputs[0].1.shape(), [1, 1]);
//! # Ok(())
//! # }
//! ```

use std::path::Path;

use masque_ir::plan::Plan;
use masque_runtime::RunError;

pub use masque_runtime::session::Options as RunOptions;
pub use masque_runtime::{Outputs, Section, Session, State, Tensor};

use crate::{Error, Inferred, Lowered, Model, Optimized, Options, Planned};

/// How far the compilation is, with what there is to look at.
#[non_exhaustive]
pub enum Progress<'a> {
    /// The layers have become operations.
    Lowered(&'a Lowered),
    /// The operations have been rewritten.
    Optimized(&'a Optimized),
}

/// Compiles a model as far as the plan, its weights included; `watch` is called after each stage.
///
/// # Errors
///
/// Those of the stages: weights that are not the model's, masks that the policy refuses.
pub fn compile(
    mut inferred: Inferred,
    options: Options,
    mut watch: impl FnMut(Progress<'_>),
) -> Result<Planned, Error> {
    inferred.require_weights()?;
    let lowered = inferred.lower(options)?;
    watch(Progress::Lowered(&lowered));
    let optimized = lowered.optimize();
    watch(Progress::Optimized(&optimized));
    optimized.plan()
}

/// A compiled model can't be run.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Its plan can't be made ready.
    #[error("{file}: {source}")]
    Prepare {
        /// The model.
        file: String,
        /// Why.
        source: masque_runtime::session::SessionError,
    },
    /// It can't be run on these inputs.
    #[error("{file}: {source}")]
    Run {
        /// The model.
        file: String,
        /// Why.
        source: RunError,
    },
}

/// A model compiled in this process, with all it needs to run.
#[derive(Debug)]
pub struct CompiledModel {
    file: String,
    planned: Planned,
    section: Section,
}

impl CompiledModel {
    /// Reads and compiles a model with the usual options: a mask that a layer does not support is an error.
    ///
    /// # Errors
    ///
    /// Those of every stage, see [`Model`] and [`compile`].
    pub fn open(path: impl AsRef<Path>) -> Result<CompiledModel, Error> {
        let path = path.as_ref();
        let planned = compile(Model::open(path)?.infer()?, Options::default(), |_| ())?;
        Ok(CompiledModel::new(path.display().to_string(), planned))
    }

    /// A plan made by hand or with other options; errors name `file`.
    pub fn new(file: impl Into<String>, planned: Planned) -> CompiledModel {
        let section = Section::copy(&planned.section());
        CompiledModel { file: file.into(), planned, section }
    }

    /// The plan: inputs, outputs, steps.
    pub fn plan(&self) -> &Plan {
        &self.planned.plan
    }

    /// The plan with its weights, for writing an executable.
    pub fn planned(&self) -> &Planned {
        &self.planned
    }

    /// Makes the model ready for many runs.
    ///
    /// # Errors
    ///
    /// [`SessionError::Prepare`] if the plan is not sound.
    pub fn session(&self) -> Result<Session, SessionError> {
        Session::new(self.planned.plan.clone(), self.section.clone())
            .map_err(|source| SessionError::Prepare { file: self.file.clone(), source })
    }

    /// Makes the model ready and runs it once. For many runs, keep a [`session`](CompiledModel::session).
    ///
    /// # Errors
    ///
    /// [`SessionError`]: inputs that are missing, unknown or of another type, an operation that failed on these
    /// numbers, more memory than the options allow.
    pub fn run<N: AsRef<str> + Sync>(
        &self,
        inputs: &[(N, Tensor)],
        options: RunOptions,
    ) -> Result<Outputs, SessionError> {
        let session = self.session()?;
        session
            .run(&mut State::default(), inputs, options)
            .map_err(|source| SessionError::Run { file: self.file.clone(), source })
    }
}
