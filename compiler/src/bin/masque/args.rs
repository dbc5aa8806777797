//! The command line.

mod bench;
mod build;
mod compiling;
mod dump;
mod generate;
mod meant;

use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use masque::diagnostics::{Code, UnsupportedMask};
use masque::frontend::OpaqueLayer;
use masque_ir::Semantics;
use masque_ir::facts::MaskSource;
use masque_runtime::io::Reading;
use masque_runtime::serve::{FLAGS, Flag, Job};

pub(crate) use bench::Bench;
pub(crate) use build::{Build, Verify};
pub(crate) use compiling::Compiling;
pub(crate) use dump::{Dump, DumpFormat};
pub(crate) use generate::Generate;

/// Compiles sequence models on padded batches: a Keras model in, one executable out.
#[derive(Debug, Parser)]
#[command(name = "masque", version = masque::VERSION, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Options of all commands.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// What to do with a mask that reaches a layer without support for masks
    #[arg(long, global = true, value_enum, default_value = "error", value_name = "POLICY")]
    pub(crate) on_unsupported_mask: Policy,
    /// The rules of masks: keras-3.15 or keras-2; those of the Keras that wrote the file if absent
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) semantics: Option<Semantics>,
    /// Which masks: those of a running Keras model, its defects included, or those that its layers' rules intend
    /// (`run` also takes a .npz file here, for the masks to be written to)
    #[arg(long, global = true, value_name = "keras|intended", value_parser = MasksOption::parse)]
    pub(crate) masks: Vec<MasksOption>,
    /// The weights of a .json config: .h5, or the .json index of shards; those beside it if absent
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) weights: Option<PathBuf>,
    /// What is known of a layer of an unknown class, by its name or class: its rule for masks, keep, ends or lost, or the
    /// type of what it gives, such as f32[B, T, 8]
    #[arg(long, global = true, value_name = "NAME=RULE|TYPE")]
    pub(crate) opaque: Vec<OpaqueLayer>,
    /// A file that describes custom layers, as ir-specs/spec/described.md tells
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) layers: Vec<PathBuf>,
    /// How many threads may work at a time (all cores if absent); the numbers do not depend on it
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: Option<u16>,
    /// Colours in what is said to people
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub(crate) color: Color,
    /// Say nothing but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say how the work went
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

/// What can stand behind `--masks`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MasksOption {
    /// Which masks a model is taken to have.
    Source(MaskSource),
    /// Where `run` writes masks to.
    File(PathBuf),
}

impl MasksOption {
    fn parse(text: &str) -> Result<MasksOption, String> {
        match text.parse() {
            Ok(source) => Ok(MasksOption::Source(source)),
            Err(_) if text.ends_with(".npz") => Ok(MasksOption::File(text.into())),
            Err(error) => Err(format!("{error}, or for `run` a .npz file")),
        }
    }
}

impl Common {
    /// How many threads may work.
    pub(crate) fn threads(&self) -> Option<usize> {
        self.threads.map(usize::from)
    }

    /// Which masks a model is taken to have.
    pub(crate) fn mask_source(&self) -> MaskSource {
        let source = |option: &MasksOption| match option {
            MasksOption::Source(source) => Some(*source),
            MasksOption::File(_) => None,
        };
        self.masks.iter().find_map(source).unwrap_or_default()
    }

    /// Where masks are to be written to.
    pub(crate) fn mask_file(&self) -> Option<&Path> {
        self.masks.iter().find_map(|option| match option {
            MasksOption::File(path) => Some(path.as_path()),
            MasksOption::Source(_) => None,
        })
    }

    /// An option that is given and says how to compile a model.
    pub(crate) fn for_compiling(&self) -> Option<&'static str> {
        let is_source = |option: &MasksOption| matches!(option, MasksOption::Source(_));
        let given = [
            ("on-unsupported-mask", self.on_unsupported_mask != Policy::Error),
            ("semantics", self.semantics.is_some()),
            ("masks", self.masks.iter().any(is_source)),
            ("weights", self.weights.is_some()),
            ("layers", !self.layers.is_empty()),
        ];
        given.iter().find(|(_, given)| *given).map(|(name, _)| *name)
    }
}

impl Arguments {
    /// The command line as a whole, as help shows it.
    pub(crate) fn described() -> clap::Command {
        meant::hide_others(Arguments::command())
    }

    /// The arguments of this process.
    ///
    /// # Errors
    ///
    /// Those of clap, and options that would be passed over in silence.
    pub(crate) fn read() -> Result<Arguments, clap::Error> {
        let mut command = Arguments::described();
        let matches = command.try_get_matches_from_mut(std::env::args_os())?;
        let arguments = Arguments::from_arg_matches(&matches)?;
        let problem = meant::ignored(&matches).or_else(|| arguments.common.contradiction(&arguments.command));
        match problem {
            Some(problem) => Err(command.error(ErrorKind::ArgumentConflict, problem)),
            None => Ok(arguments),
        }
    }
}

impl Common {
    /// What is wrong with `--masks`, which has two meanings, each to be said once.
    fn contradiction(&self, command: &Command) -> Option<String> {
        let files = self.masks.iter().filter(|option| matches!(option, MasksOption::File(_))).count();
        match (self.mask_file(), command) {
            _ if files > 1 || self.masks.len() - files > 1 => Some("--masks is given twice".to_owned()),
            (Some(file), command) if !matches!(command, Command::Run(_)) => {
                let file = file.display();
                Some(format!("--masks {file}: only `run` writes masks; expected keras or intended"))
            }
            (_, Command::Diff(Diff { after: None, .. })) if !self.masks.is_empty() => Some(
                "--masks means nothing to `diff` with one model: it compares both kinds of masks".to_owned(),
            ),
            _ => None,
        }
    }
}

/// What to do with a mask that reaches a layer without support for masks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Policy {
    /// It is an error
    Error,
    /// Report it, drop the mask, go on: Keras 3
    Warn,
    /// Drop the mask: Keras 2
    Drop,
}

impl From<Policy> for UnsupportedMask {
    fn from(policy: Policy) -> UnsupportedMask {
        match policy {
            Policy::Error => UnsupportedMask::Error,
            Policy::Warn => UnsupportedMask::Warn,
            Policy::Drop => UnsupportedMask::Drop,
        }
    }
}

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Measure how long a model takes for a batch
    Bench(Bench),
    /// Compile a model into one self-contained executable
    Build(Build),
    /// Find masks that layers do not support, and outputs that depend on padding
    Check(Check),
    /// Show what changed between two models; exit status 1 if anything did
    Diff(Diff),
    /// Show a model as a stage of the compiler sees it
    Dump(Dump),
    /// Compute a masked loss and metrics, as Keras does
    Evaluate(Evaluate),
    /// Print a script that completes this command in a shell, or a page of its manual
    #[command(hide = true)]
    Generate(Generate),
    /// Show what a model computes, as mathematics; or explain a code of `check` or a word of a table
    Explain(Explain),
    /// List the layers known, and what each does with masks
    Layers(Layers),
    /// Show which mask every call gets and gives
    Masks(Masks),
    /// Compile a model and run it at once
    Run(Run),
    /// Show a model line by line: shapes, parameters, multiply-adds, masks
    Summary(Summary),
    /// Show what an executable is made of, by hashes, and whether it was changed; exit status 1 if something is wrong
    Verify(Verify),
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The model: a .keras, .h5, .json or .mq file
    pub(crate) model: PathBuf,
    /// Inputs that are always padded at the same positions, such as tokens,positions
    #[arg(long, value_name = "A,B")]
    pub(crate) padded_together: Vec<String>,
    /// Treat findings with this code as errors
    #[arg(long, value_name = "CODE")]
    pub(crate) deny: Vec<Code>,
    /// In which form
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: TextOrJson,
}

#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The model as it was: a .keras, .json or .mq file
    pub(crate) before: PathBuf,
    /// The model as it is; if absent, the same file with the intended masks in place of those of a running Keras model
    pub(crate) after: Option<PathBuf>,
    /// In which form
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: DiffFormat,
}

/// Forms of differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffFormat {
    /// Line by line
    Text,
    /// For programs
    Json,
    /// Both models in one picture for Graphviz
    Dot,
    /// Both models in one picture, placed and drawn
    Svg,
    /// The picture as a page to look around in; it needs no network
    Html,
}

#[derive(Debug, Args)]
pub(crate) struct Evaluate {
    /// The model: a .keras or .h5 file, or a .json config with weights
    pub(crate) model: PathBuf,
    /// The inputs: .npz, .npy, .jsonl, .json or .csv
    #[arg(long, value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// The targets: .npz with an array output_N for each output
    #[arg(long, value_name = "FILE")]
    pub(crate) target: PathBuf,
    /// The loss: Keras' name or config as JSON, or a JSON list or object with one for each output; what the model was
    /// compiled with if absent
    #[arg(long, value_name = "LOSS")]
    pub(crate) loss: Option<String>,
    /// How much the outputs' losses count, as JSON: a number, a list, or an object by output
    #[arg(long, value_name = "JSON", requires = "loss")]
    pub(crate) loss_weights: Option<String>,
    /// A metric: Keras' name or config as JSON, for every output; those that the model was compiled with if absent
    #[arg(long, value_name = "METRIC")]
    pub(crate) metric: Vec<String>,
    /// The same, with the weights of the samples
    #[arg(long, value_name = "METRIC")]
    pub(crate) weighted_metric: Vec<String>,
    /// How much the samples of each class count, as JSON: an object of weights by class; others count 1
    #[arg(long, value_name = "JSON", conflicts_with = "sample_weights")]
    pub(crate) class_weights: Option<String>,
    /// How much the samples or steps count: .npz with an array output_N for each output that has weights
    #[arg(long, value_name = "FILE")]
    pub(crate) sample_weights: Option<PathBuf>,
    /// Is the first record of a .csv file a header? Guessed, and told, if absent
    #[arg(long, value_enum, value_name = "yes|no")]
    pub(crate) header: Option<YesOrNo>,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// A model, whose mathematics is shown, or a code of `check`, such as mask-unsupported, or a word, such as consumed
    pub(crate) what: PathBuf,
    /// One call of the model, such as gru or dense:1; all of them if absent
    pub(crate) call: Option<String>,
    /// Derive what this output reads of the padding, step by step
    #[arg(long, value_name = "OUTPUT", conflicts_with_all = ["call", "format"])]
    pub(crate) padding: Option<String>,
    /// In which form
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: MathFormat,
}

#[derive(Debug, Args)]
pub(crate) struct Layers {
    /// One of them, such as GRU; all if absent
    pub(crate) name: Option<String>,
    /// In which form
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: TableFormat,
}

#[derive(Debug, Args)]
pub(crate) struct Masks {
    /// The model: a .keras, .h5, .json or .mq file
    pub(crate) model: PathBuf,
    /// In which form
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: TableFormat,
    /// Every distinct mask once, with what is known of it before anything runs
    #[arg(long)]
    pub(crate) distinct: bool,
    /// Count the names that Keras made up from the beginning of the model: dense for dense_7, if it is the first
    #[arg(long)]
    pub(crate) by_structure: bool,
    /// Compare the text with this file; exit status 1 if it is another
    #[arg(long, value_name = "FILE", conflicts_with_all = ["format", "distinct"])]
    pub(crate) check: Option<PathBuf>,
    /// With --check: write the file
    #[arg(long, requires = "check")]
    pub(crate) bless: bool,
    /// With --bless: replace a file that is there, though it is no mask table or is read-only
    #[arg(long, requires = "bless")]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Summary {
    /// The model: a .keras, .h5, .json or .mq file
    pub(crate) model: PathBuf,
    /// Sizes that only a run knows, to have numbers in place of formulas: B=32,T=128,N=1024, N the valid positions
    #[arg(long, value_name = "SIZES", value_delimiter = ',')]
    pub(crate) shape: Vec<String>,
    /// In which form
    #[arg(long, value_enum, default_value = "table")]
    pub(crate) format: TableFormat,
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The model: a .keras or .h5 file, a .json config with weights, or what `masque build` made
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) job: RunOptions,
    #[command(flatten)]
    pub(crate) compiling: Compiling,
}

/// The options of every run, which an executable has, too.
#[derive(Debug)]
pub(crate) struct RunOptions(pub(crate) Job);

/// Those that are not said elsewhere.
fn run_flags() -> impl Iterator<Item = &'static Flag> {
    FLAGS.iter().filter(|flag| flag.name != "threads")
}

impl Args for RunOptions {
    fn augment_args(command: clap::Command) -> clap::Command {
        let path = clap::value_parser!(std::ffi::OsString);
        let input = Arg::new("INPUT").value_parser(path.clone()).conflicts_with("input");
        let command = command.arg(input.help("The inputs, as those of --input"));
        run_flags().fold(command, |command, flag| {
            let arg = Arg::new(flag.name).long(flag.name).help(flag.help);
            let arg = flag.short.into_iter().fold(arg, Arg::short);
            command.arg(match flag.value {
                Some(value) => {
                    let action = if flag.repeats { ArgAction::Append } else { ArgAction::Set };
                    arg.value_name(value).value_parser(path.clone()).action(action)
                }
                None => arg.action(ArgAction::SetTrue),
            })
        })
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        RunOptions::augment_args(command)
    }
}

impl FromArgMatches for RunOptions {
    fn from_arg_matches(matches: &ArgMatches) -> Result<RunOptions, clap::Error> {
        let mut options = RunOptions(Job::default());
        options.update_from_arg_matches(matches)?;
        Ok(options)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let values = |id: &str| {
            let values = matches.get_many::<std::ffi::OsString>(id).into_iter().flatten();
            values.cloned().collect::<Vec<_>>()
        };
        for flag in run_flags() {
            let given = match flag.value {
                Some(_) if flag.name == "input" => [values("input"), values("INPUT")].concat(),
                Some(_) => values(flag.name),
                None => vec![std::ffi::OsString::new(); usize::from(matches.get_flag(flag.name))],
            };
            for given in given {
                let set = self.0.set(flag, Some(given));
                set.map_err(|problem| Arguments::command().error(ErrorKind::ValueValidation, problem))?;
            }
        }
        Ok(())
    }
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum YesOrNo {
    /// It is
    Yes,
    /// It is not
    No,
}

/// What is said of a file of inputs.
pub(crate) fn reading(header: Option<YesOrNo>) -> Reading {
    Reading { header: header.map(|answer| answer == YesOrNo::Yes), ..Reading::default() }
}

/// Forms for people and for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TextOrJson {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Forms of mathematics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum MathFormat {
    /// Plain text
    Text,
    /// Aligned equations in LaTeX
    Latex,
    /// A page in Markdown, with LaTeX in it
    Markdown,
}

/// Forms of tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TableFormat {
    /// With lines, for people
    Table,
    /// Aligned columns, made to be committed
    Text,
    /// For programs
    Json,
}
