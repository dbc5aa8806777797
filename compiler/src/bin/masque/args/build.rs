//! The options of `build`, and of `verify`, which looks at what it made.

use std::path::PathBuf;

use clap::Args;

use super::{Compiling, TextOrJson};

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
    /// The labels of the classes, for --top of the executable: text with a line for each class; of which output, if several
    /// have classes
    #[arg(long, value_name = "[OUTPUT=]FILE")]
    pub(crate) labels: Vec<PathBuf>,
    /// A note that the executable shows with --info
    #[arg(long, value_name = "KEY=VALUE", value_parser = note)]
    pub(crate) note: Vec<(String, String)>,
    /// Replace a file that is there, though it is no executable of masque's or is read-only
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) compiling: Compiling,
}

fn note(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// The executable, or a plan file
    pub(crate) executable: PathBuf,
    /// The program that it is to begin with, as for `build`; the one that this masque carries if absent
    #[arg(long, value_name = "FILE")]
    pub(crate) runner: Option<PathBuf>,
    /// In which form
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: TextOrJson,
}
