//! The `masque` command. Data goes to standard output, everything said to people to standard error. Exit status 0:
//! fine; 1: the model was found wanting; 2: bad input or usage.

mod args;
mod commands;
mod report;
mod words;

use std::process::ExitCode;

use args::{Arguments, Command};
use report::{Failure, Terminal};

/// Compiling allocates and frees small things all the time, which the system's allocator makes slower the more of them
/// there are.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are no errors; a closed pipe is nobody's.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    let terminal = Terminal::new(arguments.common.color, arguments.common.quiet, arguments.common.verbose);
    match run(&arguments, &terminal) {
        Ok(code) => code,
        Err(failure) => terminal.fail(&failure),
    }
}

fn run(arguments: &Arguments, terminal: &Terminal) -> Result<ExitCode, Failure> {
    let common = &arguments.common;
    match &arguments.command {
        Command::Bench(bench) => commands::bench::run(bench, common, terminal),
        Command::Build(build) => commands::build::run(build, common, terminal),
        Command::Check(check) => commands::check::run(check, common, terminal),
        Command::Diff(diff) => commands::diff::run(diff, common, terminal),
        Command::Dump(dump) => commands::dump::run(dump, common, terminal),
        Command::Evaluate(evaluate) => commands::evaluate::run(evaluate, common, terminal),
        Command::Explain(explain) => commands::explain::run(explain, common, terminal),
        Command::Generate(generate) => commands::generate::run(generate),
        Command::Layers(layers) => commands::layers::run(layers, terminal),
        Command::Masks(masks) => commands::masks::run(masks, common, terminal),
        Command::Run(run) => commands::run::run(run, common, terminal),
        Command::Summary(summary) => commands::summary::run(summary, common, terminal),
        Command::Verify(verify) => commands::verify::run(verify, terminal),
    }
}
