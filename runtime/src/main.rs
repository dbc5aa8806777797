//! The program that becomes an executable when a model is appended to it.

use std::process::ExitCode;

fn main() -> ExitCode {
    masque_runtime::cli::main(std::env::args_os())
}
