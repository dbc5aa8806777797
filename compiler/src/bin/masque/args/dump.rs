//! What `masque dump` takes.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Compiling;
use masque_ir::text::Stage;

#[derive(Debug, Args)]
pub(crate) struct Dump {
    /// The model: a .keras, .h5, .json or .mq file
    pub(crate) model: PathBuf,
    /// Which stage: layers, masks, tensor, optimized, packed or plan
    #[arg(long, default_value = "masks")]
    pub(crate) stage: Stage,
    /// Show the program as this pass leaves it: rewrite-1 and so on, pack, decompose, tables, fold or fuse
    #[arg(long, value_name = "PASS", conflicts_with_all = ["stage", "diff", "all", "open", "input"])]
    pub(crate) after: Option<String>,
    /// In which form
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: DumpFormat,
    /// Show one of the blocks of calls that are repeated; draw these, each nested model, and each layer's operations, as one
    /// box
    #[arg(long)]
    pub(crate) collapse: bool,
    /// Show only what is near a call or an operation, by its name
    #[arg(long, value_name = "NAME")]
    pub(crate) focus: Option<String>,
    /// With --focus: how far away, in tensors
    #[arg(long, value_name = "K", default_value = "2", requires = "focus")]
    pub(crate) hops: usize,
    /// Compare the texts of two stages
    #[arg(long, num_args = 2, value_names = ["STAGE", "STAGE"], conflicts_with_all = ["stage", "format", "collapse", "focus"])]
    pub(crate) diff: Vec<Stage>,
    /// Write the texts of all stages, and of passes between them that change something, into this folder, numbered in their
    /// order
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["stage", "format", "collapse", "focus", "diff"])]
    pub(crate) all: Option<PathBuf>,
    /// With --all: replace files that are there, though they are no texts of models or are read-only
    #[arg(long, requires = "all")]
    pub(crate) force: bool,
    /// Write the page to a temporary file, and open it
    #[arg(long, conflicts_with_all = ["stage", "format", "collapse", "focus", "diff", "all"])]
    pub(crate) open: bool,
    /// With --format html or --open: run the model on these inputs, and show what every call gives
    #[arg(long, value_name = "FILE", conflicts_with_all = ["stage", "collapse", "focus", "diff", "all"])]
    pub(crate) input: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) compiling: Compiling,
}

/// Forms of dumps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DumpFormat {
    /// The text form of the IR, which parses back
    Text,
    /// For programs; docs/dump.schema.json describes it
    Json,
    /// A picture for Graphviz
    Dot,
    /// A picture, placed and drawn
    Svg,
    /// A page with all stages to look around in; it needs no network
    Html,
}
