//! The options of `masque build`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Build {
    /// The model: a .keras or .h5 file, or a .json config with weights
    pub(crate) model: PathBuf,
    /// The executable to write
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// The program that it begins with: `masque-runner`, built for another kind of machine
    #[arg(long, value_name = "FILE", conflicts_with = "plan_only")]
    pub(crate) runner: Option<PathBuf>,
    /// Write what the executable would hold, without a program: for `masque run`, or to be opened as a library
    #[arg(long)]
    pub(crate) plan_only: bool,
    /// Replace a file that is there, though it is no executable of masque's or is read-only
    #[arg(long)]
    pub(crate) force: bool,
}
