//! The command line of `masque bench`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Compiling, TextOrJson, YesOrNo};

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// The model: a .keras or .h5 file, or a .json config with weights
    #[arg(required_unless_present = "named", conflicts_with = "named")]
    model: Option<PathBuf>,
    /// The same, by name
    #[arg(long = "model", value_name = "FILE", hide = true)]
    named: Option<PathBuf>,
    /// The inputs, one batch: .npz, .npy, .jsonl, .json or .csv
    #[arg(long, alias = "inputs", value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// Where the outputs of the last run go: .npz, .npy or .jsonl
    #[arg(long, alias = "outputs", value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// How many runs are timed, at least
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) repeat: u32,
    /// How many seconds of runs are timed, at least
    #[arg(long, default_value_t = 1.0, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) min_time: f64,
    /// How long each step of the plan takes, too; steps are taken one after the other then
    #[arg(long)]
    pub(crate) profile: bool,
    /// In which form
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: TextOrJson,
    /// Is the first record of a .csv file a header? Guessed, and told, if absent
    #[arg(long, value_enum, value_name = "yes|no")]
    pub(crate) header: Option<YesOrNo>,
    /// Replace a file that is there, though it is of another kind or read-only
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) compiling: Compiling,
}

impl Bench {
    /// The model, which stands first or has a name.
    pub(crate) fn model(&self) -> &Path {
        self.model.as_deref().or(self.named.as_deref()).unwrap_or(Path::new(""))
    }
}

/// A number of seconds that can be waited for.
fn seconds(text: &str) -> Result<f64, String> {
    let within = |seconds: &f64| (0.0..=86_400.0).contains(seconds);
    text.parse().ok().filter(within).ok_or_else(|| "expected seconds, from 0 to 86400".to_owned())
}
