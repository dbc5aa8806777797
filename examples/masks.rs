//! Which mask does every call of a model get and give, and is one lost? `cargo run --example masks -- MODEL`

#![expect(clippy::print_stdout, reason = "a program for people")]

use std::process::ExitCode;

fn main() -> ExitCode {
    masque_examples::finish(show())
}

fn show() -> Result<(), masque::Error> {
    let path =
        std::env::args_os().nth(1).map_or_else(|| masque_examples::sentiment("sentiment.keras"), Into::into);
    let inferred = masque::Model::open(path)?.infer()?;
    print!("{}", masque::table::text(inferred.graph()));
    for finding in inferred.findings(masque::diagnostics::UnsupportedMask::Error) {
        println!("{}: {}", finding.code.name(), finding.message);
    }
    Ok(())
}
